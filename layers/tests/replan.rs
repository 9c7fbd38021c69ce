//! What becomes of a call when what it was planned by is no longer true before it is answered.
#![cfg(all(feature = "failover", feature = "candidate", feature = "strategy", feature = "test-util"))]

use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use lasso_layers::attempt::Attempt;
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::{FailoverLayer, FailoverPolicy};
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::{
    Batch, BatchItem, Call, Failure, Pin, Plan, Reply, Stage, Subject, UpstreamFailure, Verdict,
};
use lasso_layers::catalog::{Category, ChainSpec, Live, ProfileSpec, ProviderSpec, RoutingSpec, Strategy};
use lasso_layers::testing;
use lasso_layers::wire::ErrorObject;
use tower::{Layer, Service, ServiceExt, service_fn};

/// A profile that ranks these providers in this order.
fn profile(chain: ChainSpec) -> ProfileSpec {
    let routing = RoutingSpec { default_strategy: Some(Strategy::Priority), ..RoutingSpec::default() };
    ProfileSpec { routing, ..ProfileSpec::new("default").chain(chain) }
}

fn live(ids: &[&str]) -> Live {
    Live::new(vec![profile(testing::chain(ids))]).unwrap()
}

fn publish(live: &Live, ids: &[&str]) {
    live.publish(vec![profile(testing::chain(ids))]).unwrap();
}

fn planned(live: &Live, pin: Option<Pin>) -> Call {
    let call = testing::call("eth_call", "[]");
    let mut plan = Plan::new(live.snapshot(), "default", "ethereum").unwrap();
    plan.pin = pin;
    call.journal().set_plan(plan);
    call
}

/// Upstreams that all fail, and meanwhile do something; and who was asked, in order.
struct Upstreams<F> {
    meanwhile: F,
    category: Category,
    answers: &'static str,
    asked: Mutex<Vec<String>>,
}

