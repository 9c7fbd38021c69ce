//! Everything that was heard, put together.

use std::collections::VecDeque;

use smol_str::SmolStr;

use super::feed::{Trouble, Update};
use super::message::{
    Batch, Chain, Cluster, Event, Heartbeat, Message, Node, Provider, Snapshot, Stats, Stream,
};

/// Events that are kept; more than fit on any screen.
const EVENTS: usize = 300;

/// What there is to see. Times are those of the router's clock.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) profile: SmolStr,
    pub(super) node: Node,
    /// In configured order.
    pub(super) chains: Vec<Chain>,
    /// In configured order.
    pub(super) providers: Vec<Provider>,
    pub(super) streams: Vec<Stream>,
    pub(super) stats: Stats,
    pub(super) cluster: Cluster,
    /// The oldest first.
    pub(super) events: VecDeque<Event>,
    /// When something was heard last, in milliseconds since 1970.
    pub(super) now: u64,
    /// Why nothing is heard any more; then all the rest is what it was.
    pub(super) lost: Option<Trouble>,
}

impl Model {
    /// What a snapshot says.
    pub(super) fn of(snapshot: Snapshot) -> Self {
        let Snapshot { now, profile, node, chains, providers, streams, stats, cluster, events } = snapshot;
        let mut model = Self {
            profile,
            node,
            chains,
            providers: providers.into_iter().map(|provider| Provider { told: now, ..provider }).collect(),
            streams,
            stats,
            cluster,
            events: VecDeque::new(),
            now,
            lost: None,
        };
        model.happened(events);
        model
    }

    /// Takes in what was heard.
    pub(super) fn apply(&mut self, update: Update) {
        match update {
            Update::Lost(trouble) => self.lost = Some(trouble),
            Update::Message(Message::Snapshot(snapshot)) => *self = Self::of(*snapshot),
            Update::Message(Message::Heartbeat(Heartbeat { now })) => self.now = now,
            Update::Message(Message::Batch(batch)) => self.change(*batch),
        }
    }

    fn change(&mut self, batch: Batch) {
        let Batch { now, chains, providers, streams, gone, stats, cluster, events } = batch;
        let providers = providers.into_iter().map(|provider| Provider { told: now, ..provider });
        merge(&mut self.chains, chains, &gone.chains, |it| &it.key);
        merge(&mut self.providers, providers, &gone.providers, |it| &it.key);
        merge(&mut self.streams, streams, &gone.streams, |it| &it.key);
        self.stats = stats.unwrap_or_else(|| std::mem::take(&mut self.stats));
        self.cluster = cluster.unwrap_or_else(|| std::mem::take(&mut self.cluster));
        self.now = now;
        self.happened(events);
    }

    fn happened(&mut self, events: Vec<Event>) {
        self.events.extend(events);
        let too_many = self.events.len().saturating_sub(EVENTS);
        self.events.drain(..too_many);
    }

    /// The providers of a chain, in their order.
    pub(super) fn providers_of<'a>(&'a self, chain: &'a str) -> impl Iterator<Item = &'a Provider> {
        self.providers.iter().filter(move |provider| provider.chain == chain)
    }

    /// What is left of a duration that was told with a provider.
    pub(super) const fn left(&self, provider: &Provider, millis: u64) -> u64 {
        millis.saturating_sub(self.now.saturating_sub(provider.told))
    }
}

/// Takes out what is gone, replaces what changed where it is, and adds what is new.
fn merge<T>(
    all: &mut Vec<T>,
    changed: impl IntoIterator<Item = T>,
    gone: &[SmolStr],
    key: fn(&T) -> &SmolStr,
) {
    all.retain(|it| !gone.contains(key(it)));
    for new in changed {
        match all.iter_mut().find(|it| key(it) == key(&new)) {
            Some(old) => *old = new,
            None => all.push(new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::tests::{message, model};

    fn keys<T>(all: &[T], key: fn(&T) -> &SmolStr) -> Vec<&str> {
        all.iter().map(|it| key(it).as_str()).collect()
    }

    #[test]
    fn changes_take_the_place_of_what_was() {
        let mut model = model();
        let before = keys(&model.providers, |it| &it.key).join(" ");
        model.apply(message(
            "batch",
            r#"{"seq":1,"now":2000,"providers":[{"key":"ethereum/quick","chain":"ethereum","id":"quick","status":"circuit_open"}],
                "stats":{"rps":3.5}}"#,
        ));
        assert_eq!(keys(&model.providers, |it| &it.key).join(" "), before);
        assert_eq!(model.providers[0].status, "circuit_open");
        assert!((model.stats.rps - 3.5).abs() < f64::EPSILON && model.cluster.state == "standalone");
    }

    #[test]
    fn what_is_gone_is_taken_out_and_what_is_new_comes_last() {
        let mut model = model();
        model.apply(message(
            "batch",
            r#"{"now":1,"gone":{"providers":["ethereum/quick"],"chains":["base"]},"providers":[{"key":"ethereum/new"}]}"#,
        ));
        let keys = keys(&model.providers, |it| &it.key);
        assert!(!keys.contains(&"ethereum/quick") && keys.last() == Some(&"ethereum/new"));
        assert_eq!(model.chains.len(), 1);
    }

    #[test]
    fn the_last_events_are_kept() {
        let mut model = model();
        for height in 0..400 {
            let event = format!(
                r#"{{"events":[{{"kind":"block","ts":1,"chain":"c","height":{height},"provider":"p"}}]}}"#
            );
            model.apply(message("batch", &event));
        }
        assert_eq!(model.events.len(), EVENTS);
        assert!(matches!(model.events.back(), Some(Event::Block { height: 399, .. })));
    }

    #[test]
    fn a_lost_connection_leaves_everything_and_a_snapshot_ends_it() {
        let mut model = model();
        model.apply(Update::Lost(Trouble::new("gone")));
        assert!(model.lost.is_some() && !model.providers.is_empty());
        model.apply(message("snapshot", r#"{"now":9,"profile":"other","chains":[],"providers":[]}"#));
        assert!(model.lost.is_none() && model.providers.is_empty() && model.profile == "other");
    }

    #[test]
    fn durations_that_are_left_run_down_by_the_routers_clock() {
        let mut model = model();
        let told = model.providers[0].told;
        model.apply(message("heartbeat", &format!(r#"{{"now":{}}}"#, told + 400)));
        let provider = &model.providers[0];
        assert_eq!([model.left(provider, 1_000), model.left(provider, 300)], [600, 0]);
    }
}
