//! What `lasso check` says about a configuration.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use lasso_layers::catalog::Live;

use super::environment::Environment;
use super::load::{self, Loaded};
use super::problem::Located;
use super::settings::{Settings, SettingsFile};

/// Reads the settings and all profiles as a start would and writes every problem, one a line, and then what
/// was found. Returns the exit code: 0 where a start would succeed, warnings or not, and 1 where it would be
/// refused.
///
/// # Errors
///
/// Only if `out` cannot be written.
pub fn check(
    profiles: &Path,
    settings: SettingsFile<'_>,
    environment: &Environment,
    out: &mut impl Write,
) -> io::Result<u8> {
    let mut problems = Settings::load(settings, environment).err().unwrap_or_default();
    let loaded = match load::load(profiles, environment) {
        Ok(Loaded { profiles, warnings }) => {
            problems.extend(warnings);
            Some(profiles)
        }
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    for problem in &problems {
        writeln!(out, "{problem}")?;
    }
    let (errors, warnings) = counts(&problems);
    // Building the catalogue is a part of starting, so it is a part of the check.
    let live = loaded.map(Live::new).and_then(Result::ok);
    let Some(live) = live.filter(|_| errors == 0) else {
        writeln!(out, "{}", refusal(&problems))?;
        return Ok(1);
    };
    let catalog = live.load();
    let chains = || catalog.profiles().iter().flat_map(|profile| profile.chains());
    let upstreams: HashSet<_> = catalog.channels().map(|channel| channel.instance).collect();
    writeln!(
        out,
        "{}, {}, {}, {}: fine, {}",
        counted(catalog.profiles().len(), "profile"),
        counted(chains().count(), "chain"),
        counted(chains().map(|chain| chain.providers.len()).sum(), "provider"),
        counted(upstreams.len(), "upstream"),
        counted(warnings, "warning"),
    )?;
    Ok(0)
}

/// The last line of a refusal: how much there is to mend.
#[must_use]
pub fn refusal(problems: &[Located]) -> String {
    let (errors, warnings) = counts(problems);
    format!("refused: {}, {}", counted(errors, "error"), counted(warnings, "warning"))
}

/// How many errors and how many warnings there are.
fn counts(problems: &[Located]) -> (usize, usize) {
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    (errors, problems.len() - errors)
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(profiles: &Path, settings: &Path, variables: &[(&str, &str)]) -> (u8, String) {
        let environment: Environment = variables.iter().copied().collect();
        let mut out = Vec::new();
        let settings = SettingsFile { path: settings, named_by: None };
        let code = check(profiles, settings, &environment, &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_shipped_configuration_is_fine() {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let (code, text) = run(&config.join("profiles"), &config.join("lasso.yml"), &[]);
        assert_eq!(code, 0, "{text}");
        // Of the 13 test network providers 11 have an address that the default profile names too.
        let summary = "2 profiles, 9 chains, 50 providers, 39 upstreams: fine, 1 warning\n";
        assert!(text.ends_with(summary), "{text}");
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn problems_of_settings_variables_and_profiles_come_together() {
        let directory = tempfile::tempdir().unwrap();
        let settings = directory.path().join("lasso.yml");
        std::fs::write(&settings, "batch: { max_item: 5 }\n").unwrap();
        let profiles = directory.path().join("profiles");
        std::fs::create_dir(&profiles).unwrap();
        std::fs::write(profiles.join("default.yml"), "slug: default\n").unwrap();
        let (code, text) = run(&profiles, &settings, &[("LASSO__PROBE__TICK_MS", "soon")]);
        assert_eq!(code, 1);
        let expected = format!(
            "{at}/lasso.yml:1: batch.max_item: there is no such setting; did you mean `max_items`? [unknown_key]\n\
             LASSO__PROBE__TICK_MS: probe.tick_ms: found `soon`; allowed is a whole number of milliseconds \
             from 1 to 3600000 [invalid_value]\n\
             {at}/profiles/default.yml: chains: found nothing; allowed is a mapping from chain keys to chains \
             [invalid_chains_format]\n\
             refused: 3 errors, 0 warnings\n",
            at = directory.path().display()
        );
        assert_eq!(text, expected);
    }
}
