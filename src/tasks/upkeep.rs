//! Keeps what is known of channels in step with the clock and with the catalogue.

use std::sync::Arc;
use std::time::Duration;

use lasso_layers::catalog::{Catalog, ChannelKey, Transport};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::runtime::Runtime;

/// How late the end of a recovery timeout is noticed at most, and a channel that left. One that is back within this
/// time never left.
const BEAT: Duration = Duration::from_millis(100);

/// Makes breakers half-open when their time is over, whether or not a call asks for the channel; takes the say in the
/// consensus height from instances whose HTTP breaker is open, until they report again; and forgets the channels that
/// the catalogue no longer has: an upstream that is taken back later starts anew. What is known of the others is not
/// touched.
///
/// Calls need none of this to be treated right; it is for those who watch, and for those who remove an upstream
/// because of what is known of it.
#[derive(Debug)]
pub(crate) struct Upkeep {
    runtime: Runtime,
    /// The catalogue that was in force at the last look.
    catalog: Arc<Catalog>,
}

impl Upkeep {
    /// Of the stores of `runtime`.
    pub(crate) fn new(runtime: Runtime) -> Self {
        Self { catalog: runtime.live.snapshot(), runtime }
    }

    /// Looks for as long as it is polled.
    pub(crate) async fn run(mut self) {
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let now = beats.tick().await;
            self.look(now);
        }
    }

    fn look(&mut self, now: Instant) {
        self.follow();
        for channel in self.catalog.channels() {
            self.runtime.breakers.tick(channel, now);
            if channel.transport == Transport::Http && self.runtime.breakers.is_open(channel.key, now) {
                self.runtime.heights.lose(channel.chain_id, channel.instance);
            }
        }
    }

    /// Takes over the catalogue in force if it is a new one.
    fn follow(&mut self) {
        if self.runtime.live.load().generation() == self.catalog.generation() {
            return;
        }
        let before = std::mem::replace(&mut self.catalog, self.runtime.live.snapshot());
        let gone = before.channels().filter(|channel| self.catalog.channel(channel.key).is_none());
        gone.for_each(|channel| self.forget(channel.key));
        self.runtime.observed.decisions().follow(self.catalog.generation());
    }

    /// Heights are forgotten by whoever asks for them.
    fn forget(&self, key: ChannelKey) {
        self.runtime.breakers.forget(key);
        self.runtime.paces.clear(key);
        self.runtime.stalls.heard(key);
        self.runtime.benchmarks.forget_probe(key);
    }
}

#[cfg(test)]
mod tests {
    use lasso_layers::attempt::breaker::BreakerState;
    use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
    use lasso_layers::state::heights::{Observation, Source};
    use tokio::time::advance;

    use super::*;
    use crate::config::Settings;

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_cannot_be_reached_has_no_say_in_the_consensus() {
        let runtime = Runtime::new(Live::new(profiles(&["a", "b"])).unwrap(), &Settings::default());
        let mut upkeep = Upkeep::new(runtime.clone());
        let (catalog, now) = (runtime.live.snapshot(), Instant::now());
        let http = |provider: &str| {
            let mut all = catalog.channels();
            all.find(|it| it.known_as == provider && it.transport == Transport::Http).unwrap().clone()
        };
        for (provider, height) in [("a", 108), ("b", 100)] {
            let observation = Observation::new(height, now, Source::Http);
            runtime.heights.record(1, http(provider).instance, observation);
        }
        upkeep.look(now);
        assert_eq!(runtime.heights.consensus(1, now), Some(108));
        runtime.breakers.open(&http("a"), now);
        upkeep.look(now);
        assert_eq!(runtime.heights.consensus(1, now), Some(100));
        runtime.heights.record(1, http("a").instance, Observation::new(109, now, Source::Http));
        assert_eq!(runtime.heights.consensus(1, now), Some(109), "it reports again");
    }

