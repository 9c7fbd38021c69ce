//! Threads and cores.

use std::fs;
use std::path::Path;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::Outcome;
use crate::process::Server;

/// Gives the working threads of a server a core each, by turns.
pub(crate) fn spread(server: &Server) -> Outcome<()> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let cores: Vec<usize> =
        (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false)).collect();
    let workers = server.threads()?.into_iter().filter(|thread| works(thread));
    for (thread, core) in workers.zip(cores.iter().cycle()) {
        let id = thread.file_name().and_then(|name| name.to_str()).ok_or("a thread without a number")?;
        let mut only = CpuSet::new();
        only.set(*core)?;
        sched_setaffinity(Pid::from_raw(id.parse()?), &only)?;
    }
    Ok(())
}

/// Whether a thread is one that writes to clients: a worker of the runtime, or the floor's.
fn works(thread: &Path) -> bool {
    fs::read_to_string(thread.join("comm"))
        .is_ok_and(|name| ["tokio-rt-worker", "writer"].contains(&name.trim()))
}
