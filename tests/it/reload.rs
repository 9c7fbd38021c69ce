//! Another catalogue while requests are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::StatusCode;
use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::{ChainSpec, Channel, ClientLimit, ProfileSpec, ProviderSpec};
use lasso_rpc::sim::{Ending, Fault, Rule, SimNode};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::{Client, LIMIT, Proxy, Reply, WHO, World, chain_of, ms, node, profile, request, until};

fn only(chain: ChainSpec) -> Vec<ProfileSpec> {
    vec![profile("default", chain)]
}

/// Clients that never stop asking, and take nothing but a result for an answer.
struct Load {
    clients: JoinSet<()>,
    answers: Vec<Arc<AtomicU64>>,
    over: Arc<AtomicBool>,
}

impl Load {
    fn start(proxy: &Proxy, path: &str, clients: usize) -> Self {
        let mut load = Self { clients: JoinSet::new(), answers: Vec::new(), over: Arc::default() };
        for _ in 0..clients {
            let answered = Arc::<AtomicU64>::default();
            load.answers.push(answered.clone());
            let (url, over) = (proxy.url(path), load.over.clone());
            load.clients.spawn(async move {
                let client = Client::new();
                while !over.load(Ordering::Relaxed) {
                    let response = client.open(&url, &[], request(WHO, &json!([]))).await.unwrap();
                    Reply::read(response).await.who();
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        load
    }

    /// Waits until every client got two more answers: the question to the second one was asked after now.
    async fn goes_on(&self) {
        let now: Vec<u64> = self.counts();
        until("every client got two more answers", || {
            assert!(!self.clients.is_empty());
            self.counts().iter().zip(&now).all(|(count, before)| *count >= before + 2)
        })
        .await;
    }

    fn counts(&self) -> Vec<u64> {
        self.answers.iter().map(|answered| answered.load(Ordering::Relaxed)).collect()
    }

    /// Ends the clients and fails if one of them had reason to.
    async fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_providers_come_go_and_move() {
    let nodes = [node("a").await, node("b").await, node("c").await];
    let [a, b, c] = &nodes;
    let proxy = Proxy::start(only(chain_of([a, b])), |_| {}).await;
    let load = Load::start(&proxy, "/rpc/load-balanced/ethereum", 4);
    load.goes_on().await;
    // The provider `a`, at the address of another node.
    let moved = |to: &SimNode| ProviderSpec::http("a", to.http_url());
    for _ in 0..5 {
        for (chain, unused) in [
            (chain_of([a, b, c]), &[][..]),
            (chain_of([b, c]), &[a]),
            (chain_of([c]), &[a, b]),
            (chain_of([]).provider(moved(b)), &[a, c]),
            (chain_of([]).provider(moved(a)), &[b, c]),
            (chain_of([b, a]), &[c]),
        ] {
            proxy.runtime.live.publish(only(chain)).expect("the profiles are valid");
            // Requests that had chosen before may still be under way; those after them may not choose the same.
            load.goes_on().await;
            let before: Vec<u64> = unused.iter().map(|node| node.calls(WHO)).collect();
            load.goes_on().await;
            let after: Vec<u64> = unused.iter().map(|node| node.calls(WHO)).collect();
            assert_eq!(before, after, "a provider that is gone was asked");
        }
    }
    load.end().await;
}

#[tokio::test]
async fn a_provider_at_another_address_is_asked_there() {
    let nodes = [node("a").await, node("b").await];
    let proxy = Proxy::start(only(chain_of([&nodes[0]])), |_| {}).await;
    let before = proxy.channel("a").key;
    assert_eq!(proxy.call(WHO, json!([])).await.who(), "a");
    let moved = ChainSpec::new("ethereum", 1).provider(ProviderSpec::http("a", nodes[1].http_url()));
    proxy.runtime.live.publish(only(moved)).unwrap();
    assert_eq!(proxy.call(WHO, json!([])).await.who(), "b");
    assert_ne!(proxy.channel("a").key, before, "state of the old address is not that of the new one");
}

#[tokio::test]
async fn a_call_under_way_is_finished_by_the_provider_it_has() {
    let nodes = [node("a").await, node("b").await];
    let [a, b] = &nodes;
    let proxy = Proxy::start(only(chain_of([a, b])), |_| {}).await;
    a.behave([Rule::method(WHO, Fault::latency(ms(200)))]);
    let call = proxy.spawn_call("/rpc/ethereum", WHO);
    assert!(a.wait_for_method(WHO, 1, LIMIT).await);
    proxy.runtime.live.publish(only(chain_of([b]))).unwrap();
    assert_eq!(call.await.unwrap().who(), "a");
    assert_eq!(b.calls(WHO), 0);
}

#[tokio::test]
async fn a_call_under_way_does_not_fail_over_to_a_provider_that_is_gone() {
    let nodes = [node("a").await, node("b").await, node("c").await];
    let [a, b, c] = &nodes;
    let proxy = Proxy::start(only(chain_of([a, b, c])), |_| {}).await;
    a.behave([Rule::method(WHO, Fault::Hang)]);
    let call = proxy.spawn_call("/rpc/ethereum", WHO);
    assert!(a.wait_for_method(WHO, 1, LIMIT).await);
    proxy.runtime.live.publish(only(chain_of([a, c]))).unwrap();
    a.disconnect(Ending::Reset);
    assert_eq!(call.await.unwrap().who(), "c");
    assert_eq!(b.calls(WHO), 0);
}

#[tokio::test]
async fn a_call_under_way_finds_a_provider_that_is_new() {
    let nodes = [node("a").await, node("b").await];
    let [a, b] = &nodes;
    let proxy = Proxy::start(only(chain_of([a])), |_| {}).await;
    a.behave([Rule::method(WHO, Fault::Hang)]);
    let call = proxy.spawn_call("/rpc/ethereum", WHO);
    assert!(a.wait_for_method(WHO, 1, LIMIT).await);
    proxy.runtime.live.publish(only(chain_of([b]))).unwrap();
    a.disconnect(Ending::Reset);
    assert_eq!(call.await.unwrap().who(), "b");
}

#[tokio::test]
async fn items_of_a_batch_that_wait_are_not_sent_to_a_provider_that_is_gone() {
    let nodes = [node("a").await, node("b").await];
    let [a, b] = &nodes;
    let proxy = Proxy::start(only(chain_of([a])), |settings| settings.batch.concurrency = 1).await;
    a.behave([Rule::method(WHO, Fault::latency(ms(200)))]);
    let items: Vec<_> = (1..=3).map(|id| json!({"jsonrpc": "2.0", "id": id, "method": WHO})).collect();
    let body = serde_json::Value::from(items).to_string();
    let (url, client) = (proxy.url("/rpc/ethereum"), Client::new());
    let batch = tokio::spawn(async move { Reply::read(client.open(&url, &[], body).await.unwrap()).await });
    assert!(a.wait_for_method(WHO, 1, LIMIT).await);
    proxy.runtime.live.publish(only(chain_of([b]))).unwrap();
    let answers: Vec<serde_json::Value> = serde_json::from_slice(&batch.await.unwrap().body).unwrap();
    let ids: Vec<_> = answers.iter().map(|answer| answer["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert!(answers.iter().all(|answer| answer["result"].is_string()), "{answers:?}");
    assert_eq!((a.calls(WHO), b.calls(WHO)), (1, 2));
}

#[tokio::test]
async fn what_is_known_of_an_upstream_outlives_the_change_of_others() {
    let world = World::start(&["a", "b"]).await;
    world.behave("a", Fault::status(StatusCode::BAD_GATEWAY));
    for _ in 0..5 {
        assert_eq!(world.who().await, "b");
    }
    let before = world.proxy.breaker("a");
    assert_eq!(before.state, BreakerState::Open);
    world.node("a").heal();
    let added = node("c").await;
    // The same upstream, with another rank, another name and a neighbour.
    let mut chain = chain_of([world.node("b"), &added, world.node("a")]);
    chain.providers[2].id = "z".to_owned();
    world.proxy.runtime.live.publish(only(chain)).unwrap();
    let after = world.proxy.breaker("z");
    assert_eq!((after.state, after.openings, after.failures), (BreakerState::Open, 1, before.failures));
    assert!(after.remaining.unwrap() <= before.remaining.unwrap());
    for _ in 0..10 {
        world.proxy.call_at("/rpc/load-balanced/ethereum", WHO, json!([])).await.who();
    }
    assert_eq!(world.node("a").calls(WHO), 5);
}

#[tokio::test]
async fn an_upstream_that_left_and_came_back_starts_anew() {
    let world = World::start(&["a", "b"]).await;
    let (proxy, now) = (&world.proxy, Instant::now());
    let (a, b) = (proxy.channel("a"), proxy.channel("b"));
    for channel in [&a, &b] {
        proxy.runtime.breakers.open(channel, now);
        proxy.runtime.paces.limit(channel, None, now);
    }
    let status = |channel: &Channel| proxy.runtime.breakers.status(channel.key, Instant::now());
    proxy.runtime.live.publish(only(chain_of([world.node("b")]))).unwrap();
    until("it is forgotten", || status(&a).state == BreakerState::Closed).await;
    until("its limit too", || proxy.runtime.paces.remaining(a.key, now).is_none()).await;
    proxy.runtime.live.publish(only(chain_of(&world.nodes))).unwrap();
    assert_eq!(proxy.channel("a").key, a.key);
    assert_eq!(world.ask("a").await.who(), "a");
    assert_eq!((status(&b).state, status(&b).openings), (BreakerState::Open, 1));
    assert!(proxy.limited("b").is_some());
}

#[tokio::test]
async fn api_case_36_a_bad_set_of_profiles_changes_nothing() {
    let world = World::start(&["a"]).await;
    let generation = world.proxy.runtime.live.load().generation();
    let twice = profile("default", chain_of(&world.nodes)).chain(ChainSpec::new("again", 1));
    let problems = world.proxy.runtime.live.publish(vec![twice]).unwrap_err();
    assert!(
        problems.iter().any(|problem| problem.to_string().contains("duplicate_chain_id")),
        "{problems:?}"
    );
    assert_eq!(world.proxy.runtime.live.load().generation(), generation);
    assert_eq!(world.who().await, "a");
    let reply = world.proxy.call_at("/rpc/again", WHO, json!([])).await;
    assert_eq!(reply.error().0, -32602);
}

#[tokio::test]
async fn profiles_and_chains_come_and_go() {
    let world = World::start(&["a", "b"]).await;
    let second = || profile("acme", chain_of([world.node("b")]));
    let first = || profile("default", chain_of([world.node("a")]));
    let ask = || world.proxy.call_at("/rpc/profile/acme/ethereum", WHO, json!([]));
    assert_eq!(ask().await.status, StatusCode::NOT_FOUND);
    world.proxy.runtime.live.publish(vec![first(), second()]).unwrap();
    assert_eq!(ask().await.who(), "b");
    world.proxy.runtime.live.publish(vec![first()]).unwrap();
    assert_eq!(ask().await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.who().await, "a");
}

#[tokio::test]
async fn a_changed_limit_holds_for_clients_that_are_there_already() {
    let nodes = [node("a").await];
    let with = |rps: u32, burst: u32| {
        let mut profile = profile("default", chain_of(&nodes));
        profile.limit = ClientLimit { rps, burst };
        vec![profile]
    };
    let proxy = Proxy::start(with(1_000_000, 1_000_000), |_| {}).await;
    for _ in 0..5 {
        proxy.call(WHO, json!([])).await.result();
    }
    proxy.runtime.live.publish(with(1, 1)).unwrap();
    // One token a second: of so many calls at once some are refused.
    let calls: Vec<_> = (0..20).map(|_| proxy.call(WHO, json!([]))).collect();
    let replies = futures_util::future::join_all(calls).await;
    let refused = replies.iter().filter(|reply| reply.status == StatusCode::TOO_MANY_REQUESTS).count();
    assert!(refused > 0);
    proxy.runtime.live.publish(with(1_000_000, 1_000_000)).unwrap();
    // The bucket keeps what it holds, which is nothing, and fills at the new rate: five in a row are soon taken.
    let taken = async {
        let mut in_a_row = 0;
        while in_a_row < 5 {
            let is_taken = proxy.call(WHO, json!([])).await.status == StatusCode::OK;
            in_a_row = if is_taken { in_a_row + 1 } else { 0 };
        }
    };
    tokio::time::timeout(LIMIT, taken).await.expect("the new limit holds");
}
