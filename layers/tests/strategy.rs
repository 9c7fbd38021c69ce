//! In which order channels are tried.
#![cfg(all(feature = "strategy", feature = "test-util"))]

use std::time::Duration;

use lasso_layers::call::strategy::{StrategyLayer, TierOrder};
use lasso_layers::call::{Call, Candidate, Demotion, Failure, RankContext, Ranker};
use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec, RoutingSpec, Strategy};
use lasso_layers::state::Entropy;
use lasso_layers::testing;
use tokio::sync::mpsc;
use tower::{Layer, ServiceExt, service_fn};

fn live(strategy: Strategy, chain: ChainSpec) -> Live {
    let routing = RoutingSpec { default_strategy: Some(strategy), ..RoutingSpec::default() };
    Live::new(vec![ProfileSpec { routing, ..ProfileSpec::new("default").chain(chain) }]).unwrap()
}

/// A call with every channel on its shortlist.
fn listed(live: &Live) -> Call {
    testing::listed(testing::planned(live, testing::call("eth_call", "[]"), Duration::from_secs(1)))
}

/// The channels as `<provider>:<transport>`, in the order the next layer gets them.
async fn ranked(layer: &StrategyLayer, call: Call) -> Vec<String> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let next = service_fn(move |call: Call| {
        sender.send(call).unwrap();
        async { Ok::<_, Failure>(testing::reply("null")) }
    });
    layer.layer(next).oneshot(call).await.unwrap();
    let call = receiver.recv().await.unwrap();
    let name = |candidate: &Candidate| {
        format!("{}:{}", call.plan().unwrap().provider(candidate.provider).id, candidate.transport)
    };
    call.shortlist.as_deref().unwrap_or_default().iter().map(name).collect()
}

/// The order of the providers `a` to `f` of one chain under `priority`, after a change of their shortlist.
async fn order(layer: StrategyLayer, change: impl FnOnce(&mut [Candidate])) -> String {
    let live = live(Strategy::Priority, testing::chain(&["a", "b", "c", "d", "e", "f"]));
    let mut call = listed(&live);
    change(call.shortlist.as_mut().unwrap());
    ranked(&layer, call).await.iter().map(|name| &name[..1]).collect()
}

#[tokio::test]
async fn tiers_come_in_the_chosen_order_and_keep_the_strategys_order_within() {
    let unhealthy = |list: &mut [Candidate]| {
        list[0].demotion = Demotion::HALF_OPEN.and(Demotion::LIMITED);
        list[1].demotion = Demotion::HALF_OPEN;
        list[2].demotion = Demotion::LIMITED;
        list[4].demotion = Demotion::LIMITED;
    };
    assert_eq!(order(StrategyLayer::new(), unhealthy).await, "dfceba");
    let half_open_first = StrategyLayer::new().tier_order(TierOrder::HalfOpenFirst);
    assert_eq!(order(half_open_first, unhealthy).await, "dfbcea");
}

#[tokio::test]
async fn routing_17_case_45_closed_then_limited_then_half_open() {
    let unhealthy = |list: &mut [Candidate]| {
        list[1].demotion = Demotion::LIMITED;
        list[2].demotion = Demotion::HALF_OPEN;
        for other in &mut list[3..] {
            other.excluded = Some("circuit_open");
        }
    };
    assert_eq!(&order(StrategyLayer::new(), unhealthy).await[..3], "abc");
}

#[tokio::test]
async fn a_node_that_is_behind_comes_last_in_its_tier_only() {
    let behind = |list: &mut [Candidate]| {
        list[0].demotion = Demotion::BEHIND;
        list[1].demotion = Demotion::BEHIND;
        list[4].demotion = Demotion::LIMITED.and(Demotion::BEHIND);
        list[5].demotion = Demotion::LIMITED;
    };
    assert_eq!(order(StrategyLayer::new(), behind).await, "cdabfe");
}

#[tokio::test]
async fn a_pinned_provider_goes_first_whatever_its_health() {
    let pinned = |list: &mut [Candidate]| {
        list[3].pinned = true;
        list[3].demotion = Demotion::HALF_OPEN.and(Demotion::LIMITED).and(Demotion::BEHIND);
    };
    assert_eq!(order(StrategyLayer::new(), pinned).await, "dabcef");
}

