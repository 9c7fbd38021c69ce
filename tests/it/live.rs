//! What pages are told while it happens.

use std::time::Duration;

use http::{Method, StatusCode};
use lasso_layers::catalog::{ChainSpec, ProfileSpec};
use lasso_rpc::config::Settings;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Client, Page, Proxy, Reply, WHO, World, chain_of, node, profile, request, until};

const LIVE: &str = "/api/live";

fn quiet(settings: &mut Settings) {
    settings.dashboard.system = false;
}

fn decisions(batch: &Value) -> usize {
    let events = batch["events"].as_array().unwrap();
    events.iter().filter(|event| event["kind"] == "decision").count()
}

fn provider<'a>(data: &'a Value, id: &str) -> Option<&'a Value> {
    data["providers"].as_array()?.iter().find(|provider| provider["id"] == id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streaming_11_case_51_a_thousand_requests_are_told_in_portions_and_counted_whole() {
    const CALLS: usize = 1_000;
    const CLIENTS: usize = 20;
    let world = World::with(&["a"], quiet, |_| {}).await;
    let mut page = Page::open(&world.proxy, LIVE).await.unwrap();
    assert_eq!(page.next().await.unwrap().name, "snapshot");
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (client, url) = (Client::new(), world.proxy.url("/rpc/ethereum"));
        clients.spawn(async move {
            for _ in 0..CALLS / CLIENTS {
                let response = client.open(&url, &[], request(WHO, &json!([]))).await.unwrap();
                Reply::read(response).await.who();
            }
        });
    }
    let (mut told, mut left_out, mut sampled, mut last) = (0, 0, 0, None);
    while told + left_out < CALLS || sampled < CALLS {
        let message = page.next().await.unwrap();
        if message.name != "batch" {
            continue;
        }
        let batch = message.data;
        assert!(batch["events"].as_array().unwrap().len() <= 100);
        assert_eq!(batch["dropped"], 0);
        let now = batch["now"].as_u64().unwrap();
        // Whole milliseconds: a distance of 50 may look like 49.
        assert!(last.is_none_or(|last| now >= last + 49), "{last:?} and {now}");
        last = Some(now);
        told += decisions(&batch);
        left_out += batch["sampled_out"].as_u64().unwrap() as usize;
        sampled = batch["stats"]["sampled"].as_u64().map_or(sampled, |sampled| sampled as usize);
    }
    clients.join_all().await;
    assert_eq!((told + left_out, sampled), (CALLS, CALLS));
    let mut late = Page::open(&world.proxy, LIVE).await.unwrap();
    let snapshot = late.next().await.unwrap().data;
    assert_eq!(decisions(&snapshot), 100, "the last ones");
    let stats = &snapshot["stats"];
    assert_eq!((&stats["success_rate"], &stats["sampled"]), (&json!(100.0), &json!(CALLS)));
    let share = json!({ "provider": "a", "share": 100.0, "calls": CALLS });
    assert_eq!(snapshot["chains"][0]["shares"], json!([share]));
}

#[tokio::test]
async fn streaming_11_case_56_api_health_is_200_with_all_upstreams_down() {
    let world = World::start(&["a", "b"]).await;
    for name in ["a", "b"] {
        world.node(name).stop().await;
        world.proxy.open_breaker(name);
    }
    assert_eq!(world.proxy.get("/api/health").await.status, StatusCode::OK);
    let ready = world.proxy.get("/api/ready").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ready.json()["chains"][0]["usable_providers"], 0);
}

#[tokio::test]
async fn a_breaker_that_opens_is_seen_as_an_event_and_as_the_status() {
    let world = World::with(&["a", "b"], quiet, |_| {}).await;
    world.ask("a").await.who();
    let mut page = Page::open(&world.proxy, LIVE).await.unwrap();
    assert_eq!(page.headers["content-type"], "text/event-stream");
    assert_eq!(page.headers["cache-control"], "no-store");
    let snapshot = page.next().await.unwrap().data;
    assert_eq!(provider(&snapshot, "a").unwrap()["status"], "healthy");
    assert_eq!(provider(&snapshot, "b").unwrap()["status"], "unknown", "nobody has asked it");
    assert_eq!(decisions(&snapshot), 1, "a call of before");
    world.proxy.open_breaker("a");
    let told = page.until("the event", |message| message.data["events"][0]["kind"] == "breaker").await.data;
    let event = &told["events"][0];
    assert_eq!((&event["provider"], &event["to"]), (&json!("a"), &json!("open")));
    let is_red = |data: &Value| provider(data, "a").is_some_and(|it| it["status"] == "circuit_open");
    let seen = if is_red(&told) { told } else { page.until("red", |it| is_red(&it.data)).await.data };
    let a = provider(&seen, "a").unwrap();
    assert_eq!((&a["breakers"]["http"]["state"], &a["breakers"]["ws"]), (&json!("open"), &Value::Null));
    assert_eq!(a["issues"][0]["kind"], "breaker_open");
    assert!(provider(&seen, "b").is_none(), "only what changed is told");
}

