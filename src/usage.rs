//! What the process takes from the machine.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// A share that is asked for again sooner than this is not measured again: over a shorter time it says little.
const LEAST: Duration = Duration::from_secs(1);

/// How busy the process is, from one look to the next.
#[derive(Debug)]
pub(crate) struct Usage(Mutex<Meter>);

/// The last look.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Meter {
    at: Instant,
    /// Processor time of the process until then, all threads together.
    spent: Duration,
    percent: f64,
}

impl Usage {
    /// The processor time of all threads since the last look, in percent of the time that passed: 100 is one core
    /// that never rests.
    pub(crate) fn cpu_percent(&self) -> f64 {
        let mut meter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *meter = meter.look(Instant::now(), processor_time());
        meter.percent
    }
}

/// The first look is at the making.
impl Default for Usage {
    fn default() -> Self {
        Self(Mutex::new(Meter { at: Instant::now(), spent: processor_time(), percent: 0.0 }))
    }
}

impl Meter {
    fn look(self, now: Instant, spent: Duration) -> Self {
        let passed = now.saturating_duration_since(self.at);
        if passed < LEAST {
            return self;
        }
        let busy = spent.saturating_sub(self.spent);
        Self { at: now, spent, percent: 100.0 * busy.as_secs_f64() / passed.as_secs_f64() }
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default())
}

/// Memory of the process that is in RAM, in bytes. Nothing where there is no `/proc`
/// ([proc_pid_status(5)](https://man7.org/linux/man-pages/man5/proc_pid_status.5.html)).
pub(crate) fn resident_bytes() -> Option<u64> {
    // The kernel makes the file up while it is read; nothing waits for a disk.
    resident_of(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_share_is_that_of_the_time_since_the_last_look() {
        let start = Instant::now();
        let meter = Meter { at: start, spent: ms(500), percent: 0.0 };
        let second = meter.look(start + ms(2_000), ms(1_000));
        assert!((second.percent - 25.0).abs() < 1e-9);
        // Two cores were busy.
        let third = second.look(start + ms(3_000), ms(3_000));
        assert!((third.percent - 200.0).abs() < 1e-9);
        // Too soon.
        assert_eq!(third.look(start + ms(3_999), ms(3_000)), third);
        let rested = third.look(start + ms(4_000), ms(3_000));
        assert!(rested.percent.abs() < 1e-9);
    }

    #[test]
    fn the_processor_time_of_the_process_grows_with_its_work() {
        let before = processor_time();
        while processor_time() < before + ms(5) {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn resident_memory_is_read_from_its_line() {
        let status = "Name:\tlasso\nVmHWM:\t   22340 kB\nVmRSS:\t   12340 kB\nThreads:\t3\n";
        assert_eq!(resident_of(status), Some(12_340 * 1024));
        assert_eq!(resident_of("Name:\tkthreadd\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_in_memory() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
