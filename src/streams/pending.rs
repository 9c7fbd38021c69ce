//! Streams of pending transactions. Best effort: no two nodes hear of the same transactions, so there is nothing that
//! a gap could be filled with. What can be done is done: the stream moves on when it loses its provider, and tells of no
//! transaction twice.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lasso_layers::call::session::Delivery;
use lasso_layers::catalog::{Channel, ChannelKey};
use smol_str::SmolStr;
use tokio::time::{Instant, sleep, timeout};

use super::choose::able;
use super::counters::Drops;
use super::hub::{Finale, Handle, Shared};
use super::key::StreamKey;
use super::log;
use super::pool::{Gone, Signal, Tap, Update};

/// Transactions that are remembered, so that they are told once.
const REMEMBERED: usize = 4_096;
/// Providers that may refuse before the stream is given up.
const REFUSALS: usize = 3;
/// The first and the longest pause while there is no provider.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Serves the subscribers of a stream for as long as there are any, unless no provider does this.
pub(super) async fn run(shared: Arc<Shared>, key: Arc<StreamKey>, handle: Arc<Handle>) {
    let _counted = shared.counters.stream();
    let mut catalog = shared.generation.subscribe();
    let finale = Finale { shared, key, handle };
    let mut pending = Pending::default();
    loop {
        catalog.mark_unchanged();
        let Some(plan) = finale.shared.chooser.plan(&finale.key) else {
            log::withdrawn(&finale.key);
            return finale.tell("failed", None, "withdrawn");
        };
        let candidates = finale.shared.chooser.candidates(&plan, &finale.key, false, Instant::now());
        let Some(channel) = pending.choose(&candidates) else {
            let all_refused = !candidates.is_empty()
                && candidates.iter().all(|channel| pending.refused.contains(&channel.key));
            if !pending.is_established && (all_refused || pending.refused.len() >= REFUSALS) {
                log::refused(&finale.key);
                return finale.tell("failed", None, "refused");
            }
            // Both are cancel safe. A provider may be back when the pause is over; a new catalogue is looked at at once.
            tokio::select! {
                () = sleep(pending.pause()) => {}
                _ = catalog.changed() => {}
            }
            continue;
        };
        let tap = finale.shared.pool.join(&channel, &finale.key.topic);
        let provider = able(&plan, &finale.key).find(|(_, its)| its.key == channel.key);
        let provider = provider.map(|(provider, _)| provider.id.clone());
        // Both are cancel safe: what a new catalogue interrupts is looked at anew, and the pool keeps the subscription.
        let gone = tokio::select! {
            gone = pending.follow(&finale, &channel, provider, tap) => gone,
            _ = catalog.changed() => continue,
        };
        finale.handle.record.lost();
        match gone {
            Gone::Refused { lasting: true } => pending.refused.push(channel.key),
            Gone::Refused { lasting: false } | Gone::Lost(_) => pending.failed.push(channel.key),
        }
    }
}

#[derive(Default)]
struct Pending {
    is_established: bool,
    /// Those that said no for good.
    refused: Vec<ChannelKey>,
    /// Those that failed since all others did.
    failed: Vec<ChannelKey>,
    pauses: u32,
    known: Known,
}

impl Pending {
    /// The first candidate that did not fail lately. Nothing once all have, and then all may be tried again.
    fn choose(&mut self, candidates: &[Arc<Channel>]) -> Option<Arc<Channel>> {
        let is_left = |channel: &&Arc<Channel>| {
            !self.refused.contains(&channel.key) && !self.failed.contains(&channel.key)
        };
        let chosen = candidates.iter().find(is_left).cloned();
        if chosen.is_none() {
            self.failed.clear();
        }
        chosen
    }

    fn pause(&mut self) -> Duration {
        let pause = PAUSE.saturating_mul(1 << self.pauses.min(6)).min(LONGEST_PAUSE);
        self.pauses += 1;
        pause
    }

    /// Passes on what a provider tells, until it stops.
    async fn follow(
        &mut self,
        finale: &Finale,
        channel: &Channel,
        provider: Option<SmolStr>,
        mut tap: Tap,
    ) -> Gone {
        let Finale { shared, key, handle } = finale;
        let Ok(first) = timeout(shared.policy.pool.confirm, tap.next()).await else {
            return Gone::Refused { lasting: false };
        };
        let mut signal = first;
        loop {
            match signal {
                Ok(Signal::Confirmed(_)) => {
                    self.pauses = 0;
                    self.failed.clear();
                    if !std::mem::replace(&mut self.is_established, true) {
                        log::established(key, channel);
                        finale.tell("subscribed", Some(channel), "");
                    }
                    handle.record.served_by(provider.clone());
                    handle.fanout.establish();
                }
                Ok(Signal::Update(Update::Transaction(transaction))) => {
                    if self.known.is_new(&transaction) {
                        handle.fanout.deliver(&Arc::new(Delivery::of(&transaction)));
                    } else {
                        shared.counters.dropped(key.chain_id, Drops::DUPLICATE);
                    }
                }
                Ok(Signal::Update(Update::Head(_) | Update::Log(_))) => {}
                Err(gone) => return gone,
            }
            signal = tap.next().await;
        }
    }
}

/// The last transactions that were told.
#[derive(Debug, Default)]
struct Known {
    /// Digests, since a provider decides how long what it tells is.
    set: HashSet<u64>,
    /// The oldest first.
    order: VecDeque<u64>,
    /// Nobody can make two of the same digest.
    state: RandomState,
}

impl Known {
    /// Whether it was not told lately. It is remembered.
    fn is_new(&mut self, transaction: &Bytes) -> bool {
        let digest = self.state.hash_one(transaction);
        if self.set.contains(&digest) {
            return false;
        }
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        self.order.push_back(digest);
        self.set.insert(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_new_once_until_it_is_forgotten() {
        let mut known = Known::default();
        let hash = |n: usize| Bytes::from(format!("\"0x{n:064x}\""));
        assert!(known.is_new(&hash(0)));
        assert!(!known.is_new(&hash(0)));
        (1..=REMEMBERED).for_each(|n| assert!(known.is_new(&hash(n))));
        assert!(known.is_new(&hash(0)), "it was the oldest");
        assert!(!known.is_new(&hash(REMEMBERED)));
        assert_eq!((known.set.len(), known.order.len()), (REMEMBERED, REMEMBERED));
    }
}
