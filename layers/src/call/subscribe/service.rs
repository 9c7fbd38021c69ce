//! The layer and its service.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, timeout_at};
use tower::{Layer, Service};

use super::refusal::{CreationFailure, invalid_params, no_slot, notification, too_late};
use super::{Subscriptions, Topic};
use crate::call::session::{CallSession, SubscriptionId};
use crate::call::{Body, Call, Either, Failure, Reply};
use crate::wire::{ParamsKind, RawJson, result_body};

/// Keeps the subscriptions of clients; see the [module](super).
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct SubscribeLayer<H> {
    source: H,
}

impl<H> SubscribeLayer<H> {
    /// With subscriptions from this source.
    pub const fn new(source: H) -> Self {
        Self { source }
    }
}

impl<H: Clone, S> Layer<S> for SubscribeLayer<H> {
    type Service = SubscribeService<H, S>;

    fn layer(&self, inner: S) -> SubscribeService<H, S> {
        SubscribeService::new(inner, self.source.clone())
    }
}

/// The service of [`SubscribeLayer`].
#[derive(Clone, Debug)]
pub struct SubscribeService<H, S> {
    inner: S,
    source: H,
}

impl<H, S> SubscribeService<H, S> {
    /// Around a service of calls.
    pub const fn new(inner: S, source: H) -> Self {
        Self { inner, source }
    }
}

/// Rare and long, so it lies on the heap where it is needed.
type Establishing = Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>;

impl<H, S> Service<Call> for SubscribeService<H, S>
where
    H: Subscriptions,
    S: Service<Call, Response = Reply>,
    S::Error: Into<Failure>,
{
    type Response = Reply;
    type Error = Failure;
    type Future = Either<S::Future, Either<Ready<Result<Reply, Failure>>, Establishing>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let Some(session) = call.session.clone().filter(|_| !call.dry_run) else {
            return Either::Left(self.inner.call(call));
        };
        match call.request.method().as_ref() {
            "eth_subscribe" => {
                Either::Right(Either::Right(Box::pin(subscribe(self.source.clone(), session, call))))
            }
            "eth_unsubscribe" => Either::Right(Either::Left(ready(unsubscribe(&session, &call)))),
            _ => Either::Left(self.inner.call(call)),
        }
    }
}

async fn subscribe<H: Subscriptions>(source: H, session: CallSession, call: Call) -> Result<Reply, Failure> {
    let topic = Topic::parse(call.request.params()).ok_or_else(invalid_params)?;
    if call.request.id().is_none() {
        return Err(notification());
    }
    if Instant::now() >= call.deadline {
        return Err(too_late());
    }
    let id = random_id().ok_or(CreationFailure::Unavailable)?;
    let slot = session.reserve(id).map_err(|_| no_slot())?;
    let guard = timeout_at(call.deadline, source.subscribe(&call, topic, slot.subscriber()))
        .await
        .map_err(|_| CreationFailure::UpstreamEstablishmentFailed)??;
    slot.establish(guard);
    Ok(answer(&call, format!("\"{id}\"").as_bytes()))
}

fn unsubscribe(session: &CallSession, call: &Call) -> Result<Reply, Failure> {
    let params = call.request.params();
    if params.kind() != ParamsKind::Array || params.len() != 1 {
        return Err(invalid_params());
    }
    let id = params.nth(0).and_then(RawJson::as_str);
    let was_there = id.and_then(|id| SubscriptionId::parse(&id)).is_some_and(|id| session.unsubscribe(id));
    Ok(answer(call, if was_there { b"true" } else { b"false" }))
}

fn answer(call: &Call, result: &[u8]) -> Reply {
    Reply::Result(Body::Full(result_body(call.request.id(), result)))
}

/// 128 bits from the operating system, which no client can foresee and no two subscriptions share.
fn random_id() -> Option<SubscriptionId> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok().map(|()| SubscriptionId(bytes))
}
