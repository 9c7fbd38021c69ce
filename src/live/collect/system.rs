//! What the process takes and does.

use std::fs;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::Sources;
use crate::live::view::{SystemView, round};
use crate::usage::{self, Usage};

/// Over a shorter time it says little how busy threads were.
const LEAST: Duration = Duration::from_millis(100);

/// Looks at the process, from one look to the next.
#[derive(Debug)]
pub(in crate::live) struct Meter {
    usage: Usage,
    /// When the threads were looked at, and how long they had been busy until then.
    last: (Instant, Duration),
}

impl Meter {
    pub(in crate::live) fn new(handle: &Handle, now: Instant) -> Self {
        Self { usage: Usage::default(), last: (now, busy(handle)) }
    }

    /// What there is to see now. `client_websockets` are those that are open.
    pub(in crate::live) fn look(
        &mut self,
        sources: &Sources,
        client_websockets: usize,
        handle: &Handle,
        now: Instant,
    ) -> SystemView {
        let runtime = &sources.runtime;
        let metrics = handle.metrics();
        let (streams, feed) = (runtime.streams.figures(), runtime.observed.feed());
        SystemView {
            memory_bytes: usage::resident_bytes(),
            cpu_percent: round(self.usage.cpu_percent(), 2),
            tasks: metrics.num_alive_tasks(),
            open_sockets: open_sockets(),
            queue_depth: metrics.global_queue_depth(),
            workers: metrics.num_workers(),
            worker_busy_percent: self.busy_percent(handle, now),
            client_websockets,
            client_subscriptions: streams.subscribers,
            upstream_subscriptions: streams.upstream_subscriptions,
            inflight_requests: runtime.budget.messages(),
            inflight_bytes: runtime.budget.used(),
            outbox_bytes: runtime.outboxes.live_bytes() + runtime.outboxes.filled_bytes(),
            decisions_kept: runtime.observed.decisions().len(),
            feed_queued: feed.queued(),
            feed_dropped: feed.dropped(),
        }
    }

    fn busy_percent(&mut self, handle: &Handle, now: Instant) -> f64 {
        let (at, before) = std::mem::replace(&mut self.last, (now, busy(handle)));
        let passed = now.saturating_duration_since(at);
        if passed < LEAST {
            return 0.0;
        }
        let all = passed.as_secs_f64() * handle.metrics().num_workers() as f64;
        let share = self.last.1.saturating_sub(before).as_secs_f64() / all;
        round((share * 100.0).min(100.0), 2)
    }
}

/// How long the threads have been busy, together.
fn busy(handle: &Handle) -> Duration {
    let metrics = handle.metrics();
    (0..metrics.num_workers()).map(|worker| metrics.worker_total_busy_duration(worker)).sum()
}

/// Sockets of the process; nothing where there is no `/proc`
/// ([proc_pid_fd(5)](https://man7.org/linux/man-pages/man5/proc_pid_fd.5.html)). The kernel makes the names up while they
/// are read.
fn open_sockets() -> Option<usize> {
    let files = fs::read_dir("/proc/self/fd").ok()?;
    let is_socket = |file: &fs::DirEntry| {
        fs::read_link(file.path())
            .is_ok_and(|target| target.as_os_str().as_encoded_bytes().starts_with(b"socket:"))
    };
    Some(files.flatten().filter(is_socket).count())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn open_sockets_are_counted() {
        // Other tests open and close theirs meanwhile.
        let _sockets: Vec<_> = (0..200).map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        assert!(open_sockets().unwrap() >= 200);
    }
}
