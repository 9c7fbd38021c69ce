//! What a settings key can hold: reading, checking and writing one value.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::field::{Field, whole_number};
use super::super::problem::Report;

/// A value of the settings file, or a section of values.
///
/// `Limit` is what narrows the type down to the values that make sense; it is part of the key's declaration.
pub(in super::super) trait Setting {
    /// What is allowed beyond the type.
    type Limit;

    /// Takes the value over, or reports why not.
    fn read(&mut self, field: &Field<'_>, limit: &Self::Limit, report: &mut Report<'_>);

    /// Writes the key with its documentation as it stands in the reference file.
    fn write(&self, key: &str, docs: &[&str], limit: &Self::Limit, depth: usize, out: &mut String);
}

/// A single value.
pub(in super::super) trait Scalar: Sized {
    /// See [`Setting::Limit`].
    type Limit;

    /// The value of a node that is not null.
    fn parse(field: &Field<'_>, limit: &Self::Limit, report: &mut Report<'_>) -> Option<Self>;

    /// The value as YAML.
    fn yaml(&self) -> String;

    /// The allowed values in words.
    fn allowed(limit: &Self::Limit) -> String;
}

impl<T: Scalar> Setting for T {
    type Limit = T::Limit;

    fn read(&mut self, field: &Field<'_>, limit: &Self::Limit, report: &mut Report<'_>) {
        if let Some(value) = T::parse(field, limit, report) {
            *self = value;
        }
    }

    fn write(&self, key: &str, docs: &[&str], limit: &Self::Limit, depth: usize, out: &mut String) {
        comment(docs, depth, out);
        comment(&[&format!(" Default {}; allowed is {}.", self.yaml(), T::allowed(limit))], depth, out);
        line(&format!("{key}: {}", self.yaml()), depth, out);
    }
}

/// Writes a line of the reference file.
pub(super) fn line(text: &str, depth: usize, out: &mut String) {
    out.push_str(&"  ".repeat(depth));
    out.push_str(text.trim_end());
    out.push('\n');
}

/// Writes the lines of a documentation comment, which start with a space.
pub(super) fn comment(docs: &[&str], depth: usize, out: &mut String) {
    for doc in docs {
        line(&format!("#{doc}"), depth, out);
    }
}

macro_rules! whole_numbers {
    ($($type:ty),+) => {$(
        impl Scalar for $type {
            type Limit = RangeInclusive<Self>;

            fn parse(field: &Field<'_>, limit: &Self::Limit, report: &mut Report<'_>) -> Option<Self> {
                let value = field.int(report, (*limit.start()).into(), (*limit.end()).into());
                value.and_then(|value| Self::try_from(value).ok())
            }

            fn yaml(&self) -> String {
                self.to_string()
            }

            fn allowed(limit: &Self::Limit) -> String {
                whole_number((*limit.start()).into(), (*limit.end()).into())
            }
        }
    )+};
}

whole_numbers!(u32, u64);

impl Scalar for usize {
    type Limit = RangeInclusive<u32>;

    fn parse(field: &Field<'_>, limit: &Self::Limit, report: &mut Report<'_>) -> Option<Self> {
        u32::parse(field, limit, report).and_then(|value| Self::try_from(value).ok())
    }

    fn yaml(&self) -> String {
        self.to_string()
    }

    fn allowed(limit: &Self::Limit) -> String {
        u32::allowed(limit)
    }
}

/// Milliseconds.
impl Scalar for Duration {
    type Limit = RangeInclusive<u64>;

    fn parse(field: &Field<'_>, limit: &Self::Limit, report: &mut Report<'_>) -> Option<Self> {
        let value = field.node.as_int().and_then(|value| u64::try_from(value).ok());
        let value = value.filter(|value| limit.contains(value));
        if value.is_none() {
            field.refuse(report, &Self::allowed(limit));
        }
        value.map(Self::from_millis)
    }

    fn yaml(&self) -> String {
        self.as_millis().to_string()
    }

    fn allowed(limit: &Self::Limit) -> String {
        format!("a whole number of milliseconds from {} to {}", limit.start(), limit.end())
    }
}

impl Scalar for f64 {
    type Limit = RangeInclusive<Self>;

    fn parse(field: &Field<'_>, limit: &Self::Limit, report: &mut Report<'_>) -> Option<Self> {
        let value = field.node.as_float().filter(|value| limit.contains(value));
        if value.is_none() {
            field.refuse(report, &Self::allowed(limit));
        }
        value
    }

    fn yaml(&self) -> String {
        format!("{self:?}")
    }

    fn allowed(limit: &Self::Limit) -> String {
        format!("a number from {} to {}", limit.start(), limit.end())
    }
}

impl Scalar for bool {
    type Limit = ();

    fn parse(field: &Field<'_>, (): &(), report: &mut Report<'_>) -> Option<Self> {
        field.bool(report)
    }

    fn yaml(&self) -> String {
        self.to_string()
    }

    fn allowed((): &()) -> String {
        "true or false".to_owned()
    }
}

impl Scalar for String {
    type Limit = ();

    fn parse(field: &Field<'_>, (): &(), report: &mut Report<'_>) -> Option<Self> {
        field.substituted(report, "")
    }

    fn yaml(&self) -> String {
        format!("{self:?}")
    }

    fn allowed((): &()) -> String {
        "a string".to_owned()
    }
}

impl Scalar for SocketAddr {
    type Limit = ();

    fn parse(field: &Field<'_>, limit: &(), report: &mut Report<'_>) -> Option<Self> {
        let address = field.node.as_text().and_then(|text| text.parse().ok());
        if address.is_none() {
            field.refuse(report, &Self::allowed(limit));
        }
        address
    }

    fn yaml(&self) -> String {
        format!("\"{self}\"")
    }

    fn allowed((): &()) -> String {
        "an IP address and a port such as \"0.0.0.0:4000\" or \"[::]:4000\"".to_owned()
    }
}

impl<T: Scalar> Scalar for Option<T> {
    type Limit = T::Limit;

    fn parse(field: &Field<'_>, limit: &Self::Limit, report: &mut Report<'_>) -> Option<Self> {
        T::parse(field, limit, report).map(Some)
    }

    fn yaml(&self) -> String {
        self.as_ref().map_or_else(|| "null".to_owned(), T::yaml)
    }

    fn allowed(limit: &Self::Limit) -> String {
        format!("{}, or null", T::allowed(limit))
    }
}

impl<T: Scalar> Scalar for Vec<T> {
    type Limit = T::Limit;

    fn parse(field: &Field<'_>, limit: &Self::Limit, report: &mut Report<'_>) -> Option<Self> {
        Some(field.items().iter().filter_map(|item| T::parse(item, limit, report)).collect())
    }

    fn yaml(&self) -> String {
        format!("[{}]", self.iter().map(T::yaml).collect::<Vec<_>>().join(", "))
    }

    fn allowed(limit: &Self::Limit) -> String {
        format!("a list, each item {}", T::allowed(limit))
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself. What gets it must not log it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Scalar for Secret {
    type Limit = ();

    fn parse(field: &Field<'_>, (): &(), report: &mut Report<'_>) -> Option<Self> {
        let text = field.substituted(report, "")?;
        if text.is_empty() {
            field.error(
                report,
                "invalid_value",
                "found an empty string; allowed is a secret, or null for none",
            );
            return None;
        }
        Some(Self(text))
    }

    fn yaml(&self) -> String {
        "\"***\"".to_owned()
    }

    fn allowed((): &()) -> String {
        "a string, best written as ${NAME}".to_owned()
    }
}
