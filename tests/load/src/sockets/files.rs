//! The limit on open files.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::Outcome;

/// Open files that are not the counted connections.
const OTHERS: u64 = 200;

/// Allows this process, and those it starts from now on, to have so many connections open, or as many as the system
/// lets it have. How many that is.
///
/// # Errors
///
/// When the system lets it have fewer than `least`.
pub(crate) fn allow(connections: usize, least: usize) -> Outcome<usize> {
    let wanted = connections as u64 + OTHERS;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_err() {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    let (allowed, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let allowed = usize::try_from(allowed.saturating_sub(OTHERS))?;
    if allowed < least {
        let needed = least as u64 + OTHERS;
        return Err(format!(
            "{needed} open files are needed and {hard} allowed: raise `ulimit -Hn` or take fewer clients"
        )
        .into());
    }
    Ok(allowed.min(connections))
}
