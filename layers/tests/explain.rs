//! Why a channel stands where it stands.

use std::future::Ready;
use std::time::Duration;

use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::benchmark::{
    Benchmarks, Fastest, FastestPolicy, LatencyWeighted, LatencyWeightedPolicy, Series,
};
use lasso_layers::attempt::breaker::{BreakerPolicy, Breakers};
use lasso_layers::attempt::pace::{PacePolicy, Paces};
use lasso_layers::call::candidate::CandidateLayer;
use lasso_layers::call::failover::FailoverLayer;
use lasso_layers::call::guard::GuardLayer;
use lasso_layers::call::observe::Explanation;
use lasso_layers::call::strategy::StrategyLayer;
use lasso_layers::call::{
    Call, Candidate, Demotion, Fact, Facts, Failure, MetaMode, Opinion, Pin, Plan, Premises, Reply, Stage,
    Subject, Verdict,
};
use lasso_layers::catalog::{
    Capabilities, ChainSpec, Channel, Live, MethodOverride, ProfileSpec, ProviderSpec, RoutingSpec, Strategy,
    Transport,
};
use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy};
use lasso_layers::state::Entropy;
use lasso_layers::state::heights::{Heights, Observation, Source};
use lasso_layers::testing;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, advance};
use tower::{Layer, ServiceExt, service_fn};

/// Every store that has a say in selection.
struct World {
    live: Live,
    breakers: Breakers,
    paces: Paces,
    heights: Heights,
    benchmarks: Benchmarks,
    custom: fn(&Subject<'_>) -> Verdict,
}

impl World {
    fn new(profile: ProfileSpec) -> Self {
        Self {
            live: Live::new(vec![profile]).unwrap(),
            breakers: Breakers::new(BreakerPolicy::default()),
            paces: Paces::new(PacePolicy::default()),
            heights: Heights::new(),
            benchmarks: Benchmarks::new(),
            custom: |_| Verdict::Keep,
        }
    }

    fn of(chain: ChainSpec) -> Self {
        Self::new(ProfileSpec::new("default").chain(chain))
    }

    fn candidates(&self) -> CandidateLayer {
        CandidateLayer::new()
            .filter(Stage::Circuit, self.breakers)
            .filter(Stage::RateLimit, self.paces)
            .filter(Stage::Lag, self.heights)
            .filter(Stage::Custom, self.custom)
            .heads(self.heights)
    }

    fn strategies(&self) -> StrategyLayer {
        StrategyLayer::new()
            .ranker(Strategy::Fastest, Fastest::new(self.benchmarks, FastestPolicy::default()))
            .ranker(
                Strategy::LatencyWeighted,
                LatencyWeighted::new(self.benchmarks, LatencyWeightedPolicy::default()),
            )
            .entropy(Entropy::seeded(1))
    }

    /// The ranked shortlist of a call whose plan is changed before anybody has seen it.
    async fn select(&self, call: Call, change: impl FnOnce(&mut Plan)) -> Vec<Candidate> {
        let mut plan = Plan::new(self.live.snapshot(), &call.route.profile, &call.route.chain).unwrap();
        change(&mut plan);
        call.journal().set_plan(plan);
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let next = service_fn(move |call: Call| {
            sender.send(call.shortlist.unwrap()).unwrap();
            async { Ok::<_, Failure>(testing::reply("null")) }
        });
        self.candidates().layer(self.strategies().layer(next)).oneshot(call).await.unwrap();
        receiver.recv().await.unwrap()
    }

    /// The same with all reasons.
    async fn explain(&self, mut call: Call, change: impl FnOnce(&mut Plan)) -> Vec<Candidate> {
        call.explain = true;
        self.select(call, change).await
    }

    fn channel(&self, provider: &str) -> std::sync::Arc<Channel> {
        let snapshot = self.live.snapshot();
        let (_, provider) = snapshot.profiles()[0].chains()[0].provider(provider).unwrap();
        provider.channels().next().unwrap().clone()
    }

    fn report(&self, provider: &str, height: u64) {
        let observation = Observation::new(height, Instant::now(), Source::Http);
        self.heights.record(1, self.channel(provider).instance, observation);
    }

