//! Settings whose keys are names of methods or categories.

use std::collections::BTreeMap;
use std::time::Duration;

use lasso_layers::catalog::{Category, Timeouts};

use super::super::field::Field;
use super::super::problem::Report;
use super::super::suggest;
use super::keys::MOST_COUNTED;
use super::setting::{Scalar, Setting, comment, line};

/// A day: longer than any client waits.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 1..=86_400_000;
const THRESHOLD: std::ops::RangeInclusive<u32> = 1..=MOST_COUNTED;

/// The total time of a call, by method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodTimeouts {
    /// Methods that are not in the map.
    pub default: Duration,
    /// By exact method name.
    pub methods: BTreeMap<String, Duration>,
}

impl MethodTimeouts {
    /// The table that calls are timed by.
    #[must_use]
    pub fn table(&self) -> Timeouts {
        let mut table = Timeouts::new(self.default);
        for (method, timeout) in &self.methods {
            table.set(method, *timeout);
        }
        table
    }
}

impl Default for MethodTimeouts {
    fn default() -> Self {
        let built_in = Timeouts::built_in();
        Self {
            default: Duration::from_millis(10_000),
            methods: built_in
                .map(|(method, millis)| (method.to_owned(), Duration::from_millis(millis)))
                .collect(),
        }
    }
}

impl Setting for MethodTimeouts {
    type Limit = ();

    fn read(&mut self, field: &Field<'_>, (): &(), report: &mut Report<'_>) {
        if field.fields(report).is_none() {
            return;
        }
        for entry in field.node.as_map().unwrap_or_default() {
            let field = field.entry(entry);
            let method = entry.key.as_str();
            if method == "default" {
                self.default.read(&field, &TIMEOUT_MS, report);
            } else if is_method(method) {
                let timeout = self.methods.entry(method.to_owned()).or_insert(self.default);
                timeout.read(&field, &TIMEOUT_MS, report);
            } else {
                let known = self.methods.keys().map(String::as_str).chain(["default"]);
                let question = suggest::question(suggest::nearest(method, known));
                field.error(
                    report,
                    "unknown_key",
                    format!("found `{method}`; allowed are `default` and exact method names{question}"),
                );
            }
        }
    }

    fn write(&self, key: &str, docs: &[&str], (): &(), depth: usize, out: &mut String) {
        comment(docs, depth, out);
        comment(&[&format!(" Each is {}.", Duration::allowed(&TIMEOUT_MS))], depth, out);
        line(&format!("{key}:"), depth, out);
        line(&format!("default: {}", self.default.yaml()), depth + 1, out);
        for (method, timeout) in &self.methods {
            line(&format!("{method}: {}", timeout.yaml()), depth + 1, out);
        }
    }
}

/// Whether a name is built like one: a namespace in lower case, `_`, a name that is not in the same case
/// all through by accident of the shell (`ETH_CALL`).
fn is_method(name: &str) -> bool {
    let Some((namespace, method)) = name.split_once('_') else { return false };
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !namespace.is_empty()
        && namespace.bytes().all(lower)
        && !method.is_empty()
        && method.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// How many failures in a row open a breaker, by category of the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CategoryThresholds(Vec<(Category, u32)>);

impl CategoryThresholds {
    /// The threshold of a category that has its own.
    #[must_use]
    pub fn of(&self, category: Category) -> Option<u32> {
        self.0.iter().find(|(known, _)| *known == category).map(|(_, threshold)| *threshold)
    }

    /// Leaves every category to the common threshold.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Every category with a threshold of its own.
    pub fn iter(&self) -> impl Iterator<Item = (Category, u32)> {
        self.0.iter().copied()
    }
}

impl Default for CategoryThresholds {
    fn default() -> Self {
        Self(vec![
            (Category::ServerError, 5),
            (Category::NetworkError, 3),
            (Category::Timeout, 2),
            (Category::AuthError, 2),
        ])
    }
}

impl Setting for CategoryThresholds {
    type Limit = ();

    fn read(&mut self, field: &Field<'_>, (): &(), report: &mut Report<'_>) {
        if field.fields(report).is_none() {
            return;
        }
        for entry in field.node.as_map().unwrap_or_default() {
            let field = field.entry(entry);
            let category = Category::from_name(&entry.key).filter(|category| category.penalises());
            let Some(category) = category else {
                let known =
                    Category::ALL.into_iter().filter(|category| category.penalises()).map(Category::as_str);
                let known: Vec<&str> = known.collect();
                let question = suggest::question(suggest::nearest(&entry.key, known.iter().copied()));
                field.error(
                    report,
                    "unknown_key",
                    format!("no breaker counts `{}`; allowed are {}{question}", entry.key, known.join(", ")),
                );
                continue;
            };
            if let Some(threshold) = u32::parse(&field, &THRESHOLD, report) {
                self.0.retain(|(known, _)| *known != category);
                self.0.push((category, threshold));
            }
        }
    }

    fn write(&self, key: &str, docs: &[&str], (): &(), depth: usize, out: &mut String) {
        comment(docs, depth, out);
        comment(&[&format!(" Each is {}.", u32::allowed(&THRESHOLD))], depth, out);
        line(&format!("{key}:"), depth, out);
        for (category, threshold) in &self.0 {
            line(&format!("{category}: {threshold}"), depth + 1, out);
        }
    }
}
