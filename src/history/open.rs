//! Opening the file, whatever state it is in.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::{fs, io};

use redb::{Database, DatabaseError, StorageError};

use super::Error;

/// Memory for pages of the file. A commit touches few, and reading is rare.
const CACHE_BYTES: usize = 8 << 20;

/// Opens the file, making it and its folder if they are not there. A file that is damaged, or that is something
/// else, is renamed first, and the log says so.
pub(super) fn open(path: &Path) -> Result<Database, Error> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::Folder)?;
    }
    match attempt(path) {
        Ok(database) => Ok(database),
        Err(Refusal::Damage(reason)) => {
            let aside = set_aside(path).map_err(Error::Damaged)?;
            tracing::warn!(
                event = "lasso.history.damaged",
                path = %path.display(),
                aside = %aside.display(),
                "the history cannot be read ({reason}); it was renamed, and a new one begins",
            );
            match attempt(path) {
                Ok(database) => Ok(database),
                Err(Refusal::Damage(reason)) => Err(Error::Damaged(io::Error::other(reason))),
                Err(Refusal::Other(error)) => Err(error),
            }
        }
        Err(Refusal::Other(error)) => Err(error),
    }
}

enum Refusal {
    /// The bytes of the file are at fault.
    Damage(String),
    Other(Error),
}

fn attempt(path: &Path) -> Result<Database, Refusal> {
    let open = || {
        let mut builder = Database::builder();
        // Without the check, damage done from outside would be found by a panic some day.
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true).create(path)
    };
    // With the check too there is damage that the database meets with a panic.
    let opened = catch_unwind(AssertUnwindSafe(open));
    let Ok(opened) = opened else { return Err(Refusal::Damage("it breaks the database".to_owned())) };
    opened.map_err(|error| match error {
        DatabaseError::Storage(StorageError::Corrupted(reason)) => Refusal::Damage(reason),
        DatabaseError::Storage(StorageError::Io(error)) if is_content(&error) => {
            Refusal::Damage(error.to_string())
        }
        DatabaseError::UpgradeRequired(version) => Refusal::Damage(format!("it is of format {version}")),
        error => Refusal::Other(error.into()),
    })
}

/// Whether an error of the file system is about what the file holds.
fn is_content(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Renames the file to a name that is free.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    let aside = loop {
        let aside = path.with_extension(format!("damaged-{number}.redb"));
        if !aside.try_exists()? {
            break aside;
        }
        number += 1;
    };
    fs::rename(path, &aside)?;
    Ok(aside)
}
