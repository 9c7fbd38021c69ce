//! The program at the command line, in a folder of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

const PROFILE: &str = "
slug: default
chains: { base: { chain_id: 8453, providers: [{ id: a, url: 'http://127.0.0.1:1' }] } }
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let profiles = folder.path().join("config/profiles");
    fs::create_dir_all(&profiles).unwrap();
    fs::write(profiles.join("default.yml"), PROFILE).unwrap();
    folder
}

/// Exit code and everything it printed.
fn lasso(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lasso"));
    command.current_dir(folder).args(arguments).env_clear().envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn a_settings_file_has_to_exist_if_it_was_named() {
    let folder = folder();
    for command in ["check", "serve"] {
        let (code, text) = lasso(folder.path(), &[command, "--config", "laso.yml"], &[]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("laso.yml: there is no such file, and `--config` names it"), "{text}");

        let (code, text) = lasso(folder.path(), &[command], &[("LASSO_CONFIG", "conf/lasso.yml")]);
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains("conf/lasso.yml: there is no such file, and LASSO_CONFIG names it"), "{text}");
    }
    // The same as `serve`.
    let (code, text) = lasso(folder.path(), &["--config", "laso.yml"], &[]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("laso.yml"), "{text}");
    // Its place by default, even when it is spelled out.
    let (code, text) = lasso(folder.path(), &["check", "--config", "config/lasso.yml"], &[]);
    assert_eq!(code, Some(1), "{text}");
}

#[test]
fn without_a_settings_file_everything_has_its_default() {
    let folder = folder();
    let (code, text) = lasso(folder.path(), &["check"], &[]);
    assert_eq!(code, Some(0), "{text}");
    fs::write(folder.path().join("other.yml"), "batch: { max_items: 5 }\n").unwrap();
    let (code, text) = lasso(folder.path(), &["check", "--config", "other.yml"], &[]);
    assert_eq!(code, Some(0), "{text}");
}
