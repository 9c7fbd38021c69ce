//! The process, under the names that all exporters have, and the runtime it works in.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;

use crate::metrics::book::Metric;
use crate::metrics::sheet::Sheet;

const CPU: Metric =
    Metric::new("process_cpu_seconds_total", "Processor time of all threads in seconds, user and system.");
const RESIDENT: Metric =
    Metric::new("process_resident_memory_bytes", "Memory of the process that is in RAM.");
const VIRTUAL: Metric = Metric::new("process_virtual_memory_bytes", "Address space of the process.");
const THREADS: Metric = Metric::new("process_threads", "Threads of the process.");
const OPEN_FDS: Metric = Metric::new("process_open_fds", "Open file descriptors.");
const MAX_FDS: Metric = Metric::new("process_max_fds", "File descriptors that may be open.");
const START: Metric =
    Metric::new("process_start_time_seconds", "When the process began to serve, in seconds since 1970.");
const WORKERS: Metric = Metric::new("tokio_workers", "Threads that run tasks.");
const TASKS: Metric = Metric::new("tokio_alive_tasks", "Tasks that are not finished.");
const QUEUE: Metric =
    Metric::new("tokio_global_queue_depth", "Tasks that wait for a thread in the queue that all share.");
const BUSY: Metric = Metric::new(
    "tokio_worker_busy_seconds_total",
    "Seconds that threads were busy with tasks, all together.",
);
const PARKS: Metric = Metric::new("tokio_worker_parks_total", "How often a thread had nothing to do.");

/// When the process began to serve.
#[derive(Clone, Copy, Debug)]
pub(in crate::metrics) struct Started(SystemTime);

impl Started {
    pub(in crate::metrics) fn now() -> Self {
        Self(SystemTime::now())
    }
}

pub(super) fn write(sheet: &mut Sheet, Started(started): Started, workers: &Handle) {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    sheet.seconds(CPU, time.tv_sec as f64 + time.tv_nsec as f64 / 1e9);
    let started = started.duration_since(UNIX_EPOCH).unwrap_or_default();
    sheet.gauge(START, Vec::new(), started.as_secs_f64());
    write_proc(sheet);
    write_workers(sheet, workers);
}

/// What `/proc` says of the process; nothing where there is none
/// ([proc_pid_status(5)](https://man7.org/linux/man-pages/man5/proc_pid_status.5.html)). The kernel makes these files up
/// while they are read: nothing waits for a disk.
fn write_proc(sheet: &mut Sheet) {
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let of = |name: &str| number_of(&status, name);
        for (metric, value) in [
            (RESIDENT, of("VmRSS:").map(|kilobytes| kilobytes * 1024)),
            (VIRTUAL, of("VmSize:").map(|kilobytes| kilobytes * 1024)),
            (THREADS, of("Threads:")),
        ] {
            if let Some(value) = value {
                sheet.gauge(metric, Vec::new(), value);
            }
        }
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // The folder itself is one of them while it is read.
        sheet.gauge(OPEN_FDS, Vec::new(), open.count().saturating_sub(1));
    }
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(most) = number_of(&limits, "Max open files") {
        sheet.gauge(MAX_FDS, Vec::new(), most);
    }
}

/// The first number on the line that begins with a name.
fn number_of(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn write_workers(sheet: &mut Sheet, workers: &Handle) {
    let runtime = workers.metrics();
    let each = 0..runtime.num_workers();
    sheet.gauge(WORKERS, Vec::new(), runtime.num_workers());
    sheet.gauge(TASKS, Vec::new(), runtime.num_alive_tasks());
    sheet.gauge(QUEUE, Vec::new(), runtime.global_queue_depth());
    let busy = each.clone().map(|worker| runtime.worker_total_busy_duration(worker).as_secs_f64());
    sheet.seconds(BUSY, busy.sum());
    sheet.counter(PARKS, Vec::new(), each.map(|worker| runtime.worker_park_count(worker)).sum());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_their_lines() {
        let status = "Name:\tlasso\nVmHWM:\t   22340 kB\nVmRSS:\t   12340 kB\nThreads:\t3\n";
        assert_eq!(number_of(status, "VmRSS:"), Some(12_340));
        assert_eq!(number_of(status, "Threads:"), Some(3));
        assert_eq!(number_of(status, "VmSwap:"), None);
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 1048576              files\n";
        assert_eq!(number_of(limits, "Max open files"), Some(1024));
        assert_eq!(number_of("Max open files            unlimited  unlimited\n", "Max open files"), None);
    }
}
