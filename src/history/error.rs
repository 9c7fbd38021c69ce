//! Why the history cannot be had.

use std::{fmt, io};

/// Why the history cannot be read or written just now.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file is not open: not yet, or it cannot be, or no longer. The log says which.
    Closed,
    /// The folder of the file cannot be made.
    Folder(io::Error),
    /// Another process has the file open.
    Locked,
    /// The file holds no history that can be read, and cannot be moved out of the way.
    Damaged(io::Error),
    /// The database or the file system failed.
    Database(Box<redb::Error>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the history is not open"),
            Self::Folder(error) => write!(f, "the folder cannot be made: {error}"),
            Self::Locked => f.write_str("another process has the file open"),
            Self::Damaged(error) => write!(f, "the file is damaged and cannot be renamed: {error}"),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Closed | Self::Locked => None,
            Self::Folder(error) | Self::Damaged(error) => Some(error),
            Self::Database(error) => Some(error),
        }
    }
}

impl<E: Into<redb::Error>> From<E> for Error {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => Self::Locked,
            error => Self::Database(Box::new(error)),
        }
    }
}
