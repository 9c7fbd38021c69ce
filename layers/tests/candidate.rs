//! Which channels a call may be sent to, and why not the others.
#![cfg(all(feature = "candidate", feature = "test-util"))]

use std::time::Duration;

use lasso_layers::call::candidate::{CandidateLayer, Heads, HttpOnly};
use lasso_layers::call::{Call, Candidate, Demotion, Failure, Pin, Plan, Stage, Subject, Verdict};
use lasso_layers::catalog::{
    Capabilities, ChainSpec, Live, MethodCategory, MethodOverride, ProfileSpec, ProviderSpec, RoutingSpec,
    Transport,
};
use lasso_layers::testing;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

async fn shortlist_of_planned(layer: CandidateLayer, call: Call) -> Result<Vec<Candidate>, Failure> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let next = service_fn(move |call: Call| {
        sender.send(call.shortlist.unwrap()).unwrap();
        async { Ok::<_, Failure>(testing::reply("null")) }
    });
    layer.layer(next).oneshot(call).await?;
    Ok(receiver.recv().await.unwrap())
}

async fn shortlist(layer: CandidateLayer, live: &Live, call: Call) -> Vec<Candidate> {
    let call = testing::planned(live, call, Duration::from_secs(1));
    shortlist_of_planned(layer, call).await.unwrap()
}

/// The plan can still be changed while nobody has seen it.
async fn shortlist_with(
    layer: CandidateLayer,
    live: &Live,
    call: Call,
    change: impl FnOnce(&mut Plan),
) -> Vec<Candidate> {
    let mut plan = Plan::new(live.snapshot(), &call.route.profile, &call.route.chain).unwrap();
    change(&mut plan);
    call.journal().set_plan(plan);
    shortlist_of_planned(layer, call).await.unwrap()
}

fn reasons(shortlist: &[Candidate]) -> Vec<Option<&'static str>> {
    shortlist.iter().map(|candidate| candidate.excluded).collect()
}

fn limits(shortlist: &[Candidate]) -> Vec<Option<&'static str>> {
    shortlist.iter().map(|candidate| candidate.limit).collect()
}

fn excluding(reason: &'static str) -> impl Fn(&Subject<'_>) -> Verdict {
    move |_| Verdict::exclude(reason)
}

/// Excludes one provider.
fn excluding_only(id: &'static str, reason: &'static str) -> impl Fn(&Subject<'_>) -> Verdict {
    move |subject| if subject.provider.id == id { Verdict::exclude(reason) } else { Verdict::Keep }
}

fn provider(id: &str) -> ProviderSpec {
    ProviderSpec::http(id, format!("http://{id}.example"))
}

fn both(id: &str) -> ProviderSpec {
    ProviderSpec { ws_url: Some(format!("ws://{id}.example")), ..provider(id) }
}

fn live(providers: Vec<ProviderSpec>) -> Live {
    testing::live(providers.into_iter().fold(ChainSpec::new("ethereum", 1), ChainSpec::provider))
}

