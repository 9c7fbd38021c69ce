//! A directory of profile files, all or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use lasso_layers::catalog::{DEFAULT_PROFILE, ProfileSpec, Severity, validate};

use super::environment::Environment;
use super::problem::{Located, Report};
use super::profile::{self, Identity, Read};

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Profiles that can be put in force.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The profiles, sorted by slug.
    pub profiles: Vec<ProfileSpec>,
    /// What somebody should look at.
    pub warnings: Vec<Located>,
}

/// Reads every profile of a directory: all files `*.yml` whose name does not start with `.` or `_`, in order
/// of their names. A missing directory is created. Without any profile file, `chains.yml` of the directory
/// above is read as the default profile.
///
/// # Errors
///
/// Every problem of every file, warnings included, if at least one is an error.
pub fn load(directory: &Path, environment: &Environment) -> Result<Loaded, Vec<Located>> {
    let is_new = matches!(directory.try_exists(), Ok(false));
    let files = files(directory).map_err(|error| vec![Located::file_error(directory, &error)])?;
    let legacy = directory.parent().map(|parent| parent.join("chains.yml")).filter(|_| files.is_empty());
    let mut set = Set { is_new, ..Set::default() };
    match legacy.filter(|path| path.is_file()) {
        Some(path) => set.add(&path, Identity { slug: None, name: "Public Providers" }, environment),
        None => {
            for path in &files {
                let slug = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
                set.add(path, Identity { slug: Some(slug), name: "Default Profile" }, environment);
            }
        }
    }
    set.finish(directory)
}

/// The profile files of a directory, sorted.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(directory)?;
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let hidden = name.starts_with(['.', '_']);
        if !hidden && path.extension() == Some(OsStr::new("yml")) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What was read so far.
#[derive(Debug, Default)]
struct Set {
    /// File and document of each profile that could be read.
    read: BTreeMap<String, (String, Read)>,
    /// Slugs that a file stands for, readable or not.
    slugs: BTreeSet<String>,
    /// Whether the directory was created just now.
    is_new: bool,
    problems: Vec<Located>,
}

impl Set {
    fn add(&mut self, path: &Path, identity: Identity<'_>, environment: &Environment) {
        let file = path.display().to_string();
        let slug = identity.slug.unwrap_or(DEFAULT_PROFILE).to_owned();
        let mut report = Report::new(&file, environment);
        let text = text(path).inspect_err(|problem| report.problems.push(problem.clone())).ok();
        let read = text.and_then(|text| profile::read(&text, identity, &mut report));
        self.problems.append(&mut report.problems);
        self.slugs.insert(slug.clone());
        if let Some(read) = read {
            self.read.insert(slug, (file, read));
        }
    }

    fn finish(mut self, directory: &Path) -> Result<Loaded, Vec<Located>> {
        let profiles: Vec<ProfileSpec> = self.read.values().map(|(_, read)| read.profile.clone()).collect();
        for problem in validate(&profiles) {
            let located = match self.read.get(&problem.profile) {
                Some((file, read)) => Located {
                    line: Some(read.document.line_of(&problem.path)),
                    file: file.clone(),
                    path: problem.path,
                    severity: problem.severity,
                    code: problem.code,
                    message: problem.message,
                },
                // Only the absence of the default profile belongs to no file that was read. It is an error here:
                // URLs without a profile mean that one.
                None if self.slugs.contains(&problem.profile) => continue,
                None => Located {
                    message: format!("{}; add `{DEFAULT_PROFILE}.yml`", self.why_absent(&problem.message)),
                    file: directory.display().to_string(),
                    line: None,
                    path: String::new(),
                    severity: Severity::Error,
                    code: problem.code,
                },
            };
            if !self.explained(&located) {
                self.problems.push(located);
            }
        }
        // Within a file from top to bottom, whichever rule found it.
        self.problems.sort_by(|left, right| (&left.file, left.line).cmp(&(&right.file, right.line)));
        if self.problems.iter().any(Located::is_error) {
            return Err(self.problems);
        }
        Ok(Loaded { profiles, warnings: self.problems })
    }

    /// What there is to say about the absence of the default profile.
    fn why_absent<'a>(&self, otherwise: &'a str) -> &'a str {
        if self.is_new { "the folder did not exist and was created" } else { otherwise }
    }

    /// Whether a problem says no more than that something is missing, and an error of the same file says why.
    fn explained(&self, absence: &Located) -> bool {
        let below = |path: &str, parent: &str| {
            path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        self.problems.iter().filter(|problem| problem.is_error() && problem.file == absence.file).any(
            |error| {
                match absence.code {
                    // Already told with what was found.
                    "invalid_chain_id" => error.code == absence.code && below(&absence.path, &error.path),
                    "provider_without_url" => {
                        let address = |key| error.path == format!("{}.{key}", absence.path);
                        error.path == absence.path || address("url") || address("ws_url")
                    }
                    "chain_without_providers" | "profile_without_chains" => below(&error.path, &absence.path),
                    // The provider may stand in any part that could not be read.
                    "unknown_provider" => below(&error.path, "chains"),
                    _ => false,
                }
            },
        )
    }
}

/// The text of a file.
pub(super) fn text(path: &Path) -> Result<String, Located> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large without reading all of it.
    fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| Located::file_error(path, &error))?;
    let file = path.display().to_string();
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let message = format!("found more than the {MAX_FILE_BYTES} bytes that are allowed");
        return Err(Located::error(&file, 0, "", "unreadable_file", message));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Located::error(&file, line, "", "invalid_yaml", "found bytes that are not UTF-8")
    })
}

#[cfg(test)]
mod tests;