impl<F: Fn(usize) + Send + Sync + 'static> Upstreams<F> {
    /// `answers` answers; all others fail after `meanwhile`, which hears how many were asked before.
    fn new(answers: &'static str, meanwhile: F) -> Arc<Self> {
        Self::failing(answers, Category::ServerError, meanwhile)
    }

    fn failing(answers: &'static str, category: Category, meanwhile: F) -> Arc<Self> {
        Arc::new(Self { meanwhile, category, answers, asked: Mutex::default() })
    }

    fn attempt(&self, attempt: &Attempt) -> Result<Reply, Failure> {
        let id = attempt.provider().id.to_string();
        let before = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(id.clone());
            asked.len() - 1
        };
        (self.meanwhile)(before);
        if id == self.answers {
            return Ok(testing::reply("1"));
        }
        Err(Failure::Upstream(Box::new(UpstreamFailure {
            error: ErrorObject::new(-32002, format!("from {id}")),
            category: self.category,
            retry_after: None,
            transport: attempt.transport(),
            http: None,
        })))
    }

    fn stack(
        self: &Arc<Self>,
        candidates: CandidateLayer,
    ) -> impl Service<Call, Response = Reply, Error = Failure> + use<F> {
        let upstreams = self.clone();
        let attempts = service_fn(move |attempt: Attempt| ready(upstreams.attempt(&attempt)));
        let strategies = StrategyLayer::new();
        let failover = FailoverLayer::new(FailoverPolicy::default()).reselect({
            let (candidates, strategies) = (candidates.clone(), strategies.clone());
            move |call, now| {
                let mut shortlist = candidates.shortlist(call, now);
                strategies.order(call, &mut shortlist);
                shortlist
            }
        });
        candidates.layer(strategies.layer(failover.layer(attempts)))
    }

    async fn serve(self: &Arc<Self>, call: Call) -> Result<(), String> {
        self.serve_where(CandidateLayer::new(), call).await
    }

    async fn serve_where(self: &Arc<Self>, candidates: CandidateLayer, call: Call) -> Result<(), String> {
        match self.stack(candidates).oneshot(call).await {
            Ok(Reply::Result(_)) => Ok(()),
            Ok(other) => panic!("an answer that nobody gave: {other:?}"),
            Err(failure) => Err(failure.error().message.to_string()),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_call_finds_the_providers_of_the_new_catalogue() {
    let live = live(&["a", "b"]);
    let change = live.clone();
    let upstreams = Upstreams::new("d", move |before| {
        if before == 0 {
            publish(&change, &["c", "a", "d"]);
        }
    });
    let call = planned(&live, None);
    let journal = call.journal().clone();
    assert_eq!(upstreams.serve(call).await, Ok(()));
    // What was tried is not tried again, whatever its new rank; what is gone is not tried at all.
    assert_eq!(upstreams.asked(), ["a", "c", "d"]);
    let latest = journal.latest();
    assert_eq!(latest.plan().unwrap().snapshot().generation(), live.load().generation());
    assert_eq!(latest.candidates().unwrap().dispatched(), 3, "attempts of both plans count");
}

#[tokio::test]
async fn a_call_that_has_not_begun_is_not_sent_to_a_provider_that_is_gone() {
    let live = live(&["a", "b"]);
    let upstreams = Upstreams::new("c", |_| {});
    let call = planned(&live, None);
    publish(&live, &["c"]);
    assert_eq!(upstreams.serve(call).await, Ok(()));
    assert_eq!(upstreams.asked(), ["c"]);
}

#[tokio::test]
async fn a_call_is_planned_anew_once() {
    let live = live(&["a", "b"]);
    let change = live.clone();
    let upstreams = Upstreams::new("d", move |before| match before {
        0 => publish(&change, &["b", "c"]),
        _ => publish(&change, &["c", "d"]),
    });
    assert_eq!(upstreams.serve(planned(&live, None)).await, Err("from c".to_owned()));
    assert_eq!(upstreams.asked(), ["a", "b", "c"], "d is in a catalogue that came too late");
}

#[tokio::test]
async fn without_its_chain_a_call_ends_with_the_last_error() {
    let live = live(&["a", "b"]);
    let change = live.clone();
    let upstreams = Upstreams::new("", move |_| {
        let other = ChainSpec::new("base", 8453).provider(ProviderSpec::http("b", "http://b.example"));
        change.publish(vec![profile(other)]).unwrap();
    });
    assert_eq!(upstreams.serve(planned(&live, None)).await, Err("from a".to_owned()));
    assert_eq!(upstreams.asked(), ["a"]);
}

#[tokio::test]
async fn a_provider_that_the_client_chose_is_not_replaced_by_another() {
    let live = live(&["a", "b"]);
    let upstreams = Upstreams::new("b", |_| {});
    let call = planned(&live, Some(Pin { provider: 0, failover: false }));
    publish(&live, &["b"]);
    assert_eq!(upstreams.serve(call).await, Err("No channels available".to_owned()));
    assert!(upstreams.asked().is_empty());
}

#[tokio::test]
async fn the_items_of_a_batch_that_lost_its_provider_go_elsewhere() {
    let live = live(&["a", "b"]);
    let upstreams = Upstreams::new("c", |_| {});
    let mut call = planned(&live, Some(Pin { provider: 0, failover: true }));
    let batch = Batch { size: 2, snapshot: live.snapshot(), pin: Some(0) };
    call.batch = Some(BatchItem { batch: Arc::new(batch), index: 1 });
    publish(&live, &["c", "b"]);
    assert_eq!(upstreams.serve(call).await, Ok(()));
    assert_eq!(upstreams.asked(), ["c"]);
}

#[tokio::test]
async fn a_batch_keeps_its_provider_at_its_new_place() {
    let live = live(&["a", "b"]);
    let upstreams = Upstreams::new("b", |_| {});
    let call = planned(&live, Some(Pin { provider: 1, failover: true }));
    publish(&live, &["c", "a", "b"]);
    assert_eq!(upstreams.serve(call).await, Ok(()));
    assert_eq!(upstreams.asked(), ["b"]);
}

#[tokio::test]
async fn refusals_under_both_plans_count_together() {
    let live = live(&["a", "b"]);
    let change = live.clone();
    let upstreams = Upstreams::failing("d", Category::CapabilityViolation, move |before| {
        if before == 0 {
            publish(&change, &["b", "c", "d"]);
        }
    });
    // Two earlier refusals are the most; the third one stands, although a fourth provider would answer.
    assert_eq!(upstreams.serve(planned(&live, None)).await, Err("from c".to_owned()));
    assert_eq!(upstreams.asked(), ["a", "b", "c"]);
}

#[tokio::test]
async fn what_a_failure_ruled_out_stays_ruled_out() {
    let both = |ids: &[&str]| {
        let mut chain = testing::chain(ids);
        for provider in &mut chain.providers {
            provider.ws_url = Some(format!("ws://{}.example", provider.id));
        }
        vec![profile(chain)]
    };
    let live = Live::new(both(&["a", "b"])).unwrap();
    let change = live.clone();
    let upstreams = Upstreams::failing("b", Category::MethodNotFound, move |before| {
        if before == 0 {
            change.publish(both(&["a", "b"])).unwrap();
        }
    });
    assert_eq!(upstreams.serve(planned(&live, None)).await, Ok(()));
    assert_eq!(upstreams.asked(), ["a", "b"], "the other channel of a is not asked for the method it lacks");
}

/// Whether `c` lags, and who was asked, with `c` becoming well after so many attempts.
async fn recovery(well_after: usize) -> (Result<(), String>, Vec<String>) {
    let lags = Arc::new(AtomicBool::new(true));
    let (recovers, filter) = (lags.clone(), lags);
    let upstreams = Upstreams::new("c", move |before| {
        if before + 1 == well_after {
            recovers.store(false, Ordering::Relaxed);
        }
    });
    let candidates = CandidateLayer::new().filter(Stage::Lag, move |subject: &Subject<'_>| {
        match subject.provider.id == "c" && filter.load(Ordering::Relaxed) {
            true => Verdict::exclude("lagging"),
            false => Verdict::Keep,
        }
    });
    let outcome = upstreams.serve_where(candidates, planned(&live(&["a", "b", "c"]), None)).await;
    (outcome, upstreams.asked())
}

#[tokio::test]
async fn a_call_that_failed_everywhere_looks_again_at_what_was_ruled_out() {
    let (outcome, asked) = recovery(2).await;
    assert_eq!(outcome, Ok(()));
    assert_eq!(asked, ["a", "b", "c"]);
}

#[tokio::test]
async fn it_ends_with_the_last_error_if_nothing_changed() {
    let (outcome, asked) = recovery(3).await;
    assert_eq!(outcome, Err("from b".to_owned()));
    assert_eq!(asked, ["a", "b"]);
}

#[tokio::test]
async fn limits_that_nobody_is_within_stay_ignored() {
    let live = live(&["a", "b"]);
    let change = live.clone();
    let upstreams = Upstreams::new("b", move |before| {
        if before == 0 {
            publish(&change, &["a", "b"]);
        }
    });
    let candidates =
        CandidateLayer::new().filter(Stage::Custom, |_: &Subject<'_>| Verdict::Limit("param_limit"));
    assert_eq!(upstreams.serve_where(candidates, planned(&live, None)).await, Ok(()));
    assert_eq!(upstreams.asked(), ["a", "b"]);
}
