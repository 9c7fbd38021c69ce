//! Which methods are served, and which need no provider.
//!
//! **What it does.** Refuses methods that need keys, a wallet or one particular node; refuses subscriptions where
//! there is no socket to push to; refuses ids that could not come back unchanged; answers `eth_chainId` from the
//! configuration. Everything else passes unchanged. No profile can re-enable a blocked method.
//!
//! **`eth_chainId`** is answered here when it has no parameters and the client named no provider. With either it is
//! forwarded, because then the client wants to know what the provider says. The pin of a batch is not the client's
//! and does not count.
//!
//! **Ids.** A forwarded call has a string, an integer, null, or no id
//! ([JSON-RPC 2.0, section 4](https://www.jsonrpc.org/specification#request_object)). What is answered or blocked
//! here echoes any id.
//!
//! **When to use it.** In front of more than one provider, and wherever clients may not reach accounts and filters of a
//! node.
//!
//! **Where it stands.** Inside [`ProfileLayer`](crate::edge), because the chain must be known, and outside the client
//! limit and everything that costs something. A dry run passes, because it asks about a decision and not for an answer,
//! unless it is to explain what would become of the call.
//!
//! **Without a plan** (no `ProfileLayer` outside) `eth_chainId` is refused with an internal error; everything else is
//! judged as always.
//!
//! **What it counts.** Nothing.
//!
//! **Cancel safety.** Adds no state of its own: its future is the inner service's.
//!
//! ```
//! use lasso_layers::call::guard::{GuardLayer, GuardPolicy};
//!
//! // One provider per chain: filters can be forwarded.
//! let layer = GuardLayer::new(GuardPolicy { allow_stateful_filters: true });
//! ```

mod rule;

use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::Bytes;
use tower::{Layer, Service};

use self::rule::Rule;
use super::{Body, Call, Either, Failure, Reply, unplanned};
use crate::catalog::Category;
use crate::wire::{ErrorObject, IdKind, code, result_body, write_string};

/// What is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardPolicy {
    /// Forward `eth_newFilter` and its relatives. Off by default: the filter lives in one node, and the next call
    /// may go to another.
    pub allow_stateful_filters: bool,
}

/// Refuses or answers calls that need no provider; see the [module](self).
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct GuardLayer {
    policy: GuardPolicy,
}

impl GuardLayer {
    /// With these rules.
    pub const fn new(policy: GuardPolicy) -> Self {
        Self { policy }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> GuardService<S> {
        GuardService::new(inner, self.policy)
    }
}

/// The service of [`GuardLayer`].
#[derive(Clone, Debug)]
pub struct GuardService<S> {
    inner: S,
    policy: GuardPolicy,
}

impl<S> GuardService<S> {
    /// Around a service of calls.
    pub const fn new(inner: S, policy: GuardPolicy) -> Self {
        Self { inner, policy }
    }
}

impl<S> Service<Call> for GuardService<S>
where
    S: Service<Call, Response = Reply>,
    S::Error: Into<Failure>,
{
    type Response = Reply;
    type Error = Failure;
    type Future = Either<S::Future, Ready<Result<Reply, Failure>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        match self.policy.judge(&call) {
            Some(answer) => Either::Right(ready(answer)),
            None => Either::Left(self.inner.call(call)),
        }
    }
}

impl GuardPolicy {
    /// The answer to a call that is not forwarded.
    fn judge(self, call: &Call) -> Option<Result<Reply, Failure>> {
        if call.dry_run && !call.explain {
            return None;
        }
        match Rule::of(&call.request.method()) {
            Some(Rule::Blocked { hint }) => return Some(Err(blocked(hint))),
            Some(Rule::StatefulFilter) if !self.allow_stateful_filters => {
                return Some(Err(filters_blocked(&call.request.method())));
            }
            Some(Rule::NeedsWebSocket) if call.session.is_none() => return Some(Err(needs_web_socket(call))),
            Some(Rule::ChainId) if call.route.provider.is_none() && call.request.params().is_empty() => {
                return Some(chain_id(call));
            }
            _ => {}
        }
        (call.request.id_kind() == IdKind::Other).then(|| {
            let error =
                ErrorObject::new(code::INVALID_PARAMS, "Invalid id: must be a string, an integer or null");
            Err(Failure::rejected(Category::InvalidParams, error))
        })
    }
}

fn blocked(data: Option<&'static str>) -> Failure {
    let mut error = ErrorObject::new(code::METHOD_NOT_FOUND, "Method not supported by proxy");
    error.data = data.map(|data| Bytes::from_static(data.as_bytes()));
    Failure::rejected(Category::MethodNotFound, error)
}

/// A filter lives inside one node. Client libraries poll for logs instead of using filters where they read that the
/// method does not exist, in the words that nodes use.
fn filters_blocked(method: &str) -> Failure {
    let message = format!("the method {method} does not exist/is not available");
    let error = ErrorObject::new(code::METHOD_NOT_FOUND, message)
        .with_data(Bytes::from_static(br#"{"hint":"use subscriptions"}"#));
    Failure::rejected(Category::MethodNotFound, error)
}

/// Says where the same route takes subscriptions, if the call came over HTTP.
fn needs_web_socket(call: &Call) -> Failure {
    let message = format!("{} needs a WebSocket connection", call.method.name());
    let mut error = ErrorObject::new(code::METHOD_NOT_FOUND, message);
    if let Some(path) = &call.origin.path {
        let mut data = br#"{"websocket_url":"#.to_vec();
        write_string(&mut data, &format!("/ws{path}"));
        data.push(b'}');
        error = error.with_data(data);
    }
    Failure::rejected(Category::MethodNotFound, error)
}

fn chain_id(call: &Call) -> Result<Reply, Failure> {
    let plan = call.plan().ok_or_else(unplanned)?;
    let result = plan.chain().chain_id_json.as_bytes();
    Ok(Reply::Result(Body::Full(result_body(call.request.id(), result))))
}
