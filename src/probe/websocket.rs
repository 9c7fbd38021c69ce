//! What an endpoint does over WebSocket.

use std::time::Duration;

use lasso_layers::catalog::Endpoint;
use tokio::time::Instant;

use super::answer::Trouble;
use super::options::Options;
use super::progress::Progress;
use super::report::{Request, Subscription, WebSocket, millis};
use super::socket::Line;

const REQUESTS: [&str; 3] = ["eth_blockNumber", "eth_chainId", "eth_gasPrice"];

/// Topics and what is subscribed with.
const TOPICS: [(&str, &str); 3] = [
    ("newHeads", r#"["newHeads"]"#),
    ("logs", r#"["logs",{}]"#),
    ("newPendingTransactions", r#"["newPendingTransactions"]"#),
];

/// A subscription that waits for its first event.
struct Open {
    /// Its id, as the endpoint wrote it.
    id: Option<Vec<u8>>,
    since: Instant,
    report: Subscription,
}

/// Connects, asks, subscribes to everything at once, waits for the first event of each, and unsubscribes.
pub(super) async fn run(endpoint: &Endpoint, options: &Options, progress: &Progress) -> WebSocket {
    progress.say("WebSocket: connecting");
    let start = Instant::now();
    let mut line = match Line::open(endpoint, options.timeout).await {
        Ok(line) => line,
        Err(trouble) => return WebSocket { error: Some(trouble.text), ..WebSocket::default() },
    };
    let connect_ms = Some(millis(start.elapsed()));
    progress.say("WebSocket: requests");
    let requests = requests(&mut line).await;
    let mut open = subscribe(&mut line).await;
    let lost = events(&mut line, &mut open, options.subscription_wait, progress).await.err();
    if lost.is_none() {
        unsubscribe(&mut line, &mut open).await;
    }
    line.close().await;
    WebSocket {
        connected: true,
        error: lost.map(|trouble| trouble.text),
        connect_ms,
        latency_ms: mean(&requests),
        requests,
        subscriptions: open.into_iter().map(|open| open.report).collect(),
    }
}

async fn requests(line: &mut Line) -> Vec<Request> {
    let mut requests = Vec::with_capacity(REQUESTS.len());
    for method in REQUESTS {
        let answer = line.ask(method, "[]").await;
        requests.push(Request {
            method,
            ok: answer.outcome.is_ok(),
            latency_ms: millis(answer.latency),
            note: answer.outcome.err().map(|trouble| trouble.text),
        });
    }
    requests
}

fn mean(requests: &[Request]) -> Option<f64> {
    let answered: Vec<f64> =
        requests.iter().filter(|request| request.ok).map(|request| request.latency_ms).collect();
    let count = u32::try_from(answered.len()).ok().filter(|count| *count > 0)?;
    Some((answered.iter().sum::<f64>() / f64::from(count) * 10.0).round() / 10.0)
}

async fn subscribe(line: &mut Line) -> Vec<Open> {
    let mut open = Vec::with_capacity(TOPICS.len());
    for (topic, params) in TOPICS {
        let answer = line.ask("eth_subscribe", params).await;
        let (id, note) = match answer.outcome {
            Ok(id) => (Some(id.to_vec()), None),
            Err(trouble) => (None, Some(trouble.text)),
        };
        let report =
            Subscription { topic, subscribed: id.is_some(), first_event_ms: None, unsubscribed: false, note };
        open.push(Open { id, since: Instant::now(), report });
    }
    open
}

/// Waits until each subscription had an event, or until time is up.
async fn events(
    line: &mut Line,
    open: &mut [Open],
    wait: Duration,
    progress: &Progress,
) -> Result<(), Trouble> {
    let deadline = Instant::now() + wait;
    let is_waiting = |open: &Open| open.id.is_some() && open.report.first_event_ms.is_none();
    while open.iter().any(is_waiting) {
        let topics: Vec<&str> =
            open.iter().filter(|open| is_waiting(open)).map(|open| open.report.topic).collect();
        progress.say(&format!("WebSocket: waiting for {}", topics.join(", ")));
        let Some(event) = line.event(deadline).await? else { break };
        let of_event = open.iter_mut().find(|open| open.id.as_deref() == Some(&event.subscription[..]));
        if let Some(open) = of_event.filter(|open| is_waiting(open)) {
            let waited = event.arrived.saturating_duration_since(open.since);
            open.report.first_event_ms = Some(millis(waited));
        }
    }
    for open in open.iter_mut().filter(|open| is_waiting(open)) {
        open.report.note = Some(format!("no event within {} ms", wait.as_millis()));
    }
    Ok(())
}

async fn unsubscribe(line: &mut Line, open: &mut [Open]) {
    for Open { id, report, .. } in open {
        let Some(id) = id else { continue };
        let params = format!("[{}]", String::from_utf8_lossy(id));
        match line.ask("eth_unsubscribe", &params).await.outcome {
            Ok(done) => report.unsubscribed = &done[..] == b"true",
            Err(trouble) => report.note = Some(trouble.text),
        }
    }
}
