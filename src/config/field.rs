//! Typed reading of document nodes that goes on after a problem.

use super::document::{Entry, Node, join};
use super::problem::Report;
use super::suggest;

/// A node and the key path to it.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    pub(super) path: String,
    /// The line of the key.
    pub(super) line: usize,
    pub(super) node: &'a Node,
}

impl<'a> Field<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self { path: String::new(), line: node.line, node }
    }

    /// One line of a mapping.
    pub(super) fn entry(&self, entry: &'a Entry) -> Self {
        Self { path: join(&self.path, &entry.key), line: entry.line, node: &entry.node }
    }

    /// The items of a list, or the value itself where one stands alone; none for null.
    pub(super) fn items(&self) -> Vec<Self> {
        match self.node.as_list() {
            Some(items) => items.iter().enumerate().map(|(index, node)| self.item(index, node)).collect(),
            None if self.node.is_null() => Vec::new(),
            None => vec![self.clone()],
        }
    }

    /// The items of a list; anything else is an error.
    pub(super) fn list(&self, report: &mut Report<'_>) -> Vec<Self> {
        match self.node.as_list() {
            Some(items) => items.iter().enumerate().map(|(index, node)| self.item(index, node)).collect(),
            None => {
                if !self.node.is_null() {
                    self.refuse(report, "a list");
                }
                Vec::new()
            }
        }
    }

    fn item(&self, index: usize, node: &'a Node) -> Self {
        Self { path: format!("{}[{index}]", self.path), line: node.line, node }
    }

    /// The keys of a mapping; anything else but null is an error.
    pub(super) fn fields(&self, report: &mut Report<'_>) -> Option<Fields<'a>> {
        let entries = match self.node.as_map() {
            Some(entries) => entries,
            None if self.node.is_null() => return None,
            None => {
                // Not shown: a secret may stand one level too high.
                let message = format!("found {}; allowed is a mapping", self.node.kind());
                self.error(report, "invalid_value", message);
                return None;
            }
        };
        Some(Fields { field: self.clone(), entries, known: Vec::new() })
    }

    pub(super) fn error(&self, report: &mut Report<'_>, code: &'static str, message: impl Into<String>) {
        report.error(self.line, &self.path, code, message);
    }

    pub(super) fn warn(&self, report: &mut Report<'_>, code: &'static str, message: impl Into<String>) {
        report.warning(self.line, &self.path, code, message);
    }

    /// Reports a value of the wrong type.
    pub(super) fn refuse(&self, report: &mut Report<'_>, allowed: &str) {
        self.error(report, "invalid_value", format!("found {}; allowed is {allowed}", self.shown()));
    }

    /// The value as far as it may be shown: long ones and addresses may hold keys.
    pub(super) fn shown(&self) -> String {
        match self.node.as_text() {
            Some(text) if text.len() <= 40 && !text.contains("://") => format!("`{}`", text.escape_debug()),
            _ => self.node.kind().to_owned(),
        }
    }

    /// A whole number in a range.
    pub(super) fn int(&self, report: &mut Report<'_>, least: u64, most: u64) -> Option<u64> {
        let value = self.node.as_int().and_then(|value| u64::try_from(value).ok());
        let value = value.filter(|value| (least..=most).contains(value));
        if value.is_none() {
            self.refuse(report, &whole_number(least, most));
        }
        value
    }

    /// A boolean.
    pub(super) fn bool(&self, report: &mut Report<'_>) -> Option<bool> {
        let value = self.node.as_bool();
        if value.is_none() {
            self.refuse(report, "true or false");
        }
        value
    }

    /// A string, or another scalar as it is written.
    pub(super) fn text(&self, report: &mut Report<'_>) -> Option<&'a str> {
        let value = self.node.as_text();
        if value.is_none() {
            self.error(report, "invalid_value", format!("found {}; allowed is a string", self.node.kind()));
        }
        value
    }

    /// A string with its `${NAME}` tokens replaced. `needed_by` is added to the message about a missing one.
    pub(super) fn substituted(&self, report: &mut Report<'_>, needed_by: &str) -> Option<String> {
        let text = self.text(report)?;
        match report.environment.substitute(text) {
            Ok(value) => Some(value),
            Err(missing) => {
                for name in missing {
                    self.error(report, "unresolved_variable", format!("${{{name}}} is not set{needed_by}"));
                }
                None
            }
        }
    }
}

/// The words for a range of whole numbers.
pub(super) fn whole_number(least: u64, most: u64) -> String {
    if most == u64::MAX {
        format!("a whole number of at least {least}")
    } else {
        format!("a whole number from {least} to {most}")
    }
}

/// A mapping whose keys are asked for by name; what nobody asked for is unknown.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) field: Field<'a>,
    entries: &'a [Entry],
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The value of a key, or of the first of its older spellings that is there. Null is no value.
    pub(super) fn take(&mut self, names: &[&'static str]) -> Option<Field<'a>> {
        self.take_nullable(names).filter(|field| !field.node.is_null())
    }

    /// Like [`take`](Self::take), for keys where null says something.
    pub(super) fn take_nullable(&mut self, names: &[&'static str]) -> Option<Field<'a>> {
        self.known.extend_from_slice(names);
        let entry = names.iter().find_map(|name| self.entries.iter().find(|entry| entry.key == *name))?;
        Some(self.field.entry(entry))
    }

    /// Every key that was not asked for, with the most similar one that was.
    pub(super) fn unknown(&self) -> impl Iterator<Item = (&'a str, Field<'a>, Option<&'static str>)> {
        let unknown = self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str()));
        unknown.map(|entry| {
            let nearest = suggest::nearest(&entry.key, self.known.iter().copied());
            (entry.key.as_str(), self.field.entry(entry), nearest)
        })
    }

    /// Warns about unknown keys, except those that are known to mean nothing.
    pub(super) fn warn_unknown(&self, report: &mut Report<'_>, ignored: &[&str]) {
        for (key, field, nearest) in self.unknown() {
            if !ignored.contains(&key) {
                let question = suggest::question(nearest);
                field.warn(report, "unknown_key", format!("the key is unknown and ignored{question}"));
            }
        }
    }
}
