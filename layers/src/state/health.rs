//! What is known about the health of every instance, for people to read.
//!
//! Nothing is decided by it: which channels a call may use is said by breakers, limits, lag and capabilities alone.
//! So a row may be a few seconds old, and a lock around all of them disturbs no call.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use crate::catalog::InstanceKey;

/// How an instance is, by one way of looking at it. Ordered by severity: of several the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Status {
    /// It does what it should.
    Healthy,
    /// Its connection is being made.
    Connecting,
    /// It failed lately, or asked for fewer requests.
    Degraded,
    /// It does not accept our credentials.
    Misconfigured,
    /// It keeps failing.
    Unhealthy,
    /// Its connection is lost.
    Disconnected,
}

impl Status {
    /// The name on pages and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Connecting => "connecting",
            Self::Degraded => "degraded",
            Self::Misconfigured => "misconfigured",
            Self::Unhealthy => "unhealthy",
            Self::Disconnected => "disconnected",
        }
    }

    /// What can be had of an instance with this status.
    #[must_use]
    pub const fn availability(self) -> Availability {
        match self {
            Self::Healthy | Self::Connecting => Availability::Up,
            Self::Degraded => Availability::Limited,
            Self::Misconfigured | Self::Unhealthy | Self::Disconnected => Availability::Down,
        }
    }

    /// The worst of several; what is not known has no say.
    #[must_use]
    pub fn worst(all: impl IntoIterator<Item = Option<Self>>) -> Option<Self> {
        // `None` is less than any status.
        all.into_iter().max().flatten()
    }
}

/// What can be had of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Everything.
    Up,
    /// Less than everything.
    Limited,
    /// Nothing.
    Down,
}

impl Availability {
    /// `up`, `limited` or `down`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Limited => "limited",
            Self::Down => "down",
        }
    }
}

/// A way of looking at an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// Whether it is there, and on the right chain.
    Probe,
    /// Whether it tells its height.
    BlockSync,
}

/// What one question to an instance showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it is since then.
    pub status: Status,
    /// Consecutive failures.
    pub failures: u32,
    /// How long the answer took, if it was one.
    pub latency: Option<Duration>,
    /// What went wrong, if anything did, without addresses and keys.
    pub error: Option<String>,
}

/// How an instance is, by one aspect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// How it is.
    pub status: Status,
    /// When it came to have this status.
    pub since: Instant,
    /// The last report.
    pub updated: Instant,
    /// Consecutive failures.
    pub failures: u32,
    /// How long its last answer took.
    pub latency: Option<Duration>,
    /// What went wrong last, though all may be well again.
    pub last_error: Option<String>,
}

/// The rows of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// By its probes.
    pub probe: Option<Row>,
    /// By the polls of its height.
    pub block_sync: Option<Row>,
}

/// The rows of all instances. A handle: clones share them.
#[derive(Clone, Copy, Debug, Default)]
pub struct HealthRows {
    rows: Shared<Mutex<BTreeMap<InstanceKey, Rows>>>,
}

// === impl HealthRows ===

impl HealthRows {
    /// Without rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes what a question showed.
    pub fn report(&self, instance: InstanceKey, aspect: Aspect, report: Report, now: Instant) {
        let mut all = self.lock();
        let row = all.entry(instance).or_default().of(aspect);
        let old = row.take();
        *row = Some(Row::after(old, report, now));
    }

    /// Deletes a row of an instance that is no longer used. Every writer deletes what it wrote: one that is late
    /// would otherwise bring back what another had deleted.
    pub fn forget(&self, instance: InstanceKey, aspect: Aspect) {
        let mut all = self.lock();
        let Some(rows) = all.get_mut(&instance) else { return };
        *rows.of(aspect) = None;
        if *rows == Rows::default() {
            all.remove(&instance);
        }
    }

    /// What is known about an instance.
    #[must_use]
    pub fn of(&self, instance: InstanceKey) -> Rows {
        self.lock().get(&instance).cloned().unwrap_or_default()
    }

    /// How many instances have rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing is known about anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<InstanceKey, Rows>> {
        // A row is put in place whole, so a panic leaves nothing half done.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Rows ===

impl Rows {
    /// The worst of what is known.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        Status::worst([&self.probe, &self.block_sync].map(|row| row.as_ref().map(|row| row.status)))
    }

    const fn of(&mut self, aspect: Aspect) -> &mut Option<Row> {
        match aspect {
            Aspect::Probe => &mut self.probe,
            Aspect::BlockSync => &mut self.block_sync,
        }
    }
}

// === impl Row ===

