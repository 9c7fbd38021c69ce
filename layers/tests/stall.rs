//! A channel that stopped answering is left before its attempts time out.
#![cfg(all(
    feature = "candidate",
    feature = "failover",
    feature = "stall",
    feature = "strategy",
    feature = "test-util",
    feature = "timeout"
))]

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::stall::{StallLayer, StallPolicy, Stalls};
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::FailoverLayer;
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::{Call, Dispatch, Failure, Plan, Reply, Stage, TransportKind};
use lasso_layers::catalog::{ChannelKey, Live, Strategy, Transport};
use lasso_layers::testing;
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Two providers, of which the first is preferred and may hang.
#[derive(Clone)]
struct World {
    live: Live,
    stalls: Stalls,
    hangs: Arc<AtomicBool>,
    refuses: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn new() -> Self {
        Self {
            live: testing::live(testing::chain(&["a", "b"])),
            stalls: Stalls::new(StallPolicy::default()),
            hangs: Arc::default(),
            refuses: Arc::default(),
            asked: Arc::default(),
        }
    }

    async fn attempt(self, attempt: Attempt) -> Result<Reply, Failure> {
        let id = attempt.provider().id.to_string();
        self.asked.lock().unwrap().push(id.clone());
        if id == "a" && self.refuses.load(Ordering::Relaxed) {
            return Err(Failure::transport(TransportKind::Connect, Dispatch::NotSent, Transport::Http));
        }
        if id == "a" && self.hangs.load(Ordering::Relaxed) {
            return pending().await;
        }
        sleep(ms(10)).await;
        Ok(testing::reply("1"))
    }

    /// A call that has ten seconds, of which a first attempt may use six.
    fn ask(&self) -> JoinHandle<Result<Reply, Failure>> {
        let world = self.clone();
        let stack = ServiceBuilder::new()
            .layer(CandidateLayer::new().filter(Stage::Liveness, self.stalls))
            .layer(StrategyLayer::new())
            .layer(FailoverLayer::default())
            .layer(StallLayer::new(self.stalls))
            .layer(TimeoutLayer::new())
            .service(service_fn(move |attempt| world.clone().attempt(attempt)));
        tokio::spawn(stack.oneshot(self.call()))
    }

    fn call(&self) -> Call {
        let mut plan = Plan::new(self.live.snapshot(), "default", "ethereum").unwrap();
        plan.strategy = Strategy::Priority;
        let mut call = testing::call("eth_call", "[]");
        call.deadline = call.received + 10 * SECOND;
        call.journal().set_plan(plan);
        call
    }

    /// Who was asked since the last look.
    fn asked(&self) -> String {
        self.asked.lock().unwrap().drain(..).collect()
    }

    fn a(&self) -> ChannelKey {
        let catalog = self.live.load();
        let (_, provider) = catalog.profiles()[0].chains()[0].provider("a").unwrap();
        provider.http.as_ref().unwrap().key
    }

    fn is_stalled(&self) -> bool {
        self.stalls.is_stalled(self.a(), Instant::now())
    }

    /// So many calls, one every 20 ms, and those that are still under way.
    async fn traffic(&self, calls: usize) -> Vec<JoinHandle<Result<Reply, Failure>>> {
        let mut under_way = Vec::new();
        for _ in 0..calls {
            under_way.push(self.ask());
            sleep(ms(20)).await;
        }
        under_way
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_left_within_moments() {
    let world = World::new();
    world.traffic(10).await;
    assert_eq!(world.asked(), "aaaaaaaaaa");
    world.hangs.store(true, Ordering::Relaxed);
    let under_way = world.traffic(100).await;
    let asked = world.asked();
    // The time until it counts as stalled, at one call every 20 ms.
    assert_eq!(asked.matches('a').count(), 10, "{asked}");
    assert_eq!(asked.matches('b').count(), 90);
    for call in under_way {
        assert!(call.await.unwrap().is_ok(), "those that were caught fail over in time");
    }
}

#[tokio::test(start_paused = true)]
async fn a_few_slow_calls_change_nothing() {
    let world = World::new();
    world.hangs.store(true, Ordering::Relaxed);
    let waiting = world.traffic(4).await;
    sleep(SECOND).await;
    assert!(!world.is_stalled());
    assert_eq!(world.asked(), "aaaa");
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn one_answer_ends_it() {
    let world = World::new();
    world.hangs.store(true, Ordering::Relaxed);
    let waiting = world.traffic(5).await;
    sleep(ms(200)).await;
    assert!(world.is_stalled());
    world.hangs.store(false, Ordering::Relaxed);
    world.stalls.heard(world.a());
    assert!(!world.is_stalled());
    world.asked();
    assert!(world.ask().await.unwrap().is_ok());
    assert_eq!(world.asked(), "a");
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_no_sign_of_life_and_a_refused_connection_is_one() {
    let world = World::new();
    world.hangs.store(true, Ordering::Relaxed);
    for call in world.traffic(5).await {
        assert!(call.await.unwrap().is_ok());
    }
    assert!(world.is_stalled(), "all five timed out");

    let world = World::new();
    world.refuses.store(true, Ordering::Relaxed);
    for call in world.traffic(20).await {
        assert!(call.await.unwrap().is_ok());
    }
    assert!(!world.is_stalled());
}

#[tokio::test(start_paused = true)]
async fn silence_is_forgotten_in_time() {
    let world = World::new();
    world.hangs.store(true, Ordering::Relaxed);
    let waiting = world.traffic(6).await;
    sleep(ms(200)).await;
    assert!(world.is_stalled());
    advance(10 * SECOND).await;
    assert!(!world.is_stalled());
    world.hangs.store(false, Ordering::Relaxed);
    world.asked();
    assert!(world.ask().await.unwrap().is_ok());
    assert_eq!(world.asked().chars().last(), Some('a'), "it gets another chance");
    drop(waiting);
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_dropped_stay_counted_until_the_next_answer() {
    let world = World::new();
    world.hangs.store(true, Ordering::Relaxed);
    for call in world.traffic(5).await {
        call.abort();
    }
    sleep(ms(200)).await;
    assert!(world.is_stalled(), "that clients left is no sign of life");
    world.stalls.heard(world.a());
    assert!(!world.is_stalled(), "and no count is left over");
}
