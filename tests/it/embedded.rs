//! WebSockets in a server of somebody else, with a source of events of its own.

use std::collections::HashMap;
use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lasso_layers::call::session::{Delivery, OutboxBudget, Subscriber, SubscriptionId};
use lasso_layers::call::subscribe::{SubscribeLayer, Subscriptions, Topic};
use lasso_layers::call::{Body, Call, Failure, Reply, Route};
use lasso_layers::edge::ingress::ByteBudget;
use lasso_layers::wire::result_body;
use lasso_rpc::server::{WebSocketPolicy, WebSockets};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder};

use crate::support::{Socket, until};

/// Sends what it is told to everybody who listens.
#[derive(Clone, Default)]
struct Station(Arc<Mutex<HashMap<SubscriptionId, Subscriber>>>);

/// Takes a listener off when it is dropped.
struct Listening(Station, SubscriptionId);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().remove(&self.1);
    }
}

impl Subscriptions for Station {
    type Guard = Listening;

    async fn subscribe(&self, _: &Call, _: Topic, subscriber: Subscriber) -> Result<Listening, Failure> {
        let id = subscriber.id();
        self.0.lock().unwrap().insert(id, subscriber);
        Ok(Listening(self.clone(), id))
    }
}

impl Station {
    fn publish(&self, event: &Value) {
        let delivery = Arc::new(Delivery::of(event.to_string().as_bytes()));
        // A push may end a listener, who goes off the list then.
        let listeners: Vec<_> = self.0.lock().unwrap().values().cloned().collect();
        for listener in listeners {
            let _ = listener.push(&delivery);
        }
    }

    fn listeners(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

struct Server {
    address: SocketAddr,
    station: Station,
    requests: ByteBudget,
    outboxes: OutboxBudget,
    open: Box<dyn Fn() -> usize>,
}

/// Serves every path; what is no subscription is answered with its method.
async fn serve() -> Server {
    let station = Station::default();
    let stack = ServiceBuilder::new().layer(SubscribeLayer::new(station.clone())).service_fn(|call: Call| {
        let method = json!(call.request.method()).to_string();
        ready(Ok::<_, Failure>(Reply::Result(Body::Full(result_body(call.request.id(), method.as_bytes())))))
    });
    let (requests, outboxes) = (ByteBudget::default(), OutboxBudget::default());
    let sockets = WebSockets::with(stack, WebSocketPolicy::default(), requests.clone(), outboxes.clone())
        .route(Route::to_chain("any"));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let open = sockets.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let sockets = sockets.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| sockets.clone().call(request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                let _ = connection.with_upgrades().await;
            });
        }
    });
    Server { address, station, requests, outboxes, open: Box::new(move || open.open()) }
}

fn pushed(id: &str, event: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": "eth_subscription", "params": { "subscription": id, "result": event } })
}

#[tokio::test]
async fn streaming_11_case_10_one_subscription_too_many_is_refused_and_the_others_deliver() {
    let server = serve().await;
    let mut socket = Socket::connect(server.address, "/").await;
    let mut ids = Vec::new();
    for _ in 0..128 {
        ids.push(socket.subscribe(json!(["newHeads"])).await);
    }
    let refused = socket.call("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(refused["error"]["code"], -32008, "{refused}");
    assert_eq!(refused["error"]["message"], "Subscription capacity unavailable");
    server.station.publish(&json!({ "number": "0x1" }));
    let mut seen = Vec::new();
    for _ in 0..128 {
        let push = socket.next().await;
        let id = push["params"]["subscription"].as_str().unwrap().to_owned();
        assert_eq!(push, pushed(&id, &json!({ "number": "0x1" })));
        seen.push(id);
    }
    seen.sort_unstable();
    ids.sort_unstable();
    assert_eq!(seen, ids);
    // Room comes back.
    assert_eq!(socket.call("eth_unsubscribe", json!([ids[0]])).await["result"], true);
    socket.subscribe(json!(["newHeads"])).await;
}

#[tokio::test]
async fn nothing_is_pushed_before_the_id_and_after_the_goodbye() {
    let server = serve().await;
    let mut socket = Socket::connect(server.address, "/").await;
    for round in 0..50 {
        socket.ask(&json!(round), "eth_subscribe", &json!(["newHeads"])).await;
        until("it is subscribed", || server.station.listeners() == 1).await;
        server.station.publish(&json!(round));
        let reply = socket.next().await;
        assert_eq!(reply["id"], round, "{reply}");
        let id = reply["result"].as_str().unwrap();
        assert_eq!(socket.next().await, pushed(id, &json!(round)));
        socket.ask(&json!("bye"), "eth_unsubscribe", &json!([id])).await;
        until("it is not", || server.station.listeners() == 0).await;
        assert_eq!(socket.next().await, json!({ "jsonrpc": "2.0", "id": "bye", "result": true }));
        server.station.publish(&json!("never"));
        socket.expect_quiet().await;
    }
}

#[tokio::test]
async fn a_slow_reader_is_closed_and_nobody_else() {
    let server = serve().await;
    let (mut slow, mut fast) =
        (Socket::connect(server.address, "/slow").await, Socket::connect(server.address, "/fast").await);
    slow.subscribe(json!(["newHeads"])).await;
    let id = fast.subscribe(json!(["newHeads"])).await;
    let filling = "x".repeat(1 << 20);
    let mut count = 0;
    while server.station.listeners() == 2 {
        let event = json!({ "number": count, "filling": filling });
        server.station.publish(&event);
        assert_eq!(fast.next().await, pushed(&id, &event));
        count += 1;
        assert!(count < 200, "what waits for the slow one is bounded");
    }
    assert_eq!(slow.closed().await, (1011, "slow consumer".to_owned()));
    drop(slow);
    server.station.publish(&json!("still here"));
    assert_eq!(fast.next().await, pushed(&id, &json!("still here")));
    until("one is left", || (server.open)() == 1).await;
    assert_eq!(server.outboxes.live_bytes(), 0);
}

#[tokio::test]
async fn nothing_is_left_of_a_client_that_vanishes() {
    let server = serve().await;
    for _ in 0..20 {
        let mut socket = Socket::connect(server.address, "/").await;
        socket.subscribe(json!(["logs", {}])).await;
        socket.subscribe(json!(["newHeads"])).await;
        server.station.publish(&json!("unread"));
        assert_eq!((server.station.listeners(), (server.open)()), (2, 1));
        drop(socket);
        until("it is gone", || server.station.listeners() == 0 && (server.open)() == 0).await;
    }
    assert_eq!((server.requests.used(), server.outboxes.live_bytes()), (0, 0));
}
