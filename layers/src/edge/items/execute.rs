//! Running calls through the stack.

use std::future::poll_fn;

use tower::Service;

use crate::call::{Body, Call, Failure, Rejection, Reply, Scope};

/// Runs one call, waiting first until the stack takes one. The call is made then and goes straight into the stack:
/// an async function holds its arguments for as long as it runs, and thousands may be waiting.
///
/// Cancel safe: dropping the future drops the call.
pub(in crate::edge) async fn execute<S>(mut stack: S, call: impl FnOnce() -> Call) -> Result<Reply, Failure>
where
    S: Service<Call, Response = Reply>,
    S::Error: Into<Failure>,
{
    poll_fn(|cx| stack.poll_ready(cx)).await.map_err(Into::into)?;
    let outcome = stack.call(call());
    // The future has all it needs: thousands of waiting calls need not hold a copy of the stack each.
    drop(stack);
    outcome.await.map_err(Into::into)
}

/// The envelope for the client. `id` is the client's, as it was written.
pub(in crate::edge) fn envelope(outcome: Result<Reply, Failure>, id: Option<&[u8]>) -> Body {
    match outcome {
        Ok(Reply::Result(body)) => body,
        Ok(Reply::Error(reply)) => Body::Full(reply.error.body(id)),
        Err(failure) => Body::Full(failure.error().body(id)),
    }
}

/// The refusal, if it is one of everything that came in the same request.
pub(in crate::edge) fn whole_request(outcome: &Result<Reply, Failure>) -> Option<&Rejection> {
    match outcome {
        Err(Failure::Rejected(rejection)) if rejection.scope == Scope::Request => Some(rejection),
        _ => None,
    }
}
