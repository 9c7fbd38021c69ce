//! Settings from environment variables.

use lasso_layers::catalog::Timeouts;

use super::super::document::{self, Entry, Node, Value};
use super::super::environment::Environment;
use super::super::field::Field;
use super::super::problem::{Located, Report};
use super::Settings;
use super::setting::Setting;

const PREFIX: &str = "LASSO__";

/// Variables with a name of their own, and the keys they set.
const NAMED: [(&str, &[&str]); 11] = [
    ("FASTEST_MIN_CALLS", &["routing", "fastest", "min_calls"]),
    ("FASTEST_MIN_SUCCESS_RATE", &["routing", "fastest", "min_success_rate"]),
    ("LW_BETA", &["routing", "latency_weighted", "beta"]),
    ("LW_MS_FLOOR", &["routing", "latency_weighted", "floor_ms"]),
    ("LW_EXPLORE_FLOOR", &["routing", "latency_weighted", "explore_floor"]),
    ("LW_MIN_CALLS", &["routing", "latency_weighted", "min_calls"]),
    ("LW_MIN_SR", &["routing", "latency_weighted", "min_success_rate"]),
    ("LASSO_HTTP_POOL_SIZE", &["upstream_http", "max_idle_per_host"]),
    ("LASSO_SNAPSHOTS_DIR", &["history", "dir"]),
    ("LASSO_NODE_ID", &["cluster", "node_id"]),
    ("LOG_FORMAT", &["log", "format"]),
];

/// Puts every variable over the settings and returns what is wrong with them.
pub(super) fn apply(settings: &mut Settings, environment: &Environment) -> Vec<Located> {
    let mut problems = Vec::new();
    for (variable, path) in NAMED {
        if let Some(value) = environment.var(variable) {
            set(settings, variable, path, value, environment, &mut problems);
        }
    }
    if let Some(value) = environment.var("PORT") {
        match value.trim().parse() {
            Ok(port) => settings.server.listen.set_port(port),
            Err(_) => problems.push(Located::error(
                "PORT",
                0,
                "server.listen",
                "invalid_value",
                format!("found `{}`; allowed is a whole number from 0 to 65535", value.escape_debug()),
            )),
        }
    }
    for (variable, value) in environment.iter() {
        if let Some(name) = variable.strip_prefix(PREFIX) {
            let path = path(name);
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            set(settings, variable, &path, value, environment, &mut problems);
        }
    }
    if let Some(value) = environment.var("LASSO_LISTEN") {
        set(settings, "LASSO_LISTEN", &["server", "listen"], value, environment, &mut problems);
    }
    problems
}

/// The key path of a variable. Keys are in lower case, except method names, which are found in any case if
/// they have a timeout of their own, and else taken as they are written.
fn path(name: &str) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    for part in name.split("__") {
        let method = path.first().is_some_and(|section| section == "timeouts")
            && !part.eq_ignore_ascii_case("default");
        let known =
            Timeouts::built_in().map(|(known, _)| known).find(|known| known.eq_ignore_ascii_case(part));
        path.push(match known.filter(|_| method) {
            Some(known) => known.to_owned(),
            None if method => part.to_owned(),
            None => part.to_ascii_lowercase(),
        });
    }
    path
}

/// Reads a value as if it stood in the file, so that it is checked and refused by the same rules.
fn set(
    settings: &mut Settings,
    variable: &str,
    path: &[&str],
    value: &str,
    environment: &Environment,
    problems: &mut Vec<Located>,
) {
    let mut report = Report::new(variable, environment);
    if let Some(node) = node(value, &mut report) {
        let root = path.iter().rev().fold(node, |node, key| Node {
            line: 0,
            value: Value::Map(vec![Entry { key: (*key).to_owned(), line: 0, node }]),
        });
        settings.read(&Field::root(&root), &(), &mut report);
    }
    // A variable has no lines.
    problems.extend(report.problems.into_iter().map(|problem| Located { line: None, ..problem }));
}

/// A list or mapping in flow style, or else one scalar, which needs no quotes.
fn node(value: &str, report: &mut Report<'_>) -> Option<Node> {
    let value = value.trim();
    let flow = [('[', ']'), ('{', '}')]
        .iter()
        .any(|(open, close)| value.starts_with(*open) && value.ends_with(*close));
    if flow {
        return document::parse(value, 1, report);
    }
    Some(Node { line: 0, value: Value::Plain(value.to_owned()) })
}
