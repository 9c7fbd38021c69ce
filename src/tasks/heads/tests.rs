//! What the poller makes of answers, without a network.

use std::sync::{Arc, LazyLock, Mutex};

use lasso_layers::call::{Dispatch, Failure, TransportKind};
use lasso_layers::catalog::{ChainSpec, Channel, Live, ProfileSpec, ProviderSpec, Transport};
use lasso_layers::state::health::{Row, Status};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::*;
use crate::config::Settings;
use crate::policies;
use crate::upstream::HttpUpstream;

const LATENCY: Duration = Duration::from_millis(7);

/// Lives as long as the tests. While there is only one dispatcher, `tracing` asks whichever thread meets an event first
/// whether it is wanted, and keeps a no for all threads.
static SECOND: LazyLock<tracing::Dispatch> =
    LazyLock::new(|| tracing::Dispatch::new(tracing_subscriber::registry()));

struct World {
    poller: HeadPoller,
    flights: Flights<Answer>,
    /// In configured order.
    instances: Vec<InstanceKey>,
    now: Instant,
}

fn profiles(providers: &[&str]) -> Vec<ProfileSpec> {
    let mut chain = ChainSpec::new("ethereum", 1);
    chain.providers =
        providers.iter().map(|id| ProviderSpec::http(*id, format!("http://{id}.example"))).collect();
    vec![ProfileSpec::new("default").chain(chain)]
}

impl World {
    fn new(providers: &[&str]) -> Self {
        let settings = Settings::default();
        let runtime = Runtime::new(Live::new(profiles(providers)).unwrap(), &settings);
        let asker = Asker::new(HttpUpstream::new(policies::upstream_http(&settings)).unwrap());
        let policy = policies::heads(&settings).unwrap();
        let mut poller = HeadPoller::new(runtime, asker, policy);
        let (mut flights, now) = (Flights::new(), Instant::now());
        poller.follow(now, &mut flights);
        let instances = poller.nodes.keys().copied().collect();
        Self { poller, flights, instances, now }
    }

    fn answer(&mut self, at: usize, outcome: Result<u64, Failure>) {
        self.now += Duration::from_secs(1);
        self.poller.settle(self.instances[at], Some(Answer { outcome, latency: LATENCY }), self.now);
    }

    fn channel(&self, at: usize) -> &Channel {
        self.poller.nodes[&self.instances[at]].target.channel()
    }

    fn row(&self, at: usize) -> Row {
        self.poller.runtime.health.of(self.instances[at]).block_sync.expect("there is a row")
    }

    fn breaker(&self, at: usize) -> (BreakerState, u32) {
        let status = self.poller.runtime.breakers.status(self.channel(at).key, self.now);
        (status.state, status.failures)
    }
}

fn refused() -> Failure {
    Failure::transport(TransportKind::Connect, Dispatch::NotSent, Transport::Http)
}

#[tokio::test(start_paused = true)]
async fn a_height_is_noted_with_what_it_took_and_signals_recovery() {
    let mut world = World::new(&["a"]);
    world.poller.runtime.breakers.open(world.channel(0), world.now);
    world.answer(0, Ok(100));
    assert_eq!(world.breaker(0).0, BreakerState::HalfOpen);
    let seen = world.poller.runtime.heights.latest(1, world.instances[0]).unwrap();
    assert_eq!((seen.height, seen.at, seen.latency), (100, world.now, Some(LATENCY)));
    assert_eq!((world.row(0).status, world.row(0).latency), (Status::Healthy, Some(LATENCY)));
}

