//! A client that subscribes.

use serde_json::{Value, json};

use crate::support::{Proxy, Socket};

/// Number and hash of a block.
pub(crate) type Seen = (u64, String);

/// A WebSocket to the router and what is pushed over it.
pub(crate) struct Viewer {
    pub(crate) socket: Socket,
}

/// An event of a subscription.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Push {
    pub(crate) subscription: String,
    pub(crate) result: Value,
}

impl Viewer {
    pub(crate) async fn connect(proxy: &Proxy, path: &str) -> Self {
        Self { socket: Socket::connect(proxy.address, path).await }
    }

    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Value {
        self.socket.call(method, params).await
    }

    /// Subscribes and returns the id.
    pub(crate) async fn subscribe(&mut self, params: Value) -> String {
        let id = self.socket.subscribe(params).await;
        assert!(id.starts_with("0x") && id.len() == 34, "{id}");
        id
    }

    pub(crate) async fn unsubscribe(&mut self, id: &str) -> Value {
        self.call("eth_unsubscribe", json!([id])).await["result"].take()
    }

    /// The next event.
    pub(crate) async fn push(&mut self) -> Push {
        let mut message = self.socket.next().await;
        assert_eq!(message["method"], "eth_subscription", "{message}");
        let params = &mut message["params"];
        let subscription = params["subscription"].as_str().expect("a push has an id").to_owned();
        Push { subscription, result: params["result"].take() }
    }

    /// What the next event is about.
    pub(crate) async fn event(&mut self) -> Value {
        self.push().await.result
    }

    /// The next heads.
    pub(crate) async fn heads(&mut self, count: usize) -> Vec<Seen> {
        let mut heads = Vec::new();
        for _ in 0..count {
            heads.push(seen(&self.event().await));
        }
        heads
    }

    /// Waits until the router closes the socket, and returns code and reason.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        self.socket.closed().await
    }
}

/// Number and hash of a head.
pub(crate) fn seen(head: &Value) -> Seen {
    (quantity(&head["number"]), head["hash"].as_str().expect("a head has a hash").to_owned())
}

pub(crate) fn quantity(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("no quantity: {value}"));
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}
