//! Running the items of a batch.

use std::sync::{Arc, LazyLock};

use futures_util::{StreamExt, stream};
use tower::Service;

use super::{Message, envelope, execute};
use crate::call::{
    self, BatchItem, Body, Call, Failure, Journal, MetaMode, Metadata, Rejection, Reply, Scope,
};
use crate::wire::{ErrorObject, Item, Request, code};

/// The request that stands for the whole batch when its route is looked up, its token is taken and its provider
/// is chosen.
static LEAD: LazyLock<Request> =
    LazyLock::new(|| Request::new("null", "eth_blockNumber", "[]").expect("the parts are JSON"));

/// A batch that is not empty.
pub(in crate::edge) struct Batch<'a> {
    /// What its items share.
    pub(in crate::edge) message: &'a Message,
    /// In the order of the message.
    pub(in crate::edge) items: &'a [Item],
    /// What is wrong with an object that is not a request here.
    pub(in crate::edge) defect: fn(&Request) -> Option<ErrorObject>,
    /// How many items run at the same time.
    pub(in crate::edge) concurrency: usize,
}

/// What came of a batch.
pub(in crate::edge) struct Answers {
    /// In the order of the items, without those of notifications.
    pub(in crate::edge) bodies: Vec<Body>,
    journals: Vec<Arc<Journal>>,
}

impl Answers {
    /// What is said about the routing of the first item that was routed, if the client wants it in headers.
    pub(in crate::edge) fn meta(&self) -> Option<&Metadata> {
        self.journals.iter().find_map(|journal| journal.meta())
    }
}

impl Batch<'_> {
    /// Whether nobody waits for an answer.
    pub(in crate::edge) fn only_notifications(&self) -> bool {
        self.items.iter().all(|item| self.is_notification(item))
    }

    fn is_notification(&self, item: &Item) -> bool {
        matches!(item, Item::Request(request) if request.is_notification() && (self.defect)(request).is_none())
    }

    /// Runs it.
    ///
    /// A dry run goes first: it decides what all items share, and may refuse the whole batch. Then the items run, a
    /// few at a time, and their answers are put in the order of the request. All answers are there before the first
    /// byte is sent: a client that reads slowly must not make an upstream look slow.
    pub(in crate::edge) async fn run<S>(&self, stack: S) -> Result<Answers, Box<Rejection>>
    where
        S: Service<Call, Response = Reply> + Clone,
        S::Error: Into<Failure>,
    {
        let mut answers: Vec<Option<Body>> = Vec::with_capacity(self.items.len());
        let mut valid = Vec::with_capacity(self.items.len());
        for item in self.items {
            let invalid = self.invalid(item);
            if let (Item::Request(request), None) = (item, &invalid) {
                valid.push((answers.len(), request));
            }
            answers.push(invalid);
        }
        let mut journals = Vec::new();
        if !valid.is_empty() {
            let batch = self.lead(stack.clone()).await?.map(Arc::new);
            let mut runs = Vec::with_capacity(valid.len());
            for (position, (index, request)) in valid.into_iter().enumerate() {
                let mut call = self.call(request.clone());
                call.batch = batch.clone().map(|batch| BatchItem { batch, index: position });
                if call.origin.meta == MetaMode::Headers {
                    journals.push(call.journal().clone());
                }
                let stack = stack.clone();
                runs.push(async move {
                    let outcome = execute(stack, || call).await;
                    let answer = (!request.is_notification()).then(|| envelope(outcome, request.id()));
                    (index, answer)
                });
            }
            // Not `buffered`, which would let one slow item hold up all behind it.
            let mut running = stream::iter(runs).buffer_unordered(self.concurrency.max(1));
            while let Some((index, answer)) = running.next().await {
                answers[index] = answer;
            }
        }
        Ok(Answers { bodies: answers.into_iter().flatten().collect(), journals })
    }

    /// The answers to all items when the whole is refused and each asker is to hear of it.
    #[cfg(feature = "socket")]
    pub(in crate::edge) fn refused(&self, error: &ErrorObject) -> Vec<Body> {
        let waiting = self.items.iter().filter(|item| !self.is_notification(item));
        let answer = |item| {
            self.invalid(item).unwrap_or_else(|| {
                let id = match item {
                    Item::Request(request) => request.id(),
                    Item::Invalid => None,
                };
                Body::Full(error.body(id))
            })
        };
        waiting.map(answer).collect()
    }

    /// The answer to what is not a request.
    fn invalid(&self, item: &Item) -> Option<Body> {
        match item {
            Item::Request(request) => {
                (self.defect)(request).map(|error| Body::Full(error.body(request.id())))
            }
            Item::Invalid => Some(Body::Full(not_an_object().body(None))),
        }
    }

    /// Decides what the items share; the rejection is that of the whole batch.
    async fn lead<S>(&self, stack: S) -> Result<Option<call::Batch>, Box<Rejection>>
    where
        S: Service<Call, Response = Reply>,
        S::Error: Into<Failure>,
    {
        let journal = lead(stack, self.call(LEAD.clone())).await?;
        // A stack that resolves no routes has nothing to share.
        let Some(plan) = journal.plan() else { return Ok(None) };
        let explicit = self.message.route.provider.is_some();
        let chosen = journal
            .candidates()
            .filter(|_| !explicit)
            .and_then(|candidates| candidates.all().iter().find(|candidate| candidate.excluded.is_none()));
        let pin = chosen.map(|candidate| candidate.provider);
        Ok(Some(call::Batch { size: self.items.len(), snapshot: plan.snapshot().clone(), pin }))
    }

    /// A call of one item. Metadata has no place in the body of a batch, nor beside it.
    fn call(&self, request: Request) -> Call {
        let mut call = self.message.call(request);
        if call.origin.meta != MetaMode::Headers {
            call.origin.meta = MetaMode::None;
        }
        call
    }
}

/// Whether the stack would take calls of this message at all.
#[cfg(feature = "socket")]
pub(in crate::edge) async fn is_admitted<S>(message: &Message, stack: S) -> Result<(), Box<Rejection>>
where
    S: Service<Call, Response = Reply>,
    S::Error: Into<Failure>,
{
    lead(stack, message.call(LEAD.clone())).await.map(drop)
}

/// A dry run, and what was written down about it; the rejection is that of everything in the message.
async fn lead<S>(stack: S, mut call: Call) -> Result<Arc<Journal>, Box<Rejection>>
where
    S: Service<Call, Response = Reply>,
    S::Error: Into<Failure>,
{
    call.dry_run = true;
    let journal = call.journal().clone();
    match execute(stack, || call).await {
        Err(Failure::Rejected(rejection)) if rejection.scope == Scope::Request => Err(rejection),
        // Whatever else there is to say, each call will hear it for its own method.
        Ok(_) | Err(_) => Ok(journal),
    }
}

fn not_an_object() -> ErrorObject {
    ErrorObject::new(code::INVALID_REQUEST, "Invalid Request: a batch item must be an object")
}