    fn profiles(providers: &[&str]) -> Vec<ProfileSpec> {
        let chain = providers.iter().fold(ChainSpec::new("ethereum", 1), |chain, name| {
            let mut provider = ProviderSpec::http(*name, format!("http://{name}.example"));
            provider.ws_url = Some(format!("ws://{name}.example"));
            chain.provider(provider)
        });
        vec![ProfileSpec::new("default").chain(chain)]
    }

    fn channels(runtime: &Runtime, provider: &str) -> [ChannelKey; 2] {
        let catalog = runtime.live.snapshot();
        [Transport::Http, Transport::Ws].map(|transport| {
            let found = catalog
                .channels()
                .find(|channel| channel.known_as == provider && channel.transport == transport);
            found.expect("the provider is there").key
        })
    }

    /// Opens, limits and measures every channel.
    fn stir(runtime: &Runtime, now: Instant) {
        for channel in runtime.live.snapshot().channels() {
            runtime.breakers.open(channel, now);
            runtime.paces.limit(channel, None, now);
            runtime.benchmarks.probed(channel.key, Duration::from_millis(7));
        }
    }

    /// Everything that is known of a channel.
    fn known(runtime: &Runtime, key: ChannelKey, now: Instant) -> (BreakerState, bool, bool) {
        let limited = runtime.paces.remaining(key, now).is_some();
        (runtime.breakers.status(key, now).state, limited, runtime.benchmarks.probe_latency(key).is_some())
    }

    #[tokio::test(start_paused = true)]
    async fn channels_that_left_are_forgotten_and_the_others_are_not() {
        let live = Live::new(profiles(&["a", "b"])).unwrap();
        let runtime = Runtime::new(live, &Settings::default());
        let mut upkeep = Upkeep::new(runtime.clone());
        let (a, b) = (channels(&runtime, "a"), channels(&runtime, "b"));
        let now = Instant::now();
        stir(&runtime, now);
        let remaining = runtime.breakers.status(b[0], now).remaining;
        runtime.live.publish(profiles(&["b", "c"])).unwrap();
        upkeep.look(now);
        for key in a {
            assert_eq!(known(&runtime, key, now), (BreakerState::Closed, false, false));
        }
        for key in b {
            assert_eq!(known(&runtime, key, now), (BreakerState::Open, true, true));
        }
        assert_eq!(runtime.breakers.status(b[0], now).remaining, remaining);

        // Back again, it is the same channel and has its own state once more.
        runtime.live.publish(profiles(&["a", "b"])).unwrap();
        stir(&runtime, now);
        upkeep.look(now);
        assert_eq!(channels(&runtime, "a"), a);
        assert_eq!(known(&runtime, a[0], now), (BreakerState::Open, true, true));
    }

    #[tokio::test(start_paused = true)]
    async fn breakers_are_half_open_when_their_time_is_over() {
        let live = Live::new(profiles(&["a"])).unwrap();
        let runtime = Runtime::new(live, &Settings::default());
        let task = tokio::spawn(Upkeep::new(runtime.clone()).run());
        let [http, ws] = channels(&runtime, "a");
        let channel = runtime.live.snapshot().channel(http).unwrap().clone();
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        runtime.breakers.observe(move |channel, transition| {
            told.send((channel.key, transition.reason.as_str(), Instant::now())).unwrap();
        });
        runtime.breakers.open(&channel, Instant::now());
        let deadline = Instant::now() + runtime.breakers.status(http, Instant::now()).remaining.unwrap();
        assert_eq!(heard.recv().await.unwrap().1, "manual_open");
        let (key, reason, at) = heard.recv().await.unwrap();
        assert_eq!((key, reason), (http, "proactive_recovery"));
        assert!(deadline <= at && at <= deadline + BEAT, "{:?}", at - deadline);
        assert_eq!(runtime.breakers.status(ws, Instant::now()).state, BreakerState::Closed);
        advance(BEAT * 10).await;
        assert!(heard.try_recv().is_err(), "it is told once");
        task.abort();
    }
}
