//! Nodes that are behind are ruled out or go later.
#![cfg(all(feature = "candidate", feature = "test-util"))]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::{Call, Candidate, Demotion, Failure, Stage};
use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec};
use lasso_layers::state::heights::{Heights, Observation, Source};
use lasso_layers::testing::{call, chain, live, planned, reply};
use tokio::time::{Instant, advance};
use tower::{Layer, ServiceExt, service_fn};

struct Chain {
    live: Live,
    heights: Heights,
}

impl Chain {
    fn new(spec: ChainSpec) -> Self {
        Self { live: live(spec), heights: Heights::new() }
    }

    /// Notes what each provider reports now, in their order; `None` reports nothing.
    fn report(&self, heights: impl IntoIterator<Item = Option<u64>>) {
        self.report_from(Source::Http, heights);
    }

    fn report_from(&self, source: Source, heights: impl IntoIterator<Item = Option<u64>>) {
        let snapshot = self.live.snapshot();
        // Profiles are sorted by slug; the last one has every provider.
        let chain = &snapshot.profiles().last().unwrap().chains()[0];
        for (provider, height) in chain.providers.iter().zip(heights) {
            let Some(height) = height else { continue };
            let instance = provider.http.as_ref().unwrap().instance;
            let observation = Observation::new(height, Instant::now(), source);
            self.heights.record(chain.chain_id, instance, observation);
        }
    }

    /// The candidates of a call, as the layer inside gets them.
    async fn candidates(&self, method: &str, params: &str) -> Vec<Candidate> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let inner = service_fn(move |mut call: Call| {
            *sink.lock().unwrap() = call.shortlist.take().unwrap();
            std::future::ready(Ok::<_, Failure>(reply("1")))
        });
        let layer = CandidateLayer::new().filter(Stage::Lag, self.heights).heads(self.heights);
        let call = planned(&self.live, call(method, params), Duration::from_secs(1));
        layer.layer(inner).oneshot(call).await.unwrap();
        seen.lock().unwrap().clone()
    }

    async fn exclusions(&self, method: &str, params: &str) -> Vec<Option<&'static str>> {
        self.candidates(method, params).await.iter().map(|candidate| candidate.excluded).collect()
    }
}