#[tokio::test]
async fn a_reload_sends_a_snapshot_and_a_profile_that_goes_ends_the_page() {
    let nodes = [node("a").await, node("b").await];
    let of = |slug: &str, nodes: &[_]| profile(slug, chain_of(nodes));
    let both = vec![of("default", &nodes[..1]), of("other", &nodes[..1])];
    let proxy = Proxy::start(both, quiet).await;
    let mut page = Page::open(&proxy, "/api/live?profile=public").await.unwrap();
    let mut other = Page::open(&proxy, "/api/live?profile=other").await.unwrap();
    let snapshot = page.next().await.unwrap().data;
    assert_eq!(
        (&snapshot["profile"], snapshot["profiles"].as_array().unwrap().len()),
        (&json!("default"), 2)
    );
    assert_eq!(other.next().await.unwrap().data["profile"], "other");
    proxy.runtime.live.publish(vec![of("default", &nodes)]).unwrap();
    let snapshot = page.until("another snapshot", |message| message.name == "snapshot").await.data;
    assert_eq!(
        (snapshot["providers"].as_array().unwrap().len(), &snapshot["chains"][0]["total"]),
        (2, &json!(2))
    );
    while other.next().await.is_some() {}
    assert_eq!(Page::open(&proxy, "/api/live?profile=other").await.err(), Some(StatusCode::NOT_FOUND));
}

#[tokio::test]
async fn a_viewer_that_leaves_makes_room_for_another() {
    let one = |settings: &mut Settings| settings.dashboard.max_viewers = 1;
    let world = World::with(&["a"], one, |_| {}).await;
    let mut page = Page::open(&world.proxy, LIVE).await.unwrap();
    page.next().await.unwrap();
    let refused = world.proxy.get(LIVE).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    drop(page);
    let again = async {
        loop {
            match Page::open(&world.proxy, LIVE).await {
                Ok(mut page) => return page.next().await.unwrap().name,
                Err(status) => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE),
            }
        }
    };
    assert_eq!(tokio::time::timeout(crate::support::LIMIT, again).await.unwrap(), "snapshot");
}

#[tokio::test]
async fn who_asks_for_no_profile_there_is_is_refused() {
    let world = World::start(&["a"]).await;
    for path in ["/api/live?profile=nope", "/api/streams?profile=nope"] {
        let refused = world.proxy.get(path).await;
        let expected =
            json!({ "error": "Profile not found", "profile": "nope", "available_profiles": ["default"] });
        assert_eq!((refused.status, refused.json()), (StatusCode::NOT_FOUND, expected));
    }
    assert_eq!(world.proxy.get("/api/live?profil=x").await.status, StatusCode::BAD_REQUEST);
    let head = world.proxy.client.fetch(Method::HEAD, &world.proxy.url(LIVE)).await.unwrap();
    let head = Reply::read(head).await;
    assert_eq!((head.status, head.header("content-type")), (StatusCode::OK, "text/event-stream"));
    assert_eq!((head.body.len(), head.header("content-length")), (0, ""));
}

#[tokio::test]
async fn the_end_of_the_router_ends_pages_and_waits_for_none() {
    let long = |settings: &mut Settings| settings.server.drain = Duration::from_secs(3_600);
    let mut world = World::with(&["a"], long, |_| {}).await;
    let mut page = Page::open(&world.proxy, LIVE).await.unwrap();
    page.next().await.unwrap();
    world.proxy.stop();
    world.proxy.ended().await;
    while page.next().await.is_some() {}
}

#[tokio::test]
async fn streams_are_listed_with_their_subscribers() {
    let node = node("a").await;
    let mut chain: ChainSpec = chain_of([&node]);
    chain.providers[0].ws_url = Some(node.ws_url());
    let proxy = Proxy::start(vec![profile("default", chain), ProfileSpec::new("other")], quiet).await;
    let ws = {
        let catalog = proxy.runtime.live.snapshot();
        catalog.profiles()[0].chains()[0].providers[0].ws.clone().unwrap()
    };
    until("the link is up", || proxy.runtime.links.is_up(ws.key)).await;
    let mut page = Page::open(&proxy, LIVE).await.unwrap();
    let mut socket = proxy.socket().await;
    socket.subscribe(json!(["newHeads"])).await;
    let streams = proxy.get("/api/streams").await.json()["streams"].clone();
    let stream = &streams[0];
    assert_eq!((&stream["key"], &stream["chain"]), (&json!("ethereum/newHeads"), &json!("ethereum")));
    assert_eq!((&stream["subscribers"], &stream["provider"]), (&json!(1), &json!("a")));
    assert_eq!((&stream["state"], &stream["failovers"]), (&json!("live"), &json!(0)));
    assert_eq!(proxy.get("/api/streams?profile=other").await.json(), json!({ "streams": [] }));
    let shows = |data: &Value| data["streams"].as_array().is_some_and(|all| !all.is_empty());
    page.until("the stream", |message| shows(&message.data)).await;
    drop(socket);
    page.until("its end", |message| message.data["gone"]["streams"] == json!(["ethereum/newHeads"])).await;
}
