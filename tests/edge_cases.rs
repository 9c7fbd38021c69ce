//! Every edge case of routing, health and streaming has a test that is named after it.
//!
//! Behaviour is specified down to numbered cases, and each of them is held by at least one test called
//! `routing_17_case_<number>_<what_happens>` or `streaming_11_case_<number>_<what_happens>`, at whatever level it is
//! stated best: a function of Rust, or a test of the suite over real processes. This walks the sources and names the
//! numbers that are missing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Cases, numbered from 1.
struct Chapter {
    /// What the name of their tests begins with.
    prefix: &'static str,
    /// How many there are.
    cases: u32,
    /// Those that need no test yet.
    untested: &'static [u32],
}

const ROUTING: Chapter = Chapter { prefix: "routing_17_case_", cases: 70, untested: &[] };
/// Two nodes and more are of the cluster, which is not there yet.
const STREAMING: Chapter = Chapter { prefix: "streaming_11_case_", cases: 60, untested: &[53, 54] };

/// How many tests each case has.
type Tests = BTreeMap<u32, u32>;

/// Reads every source of a test in and below a folder, except what was built or fetched.
fn walk(folder: &Path, prefix: &str, tests: &mut Tests) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be listed to its end").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules"].contains(&&*name) {
                walk(&path, prefix, tests);
            }
        } else if name.ends_with(".rs") || name.ends_with(".test.mjs") {
            let source = fs::read_to_string(&path);
            let source = source.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            if name.ends_with(".rs") {
                collect(&source, prefix, tests);
            } else {
                collect_script(&source, prefix, tests);
            }
        }
    }
}

/// Counts the functions of a source that are named after a case and that the test harness runs.
fn collect(source: &str, prefix: &str, tests: &mut Tests) {
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            continue;
        }
        if is_test && let Some(case) = case_of(line, prefix) {
            *tests.entry(case).or_default() += 1;
        }
        is_test = false;
    }
}

/// Counts the tests of a script that are named after a case.
fn collect_script(source: &str, prefix: &str, tests: &mut Tests) {
    let names = source.lines().filter_map(|line| line.trim().strip_prefix("test('"));
    for case in names.filter_map(|name| number(name, prefix)) {
        *tests.entry(case).or_default() += 1;
    }
}

/// The number in the name of the function that begins on this line.
fn case_of(line: &str, prefix: &str) -> Option<u32> {
    number(line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?, prefix)
}

/// The number in the name of a test.
fn number(name: &str, prefix: &str) -> Option<u32> {
    name.strip_prefix(prefix)?.split_once('_')?.0.parse().ok()
}

fn check(chapter: &Chapter) {
    let mut tests = Tests::new();
    walk(Path::new(env!("CARGO_MANIFEST_DIR")), chapter.prefix, &mut tests);
    let missing: Vec<_> = (1..=chapter.cases)
        .filter(|case| !tests.contains_key(case) && !chapter.untested.contains(case))
        .collect();
    assert!(missing.is_empty(), "cases without a test: {missing:?}");
    let unknown: Vec<_> = tests.keys().filter(|case| !(1..=chapter.cases).contains(*case)).collect();
    assert!(unknown.is_empty(), "tests of cases that do not exist: {unknown:?}");
}

#[test]
fn every_edge_case_of_routing_has_a_test() {
    check(&ROUTING);
}

#[test]
fn every_edge_case_of_streaming_has_a_test() {
    check(&STREAMING);
}

#[test]
fn only_what_the_harness_runs_counts() {
    // Spelled so that the walk does not find cases here.
    let source = "
        #[test]
        CASE_7_a() {}
        #[tokio::test(start_paused = true)]
        #[should_panic]
        async CASE_7_b() {}
        #[test]
        CASE_8_a_b() {}

        CASE_9_is_never_run() {}
        #[test]
        // CASE_10_is_a_comment() {}
        #[test]
        CASES_11_and_12_are_two() {}
        #[test]
        CASE_13() {}
    ";
    let mut tests = Tests::new();
    let prefix = format!("fn {}", ROUTING.prefix);
    collect(&source.replace("CASE_", &prefix), ROUTING.prefix, &mut tests);
    assert_eq!(tests, Tests::from([(7, 2), (8, 1)]));
}

#[test]
fn tests_of_scripts_count() {
    let source = "
        test('CASE_7_a', async (t) => {
        // test('CASE_8_is_a_comment', async (t) => {
        test('something of CASE_9_b', () => {});
        test('CASE_10', () => {});
    ";
    let mut tests = Tests::new();
    collect_script(&source.replace("CASE_", ROUTING.prefix), ROUTING.prefix, &mut tests);
    assert_eq!(tests, Tests::from([(7, 1)]));
}
