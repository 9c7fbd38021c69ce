//! A page that is told what happens.

use bytes::BytesMut;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::timeout;

use super::{Client, LIMIT, Proxy};

/// One viewer of `/api/live`. Dropping it hangs up.
pub(crate) struct Page {
    pub(crate) headers: HeaderMap,
    body: Incoming,
    unread: BytesMut,
}

/// A server-sent event.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Page {
    /// Opens the page; the status if it is refused.
    pub(crate) async fn open(proxy: &Proxy, path: &str) -> Result<Self, StatusCode> {
        // A connection of its own: dropping the body closes it.
        let response = Client::new().fetch(Method::GET, &proxy.url(path)).await.expect("the router answers");
        if response.status() != StatusCode::OK {
            return Err(response.status());
        }
        let (head, body) = response.into_parts();
        Ok(Self { headers: head.headers, body, unread: BytesMut::new() })
    }

    /// The next message; nothing at the end.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        timeout(LIMIT, self.read()).await.expect("a message comes in time")
    }

    /// The next message that is what somebody waits for, with those before it passed over.
    pub(crate) async fn until(&mut self, what: &str, is_it: impl Fn(&Message) -> bool) -> Message {
        let looking = async {
            loop {
                let message = self.read().await.expect("the page does not end");
                if is_it(&message) {
                    return message;
                }
            }
        };
        timeout(LIMIT, looking).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    async fn read(&mut self) -> Option<Message> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
                let text = self.unread.split_to(end + 2);
                return Some(message(std::str::from_utf8(&text).unwrap()));
            }
            let frame = self.body.frame().await?.expect("the page does not break");
            self.unread.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    }
}

fn message(text: &str) -> Message {
    let (name, data) = text.trim_end().split_once('\n').expect("a name and data");
    Message {
        name: name.strip_prefix("event: ").expect("a name").to_owned(),
        data: serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("data is JSON"),
    }
}
