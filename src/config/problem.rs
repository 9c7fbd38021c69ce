//! Problems with the place where they were found.

use std::fmt;
use std::io;
use std::path::Path;

use lasso_layers::catalog::Severity;

use super::environment::Environment;

/// One thing that is wrong with a configuration, and where.
///
/// It reads `config/profiles/default.yml:31: chains.base.providers[2].url: ${ALCHEMY_KEY} is not set`,
/// followed by the code in brackets. No part of it holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The file, or the environment variable.
    pub file: String,
    /// The line, from 1; `None` where a whole file is meant.
    pub line: Option<usize>,
    /// The key path, such as `chains.base.providers[2].url`; empty where no key is meant.
    pub path: String,
    /// How bad it is.
    pub severity: Severity,
    /// What kind of problem it is, in a word that does not change.
    pub code: &'static str,
    /// What was found and what is allowed.
    pub message: String,
}

impl Located {
    pub(super) fn error(
        file: &str,
        line: usize,
        path: &str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            line: (line > 0).then_some(line),
            path: path.to_owned(),
            severity: Severity::Error,
            code,
            message: message.into(),
        }
    }

    /// A file that cannot be read at all.
    pub(super) fn file_error(path: &Path, error: &io::Error) -> Self {
        Self::error(&path.display().to_string(), 0, "", "unreadable_file", format!("cannot be read: {error}"))
    }

    /// Whether it stands in the way of using the configuration.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.is_error() {
            f.write_str(": warning")?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {} [{}]", self.message, self.code)
    }
}

/// Collects the problems of one file while it is read.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) file: String,
    pub(super) environment: &'a Environment,
    pub(super) problems: Vec<Located>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: impl Into<String>, environment: &'a Environment) -> Self {
        Self { file: file.into(), environment, problems: Vec::new() }
    }

    pub(super) fn error(&mut self, line: usize, path: &str, code: &'static str, message: impl Into<String>) {
        self.problems.push(Located::error(&self.file, line, path, code, message));
    }

    pub(super) fn warning(
        &mut self,
        line: usize,
        path: &str,
        code: &'static str,
        message: impl Into<String>,
    ) {
        let error = Located::error(&self.file, line, path, code, message);
        self.problems.push(Located { severity: Severity::Warning, ..error });
    }
}
