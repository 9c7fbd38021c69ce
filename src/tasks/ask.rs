//! Questions that the router asks on its own behalf.

use std::sync::Arc;
use std::time::Duration;

use lasso_layers::attempt::Attempt;
use lasso_layers::attempt::classify::ClassifyLayer;
use lasso_layers::attempt::timeout::TimeoutLayer;
use lasso_layers::call::{Body, Call, Candidate, Failure, Reply, Route, UpstreamFailure};
use lasso_layers::catalog::{Category, Transport};
use lasso_layers::wire::{ErrorObject, Request, code};
use serde::Deserialize;
use tokio::time::Instant;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt};

use super::targets::Target;

/// Asks upstreams directly: over the same connections, with the same headers and the same reading of errors as
/// requests of clients, but past breakers and limits, and unmeasured. Whoever asks decides what an answer means
/// for those.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    /// Boxed: questions are rare, and the tasks need not know what they are sent with.
    stack: BoxCloneSyncService<Attempt, Reply, Failure>,
}

/// What came of a question.
#[derive(Debug)]
pub(super) struct Answer {
    /// The number that was asked for.
    pub(super) outcome: Result<u64, Failure>,
    /// How long it took.
    pub(super) latency: Duration,
}

impl Asker {
    /// Sends with this service.
    pub(crate) fn new<U>(upstream: U) -> Self
    where
        U: Service<Attempt, Response = Reply, Error = Failure> + Clone + Send + Sync + 'static,
        U::Future: Send,
    {
        let stack =
            ServiceBuilder::new().layer(TimeoutLayer::new()).layer(ClassifyLayer::new()).service(upstream);
        Self { stack: BoxCloneSyncService::new(stack) }
    }

    /// Calls a method without parameters whose result is a quantity
    /// ([EIP-1474](https://eips.ethereum.org/EIPS/eip-1474#quantity)).
    ///
    /// Cancel safety: dropping the future gives the exchange up.
    pub(super) async fn quantity(self, target: Target, method: &'static str, timeout: Duration) -> Answer {
        let start = Instant::now();
        let reply = self.stack.oneshot(attempt(&target, method, start, timeout)).await;
        let outcome = reply.and_then(|reply| quantity(reply, method));
        Answer { outcome, latency: start.elapsed() }
    }
}

/// An attempt on the target's HTTP channel, outside any call of a client.
fn attempt(target: &Target, method: &str, now: Instant, timeout: Duration) -> Attempt {
    let plan = target.plan();
    let channel = target.channel();
    let route = Route { profile: plan.profile().slug.clone(), ..Route::to_chain(&plan.chain().key) };
    let request = Request::new("1", method, "[]").expect("id and parameters are JSON");
    let mut call = Call::new(route, request, now);
    call.deadline = now + timeout;
    call.journal().set_plan(plan.clone());
    let candidate = Candidate::new(target.provider(), channel.key, channel.instance, channel.transport);
    call.shortlist = Some(vec![candidate]);
    call.candidates();
    let deadline = call.deadline;
    Attempt::new(Arc::new(call), 0, deadline, 0)
}

fn quantity(reply: Reply, method: &str) -> Result<u64, Failure> {
    match reply {
        Reply::Result(Body::Full(body)) => {
            read(&body).ok_or_else(|| fault(format!("{method} answered something that is not a quantity")))
        }
        // An error that would be an answer to a client is none to a question that every node can answer.
        Reply::Error(reply) => Err(upstream_failure(reply.error)),
        // A quantity is never large enough to be streamed.
        _ => Err(fault(format!("{method} answered more than a quantity"))),
    }
}

fn read(body: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Envelope {
        result: String,
    }
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    u64::from_str_radix(envelope.result.strip_prefix("0x")?, 16).ok()
}

/// What a failure says, for the log: no more than a line of it.
pub(super) fn told(failure: &Failure) -> String {
    const MAX_CHARS: usize = 200;
    failure.error().message.chars().take(MAX_CHARS).collect()
}

/// What a failure says with its category, for people to read on a page.
pub(super) fn noted(failure: &Failure) -> String {
    format!("{}: {}", failure.category(), told(failure))
}

/// A fault of the upstream that only we can see.
pub(super) fn fault(message: String) -> Failure {
    upstream_failure(ErrorObject::new(code::SERVER_ERROR, message))
}

fn upstream_failure(error: ErrorObject) -> Failure {
    let (category, transport) = (Category::ServerError, Transport::Http);
    Failure::Upstream(Box::new(UpstreamFailure { error, category, retry_after: None, transport, http: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_hexadecimal_strings() {
        let result =
            |result: &str| read(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#).as_bytes());
        assert_eq!(result(r#""0x1""#), Some(1));
        assert_eq!(result(r#""0xA4b1""#), Some(42_161));
        assert_eq!(result(r#""0xffffffffffffffff""#), Some(u64::MAX));
        for wrong in [r#""0x10000000000000000""#, r#""0x""#, r#""1""#, "1", "null", r#""0xg""#, "{}"] {
            assert_eq!(result(wrong), None, "{wrong}");
        }
    }
}