fn with_max_lag(mut spec: ChainSpec, max: u64) -> ChainSpec {
    spec.settings.max_lag_blocks = Some(max);
    spec
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_30_two_behind_is_too_far_at_one_and_unknown_is_kept() {
    let chain = Chain::new(with_max_lag(chain(&["a", "b", "c", "d"]), 1));
    chain.report([Some(100), Some(98), None, Some(99)]);
    assert_eq!(chain.exclusions("eth_chainId", "[]").await, [None, Some("lagging"), None, None]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_30_a_node_is_judged_by_where_it_should_be_by_now() {
    let mut spec = with_max_lag(chain(&["a", "b"]), 5);
    spec.block_time = Some(Duration::from_millis(250));
    let chain = Chain::new(spec);
    chain.report([None, Some(421_535_503)]);
    advance(Duration::from_secs(2)).await;
    chain.report([Some(421_535_511), None]);
    assert_eq!(chain.exclusions("eth_chainId", "[]").await, [None, None]);
    // The same height, reported just now, is eight blocks behind.
    chain.report([Some(421_535_511), Some(421_535_503)]);
    assert_eq!(chain.exclusions("eth_chainId", "[]").await, [None, Some("lagging")]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_66_an_old_height_grows_by_half_a_minute_of_blocks_at_most() {
    let mut spec = with_max_lag(chain(&["a", "b"]), 1);
    spec.block_time = Some(Duration::from_millis(250));
    let chain = Chain::new(spec);
    chain.report([Some(1_000), None]);
    // In a minute there are 240 blocks, of which 120 are believed.
    advance(Duration::from_secs(60)).await;
    for (height, expected) in [(1_120, None), (1_121, None), (1_122, Some("lagging"))] {
        chain.report([None, Some(height)]);
        assert_eq!(chain.exclusions("eth_chainId", "[]").await, [expected, None], "{height}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_largest_lag_allowed_is_allowed() {
    let chain = Chain::new(with_max_lag(chain(&["a", "b"]), 8));
    chain.report([Some(108), Some(100)]);
    assert_eq!(chain.exclusions("eth_chainId", "[]").await, [None, None]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_31_all_may_be_too_far_behind_nodes_of_other_profiles() {
    let own = chain(&["a", "b", "c"]);
    let shared = chain(&["a", "b", "c", "x", "y"]);
    let profiles =
        vec![ProfileSpec::new("default").chain(with_max_lag(own, 1)), ProfileSpec::new("z").chain(shared)];
    let chain = Chain { live: Live::new(profiles).unwrap(), heights: Heights::new() };
    // Of four nodes one alone cannot rule all others out.
    chain.report([Some(90), Some(90), Some(90), Some(100)]);
    assert_eq!(chain.exclusions("eth_chainId", "[]").await, [None; 3]);
    chain.report([None, None, None, None, Some(100)]);
    assert_eq!(chain.exclusions("eth_chainId", "[]").await, [Some("lagging"); 3]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_34_without_a_limit_any_lag_is_fine() {
    let chain = Chain::new(chain(&["a", "b"]));
    chain.report([Some(20_000), Some(10_000)]);
    assert_eq!(chain.exclusions("eth_chainId", "[]").await, [None, None]);
}

/// A client that was just told of a block asks for it, and not every node has it yet.
#[tokio::test(start_paused = true)]
async fn a_node_that_tells_of_its_blocks_has_no_others() {
    let chain = Chain::new(chain(&["a", "b"]));
    chain.report_from(Source::Ws, [Some(99), Some(99)]);
    advance(Duration::from_secs(12)).await;
    chain.report_from(Source::Ws, [None, Some(100)]);
    let wanted = chain.candidates("eth_getBlockByNumber", r#"["0x64",false]"#).await;
    let demotions: Vec<_> = wanted.iter().map(|candidate| candidate.demotion).collect();
    assert_eq!(demotions, [Demotion::BEHIND, Demotion::NONE]);
    // Being asked for its height in between changes nothing.
    chain.report([Some(99), None]);
    advance(Duration::from_secs(12)).await;
    let wanted = chain.candidates("eth_getBlockByNumber", r#"["0x64",false]"#).await;
    assert_eq!(wanted[0].demotion, Demotion::BEHIND);
}

#[tokio::test(start_paused = true)]
async fn a_node_without_the_requested_block_goes_later() {
    let chain = Chain::new(chain(&["a", "b", "c"]));
    chain.report([Some(99), Some(100), None]);
    let demotions = |candidates: Vec<Candidate>| -> Vec<_> {
        candidates.iter().map(|candidate| candidate.demotion).collect()
    };
    let wanted = chain.candidates("eth_getBlockByNumber", r#"["0x64",false]"#).await;
    assert_eq!(demotions(wanted), [Demotion::BEHIND, Demotion::NONE, Demotion::NONE]);
    let latest = chain.candidates("eth_getBlockByNumber", r#"["latest",false]"#).await;
    assert_eq!(demotions(latest), [Demotion::NONE; 3]);
    // A block later by the clock, it should have it.
    advance(Duration::from_secs(12)).await;
    let wanted = chain.candidates("eth_getBlockByNumber", r#"["0x64",false]"#).await;
    assert_eq!(demotions(wanted), [Demotion::NONE; 3]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_28_old_state_is_measured_from_the_consensus() {
    let chain = with_a_pruned_second();
    chain.report([Some(1000), Some(1000)]);
    // Blocks 872 and 871.
    assert_eq!(chain.exclusions("eth_getBalance", r#"["0xab","0x368"]"#).await, [None, None]);
    let older = chain.exclusions("eth_getBalance", r#"["0xab","0x367"]"#).await;
    assert_eq!(older, [None, Some("not_archival")]);
}

#[tokio::test(start_paused = true)]
async fn routing_17_case_29_any_block_may_be_old_while_no_height_is_known() {
    let chain = with_a_pruned_second();
    let numbered = chain.exclusions("eth_getBalance", r#"["0xab","0x368"]"#).await;
    assert_eq!(numbered, [None, Some("not_archival")]);
    assert_eq!(chain.exclusions("eth_getBalance", r#"["0xab"]"#).await, [None, None]);
    // What is known is forgotten when nobody reports for half a minute.
    chain.report([Some(1000), Some(1000)]);
    assert_eq!(chain.exclusions("eth_getBalance", r#"["0xab","0x368"]"#).await, [None, None]);
    advance(Duration::from_secs(31)).await;
    assert_eq!(chain.exclusions("eth_getBalance", r#"["0xab","0x368"]"#).await, numbered);
}

/// Two nodes, the second of which has no old state.
fn with_a_pruned_second() -> Chain {
    let mut spec = chain(&["a", "b"]);
    spec.providers[1].archival = false;
    Chain::new(spec)
}