#[tokio::test]
async fn routing_17_case_35_what_is_excluded_comes_last_and_stays_on_the_list() {
    let tripped = |list: &mut [Candidate]| {
        list[0].excluded = Some("circuit_open");
        list[2].excluded = Some("lag");
        list[2].pinned = true;
    };
    let order = order(StrategyLayer::new(), tripped).await;
    assert_eq!(&order[..4], "bdef");
    assert_eq!(order.len(), 6);
}

#[tokio::test]
async fn routing_17_case_36_priority_then_http_before_ws_then_configured_order() {
    let both = |id: &str, priority| {
        let http = ProviderSpec::http(id, format!("http://{id}.example")).priority(priority);
        ProviderSpec { ws_url: Some(format!("ws://{id}.example")), ..http }
    };
    let chain =
        ChainSpec::new("ethereum", 1).provider(both("late", 7)).provider(both("x", 3)).provider(both("y", 3));
    let call = listed(&live(Strategy::Priority, chain));
    let expected = ["x:http", "y:http", "x:ws", "y:ws", "late:http", "late:ws"];
    assert_eq!(ranked(&StrategyLayer::new(), call).await, expected);
}

#[tokio::test]
async fn routing_17_case_36_a_missing_priority_comes_after_all_and_http_before_ws() {
    let both = |id: &str| ProviderSpec {
        ws_url: Some(format!("ws://{id}.example")),
        ..ProviderSpec::http(id, format!("http://{id}.example"))
    };
    let chain = ChainSpec::new("ethereum", 1)
        .provider(both("x"))
        .provider(both("y"))
        .provider(both("last_but_two").priority(999_999));
    let call = listed(&live(Strategy::Priority, chain));
    let expected = ["last_but_two:http", "last_but_two:ws", "x:http", "y:http", "x:ws", "y:ws"];
    assert_eq!(ranked(&StrategyLayer::new(), call).await, expected);
}

/// How often each of three providers is first in 3000 calls.
async fn first_choices(strategy: Strategy) -> [u32; 3] {
    let live = live(strategy, testing::chain(&["a", "b", "c"]));
    let layer = StrategyLayer::new().entropy(Entropy::seeded(5));
    let mut firsts = [0; 3];
    for _ in 0..3000 {
        let order = ranked(&layer, listed(&live)).await;
        firsts[["a:http", "b:http", "c:http"].iter().position(|id| *id == order[0]).unwrap()] += 1;
    }
    firsts
}

#[tokio::test]
async fn routing_17_case_43_load_balancing_shares_equally() {
    for first in first_choices(Strategy::LoadBalanced).await {
        // Four standard deviations around a third.
        assert!((897..=1103).contains(&first), "{first}");
    }
}

#[tokio::test]
async fn a_strategy_that_nobody_gave_is_served_as_load_balanced() {
    for first in first_choices(Strategy::Fastest).await {
        assert!((897..=1103).contains(&first), "{first}");
    }
}

struct Reversed;

impl Ranker for Reversed {
    fn rank(&self, _: &RankContext<'_>, _: &mut fastrand::Rng, candidates: &mut [Candidate]) {
        candidates.reverse();
    }
}

#[tokio::test]
async fn a_given_strategy_ranks_what_is_neither_pinned_nor_excluded() {
    let layer = StrategyLayer::new().ranker(Strategy::Priority, Reversed);
    let change = |list: &mut [Candidate]| {
        list[1].pinned = true;
        list[4].excluded = Some("lag");
    };
    assert_eq!(order(layer, change).await, "bfdcae");
}

#[tokio::test]
async fn a_call_without_candidates_passes_unchanged() {
    let live = live(Strategy::Priority, testing::chain(&["a"]));
    let planned = testing::planned(&live, testing::call("eth_call", "[]"), Duration::from_secs(1));
    assert!(ranked(&StrategyLayer::new(), planned).await.is_empty());
}