#[tokio::test(start_paused = true)]
async fn failures_count_against_the_breaker_with_their_category() {
    let mut world = World::new(&["a"]);
    for failures in 1..=2 {
        world.answer(0, Err(refused()));
        assert_eq!(world.breaker(0), (BreakerState::Closed, failures));
    }
    assert_eq!((world.row(0).status, world.row(0).failures), (Status::Degraded, 2));
    world.answer(0, Err(refused()));
    assert_eq!(world.breaker(0).0, BreakerState::Open, "three connections that fail are enough");
    assert_eq!(world.row(0).last_error.as_deref(), Some("network_error: Upstream connection failed"));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_67_a_poll_does_not_hide_that_heads_come_by_themselves() {
    let mut world = World::new(&["a"]);
    let (runtime, instance) = (world.poller.runtime.clone(), world.instances[0]);
    let target = world.poller.nodes[&instance].target.clone();
    let head = world.now;
    assert!(!is_streamed(&runtime, &target, head));
    runtime.heights.record(1, instance, Observation::new(100, head, Source::Ws));
    world.answer(0, Ok(100));
    assert_eq!(runtime.heights.latest(1, instance).unwrap().source, Source::Http);
    let at = |millis| is_streamed(&runtime, &target, head + Duration::from_millis(millis));
    assert!(at(0) && at(41_999) && !at(42_000));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_67_polls_are_back_at_their_interval_when_heads_are_silent_past_their_timeout() {
    let world = World::new(&["a"]);
    let (runtime, instance) = (&world.poller.runtime, world.instances[0]);
    let target = &world.poller.nodes[&instance].target;
    let mut poll = Poll::new(Duration::from_secs(12), world.now);
    let mut turns = Vec::new();
    for second in 0..130 {
        let now = world.now + Duration::from_secs(second);
        // The last head comes at 50, and is missed 42 seconds later.
        if matches!(second, 10 | 20 | 30 | 40 | 50) {
            runtime.heights.record(1, instance, Observation::new(second, now, Source::Ws));
        }
        if poll.take_turn(now, || is_streamed(runtime, target, now)) {
            poll.sent();
            poll.settle(Outcome::Good);
            turns.push(second);
        }
    }
    assert_eq!(turns, [0, 36, 72, 92, 104, 116, 128]);
}

#[tokio::test(start_paused = true)]
async fn falling_behind_and_catching_up_are_told_once_each() {
    LazyLock::force(&SECOND);
    let said = Said::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(said.clone()));
    let mut world = World::new(&["a", "b"]);
    for (ahead, behind) in [(100, 95), (110, 104), (120, 105), (121, 116), (122, 117)] {
        world.answer(0, Ok(ahead));
        world.answer(1, Ok(behind));
    }
    let expected = ["lasso.block_sync.lagging b", "lasso.block_sync.caught_up b"];
    assert_eq!(*said.events.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_node_of_another_chain_has_neither_height_nor_row() {
    let mut world = World::new(&["a"]);
    let instance = world.instances[0];
    world.answer(0, Ok(100));
    world.poller.runtime.strangers.insert(instance);
    world.answer(0, Ok(200));
    assert_eq!(world.poller.runtime.heights.latest(1, instance).unwrap().height, 100);
    // At its next turn what it said before is forgotten.
    world.poller.start_due(world.now + Duration::from_secs(60), &mut world.flights);
    assert_eq!(world.poller.runtime.heights.latest(1, instance), None);
    assert!(world.poller.runtime.health.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_instance_takes_its_height_and_row_with_it() {
    let mut world = World::new(&["a", "b"]);
    world.answer(0, Ok(100));
    world.answer(1, Ok(100));
    world.poller.runtime.live.publish(profiles(&["b"])).unwrap();
    world.poller.follow(world.now, &mut world.flights);
    world.answer(0, Ok(101));
    assert_eq!(world.poller.runtime.heights.latest(1, world.instances[0]), None);
    assert_eq!(world.poller.runtime.health.len(), 1);
    assert_eq!(world.row(1).status, Status::Healthy);
}

/// The events of this thread about block sync, each with the provider it is about.
#[derive(Clone, Default)]
struct Said {
    events: Arc<Mutex<Vec<String>>>,
}

impl<S: tracing::Subscriber> Layer<S> for Said {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if fields.event.starts_with("lasso.block_sync") {
            self.events.lock().unwrap().push(format!("{} {}", fields.event, fields.provider));
        }
    }
}

#[derive(Default)]
struct Fields {
    event: String,
    provider: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "event" {
            self.event = value.to_owned();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "provider_id" {
            self.provider = format!("{value:?}");
        }
    }
}
