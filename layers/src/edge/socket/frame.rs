//! One message on its way: from its text to what is to be sent back.

use std::sync::Arc;

use bytes::Bytes;
use tower::Service;

use super::refusal::{self, defect};
use super::{Answer, Shared};
use crate::call::{Body, Call, Failure, Journal, MetaMode, Reply};
use crate::edge::ingress::ResponseBody;
use crate::edge::items::{Batch, Message, batch_too_large, empty_batch, envelope, execute};
use crate::wire::{Item, Parsed, Request, parse};

/// A message that there is room for.
pub(super) struct Frame<S> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) message: Message,
}

impl<S> Frame<S>
where
    S: Service<Call, Response = Reply> + Clone,
    S::Error: Into<Failure>,
{
    /// Runs what is in it.
    pub(super) async fn run(self, text: Bytes) -> Answer {
        let limit = self.shared.policy.batch_max_items;
        match parse(text, limit) {
            Err(_) => Answer::error(&refusal::not_json(), None),
            Ok(Parsed::Scalar) => Answer::error(&refusal::no_version(), None),
            Ok(Parsed::One(request)) => self.single(request).await,
            Ok(Parsed::Batch(items)) if items.is_empty() => Answer::error(&empty_batch(), None),
            // Boxed, because single calls would be as large otherwise.
            Ok(Parsed::Batch(items)) => Box::pin(self.batch(&items)).await,
            Ok(Parsed::Oversized(size)) => Answer::error(&batch_too_large(size, limit), None),
        }
    }

    async fn single(mut self, request: Request) -> Answer {
        if let Some(error) = defect(&request) {
            return Answer::error(&error, request.id());
        }
        if wants_notice(&request) && !request.is_notification() {
            self.message.origin.meta = MetaMode::Notify;
        }
        let mut journal = None;
        let call = || {
            let call = self.message.call(request.clone());
            journal = (call.origin.meta == MetaMode::Notify).then(|| call.journal().clone());
            call
        };
        let outcome = execute(self.shared.stack.clone(), call).await;
        if request.is_notification() {
            return Answer::nothing();
        }
        let is_result = matches!(outcome, Ok(Reply::Result(_)));
        let notice = journal.filter(|_| is_result).as_deref().and_then(notice);
        let reply = envelope(outcome, request.id());
        let is_stream = matches!(reply, Body::Stream(_));
        let broken = is_stream.then(|| refusal::broken().body(request.id()));
        Answer { notice, broken, ..Answer::of(reply) }
    }

    async fn batch(&self, items: &[Item]) -> Answer {
        let concurrency = self.shared.policy.batch_concurrency;
        let batch = Batch { message: &self.message, items, defect, concurrency };
        let outcome = batch.run(self.shared.stack.clone()).await;
        if batch.only_notifications() {
            return Answer::nothing();
        }
        // There is no status that would go with one error for all, and nothing but its id tells a client which of its
        // calls an error is for.
        let bodies = match outcome {
            Ok(answers) => answers.bodies,
            Err(rejection) => batch.refused(&rejection.error),
        };
        Answer::of(ResponseBody::array(bodies))
    }
}

/// Whether the client wants to hear how its call was routed.
fn wants_notice(request: &Request) -> bool {
    request.lasso_meta().is_some_and(|word| word.eq_ignore_ascii_case(br#""notify""#))
}

/// What is sent after the reply to a call that an upstream answered.
fn notice(journal: &Journal) -> Option<Bytes> {
    journal.latest().candidates()?;
    let meta = &journal.meta()?.full;
    Some([&br#"{"jsonrpc":"2.0","method":"lasso_meta","params":"#[..], meta, b"}"].concat().into())
}
