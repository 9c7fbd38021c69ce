//! The limit on open files.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::Outcome;

/// Open files that are not the counted connections.
const OTHERS: u64 = 500;

/// Allows this process, and those it starts from now on, to have so many connections open.
///
/// # Errors
///
/// When the system forbids it.
pub(crate) fn allow(connections: usize) -> Outcome<()> {
    let wanted = connections as u64 + OTHERS;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= wanted {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).map_err(|error| {
        format!("{wanted} open files are needed and {hard} allowed: raise `ulimit -n` or take fewer clients ({error})")
            .into()
    })
}
