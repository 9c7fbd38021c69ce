//! Environment variables, from the process and from a `.env` file.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use super::problem::Located;

/// A snapshot of environment variables. Their values may be secrets: `Debug` shows names only.
///
/// The process environment is read, never changed, so a `.env` file does not leak into child processes and
/// tests can run side by side.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Reads the process environment and, beneath it, the `.env` file of a directory if there is one.
    ///
    /// Variables that are not UTF-8 are left out.
    ///
    /// # Errors
    ///
    /// Every line of the file that cannot be read, or the file itself.
    pub fn load(directory: &Path) -> Result<Self, Vec<Located>> {
        let path = directory.join(".env");
        let mut environment = match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path.display().to_string(), &text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(vec![Located::file_error(&path, &error)]),
        };
        environment.0.extend(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
        );
        Ok(environment)
    }

    /// Reads the text of a `.env` file: `NAME=value` lines, optionally with `export`, quotes and comments.
    ///
    /// Between single quotes everything stands for itself; between double quotes `\n`, `\t`, `\"`, `\$` and
    /// `\\` are escapes. Without quotes a value ends at ` #`. Of a name that occurs twice the last one counts.
    ///
    /// # Errors
    ///
    /// Every line that is none of these. Values are not shown.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Located>> {
        let mut variables = BTreeMap::new();
        let mut problems = Vec::new();
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            match parse_line(line) {
                Ok(None) => {}
                Ok(Some((name, value))) => {
                    variables.insert(name.to_owned(), value);
                }
                Err(message) => {
                    problems.push(Located::error(file, index + 1, "", "invalid_env_file", message))
                }
            }
        }
        if problems.is_empty() { Ok(Self(variables)) } else { Err(problems) }
    }

    /// The value of a variable. Set but empty is `Some("")`.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All variables in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Replaces each `${NAME}` by the value of `NAME`. Values are not searched for further names, and there
    /// is no syntax for default values.
    ///
    /// # Errors
    ///
    /// The names that are not set, each once, in order of appearance.
    pub fn substitute(&self, text: &str) -> Result<String, Vec<String>> {
        let mut substituted = String::with_capacity(text.len());
        let mut missing = Vec::new();
        let mut rest = text;
        while let Some((before, name, after)) = next_token(rest) {
            substituted.push_str(before);
            match self.var(name) {
                Some(value) => substituted.push_str(value),
                None if missing.iter().any(|known| known == name) => {}
                None => missing.push(name.to_owned()),
            }
            rest = after;
        }
        substituted.push_str(rest);
        if missing.is_empty() { Ok(substituted) } else { Err(missing) }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Splits a text at its first `${NAME}`.
fn next_token(text: &str) -> Option<(&str, &str, &str)> {
    let (before, from) = text.split_once("${")?;
    let (name, after) = from.split_once('}')?;
    Some((before, name, after))
}

fn parse_line(line: &str) -> Result<Option<(&str, String)>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let assignment = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => line,
    };
    let (name, value) =
        assignment.split_once('=').ok_or("found a line without `=`; allowed is NAME=value")?;
    let name = name.trim_end();
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '"' || c == '\'') {
        return Err("found no name before `=`; allowed is NAME=value");
    }
    let value = value.trim_start();
    let value = match value.chars().next() {
        Some('\'') => {
            let (value, after) = value[1..].split_once('\'').ok_or("found no closing `'`")?;
            after_quote(after)?;
            value.to_owned()
        }
        Some('"') => double_quoted(&value[1..])?,
        // A `#` starts a comment only after white space: it may be a part of a password.
        _ => {
            let comment = value
                .match_indices('#')
                .find(|(at, _)| value[..*at].is_empty() || value[..*at].ends_with([' ', '\t']));
            value[..comment.map_or(value.len(), |(at, _)| at)].trim_end().to_owned()
        }
    };
    Ok(Some((name, value)))
}

fn double_quoted(text: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next().ok_or("found no closing `\"`")? {
            '"' => break,
            '\\' => match chars.next().ok_or("found no closing `\"`")? {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                escaped @ ('"' | '\\' | '$') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    after_quote(chars.as_str())?;
    Ok(value)
}

fn after_quote(rest: &str) -> Result<(), &'static str> {
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') { Ok(()) } else { Err("found text after the closing quote") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Environment {
        Environment::parse(".env", text).unwrap()
    }

    #[test]
    fn every_form_of_a_line_is_read() {
        let text = "\u{feff}# comment\r\n\r\nA=1\r\nexport B = two words # comment\nC='$x # \"no\"' # c\nD=\"a\\n\\\"b\\\\\"\nE=\nF=pass#word\nA=2\nG= #\nexported=1";
        let environment = parse(text);
        let found: Vec<(&str, &str)> = environment.iter().collect();
        let expected = [
            ("A", "2"),
            ("B", "two words"),
            ("C", "$x # \"no\""),
            ("D", "a\n\"b\\"),
            ("E", ""),
            ("F", "pass#word"),
            ("G", ""),
            ("exported", "1"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_bad_line_is_named_without_its_value() {
        let problems =
            Environment::parse(".env", "A=1\nsecret-word\n='secret'\nB='secret\nC=\"s\" secret").unwrap_err();
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                ".env:2: found a line without `=`; allowed is NAME=value [invalid_env_file]",
                ".env:3: found no name before `=`; allowed is NAME=value [invalid_env_file]",
                ".env:4: found no closing `'` [invalid_env_file]",
                ".env:5: found text after the closing quote [invalid_env_file]",
            ]
        );
        assert!(!format!("{:?}", parse("A=secret")).contains("secret"));
    }

    #[test]
    fn the_real_environment_beats_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = std::env::var("PATH").unwrap();
        fs::write(directory.path().join(".env"), "PATH=from-the-file\nLASSO_TEST_ONLY_IN_FILE=1\n").unwrap();
        let environment = Environment::load(directory.path()).unwrap();
        assert_eq!(environment.var("PATH"), Some(path.as_str()));
        assert_eq!(environment.var("LASSO_TEST_ONLY_IN_FILE"), Some("1"));
        assert!(std::env::var_os("LASSO_TEST_ONLY_IN_FILE").is_none());
    }

    #[test]
    fn tokens_are_replaced_once() {
        let environment: Environment =
            [("A", "1"), ("E", ""), ("N", "${A}"), ("A:-b", "odd")].into_iter().collect();
        let cases = [
            ("x${A}y${A}", "x1y1"),
            ("x${E}", "x"),
            ("${N}", "${A}"),
            ("${A:-b}", "odd"),
            ("$A ${A", "$A ${A"),
        ];
        for (text, expected) in cases {
            assert_eq!(environment.substitute(text).as_deref(), Ok(expected));
        }
        assert_eq!(environment.substitute("${X}${A}${}${X}"), Err(vec!["X".to_owned(), String::new()]));
    }
}