impl Row {
    fn after(old: Option<Self>, report: Report, now: Instant) -> Self {
        let Report { status, failures, latency, error } = report;
        let Some(old) = old else {
            return Self { status, since: now, updated: now, failures, latency, last_error: error };
        };
        Self {
            status,
            since: if old.status == status { old.since } else { now },
            updated: now,
            failures,
            latency: latency.or(old.latency),
            last_error: error.or(old.last_error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn instance(index: u32) -> InstanceKey {
        InstanceKey(index)
    }

    const fn good(millis: u64) -> Report {
        let latency = Some(Duration::from_millis(millis));
        Report { status: Status::Healthy, failures: 0, latency, error: None }
    }

    fn bad(status: Status, failures: u32, error: &str) -> Report {
        Report { status, failures, latency: None, error: Some(error.to_owned()) }
    }

    #[test]
    fn the_worst_counts_and_what_is_missing_does_not() {
        let worst = |all: &[Option<Status>]| Status::worst(all.iter().copied());
        let (healthy, degraded) = (Some(Status::Healthy), Some(Status::Degraded));
        let (misconfigured, unhealthy) = (Some(Status::Misconfigured), Some(Status::Unhealthy));
        assert_eq!(worst(&[healthy, degraded, None]), degraded);
        assert_eq!(worst(&[misconfigured, degraded]), misconfigured);
        assert_eq!(worst(&[unhealthy, misconfigured, healthy]), unhealthy);
        assert_eq!(worst(&[None, healthy]), healthy);
        assert_eq!(worst(&[None, None]), None);
    }

    #[test]
    fn a_status_says_what_can_be_had() {
        let by_availability = |wanted: Availability| {
            let all = [
                Status::Healthy,
                Status::Connecting,
                Status::Degraded,
                Status::Misconfigured,
                Status::Unhealthy,
                Status::Disconnected,
            ];
            all.into_iter().filter(|it| it.availability() == wanted).map(Status::as_str).collect::<Vec<_>>()
        };
        assert_eq!(by_availability(Availability::Up), ["healthy", "connecting"]);
        assert_eq!(by_availability(Availability::Limited), ["degraded"]);
        assert_eq!(by_availability(Availability::Down), ["misconfigured", "unhealthy", "disconnected"]);
    }

    #[test]
    fn a_row_keeps_what_a_report_leaves_open() {
        let (rows, start) = (HealthRows::new(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        rows.report(instance(1), Aspect::Probe, good(7), at(0));
        rows.report(instance(1), Aspect::Probe, good(9), at(1));
        let row = rows.of(instance(1)).probe.unwrap();
        assert_eq!((row.since, row.updated, row.latency), (at(0), at(1), Some(Duration::from_millis(9))));

        rows.report(instance(1), Aspect::Probe, bad(Status::Degraded, 1, "refused"), at(2));
        let row = rows.of(instance(1)).probe.unwrap();
        assert_eq!((row.status, row.since, row.failures), (Status::Degraded, at(2), 1));
        assert_eq!(row.latency, Some(Duration::from_millis(9)), "of the last answer");

        rows.report(instance(1), Aspect::Probe, good(8), at(3));
        let row = rows.of(instance(1)).probe.unwrap();
        assert_eq!(
            (row.status, row.failures, row.last_error.as_deref()),
            (Status::Healthy, 0, Some("refused"))
        );
    }

    #[test]
    fn an_instance_is_as_bad_as_its_worst_row() {
        let (rows, now) = (HealthRows::new(), Instant::now());
        assert_eq!(rows.of(instance(1)).status(), None);
        rows.report(instance(1), Aspect::Probe, good(1), now);
        assert_eq!(rows.of(instance(1)).status(), Some(Status::Healthy));
        rows.report(instance(1), Aspect::BlockSync, bad(Status::Unhealthy, 5, "no"), now);
        assert_eq!(rows.of(instance(1)).status(), Some(Status::Unhealthy));
        assert_eq!(rows.of(instance(2)).status(), None);
    }

    #[test]
    fn an_instance_is_gone_with_its_last_row() {
        let (rows, now) = (HealthRows::new(), Instant::now());
        rows.report(instance(1), Aspect::Probe, good(1), now);
        rows.report(instance(1), Aspect::BlockSync, good(1), now);
        rows.forget(instance(1), Aspect::Probe);
        assert!(rows.of(instance(1)).probe.is_none() && rows.of(instance(1)).block_sync.is_some());
        rows.forget(instance(1), Aspect::BlockSync);
        assert!(rows.is_empty());
        rows.forget(instance(1), Aspect::BlockSync);
        assert_eq!(rows.len(), 0);
    }
}