    fn measure(&self, provider: &str, call: &Call, times: u32, took: u64) {
        let snapshot = self.live.snapshot();
        let (_, provider) = snapshot.profiles()[0].chains()[0].provider(provider).unwrap();
        let series = Series { provider: provider.key, transport: Transport::Http, method: call.method };
        for _ in 0..times {
            self.benchmarks.success(series, Duration::from_millis(took), Instant::now());
        }
    }
}

fn of(list: &[Candidate], provider: u16) -> &Candidate {
    list.iter().find(|candidate| candidate.provider == provider).unwrap()
}

/// What a stage said about a provider.
fn finding(list: &[Candidate], provider: u16, stage: Stage) -> (Opinion, Facts) {
    let reasons = of(list, provider).reasons.as_ref().unwrap();
    let finding = reasons.findings.iter().find(|finding| finding.stage == stage);
    let finding = finding.unwrap_or_else(|| panic!("{stage:?} was asked"));
    (finding.opinion, finding.facts.clone())
}

fn score(list: &[Candidate], provider: u16) -> &Facts {
    &of(list, provider).reasons.as_ref().unwrap().score
}

fn call() -> Call {
    testing::call("eth_blockNumber", "[]")
}

const PASS: Opinion = Opinion::Verdict(Verdict::Keep);

// === stages ===

#[tokio::test(start_paused = true)]
async fn nobody_pays_for_reasons_without_asking() {
    let world = World::of(testing::chain(&["a"]));
    let plain = call();
    let journal = plain.journal().clone();
    assert!(world.select(plain, |_| {}).await[0].reasons.is_none());
    assert_eq!(journal.premises(), None);

    for meta in [MetaMode::Headers, MetaMode::Body] {
        let mut asking = call();
        asking.origin.meta = meta;
        let journal = asking.journal().clone();
        assert!(world.select(asking, |_| {}).await[0].reasons.is_some());
        assert_eq!(journal.premises(), Some(&Premises::default()));
    }
}

#[tokio::test(start_paused = true)]
async fn every_stage_is_asked_also_after_the_one_that_rules_out() {
    let mut chain = testing::chain(&["a"]);
    chain.providers[0].archival = false;
    chain.providers[0].capabilities.unsupported_methods = vec!["eth_getBalance".to_owned()];
    chain.providers[0].capabilities.max_block_age = Some(1);
    chain.providers[0].capabilities.block_age_methods = vec!["eth_getBalance".to_owned()];
    let mut world = World::of(chain);
    world.custom = |_| Verdict::exclude("unwanted");
    world.report("a", 100);
    world.breakers.open(&world.channel("a"), Instant::now());
    world.paces.limit(&world.channel("a"), Some(Duration::from_secs(7)), Instant::now());

    let call = testing::call("eth_getBalance", r#"["0xab","earliest"]"#);
    let over_ws = |plan: &mut Plan| plan.transport = Some(Transport::Ws);
    let list = world.explain(call, over_ws).await;
    let found: Vec<_> = list[0].reasons.as_ref().unwrap().findings.iter().collect();
    let stages: Vec<_> = found.iter().map(|finding| finding.stage).collect();
    use Stage::{Archival, Circuit, Custom, Exclusion, Lag, Limits, Method, Pin, RateLimit, Transport as T};
    assert_eq!(stages, [T, Pin, Circuit, RateLimit, Lag, Archival, Exclusion, Custom, Method, Limits]);
    let reasons: Vec<_> = found
        .iter()
        .map(|finding| match finding.opinion {
            Opinion::Verdict(Verdict::Exclude { reason, .. } | Verdict::Limit(reason)) => reason,
            Opinion::Verdict(Verdict::Demote(demotion)) => demotion.names().next().unwrap(),
            Opinion::Verdict(_) => "pass",
            _ => "no verdict",
        })
        .collect();
    let expected = [
        "transport",
        "pass",
        "circuit_open",
        "limited",
        "pass",
        "not_archival",
        "pass",
        "unwanted",
        "method_unsupported",
        "requires_archival",
    ];
    assert_eq!(reasons, expected);
    // The first one counts, and none after it has an effect.
    assert_eq!((list[0].excluded, list[0].retry_after), (Some("transport"), None));
    assert_eq!(list[0].demotion, Demotion::NONE);
}

#[tokio::test(start_paused = true)]
async fn stores_say_what_they_went_by() {
    let mut chain = testing::chain(&["open", "half", "limited", "behind", "fresh"]);
    chain.settings.max_lag_blocks = Some(10);
    let world = World::of(chain);
    let recovery = BreakerPolicy::default().recovery_timeout;
    world.breakers.open(&world.channel("half"), Instant::now());
    // Jitter adds less than that.
    advance(2 * recovery).await;
    world.breakers.open(&world.channel("open"), Instant::now());
    world.paces.limit(&world.channel("limited"), Some(Duration::from_secs(7)), Instant::now());
    world.report("behind", 50);
    world.report("fresh", 100);

    let list = world.explain(call(), |_| {}).await;
    let (opinion, facts) = finding(&list, 0, Stage::Circuit);
    let Opinion::Verdict(Verdict::Exclude { reason: "circuit_open", retry_after: Some(wait) }) = opinion
    else {
        panic!("{opinion:?}")
    };
    assert!(wait >= recovery, "{wait:?}");
    assert_eq!(of(&list, 0).retry_after, Some(wait));
    assert_eq!(facts.find("state"), Some(Fact::Word("open")));
    assert_eq!(facts.find("openings"), Some(Fact::Count(1)));

    let (opinion, facts) = finding(&list, 1, Stage::Circuit);
    assert_eq!(opinion, Opinion::Verdict(Verdict::Demote(Demotion::HALF_OPEN)));
    assert_eq!(facts.find("state"), Some(Fact::Word("half_open")));

    let (opinion, facts) = finding(&list, 2, Stage::RateLimit);
    assert_eq!(opinion, Opinion::Verdict(Verdict::Demote(Demotion::LIMITED)));
    assert_eq!(facts.find("retry_after_ms"), Some(Fact::Count(7_000)));

    let (opinion, facts) = finding(&list, 3, Stage::Lag);
    assert_eq!(opinion, Opinion::Verdict(Verdict::exclude("lagging")));
    assert_eq!(facts.find("height"), Some(Fact::Count(50)));
    assert_eq!(facts.find("optimistic_lag"), Some(Fact::Difference(-50)));
    assert_eq!(facts.find("max_lag"), Some(Fact::Count(10)));

    assert_eq!(finding(&list, 4, Stage::Circuit).0, PASS);
    assert_eq!(finding(&list, 4, Stage::Lag).1.find("optimistic_lag"), Some(Fact::Difference(0)));
    // Nobody knows its height, and it is not held against it.
    assert_eq!(finding(&list, 2, Stage::Lag), (PASS, Facts::none().with("max_lag", 10_u64)));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_count_for_a_pinned_provider_is_overruled_or_skipped() {
    let mut chain = testing::chain(&["a", "b"]);
    chain.providers[0].archival = false;
    let world = World::of(chain);
    world.breakers.open(&world.channel("a"), Instant::now());
    let pin = |plan: &mut Plan| plan.pin = Some(Pin { provider: 0, failover: false });
    let call = testing::call("eth_getBalance", r#"["0xab","earliest"]"#);
    let list = world.explain(call, pin).await;

    assert!(of(&list, 0).pinned && of(&list, 0).excluded.is_none());
    assert_eq!(finding(&list, 0, Stage::Circuit).0, Opinion::Overruled("circuit_open"));
    for stage in [Stage::Archival, Stage::Exclusion] {
        assert_eq!(finding(&list, 0, stage), (Opinion::Skipped, Facts::none()), "{stage:?}");
    }
    for stage in [Stage::Transport, Stage::Pin, Stage::RateLimit, Stage::Lag, Stage::Method, Stage::Limits] {
        assert_eq!(finding(&list, 0, stage).0, PASS, "{stage:?}");
    }
    assert_eq!(of(&list, 1).excluded, Some("override"));
    assert_eq!(finding(&list, 1, Stage::Pin).0, Opinion::Verdict(Verdict::exclude("override")));
    assert_eq!(finding(&list, 1, Stage::Archival).0, PASS);
}

#[tokio::test(start_paused = true)]
async fn a_declaration_that_is_not_believed_is_overruled() {
    let mut chain = testing::chain(&["a", "b"]);
    for provider in &mut chain.providers {
        provider.capabilities.unsupported_methods = vec!["eth_blockNumber".to_owned()];
    }
    let world = World::of(chain);
    world.breakers.open(&world.channel("b"), Instant::now());
    let list = world.explain(call(), |_| {}).await;
    assert_eq!((of(&list, 0).excluded, of(&list, 1).excluded), (None, Some("circuit_open")));
    assert_eq!(finding(&list, 0, Stage::Method).0, Opinion::Overruled("method_unsupported"));
    // This one is out for another reason, and its declaration is not in question.
    let declared = Opinion::Verdict(Verdict::exclude("method_unsupported"));
    assert_eq!(finding(&list, 1, Stage::Method).0, declared);
}

#[tokio::test(start_paused = true)]
async fn premises_are_the_hints_and_the_height() {
    let world = World::of(testing::chain(&["a"]));
    world.report("a", 1_000);
    let mut call = testing::call("eth_getBalance", r#"["0xab","0x10"]"#);
    call.explain = true;
    let journal = call.journal().clone();
    world.select(call, |_| {}).await;
    let premises = journal.premises().unwrap();
    assert_eq!(premises.head, Some(1_000));
    assert!(premises.hints.archival);
    assert_eq!(premises.hints.requested_block, Some(16));
}

// === scores and tiers ===

fn by(strategy: Strategy) -> impl FnOnce(&mut Plan) {
    move |plan| plan.strategy = strategy
}

#[tokio::test(start_paused = true)]
async fn fastest_tells_latency_and_standing() {
    let world = World::of(testing::chain(&["quick", "slow", "new", "shaky", "out"]));
    let call = call();
    world.measure("quick", &call, 10, 20);
    world.measure("slow", &call, 10, 80);
    world.measure("shaky", &call, 1, 5);
    let (snapshot, method) = (world.live.snapshot(), call.method);
    let shaky = snapshot.profiles()[0].chains()[0].provider("shaky").unwrap().1.key;
    for _ in 0..9 {
        let series = Series { provider: shaky, transport: Transport::Http, method };
        world.benchmarks.failure(series, Instant::now());
    }
    world.benchmarks.probed(world.channel("new").key, Duration::from_millis(3));
    world.breakers.open(&world.channel("out"), Instant::now());

    let list = world.explain(call, by(Strategy::Fastest)).await;
    let ms = |millis| Some(Fact::Time(Duration::from_millis(millis)));
    let word = |at| match score(&list, at).find("standing") {
        Some(Fact::Word(word)) => word,
        other => panic!("{other:?}"),
    };
    assert_eq!([0, 1, 2, 3].map(word), ["known", "known", "unknown", "unreliable"]);
    assert_eq!(score(&list, 0).find("latency_ms"), ms(20));
    assert_eq!(score(&list, 0).find("calls"), Some(Fact::Count(10)));
    assert_eq!(score(&list, 0).find("success_rate"), Some(Fact::Number(1.0)));
    // What nobody knows is taken for as slow as the slower of the two.
    assert_eq!((score(&list, 2).find("latency_ms"), score(&list, 2).find("baseline_ms")), (ms(80), ms(80)));
    assert_eq!(score(&list, 2).find("probe_ms"), ms(3));
    assert!(score(&list, 4).is_empty(), "what is ruled out is not ranked");
}

#[tokio::test(start_paused = true)]
async fn latency_weighted_tells_weights_and_priority_priorities() {
    let world = World::of(testing::chain(&["quick", "slow", "new"]));
    let call = call();
    world.measure("quick", &call, 1_000, 50);
    world.measure("slow", &call, 1_000, 100);
    let list = world.explain(call, by(Strategy::LatencyWeighted)).await;
    let weight = |at| match score(&list, at).find("weight") {
        Some(Fact::Number(weight)) => weight,
        other => panic!("{other:?}"),
    };
    assert!((weight(0) - 1.0).abs() < 1e-9, "{}", weight(0));
    assert!((weight(1) - 0.125).abs() < 1e-9, "{}", weight(1));
    assert!(weight(2) < weight(1), "{}", weight(2));

    let list = world.explain(self::call(), by(Strategy::Priority)).await;
    assert_eq!(score(&list, 1), &Facts::none().with("priority", 2_u64));
    let list = world.explain(self::call(), by(Strategy::LoadBalanced)).await;
    assert!(score(&list, 1).is_empty(), "chance alone decides");
}

#[tokio::test(start_paused = true)]
async fn usable_channels_have_a_tier() {
    let world = World::of(testing::chain(&["out", "half", "limited", "well", "both"]));
    let now = Instant::now();
    world.breakers.open(&world.channel("half"), now);
    world.breakers.open(&world.channel("both"), now);
    advance(2 * BreakerPolicy::default().recovery_timeout).await;
    world.breakers.open(&world.channel("out"), Instant::now());
    for limited in ["limited", "both"] {
        world.paces.limit(&world.channel(limited), None, Instant::now());
    }
    let list = world.explain(call(), by(Strategy::Priority)).await;
    let tiers = [0, 1, 2, 3, 4].map(|at| of(&list, at).reasons.as_ref().unwrap().tier);
    assert_eq!(tiers, [None, Some(3), Some(2), Some(1), Some(4)]);
}

// === the page ===

/// Runs the call through the stack; any attempt is an error.
async fn explained(world: &World, call: Call) -> (Result<Reply, Failure>, Value) {
    let journal = call.journal().clone();
    let method = call.request.method().into_owned();
    let attempts = service_fn(|_: Attempt| -> Ready<Result<Reply, Failure>> { panic!("nothing is sent") });
    let selection =
        world.candidates().layer(world.strategies().layer(FailoverLayer::default().layer(attempts)));
    let stack = ProfileLayer::new(world.live.clone(), ProfilePolicy::default())
        .layer(GuardLayer::default().layer(selection));
    let outcome = stack.oneshot(call).await;
    (outcome, serde_json::to_value(Explanation::of(&method, &journal)).unwrap())
}

fn to_explain(method: &str, params: &str) -> Call {
    let mut call = testing::call(method, params);
    call.dry_run = true;
    call.explain = true;
    call
}

#[tokio::test(start_paused = true)]
async fn an_explanation_is_complete() {
    let mut chain = testing::chain(&["a", "b", "c"]);
    chain.providers[0].capabilities.max_block_range = Some(10);
    let world = World::of(chain);
    world.breakers.open(&world.channel("c"), Instant::now());
    let mut call = to_explain("eth_getLogs", r#"[{"fromBlock":"0x0","toBlock":"0x20","address":"0x1"}]"#);
    call.route.strategy = Some(Strategy::Priority);
    let (outcome, page) = explained(&world, call).await;
    assert!(outcome.is_ok());
    for (member, expected) in [
        ("profile", json!("default")),
        ("chain", json!("ethereum")),
        ("chain_id", json!(1)),
        ("method", json!("eth_getLogs")),
        ("strategy", json!("priority")),
        ("strategy_source", json!("route")),
        ("transport", json!(null)),
        ("consensus_height", json!(null)),
        (
            "hints",
            json!({"archival": true, "requested_block": null, "block_range": 32, "address_count": 1,
                "block_age": null}),
        ),
    ] {
        assert_eq!(page[member], expected, "{member}");
    }
    let candidates = page["candidates"].as_array().unwrap();
    let column = |name: &str| candidates.iter().map(|it| it[name].clone()).collect::<Value>();
    assert_eq!(column("provider"), json!(["b", "a", "c"]));
    assert_eq!(column("order"), json!([1, null, null]));
    assert_eq!(column("tier"), json!([1, 1, null]));
    assert_eq!(column("excluded"), json!([null, null, "circuit_open"]));
    assert_eq!(column("limit"), json!([null, "param_limit", null]));
    assert_eq!(column("demotions"), json!([[], [], []]));
    assert_eq!(column("score"), json!([{"priority": 2}, {"priority": 1}, null]));
    assert!(candidates[2]["retry_after_ms"].as_u64().unwrap() >= 60_000);
    let instance = candidates[0]["instance_id"].as_str().unwrap();
    assert!(instance.starts_with("1:b:"), "{instance}");
    let limits =
        json!({"stage": "limits", "verdict": "limit", "reason": "param_limit", "max_block_range": 10});
    assert_eq!(candidates[1]["stages"].as_array().unwrap().last(), Some(&limits));
}

#[tokio::test(start_paused = true)]
async fn where_all_are_over_a_limit_all_have_a_place() {
    let mut chain = testing::chain(&["a", "b"]);
    for provider in &mut chain.providers {
        provider.capabilities = Capabilities { max_block_range: Some(10), ..Capabilities::default() };
    }
    let mut call = to_explain("eth_getLogs", r#"[{"fromBlock":"0x0","toBlock":"0x20"}]"#);
    call.route.strategy = Some(Strategy::Priority);
    let (_, page) = explained(&World::of(chain), call).await;
    let orders: Vec<_> =
        page["candidates"].as_array().unwrap().iter().map(|it| it["order"].clone()).collect();
    assert_eq!(orders, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn the_strategy_has_a_source() {
    let routing = RoutingSpec {
        default_strategy: Some(Strategy::Fastest),
        method_overrides: vec![MethodOverride {
            method: "eth_call".to_owned(),
            strategy: Some(Strategy::Priority),
            providers: Vec::new(),
        }],
    };
    let overriding =
        World::new(ProfileSpec { routing, ..ProfileSpec::new("default").chain(testing::chain(&["a"])) });
    let plain = World::of(testing::chain(&["a"]));
    let mut chosen = to_explain("eth_call", "[]");
    chosen.route.strategy = Some(Strategy::LatencyWeighted);
    for (world, call, strategy, source) in [
        (&overriding, chosen, "latency_weighted", "route"),
        (&overriding, to_explain("eth_call", "[]"), "priority", "method_override"),
        (&overriding, to_explain("eth_gasPrice", "[]"), "fastest", "profile"),
        (&plain, to_explain("eth_call", "[]"), "load_balanced", "default"),
    ] {
        let (_, page) = explained(world, call).await;
        assert_eq!((&page["strategy"], &page["strategy_source"]), (&json!(strategy), &json!(source)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_no_provider_is_answered_or_refused_when_it_is_explained() {
    let world = World::of(testing::chain(&["a"]));
    let (outcome, page) = explained(&world, to_explain("eth_accounts", "[]")).await;
    assert!(matches!(outcome, Err(Failure::Rejected(_))));
    assert_eq!(page, Value::Null);
    let (outcome, page) = explained(&world, to_explain("eth_chainId", "[]")).await;
    assert!(matches!(outcome, Ok(Reply::Result(_))));
    assert_eq!(page, Value::Null);
}

// === the same outcome ===

mod same {
    use proptest::prelude::{Just, Strategy as Generate, any, prop_oneof};
    use proptest::{collection, option, prop_assert_eq, proptest, sample};

    use super::*;

    #[derive(Clone, Debug)]
    struct Provider {
        has_ws: bool,
        archival: bool,
        declines: bool,
        max_range: Option<u64>,
        /// How long ago its breaker opened.
        opened: Option<Duration>,
        limited: bool,
        height: Option<u64>,
        listed: bool,
        measured: Option<u64>,
        /// Whatever a user's filter says: part of the id, where the filter finds it.
        custom: &'static str,
    }

    #[derive(Clone, Debug)]
    struct Case {
        providers: Vec<Provider>,
        method: (&'static str, &'static str),
        strategy: Strategy,
        transport: Option<Transport>,
        pin: Option<(sample::Index, bool)>,
        max_lag: Option<u64>,
    }

    fn custom(subject: &Subject<'_>) -> Verdict {
        match subject.provider.id.split('-').next().unwrap() {
            "out" => Verdict::exclude("unwanted"),
            "late" => Verdict::Demote(Demotion::LIMITED),
            "far" => Verdict::Limit("far"),
            _ => Verdict::Keep,
        }
    }

    fn provider() -> impl Generate<Value = Provider> {
        let rarely = || proptest::bool::weighted(0.3);
        let opened = option::weighted(0.4, sample::select(vec![Duration::ZERO, Duration::from_secs(120)]));
        (
            (any::<bool>(), any::<bool>(), rarely(), option::of(Just(16))),
            (opened, rarely(), option::of(900_u64..1_000), any::<bool>(), option::of(1_u64..100)),
            prop_oneof![4 => Just("keep"), 1 => sample::select(vec!["out", "late", "far"])],
        )
            .prop_map(|(declared, state, custom)| {
                let (has_ws, archival, declines, max_range) = declared;
                let (opened, limited, height, listed, measured) = state;
                let archival = archival || !declines;
                Provider {
                    has_ws,
                    archival,
                    declines,
                    max_range,
                    opened,
                    limited,
                    height,
                    listed,
                    measured,
                    custom,
                }
            })
    }

    fn case() -> impl Generate<Value = Case> {
        let methods = vec![
            ("eth_blockNumber", "[]"),
            ("eth_getBalance", r#"["0xab","0x1"]"#),
            ("eth_getBalance", r#"["0xab","0x3e0"]"#),
            ("eth_getLogs", r#"[{"fromBlock":"0x0","toBlock":"0x20"}]"#),
        ];
        let transport = option::weighted(0.3, sample::select(vec![Transport::Http, Transport::Ws]));
        (
            collection::vec(provider(), 1..7),
            sample::select(methods),
            sample::select(Strategy::ALL.to_vec()),
            transport,
            option::weighted(0.3, any::<(sample::Index, bool)>()),
            option::of(0_u64..50),
        )
            .prop_map(|(providers, method, strategy, transport, pin, max_lag)| Case {
                providers,
                method,
                strategy,
                transport,
                pin,
                max_lag,
            })
    }

    async fn world(case: &Case) -> World {
        let id = |at: usize, provider: &Provider| format!("{}-{at}", provider.custom);
        let mut chain = ChainSpec::new("ethereum", 1);
        chain.settings.max_lag_blocks = case.max_lag;
        let mut listed = Vec::new();
        for (at, provider) in case.providers.iter().enumerate() {
            let id = id(at, provider);
            if provider.listed {
                listed.push(id.clone());
            }
            let mut spec = ProviderSpec::http(&id, format!("http://{id}.example"));
            spec.ws_url = provider.has_ws.then(|| format!("ws://{id}.example"));
            spec.archival = provider.archival;
            spec.capabilities.max_block_range = provider.max_range;
            if provider.declines {
                spec.capabilities.unsupported_methods = vec![case.method.0.to_owned()];
            }
            chain = chain.provider(spec);
        }
        let entry = MethodOverride { method: "eth_getBalance".to_owned(), strategy: None, providers: listed };
        let routing = RoutingSpec { default_strategy: None, method_overrides: vec![entry] };
        let mut world = World::new(ProfileSpec { routing, ..ProfileSpec::new("default").chain(chain) });
        world.custom = custom;
        let call = testing::call(case.method.0, case.method.1);
        for wait in [Duration::from_secs(120), Duration::ZERO] {
            for (at, provider) in case.providers.iter().enumerate() {
                if provider.opened == Some(wait) {
                    world.breakers.open(&world.channel(&id(at, provider)), Instant::now());
                }
            }
            advance(wait).await;
        }
        for (at, provider) in case.providers.iter().enumerate() {
            let id = id(at, provider);
            if provider.limited {
                world.paces.limit(&world.channel(&id), None, Instant::now());
            }
            if let Some(height) = provider.height {
                world.report(&id, height);
            }
            if let Some(took) = provider.measured {
                world.measure(&id, &call, 5, took);
            }
        }
        world
    }

    proptest! {
        /// An explained selection and a normal one agree on everything but the reasons, and the reasons agree
        /// with both.
        #[test]
        fn an_explained_selection_has_the_outcome_of_a_normal_one(case in case()) {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let (normal, explained) = runtime.block_on(async {
                let world = world(&case).await;
                let change = |plan: &mut Plan| {
                    plan.strategy = case.strategy;
                    plan.transport = case.transport;
                    plan.pin = case.pin.map(|(index, failover)| {
                        let provider = u16::try_from(index.index(case.providers.len())).unwrap();
                        Pin { provider, failover }
                    });
                };
                let call = || testing::call(case.method.0, case.method.1);
                (world.select(call(), change).await, world.explain(call(), change).await)
            });
            let outcome = |list: &[Candidate]| {
                list.iter()
                    .map(|it| {
                        let channel = (it.provider, it.transport, it.pinned);
                        (channel, it.excluded, it.retry_after, it.demotion, it.limit)
                    })
                    .collect::<Vec<_>>()
            };
            prop_assert_eq!(outcome(&normal), outcome(&explained));
            for candidate in &explained {
                let findings = &candidate.reasons.as_ref().unwrap().findings;
                prop_assert_eq!(findings.len(), 10);
                let first = findings.iter().find_map(|finding| match finding.opinion {
                    Opinion::Verdict(Verdict::Exclude { reason, .. }) => Some(reason),
                    _ => None,
                });
                prop_assert_eq!(first, candidate.excluded);
            }
        }
    }
}
