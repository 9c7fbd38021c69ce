//! What the process hears of itself: the feed, and those who listen.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::call::observe::{Observer, Report};
use lasso_rpc::observe::{Event, Listener};
use lasso_rpc::sim::Fault;
use lasso_rpc::upstream::ws::LinkState;
use serde_json::json;

use crate::streams::Net;
use crate::support::{WHO, World, request, until};

/// Everything that was heard since somebody began to watch.
struct Heard<'a> {
    net: &'a Net,
    events: Mutex<Vec<Event>>,
}

impl Heard<'_> {
    /// Waits for an event, and returns what is said of it.
    async fn of<T>(&self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let mut found = None;
        let look = || {
            let mut events = self.events.lock().unwrap();
            self.net.proxy.runtime.observed.feed().take(&mut events);
            found = events.iter().find_map(&wanted);
            found.is_some()
        };
        until(what, look).await;
        found.unwrap()
    }

    async fn stream(&self, change: &str) -> (Option<String>, &'static str) {
        self.of(change, |event| match event {
            Event::Stream(stream) if stream.change == change => {
                assert_eq!(
                    (&*stream.profile, &*stream.chain, stream.topic),
                    ("default", "ethereum", "newHeads")
                );
                Some((stream.provider.as_ref().map(ToString::to_string), stream.detail))
            }
            _ => None,
        })
        .await
    }
}

#[tokio::test]
async fn links_streams_blocks_and_breakers_are_in_the_feed() {
    let net = Net::start(&["a", "b"]).await;
    let observed = &net.proxy.runtime.observed;
    let _watch = observed.feed().watch();
    let heard = Heard { net: &net, events: Mutex::default() };
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["newHeads"])).await;
    for number in 11..=12 {
        net.chain.mine(1);
        assert_eq!(viewer.heads(1).await, net.blocks(number, number));
    }
    assert_eq!(heard.stream("subscribed").await, (Some("a".to_owned()), ""));
    let block = heard
        .of("block", |event| match event {
            Event::Block(block) if block.height == 12 => Some((block.chain_id, block.instance)),
            _ => None,
        })
        .await;
    assert_eq!(block, (1, net.channel("a").unwrap().instance));

    net.cut("a").await;
    let link = heard.of("link", |event| match event {
        Event::Link(link) => Some((link.known_as.to_string(), link.state, link.unexpected)),
        _ => None,
    });
    assert_eq!(link.await, ("a".to_owned(), LinkState::Reconnecting, true));
    assert_eq!(heard.stream("failover").await.0.as_deref(), Some("a"));
    net.chain.mine(1);
    assert_eq!(viewer.heads(1).await, net.blocks(13, 13));
    assert_eq!(heard.stream("recovered").await.0.as_deref(), Some("b"));
    drop(viewer);
    assert_eq!(heard.stream("ended").await, (None, ""));

    net.proxy.open_breaker("b");
    let breaker = heard.of("breaker", |event| match event {
        Event::Breaker(breaker) if breaker.known_as == "b" => {
            Some((breaker.from, breaker.to, breaker.reason))
        }
        _ => None,
    });
    assert_eq!(breaker.await, (BreakerState::Closed, BreakerState::Open, "manual_open"));
    assert_eq!(observed.feed().dropped(), 0);
}

#[tokio::test]
async fn what_a_stream_asks_is_a_decision_of_the_system() {
    let net = Net::start(&["a"]).await;
    let mut viewer = net.viewer().await;
    viewer.subscribe(json!(["newHeads"])).await;
    net.chain.mine(1);
    viewer.heads(1).await;
    // The blocks in between were not told: they are asked for.
    net.node("a").disconnect(lasso_rpc::sim::Ending::Reset);
    net.chain.mine(3);
    assert_eq!(viewer.heads(3).await, net.blocks(12, 14));
    let page = net.proxy.get("/api/requests?origin=system").await.json();
    let rows = page["requests"].as_array().unwrap();
    assert!(!rows.is_empty(), "{page}");
    assert!(rows.iter().all(|row| row["provider"] == "a" && row["result"] == "success"), "{page}");
}

/// Counts what it hears.
#[derive(Default)]
struct Counts {
    finished: AtomicUsize,
    cancelled: AtomicUsize,
    noted: AtomicUsize,
}

impl Observer for Counts {
    fn finished(&self, report: &Report<'_>) {
        assert!(report.request_id().is_some() && !report.is_cancelled());
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    fn cancelled(&self, report: &Report<'_>) {
        assert!(report.is_cancelled() && report.error().is_none());
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }
}

impl Listener for Counts {
    fn noted(&self, event: &Event) {
        assert!(!matches!(event, Event::Decision(_)), "calls are told as reports");
        self.noted.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn listeners_hear_of_every_item_and_every_change_whoever_watches() {
    let world = World::start(&["a"]).await;
    let counts = [(); 2].map(|()| Arc::new(Counts::default()));
    for listener in &counts {
        world.proxy.runtime.observed.listen(listener.clone());
    }
    let items = [WHO, "eth_accounts", "eth_gasPrice"].map(|method| request(method, &json!([])));
    world.proxy.post("/rpc/ethereum", format!("[{}]", items.join(","))).await;
    world.who().await;
    world.behave("a", Fault::Hang);
    let asking = world.proxy.spawn_call("/rpc/ethereum", WHO);
    world.wait_in_flight("a", 1).await;
    asking.abort();
    until("the router notices", || counts[1].cancelled.load(Ordering::Relaxed) == 1).await;
    world.proxy.open_breaker("a");
    for counts in &counts {
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        assert_eq!((count(&counts.finished), count(&counts.cancelled), count(&counts.noted)), (4, 1, 1));
    }
    assert_eq!(world.proxy.runtime.observed.feed().queued(), 0, "nobody watches");
}
