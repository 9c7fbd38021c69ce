//! What the prober makes of answers, without a network.

use http::StatusCode;
use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::call::{Dispatch, HttpRefusal, TransportKind, UpstreamFailure};
use lasso_layers::catalog::{Category, ChainSpec, Channel, Live, ProfileSpec, ProviderSpec, Transport};
use lasso_layers::state::health::{Row, Status};
use lasso_layers::wire::ErrorObject;

use super::*;
use crate::config::Settings;
use crate::policies;
use crate::upstream::HttpUpstream;

const LATENCY: Duration = Duration::from_millis(7);

struct World {
    prober: Prober,
    flights: Flights<Answer>,
    instance: InstanceKey,
    now: Instant,
}

fn profiles(provider: &str) -> Vec<ProfileSpec> {
    let provider = ProviderSpec::http(provider, format!("http://{provider}.example"));
    vec![ProfileSpec::new("default").chain(ChainSpec::new("ethereum", 1).provider(provider))]
}

impl World {
    fn new() -> Self {
        let settings = Settings::default();
        let runtime = Runtime::new(Live::new(profiles("a")).unwrap(), &settings);
        let asker = Asker::new(HttpUpstream::new(policies::upstream_http(&settings)).unwrap());
        let policy = policies::probe(&settings).unwrap();
        let mut prober = Prober::new(runtime, asker, policy, Entropy::seeded(7));
        let mut flights = Flights::new();
        prober.follow(&mut flights);
        let instance = *prober.targets.keys().next().unwrap();
        Self { prober, flights, instance, now: Instant::now() }
    }

    fn answer(&mut self, outcome: Result<u64, Failure>) {
        self.now += Duration::from_secs(60);
        self.prober.settle(self.instance, Some(Answer { outcome, latency: LATENCY }), self.now);
    }

    fn refuse(&mut self, category: Category, status: u16) {
        let http = Some(HttpRefusal { status: StatusCode::from_u16(status).unwrap(), mentions_limit: false });
        let (error, transport) = (ErrorObject::new(-32002, "no"), Transport::Http);
        let failure = UpstreamFailure { error, category, retry_after: None, transport, http };
        self.answer(Err(Failure::Upstream(Box::new(failure))));
    }

    fn channel(&self) -> &Channel {
        self.prober.targets[&self.instance].channel()
    }

    fn row(&self) -> Row {
        self.prober.runtime.health.of(self.instance).probe.expect("there is a row")
    }

    /// State and failures of the breaker.
    fn breaker(&self) -> (BreakerState, u32) {
        let status = self.prober.runtime.breakers.status(self.channel().key, self.now);
        (status.state, status.failures)
    }

    fn limited(&self) -> Option<Duration> {
        self.prober.runtime.paces.remaining(self.channel().key, self.now)
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_is_health_latency_and_a_signal_of_recovery() {
    let mut world = World::new();
    world.prober.runtime.breakers.open(world.channel(), world.now);
    world.answer(Ok(1));
    assert_eq!(world.breaker().0, BreakerState::HalfOpen);
    world.answer(Ok(1));
    assert_eq!(world.breaker().0, BreakerState::Closed);
    let row = world.row();
    assert_eq!((row.status, row.latency, row.updated), (Status::Healthy, Some(LATENCY), world.now));
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_63_the_wrong_chain_fails_three_probes_and_is_unhealthy() {
    let mut world = World::new();
    for (failures, status) in [(1, Status::Degraded), (2, Status::Degraded), (3, Status::Unhealthy)] {
        world.answer(Ok(5));
        assert_eq!((world.row().failures, world.row().status), (failures, status));
        assert_eq!(world.breaker(), (BreakerState::Closed, failures));
    }
    let error = world.row().last_error.unwrap();
    assert_eq!(error, "server_error: wrong chain: expected id 1, the node has 5");
    assert!(world.prober.runtime.strangers.contains(world.instance));
    world.answer(Ok(1));
    assert_eq!((world.row().failures, world.row().status), (0, Status::Healthy));
    assert!(!world.prober.runtime.strangers.contains(world.instance));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_too_many_requests_limits_for_a_minute_and_never_counts() {
    for (category, status) in [(Category::RateLimit, 429), (Category::AuthError, 403)] {
        let mut world = World::new();
        for _ in 0..10 {
            world.refuse(category, status);
        }
        assert_eq!(world.breaker(), (BreakerState::Closed, 0), "{status}");
        assert_eq!(world.limited(), Some(Duration::from_secs(60)));
        assert_eq!((world.row().status, world.row().failures), (Status::Degraded, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_holds_is_not_made_longer() {
    let mut world = World::new();
    let soon = world.now + Duration::from_secs(60);
    world.prober.runtime.paces.limit(world.channel(), Some(Duration::from_secs(5)), soon);
    world.refuse(Category::RateLimit, 429);
    assert_eq!(world.limited(), Some(Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_ours_to_mend_and_count() {
    for (category, status) in [(Category::AuthError, 401), (Category::ServerError, 402)] {
        let mut world = World::new();
        world.refuse(category, status);
        assert_eq!((world.row().status, world.row().failures), (Status::Misconfigured, 1));
        assert_eq!((world.breaker(), world.limited()), ((BreakerState::Closed, 1), None));
    }
}

#[tokio::test(start_paused = true)]
async fn failures_count_with_their_category() {
    let mut world = World::new();
    let timeout = || Failure::transport(TransportKind::Timeout, Dispatch::Unknown, Transport::Http);
    world.answer(Err(timeout()));
    assert_eq!(world.breaker(), (BreakerState::Closed, 1));
    world.answer(Err(timeout()));
    assert_eq!(world.breaker().0, BreakerState::Open, "two timeouts are enough");
    assert_eq!(world.row().last_error.as_deref(), Some("timeout: Request timeout"));
}

#[tokio::test(start_paused = true)]
async fn an_instance_takes_its_row_with_it() {
    let mut world = World::new();
    world.answer(Ok(5));
    world.prober.runtime.live.publish(profiles("b")).unwrap();
    world.prober.follow(&mut world.flights);
    assert!(world.prober.runtime.health.is_empty());
    assert!(!world.prober.runtime.strangers.contains(world.instance));
    world.answer(Ok(5));
    assert!(world.prober.runtime.health.is_empty(), "a late answer does not bring it back");
}
