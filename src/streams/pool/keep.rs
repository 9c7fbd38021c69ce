//! The tasks that keep upstream subscriptions.

use std::sync::Arc;
use std::time::Duration;

use lasso_layers::attempt::breaker::Breakers;
use lasso_layers::call::Failure;
use lasso_layers::call::subscribe::Topic;
use lasso_layers::catalog::{Category, Channel};
use lasso_layers::state::heights::{Heights, Observation, Source};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::entry::Entry;
use super::{Gone, Update};
use crate::observe::Observed;
use crate::strangers::Strangers;
use crate::streams::block::{Header, Log, MAX_EVENT, Malformed};
use crate::streams::coordinator::{BlockId, LossReason};
use crate::streams::counters::{Drops, StreamCounters};
use crate::streams::fetch::Fetcher;
use crate::streams::log;
use crate::upstream::ws::{Feed, FeedEnd, Links};

/// Ends an entry with the task that keeps it, however that ends.
struct Keeper(Arc<Entry>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.end(Gone::Lost(LossReason::Disconnected));
    }
}

/// What is to be subscribed to, and with what.
pub(super) struct Subscription {
    pub(super) links: Links,
    pub(super) breakers: Breakers,
    pub(super) heights: Heights,
    pub(super) strangers: Strangers,
    pub(super) observed: Observed,
    pub(super) counters: StreamCounters,
    pub(super) channel: Arc<Channel>,
    pub(super) topic: Topic,
    /// How long the provider may take to confirm.
    pub(super) limit: Duration,
}

impl Subscription {
    /// Subscribes and tells the users of `entry` what comes.
    pub(super) async fn keep(self, entry: Arc<Entry>) {
        let keeper = Keeper(entry);
        let entry = &keeper.0;
        let mut feed = match self.open().await {
            Ok(feed) => feed,
            Err(gone) => return entry.end(gone),
        };
        let Self { counters, channel, topic, heights, strangers, observed, .. } = self;
        let _counted = counters.upstream();
        log::subscription_created(&channel, &topic);
        entry.confirm(None);
        let why = loop {
            match feed.next().await {
                Ok(payload) => match read(&topic, payload) {
                    Ok(update) => {
                        // Before anybody is told: who asks for the block that it was told of is to be sent to who has it.
                        if let Update::Head(head) = &update
                            && !strangers.contains(channel.instance)
                        {
                            let now = Instant::now();
                            let observation = Observation::new(head.number, now, Source::Ws);
                            heights.record(channel.chain_id, channel.instance, observation);
                            observed.height_known(&channel, heights.consensus(channel.chain_id, now));
                        }
                        entry.publish(update);
                    }
                    Err(Unreadable::Malformed) => counters.dropped(channel.chain_id, Drops::MALFORMED),
                    // Left out it would be a gap. So it is as if more had come than can be kept: whoever goes on without this
                    // provider asks for what is missing.
                    Err(Unreadable::TooLarge) => {
                        counters.dropped(channel.chain_id, Drops::TOO_LARGE);
                        break LossReason::Overflow;
                    }
                },
                Err(FeedEnd::Disconnected) => break LossReason::Disconnected,
                Err(FeedEnd::Overflow) => break LossReason::Overflow,
            }
        };
        log::subscription_destroyed(&channel, &topic, why);
        entry.end(Gone::Lost(why));
    }

    /// Asks the provider. Whether its breaker forbids that was decided by whoever chose it, and a stream that has nobody
    /// else may insist; its breaker hears of the outcome if it would have let a call pass.
    async fn open(&self) -> Result<Feed, Gone> {
        let permit = self.breakers.admit(&self.channel, Instant::now()).ok();
        let params = self.topic.params_json();
        match self.links.subscribe(self.channel.key, params, self.limit).await {
            Ok(feed) => {
                // A provider that lets everybody in and closes at once is none that recovers.
                if let Some(permit) = permit
                    && self.links.status(self.channel.key).is_stable
                {
                    permit.success(&self.channel);
                }
                Ok(feed)
            }
            Err(failure) => {
                let gone = Gone::Refused { lasting: is_lasting(&failure) };
                if let Some(permit) = permit {
                    permit.settle(&self.channel, &Err(failure), Instant::now);
                }
                Err(gone)
            }
        }
    }
}

/// Asks a provider for its newest block again and again, and tells the users of `entry` each that is new.
pub(super) async fn polled(entry: Arc<Entry>, fetcher: Fetcher, every: Duration) {
    /// A provider that does not answer this often is lost.
    const FAILURES: u32 = 3;
    let keeper = Keeper(entry);
    let entry = &keeper.0;
    let mut beats = interval(every);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut failures) = (None, 0);
    loop {
        beats.tick().await;
        match fetcher.block(BlockId::Latest).await {
            Ok(Some(head)) => {
                failures = 0;
                match last.replace(head.hash) {
                    None => entry.confirm(Some(head)),
                    Some(known) if known != head.hash => entry.publish(Update::Head(head)),
                    Some(_) => {}
                }
            }
            Ok(None) | Err(_) if last.is_none() => return entry.end(Gone::Refused { lasting: false }),
            Ok(None) | Err(_) => {
                failures += 1;
                if failures == FAILURES {
                    return;
                }
            }
        }
    }
}

/// Whether asking the same provider again is no use: it answered, and what it said is not about the moment.
fn is_lasting(failure: &Failure) -> bool {
    let category = failure.category();
    let is_verdict = category.is_answer()
        || matches!(
            category,
            Category::MethodNotFound
                | Category::MethodError
                | Category::CapabilityViolation
                | Category::ClientError
        );
    matches!(failure, Failure::Upstream(_)) && is_verdict
}

/// Why an event is not passed on.
#[derive(Debug, PartialEq, Eq)]
enum Unreadable {
    Malformed,
    TooLarge,
}

fn read(topic: &Topic, payload: bytes::Bytes) -> Result<Update, Unreadable> {
    if payload.len() > MAX_EVENT {
        return Err(Unreadable::TooLarge);
    }
    match topic {
        Topic::NewHeads => Header::parse(&payload).map(Update::Head),
        Topic::Logs(_) => Log::parse(&payload).map(Update::Log),
        _ => Ok(Update::Transaction(payload)),
    }
    .map_err(|Malformed| Unreadable::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_not_even_read() {
        for topic in [Topic::NewHeads, Topic::NewPendingTransactions] {
            let huge = bytes::Bytes::from(vec![b' '; MAX_EVENT + 1]);
            assert_eq!(read(&topic, huge).err(), Some(Unreadable::TooLarge));
        }
        let small = bytes::Bytes::from_static(b"{}");
        assert_eq!(read(&Topic::NewHeads, small).err(), Some(Unreadable::Malformed));
    }
}