fn old_state() -> Call {
    testing::call("eth_getBalance", r#"["0xab","earliest"]"#)
}

fn call() -> Call {
    testing::call("eth_blockNumber", "[]")
}

struct At(u64);

impl Heads for At {
    fn head(&self, chain_id: u64, _: Instant) -> Option<u64> {
        (chain_id == 1).then_some(self.0)
    }
}

// === stages ===

#[tokio::test]
async fn stages_are_asked_in_order_whatever_the_order_they_were_given_in() {
    let stages = [
        (Stage::Transport, "transport"),
        (Stage::Liveness, "liveness"),
        (Stage::Circuit, "circuit"),
        (Stage::RateLimit, "rate_limit"),
        (Stage::Lag, "lag"),
        (Stage::Archival, "archival"),
        (Stage::Exclusion, "exclusion"),
        (Stage::Custom, "custom"),
        (Stage::Method, "method"),
        (Stage::Limits, "limits"),
    ];
    let live = testing::live(testing::chain(&["a"]));
    for first in 0..stages.len() {
        let layer = stages[first..]
            .iter()
            .rev()
            .fold(CandidateLayer::new(), |layer, (stage, reason)| layer.filter(*stage, excluding(reason)));
        assert_eq!(reasons(&shortlist(layer, &live, call()).await), [Some(stages[first].1)]);
    }
}

#[tokio::test]
async fn filters_of_one_stage_are_asked_in_the_order_they_were_given_in() {
    let live = testing::live(testing::chain(&["a"]));
    let layer =
        CandidateLayer::new().filter(Stage::Lag, excluding("first")).filter(Stage::Lag, excluding("second"));
    assert_eq!(reasons(&shortlist(layer, &live, call()).await), [Some("first")]);
}

#[tokio::test]
async fn built_in_stages_stand_between_the_others() {
    let routing = RoutingSpec {
        default_strategy: None,
        method_overrides: vec![MethodOverride {
            method: "eth_getBalance".to_owned(),
            strategy: None,
            providers: vec!["listed".to_owned()],
        }],
    };
    let no_core =
        || Capabilities { unsupported_categories: vec![MethodCategory::Core], ..Capabilities::default() };
    // Each provider passes one stage more than the one before it.
    let chain = ChainSpec::new("ethereum", 1)
        .provider(ProviderSpec { archival: false, capabilities: no_core(), ..provider("young") })
        .provider(ProviderSpec { capabilities: no_core(), ..provider("unlisted") })
        .provider(ProviderSpec { capabilities: no_core(), ..provider("listed") })
        .provider(ProviderSpec {
            ws_url: Some("ws://socket.example".to_owned()),
            ..ProviderSpec::new("socket")
        });
    let live = Live::new(vec![ProfileSpec { routing, ..ProfileSpec::new("default").chain(chain) }]).unwrap();
    let over_http = |plan: &mut Plan| plan.transport = Some(Transport::Http);

    let found = shortlist_with(CandidateLayer::new(), &live, old_state(), over_http).await;
    // The last one that could serve it is out for its declaration alone, so the declaration is not believed.
    assert_eq!(reasons(&found), [Some("not_archival"), Some("method_override"), None, Some("transport")]);

    let lagging = CandidateLayer::new().filter(Stage::Lag, excluding("lag"));
    let found = shortlist_with(lagging, &live, old_state(), over_http).await;
    assert_eq!(reasons(&found), [Some("lag"), Some("lag"), Some("lag"), Some("transport")]);

    let custom = CandidateLayer::new().filter(Stage::Custom, excluding("custom"));
    let found = shortlist_with(custom, &live, old_state(), over_http).await;
    assert_eq!(
        reasons(&found),
        [Some("not_archival"), Some("method_override"), Some("custom"), Some("transport")]
    );
}

#[tokio::test]
async fn an_exclusion_keeps_its_reason_and_its_end() {
    let live = testing::live(testing::chain(&["a", "b"]));
    let layer = CandidateLayer::new().filter(Stage::Circuit, |subject: &Subject<'_>| {
        if subject.provider.id == "a" {
            let retry_after = Some(Duration::from_secs(7));
            return Verdict::Exclude { reason: "circuit_open", retry_after };
        }
        Verdict::Keep
    });
    let found = shortlist(layer, &live, call()).await;
    assert_eq!(reasons(&found), [Some("circuit_open"), None]);
    assert_eq!(found[0].retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn demotions_of_several_filters_add_up() {
    let live = testing::live(testing::chain(&["a"]));
    let layer = CandidateLayer::new()
        .filter(Stage::Circuit, |_: &Subject<'_>| Verdict::Demote(Demotion::HALF_OPEN))
        .filter(Stage::RateLimit, |_: &Subject<'_>| Verdict::Demote(Demotion::LIMITED));
    let found = shortlist(layer, &live, call()).await;
    assert_eq!(found[0].demotion, Demotion::HALF_OPEN.and(Demotion::LIMITED));
}

// === channels ===

#[tokio::test]
async fn every_channel_is_listed_http_before_ws() {
    let live = live(vec![both("a"), provider("b")]);
    let found = shortlist(CandidateLayer::new(), &live, call()).await;
    let channels: Vec<_> = found.iter().map(|candidate| (candidate.provider, candidate.transport)).collect();
    assert_eq!(channels, [(0, Transport::Http), (0, Transport::Ws), (1, Transport::Http)]);
    assert_eq!(found[0].instance, found[1].instance);
    assert_ne!(found[0].channel, found[1].channel);
}

#[tokio::test]
async fn routing_17_case_32_a_dead_socket_leaves_nothing_of_a_call_that_wants_one() {
    let live = live(vec![both("a")]);
    let layer = CandidateLayer::new().filter(Stage::Liveness, HttpOnly);
    let wanted = |plan: &mut Plan| plan.transport = Some(Transport::Ws);
    let found = shortlist_with(layer, &live, call(), wanted).await;
    assert_eq!(reasons(&found), [Some("transport"), Some("ws_not_live")]);
}

#[tokio::test]
async fn a_stack_over_http_leaves_sockets_alone() {
    let live = live(vec![both("a"), provider("b")]);
    let layer = CandidateLayer::new().filter(Stage::Liveness, HttpOnly);
    let found = shortlist(layer, &live, call()).await;
    assert_eq!(reasons(&found), [None, Some("ws_not_live"), None]);
}

// === archival ===

#[tokio::test]
async fn routing_17_case_27_nobody_has_old_state() {
    let young = |id| ProviderSpec { archival: false, ..provider(id) };
    let live = live(vec![young("a"), young("b")]);
    let found = shortlist(CandidateLayer::new(), &live, old_state()).await;
    assert_eq!(reasons(&found), [Some("not_archival"); 2]);
    let found = shortlist(CandidateLayer::new(), &live, call()).await;
    assert_eq!(reasons(&found), [None; 2]);
}

#[tokio::test]
async fn routing_17_case_28_age_is_measured_against_the_head_of_the_chain() {
    let live = live(vec![ProviderSpec { archival: false, ..provider("a") }]);
    for (block, expected) in [("0x368", None), ("0x367", Some("not_archival"))] {
        let call = testing::call("eth_getBalance", &format!(r#"["0xab","{block}"]"#));
        let found = shortlist(CandidateLayer::new().heads(At(1000)), &live, call).await;
        assert_eq!(reasons(&found), [expected], "{block}");
    }
}

#[tokio::test]
async fn filters_see_the_hints_of_the_call() {
    let live = testing::live(testing::chain(&["a"]));
    let layer = CandidateLayer::new().heads(At(1000)).filter(Stage::Lag, |subject: &Subject<'_>| {
        assert_eq!(subject.hints.requested_block, Some(0x3e0));
        Verdict::Demote(Demotion::BEHIND)
    });
    let call = testing::call("eth_getBlockByNumber", r#"["0x3e0",false]"#);
    assert_eq!(shortlist(layer, &live, call).await[0].demotion, Demotion::BEHIND);
}

// === methods ===

fn without(methods: &[&str]) -> Capabilities {
    let unsupported_methods = methods.iter().map(|&method| method.to_owned()).collect();
    Capabilities { unsupported_methods, ..Capabilities::default() }
}

#[tokio::test]
async fn a_provider_that_declares_not_to_serve_a_method_is_left_out() {
    let live = live(vec![
        ProviderSpec { capabilities: without(&["eth_blockNumber"]), ..provider("a") },
        provider("b"),
    ]);
    let found = shortlist(CandidateLayer::new(), &live, call()).await;
    assert_eq!(reasons(&found), [Some("method_unsupported"), None]);
}

#[tokio::test]
async fn routing_17_case_33_declarations_are_not_believed_when_nobody_is_left() {
    let silent = |id| ProviderSpec { capabilities: without(&["eth_blockNumber"]), ..provider(id) };
    let silent_pair = live(vec![silent("a"), silent("b")]);
    let found = shortlist(CandidateLayer::new(), &silent_pair, call()).await;
    assert_eq!(reasons(&found), [None, None]);

    // Somebody would serve it but cannot now: the others are all that is left. What else speaks against a
    // channel is still believed.
    let live = live(vec![silent("a"), provider("b"), silent("c")]);
    let layer = CandidateLayer::new()
        .filter(Stage::Circuit, excluding_only("b", "circuit_open"))
        .filter(Stage::Lag, excluding_only("c", "lag"));
    let found = shortlist(layer, &live, call()).await;
    assert_eq!(reasons(&found), [None, Some("circuit_open"), Some("lag")]);
}

#[tokio::test]
async fn api_case_33_node_methods_stay_unsupported_where_other_categories_are_declared() {
    let capabilities =
        Capabilities { unsupported_categories: vec![MethodCategory::Debug], ..Capabilities::default() };
    assert!(!capabilities.supports(testing::call("eth_coinbase", "[]").method, "eth_coinbase"));
    let live = live(vec![ProviderSpec { capabilities, ..provider("a") }, provider("b")]);
    let found = shortlist(CandidateLayer::new(), &live, testing::call("debug_traceCall", "[]")).await;
    assert_eq!(reasons(&found), [Some("method_unsupported"), None]);
}

#[tokio::test]
async fn an_allow_list_holds_for_its_method_alone() {
    let routing = RoutingSpec {
        default_strategy: None,
        method_overrides: vec![MethodOverride {
            method: "vendor_x".to_owned(),
            strategy: None,
            providers: vec!["b".to_owned()],
        }],
    };
    let profile = ProfileSpec { routing, ..ProfileSpec::new("default").chain(testing::chain(&["a", "b"])) };
    let live = Live::new(vec![profile]).unwrap();
    let found = shortlist(CandidateLayer::new(), &live, testing::call("vendor_x", "[]")).await;
    assert_eq!(reasons(&found), [Some("method_override"), None]);
    let found = shortlist(CandidateLayer::new(), &live, call()).await;
    assert_eq!(reasons(&found), [None, None]);
}

// === pins ===

fn pin(failover: bool) -> impl FnOnce(&mut Plan) {
    move |plan| plan.pin = Some(Pin { provider: 0, failover })
}

#[tokio::test]
async fn a_pinned_provider_passes_whatever_its_health_lag_and_age() {
    let live = live(vec![ProviderSpec { archival: false, ..provider("a") }, provider("b")]);
    let unhealthy = || {
        CandidateLayer::new()
            .filter(Stage::Circuit, excluding("circuit_open"))
            .filter(Stage::RateLimit, excluding("rate_limited"))
            .filter(Stage::Lag, excluding("lag"))
    };
    let found = shortlist_with(unhealthy(), &live, old_state(), pin(false)).await;
    assert_eq!(reasons(&found), [None, Some("override")]);
    assert_eq!((found[0].pinned, found[1].pinned), (true, false));
    // The provider of a batch goes first; the others are judged as always.
    let found = shortlist_with(unhealthy(), &live, old_state(), pin(true)).await;
    assert_eq!(reasons(&found), [None, Some("circuit_open")]);
}

#[tokio::test]
async fn a_pinned_provider_keeps_what_is_known_of_its_health() {
    let live = live(vec![provider("a"), provider("b")]);
    for failover in [false, true] {
        let layer = CandidateLayer::new()
            .filter(Stage::Circuit, |_: &Subject<'_>| Verdict::Demote(Demotion::HALF_OPEN))
            .filter(Stage::RateLimit, |_: &Subject<'_>| Verdict::Demote(Demotion::LIMITED))
            .filter(Stage::Lag, excluding("lag"));
        let found = shortlist_with(layer, &live, call(), pin(failover)).await;
        assert_eq!(
            (found[0].excluded, found[0].demotion),
            (None, Demotion::HALF_OPEN.and(Demotion::LIMITED))
        );
    }
}

#[tokio::test]
async fn a_provider_that_is_asked_alone_is_not_asked_for_what_it_does_not_serve() {
    let live = live(vec![
        ProviderSpec { capabilities: without(&["eth_blockNumber"]), ..provider("a") },
        provider("b"),
    ]);
    let found = shortlist_with(CandidateLayer::new(), &live, call(), pin(false)).await;
    assert_eq!(reasons(&found), [Some("method_unsupported"), Some("override")]);
}

#[tokio::test]
async fn a_pinned_provider_needs_a_live_socket_and_the_wanted_transport() {
    let live = live(vec![both("a")]);
    let layer = CandidateLayer::new().filter(Stage::Liveness, excluding("not_connected"));
    let over_ws = |plan: &mut Plan| {
        plan.pin = Some(Pin { provider: 0, failover: false });
        plan.transport = Some(Transport::Ws);
    };
    let found = shortlist_with(layer, &live, call(), over_ws).await;
    assert_eq!(reasons(&found), [Some("transport"), Some("not_connected")]);
}

#[tokio::test]
async fn a_pin_does_not_lift_declarations_as_long_as_others_serve_the_method() {
    let capabilities = Capabilities { max_block_range: Some(10), ..without(&["eth_blockNumber"]) };
    let live = live(vec![ProviderSpec { capabilities, ..provider("a") }, provider("b")]);
    let found = shortlist_with(CandidateLayer::new(), &live, call(), pin(true)).await;
    assert_eq!(reasons(&found), [Some("method_unsupported"), None]);
    let logs = testing::call("eth_getLogs", r#"[{"fromBlock":"0x0","toBlock":"0xff"}]"#);
    let found = shortlist_with(CandidateLayer::new(), &live, logs, pin(true)).await;
    assert_eq!(limits(&found), [Some("param_limit"), None]);
}

#[tokio::test]
async fn an_allow_list_does_not_stop_a_client_that_names_a_provider() {
    let routing = RoutingSpec {
        default_strategy: None,
        method_overrides: vec![MethodOverride {
            method: "eth_blockNumber".to_owned(),
            strategy: None,
            providers: vec!["b".to_owned()],
        }],
    };
    let profile = ProfileSpec { routing, ..ProfileSpec::new("default").chain(testing::chain(&["a", "b"])) };
    let live = Live::new(vec![profile]).unwrap();
    let found = shortlist_with(CandidateLayer::new(), &live, call(), pin(false)).await;
    assert_eq!(reasons(&found), [None, Some("override")]);
    // Neither if the others may follow.
    let mut named = call();
    named.route.provider = Some("a".into());
    let found = shortlist_with(CandidateLayer::new(), &live, named, pin(true)).await;
    assert_eq!(reasons(&found), [None, None]);
    // The provider of a batch was chosen by nobody who knew the method.
    let found = shortlist_with(CandidateLayer::new(), &live, call(), pin(true)).await;
    assert_eq!(reasons(&found), [Some("method_override"), None]);
}

#[tokio::test]
async fn an_allow_list_means_the_chains_whose_providers_it_names() {
    let routing = RoutingSpec {
        default_strategy: None,
        method_overrides: vec![MethodOverride {
            method: "eth_blockNumber".to_owned(),
            strategy: None,
            providers: vec!["b".to_owned()],
        }],
    };
    let other = ChainSpec::new("other", 2).provider(provider("c")).provider(provider("d"));
    let profile = ProfileSpec::new("default").chain(testing::chain(&["a", "b"])).chain(other);
    let live = Live::new(vec![ProfileSpec { routing, ..profile }]).unwrap();
    let found = shortlist(CandidateLayer::new(), &live, call()).await;
    assert_eq!(reasons(&found), [Some("method_override"), None]);
    let mut elsewhere = call();
    elsewhere.route.chain = "other".into();
    let found = shortlist(CandidateLayer::new(), &live, elsewhere).await;
    assert_eq!(reasons(&found), [None, None]);
}

// === limits ===

#[tokio::test]
async fn routing_17_case_23_a_declared_limit_is_kept_apart_from_exclusions() {
    let capabilities = Capabilities { max_block_range: Some(1000), ..Capabilities::default() };
    let live = live(vec![ProviderSpec { capabilities, ..provider("a") }, provider("b")]);
    for (to, expected) in [("0x3e9", None), ("0x3ea", Some("param_limit"))] {
        let params = format!(r#"[{{"fromBlock":"0x1","toBlock":"{to}"}}]"#);
        let found = shortlist(CandidateLayer::new(), &live, testing::call("eth_getLogs", &params)).await;
        assert_eq!(limits(&found), [expected, None], "api case 31");
        assert_eq!(reasons(&found), [None, None]);
    }
}

#[tokio::test]
async fn an_age_limit_counts_from_the_head() {
    let capabilities = Capabilities {
        max_block_age: Some(100),
        block_age_methods: vec!["eth_call".to_owned()],
        ..Capabilities::default()
    };
    let live = live(vec![ProviderSpec { capabilities, ..provider("a") }]);
    for (head, expected) in [(0x164, None), (0x165, Some("requires_archival"))] {
        let call = testing::call("eth_call", r#"[{},"0x100"]"#);
        let found = shortlist(CandidateLayer::new().heads(At(head)), &live, call).await;
        assert_eq!(limits(&found), [expected]);
    }
}

#[tokio::test]
async fn a_filter_can_declare_a_limit_too() {
    let live = testing::live(testing::chain(&["a"]));
    let layer = CandidateLayer::new().filter(Stage::Limits, |_: &Subject<'_>| Verdict::Limit("too_much"));
    let found = shortlist(layer, &live, call()).await;
    assert_eq!((found[0].excluded, found[0].limit), (None, Some("too_much")));
}

#[tokio::test]
async fn without_a_plan_the_call_is_an_internal_error() {
    let failure = shortlist_of_planned(CandidateLayer::new(), call()).await.unwrap_err();
    assert_eq!(failure.error().code, -32603);
}
