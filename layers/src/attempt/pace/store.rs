//! The limits of all channels.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::call::{Demotion, Facts, Filter, Subject, Verdict};
use crate::catalog::{Channel, ChannelKey};
use crate::state::{Origin, Shared, Table, millis};

/// How long a channel is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacePolicy {
    /// If the provider does not say.
    pub default: Duration,
    /// At most, whatever the provider says.
    pub max: Duration,
}

impl Default for PacePolicy {
    fn default() -> Self {
        Self { default: Duration::from_secs(30), max: Duration::from_secs(600) }
    }
}

/// The limits of all channels. A handle: clones share them.
#[derive(Clone, Copy, Debug)]
pub struct Paces {
    store: Shared<Store>,
}

#[derive(Debug)]
struct Store {
    /// When the limit of each channel ends, in milliseconds since the origin; 0 where there is none, and an
    /// end in the past is none either. Read for each attempt and written only when a limit comes or goes,
    /// so channels may share a cache line. Relaxed throughout: the word says everything by itself.
    ends: Table<AtomicU64>,
    policy: PacePolicy,
    origin: Origin,
}

/// The limit that an attempt began under, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen(u64);

impl Paces {
    /// No channel is limited.
    #[must_use]
    pub fn new(policy: PacePolicy) -> Self {
        Self { store: Shared::new(Store { ends: Table::new(), policy, origin: Origin::now() }) }
    }

    /// For how much longer a channel is limited.
    #[must_use]
    pub fn remaining(&self, key: ChannelKey, now: Instant) -> Option<Duration> {
        self.left(self.seen(key), || now)
    }

    /// Limits a channel for as long as the provider asked, or for the default time. Does not shorten a limit.
    pub fn limit(&self, channel: &Channel, asked: Option<Duration>, now: Instant) {
        let policy = &self.store.policy;
        let time = asked.filter(|asked| !asked.is_zero()).unwrap_or(policy.default).min(policy.max);
        let now = self.store.origin.millis(now);
        let before = self.end(channel.key).fetch_max(now.saturating_add(millis(time)), Ordering::Relaxed);
        if before <= now {
            tracing::info!(
                event = "lasso.upstream_rate_limit.limited",
                provider_id = channel.known_as.as_str(),
                instance_id = %channel.instance_id,
                transport = channel.transport.as_str(),
                limited_ms = millis(time),
                hinted = asked.is_some(),
                "provider asked for fewer requests",
            );
        }
    }

    /// Ends the limit of a channel.
    pub fn clear(&self, key: ChannelKey) {
        self.end(key).store(0, Ordering::Relaxed);
    }

    pub(super) fn seen(&self, key: ChannelKey) -> Seen {
        Seen(self.end(key).load(Ordering::Relaxed))
    }

    /// How much of a limit is left. The clock is read only if there is one.
    pub(super) fn left(&self, seen: Seen, clock: impl FnOnce() -> Instant) -> Option<Duration> {
        if seen.0 == 0 {
            return None;
        }
        match seen.0.saturating_sub(self.store.origin.millis(clock())) {
            0 => None,
            left => Some(Duration::from_millis(left)),
        }
    }

    /// Ends a limit that an attempt began under, unless it was made longer since.
    pub(super) fn disproved(&self, key: ChannelKey, seen: Seen) {
        if seen.0 != 0 {
            // Fails where the limit changed meanwhile: the newer one stands.
            let _ = self.end(key).compare_exchange(seen.0, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn end(&self, key: ChannelKey) -> &AtomicU64 {
        self.store.ends.cell(key.index())
    }
}

/// [`Stage::RateLimit`](crate::call::Stage): a limited channel is demoted.
impl Filter for Paces {
    fn check(&self, subject: &Subject<'_>) -> Verdict {
        match self.remaining(subject.channel.key, subject.now) {
            Some(_) => Verdict::Demote(Demotion::LIMITED),
            None => Verdict::Keep,
        }
    }

    fn explain(&self, subject: &Subject<'_>) -> (Verdict, Facts) {
        match self.remaining(subject.channel.key, subject.now) {
            Some(left) => {
                (Verdict::Demote(Demotion::LIMITED), Facts::none().with("retry_after_ms", millis(left)))
            }
            None => (Verdict::Keep, Facts::none()),
        }
    }
}
