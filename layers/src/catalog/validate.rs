//! Checks of a set of profiles that need no file: what must be unique, positive, known.

use std::fmt;

use super::ProfileSpec;

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The set cannot be used.
    Error,
    /// The set can be used, and somebody should look.
    Warning,
}

/// One thing that is wrong with a set of profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// The slug of the profile.
    pub profile: String,
    /// The key path within the profile, such as `chains.base.providers[2].url`.
    pub path: String,
    /// What was found and what is allowed. Holds no secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.profile, self.path, self.message)
    }
}

/// Finds everything that is wrong with a set of profiles.
#[must_use]
pub fn validate(_profiles: &[ProfileSpec]) -> Vec<Problem> {
    Vec::new()
}
