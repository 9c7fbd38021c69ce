//! Which instance of a chain is probed when.

use std::time::Duration;

use lasso_layers::catalog::InstanceKey;
use lasso_layers::state::Entropy;
use lasso_layers::state::health::Status;
use tokio::time::Instant;

use super::super::outcome::Outcome;

/// Consecutive failures that make an instance unhealthy.
const UNHEALTHY: u32 = 3;
/// The least wait after a failure, by consecutive failures; the last one is for all that follow.
const BACKOFF: [Duration; 7] = [
    Duration::ZERO,
    Duration::ZERO,
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(30),
];
/// The share by which waits vary, so that instances that failed together are not probed together.
const JITTER: f64 = 0.2;
/// The least wait after a provider asked for fewer requests.
const LIMITED: Duration = Duration::from_secs(30);
/// The wait after a provider refused our credentials: they rarely change by themselves.
const MISCONFIGURED: Duration = Duration::from_secs(120);

/// The instances of one chain and when each is due. Pure: every time is an argument.
#[derive(Debug)]
pub(super) struct Schedule {
    entries: Vec<Entry>,
    /// Where the search for a due instance begins.
    turn: usize,
    entropy: Entropy,
}

#[derive(Debug)]
struct Entry {
    instance: InstanceKey,
    /// The least time between two probes, but for the one that follows the first failure.
    floor: Duration,
    failures: u32,
    status: Status,
    in_flight: bool,
    /// When the last probe ended; nothing before the first.
    last: Option<Instant>,
    /// What is waited for after it beside the floor; nothing to probe again at once.
    backoff: Option<Duration>,
}

/// What is thought of an instance before and after a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) from: Status,
    pub(super) to: Status,
    /// Consecutive failures.
    pub(super) failures: u32,
}

impl Schedule {
    /// Without instances.
    pub(super) const fn new(entropy: Entropy) -> Self {
        Self { entries: Vec::new(), turn: 0, entropy }
    }

    /// Makes these the instances, each with its floor. Those that are known keep their place in time; new ones
    /// are due at once.
    pub(super) fn adopt(&mut self, instances: &[(InstanceKey, Duration)]) {
        self.entries.retain_mut(|entry| {
            let wanted = instances.iter().find(|(instance, _)| *instance == entry.instance);
            if let Some((_, floor)) = wanted {
                entry.floor = *floor;
            }
            wanted.is_some()
        });
        for (instance, floor) in instances {
            if self.entry(*instance).is_none() {
                self.entries.push(Entry::new(*instance, *floor));
            }
        }
    }

    /// Whether there is nothing to probe.
    pub(super) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes the next instance that is due, if there is one, and counts it as in flight until it is
    /// [settled](Self::settle).
    pub(super) fn due(&mut self, now: Instant) -> Option<InstanceKey> {
        let count = self.entries.len();
        let turns = (self.turn..self.turn + count).map(|turn| turn % count);
        let at = turns.into_iter().find(|at| self.entries[*at].is_due(now))?;
        self.turn = at + 1;
        let entry = &mut self.entries[at];
        entry.in_flight = true;
        Some(entry.instance)
    }

    /// Notes how a probe ended, and says what is thought of the instance; nothing of one that is not in the schedule.
    pub(super) fn settle(&mut self, instance: InstanceKey, outcome: Outcome, now: Instant) -> Option<Change> {
        let jitter = self.entropy.rng().f64().mul_add(2.0 * JITTER, 1.0 - JITTER);
        let entry = self.entry(instance)?;
        entry.in_flight = false;
        entry.last = Some(now);
        entry.failures = match outcome {
            Outcome::Good => 0,
            // It is there, and said so.
            Outcome::Limited => entry.failures,
            Outcome::Failed | Outcome::Refused => entry.failures.saturating_add(1),
        };
        let regular = BACKOFF[BACKOFF.len().min(entry.failures as usize + 1) - 1].mul_f64(jitter);
        entry.backoff = match outcome {
            Outcome::Failed if entry.failures == 1 => None,
            Outcome::Good | Outcome::Failed => Some(regular),
            Outcome::Limited => Some(regular.max(LIMITED)),
            Outcome::Refused => Some(MISCONFIGURED.mul_f64(jitter)),
        };
        let to = match outcome {
            Outcome::Good => Status::Healthy,
            Outcome::Limited => Status::Degraded,
            Outcome::Refused => Status::Misconfigured,
            Outcome::Failed if entry.failures < UNHEALTHY => Status::Degraded,
            Outcome::Failed => Status::Unhealthy,
        };
        let from = std::mem::replace(&mut entry.status, to);
        Some(Change { from, to, failures: entry.failures })
    }

    fn entry(&mut self, instance: InstanceKey) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.instance == instance)
    }
}

impl Entry {
    const fn new(instance: InstanceKey, floor: Duration) -> Self {
        Self {
            instance,
            floor,
            failures: 0,
            status: Status::Healthy,
            in_flight: false,
            last: None,
            backoff: None,
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let wait = self.backoff.map_or(Duration::ZERO, |backoff| backoff.max(self.floor));
        !self.in_flight && self.last.is_none_or(|last| now.saturating_duration_since(last) >= wait)
    }
}

#[cfg(test)]
mod tests;
