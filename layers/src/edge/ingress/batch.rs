//! Running the items of a batch.

use std::sync::{Arc, LazyLock};

use futures_util::{StreamExt, stream};
use http::{Response, StatusCode};
use tower::Service;

use super::body::{self, ResponseBody};
use super::exchange::{Exchange, defect_error};
use super::execute::{envelope, execute};
use super::response::{empty_response, json_response};
use crate::call::{Batch, BatchItem, Body, Call, Failure, MetaMode, Rejection, Reply, Scope};
use crate::wire::{ErrorObject, Item, Request, code};

/// The request that stands for the whole batch when its route is looked up, its token is taken and its provider
/// is chosen.
static LEAD: LazyLock<Request> =
    LazyLock::new(|| Request::new("null", "eth_blockNumber", "[]").expect("the parts are JSON"));

/// Runs a batch that is not empty.
///
/// A dry run goes first: it decides what all items share, and may refuse the whole batch. Then the items run, a
/// few at a time, and their answers are put in the order of the request. All answers are there before the first
/// byte is sent: a client that reads slowly must not make an upstream look slow.
pub(super) async fn run<S>(exchange: &Exchange, stack: S, items: Vec<Item>) -> Response<ResponseBody>
where
    S: Service<Call, Response = Reply> + Clone,
    S::Error: Into<Failure>,
{
    let size = items.len();
    let mut answers: Vec<Option<Body>> = Vec::with_capacity(size);
    let mut valid = Vec::with_capacity(size);
    for item in items {
        answers.push(match item {
            Item::Request(request) => match request.defect() {
                Some(defect) => Some(Body::Full(defect_error(defect).body(request.id()))),
                None => {
                    valid.push((answers.len(), request));
                    None
                }
            },
            Item::Invalid => Some(Body::Full(not_an_object().body(None))),
        });
    }
    let only_notifications =
        valid.len() == size && valid.iter().all(|(_, request)| request.is_notification());

    let mut journals = Vec::new();
    if !valid.is_empty() {
        let batch = match lead(exchange, stack.clone(), size).await {
            Ok(batch) => batch.map(Arc::new),
            Err(rejection) => {
                let notification = only_notifications.then(|| &valid[0].1);
                return exchange.reject(&rejection, notification);
            }
        };
        let mut runs = Vec::with_capacity(valid.len());
        for (position, (index, request)) in valid.into_iter().enumerate() {
            let mut call = item_call(exchange, request.clone());
            call.batch = batch.clone().map(|batch| BatchItem { batch, index: position });
            if exchange.origin.meta == MetaMode::Headers {
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
        let mut running = stream::iter(runs).buffer_unordered(exchange.policy.batch_concurrency.max(1));
        while let Some((index, answer)) = running.next().await {
            answers[index] = answer;
        }
    }
    if only_notifications {
        return empty_response(StatusCode::NO_CONTENT, &exchange.id);
    }
    let mut response =
        json_response(StatusCode::OK, &exchange.id, body::array(answers.into_iter().flatten()));
    if let Some(meta) = journals.iter().find_map(|journal| journal.meta()) {
        exchange.add_meta_headers(&mut response, meta);
    }
    response
}

/// Decides what the items share; the rejection is that of the whole batch.
async fn lead<S>(exchange: &Exchange, stack: S, size: usize) -> Result<Option<Batch>, Box<Rejection>>
where
    S: Service<Call, Response = Reply>,
    S::Error: Into<Failure>,
{
    let mut call = item_call(exchange, LEAD.clone());
    call.dry_run = true;
    let journal = call.journal().clone();
    match execute(stack, || call).await {
        Err(Failure::Rejected(rejection)) if rejection.scope == Scope::Request => return Err(rejection),
        // Whatever else there is to say, each item will hear it for its own method.
        Ok(_) | Err(_) => {}
    }
    // A stack that resolves no routes has nothing to share.
    let Some(plan) = journal.plan() else { return Ok(None) };
    let explicit = exchange.route.provider.is_some();
    let chosen = journal
        .candidates()
        .filter(|_| !explicit)
        .and_then(|candidates| candidates.all().iter().find(|candidate| candidate.excluded.is_none()));
    let pin = chosen.map(|candidate| candidate.provider);
    Ok(Some(Batch { size, snapshot: plan.snapshot().clone(), pin }))
}

/// A call of one item. Metadata has no place in the body of a batch.
fn item_call(exchange: &Exchange, request: Request) -> Call {
    let mut call = exchange.call(request);
    if call.origin.meta == MetaMode::Body {
        call.origin.meta = MetaMode::None;
    }
    call
}

fn not_an_object() -> ErrorObject {
    ErrorObject::new(code::INVALID_REQUEST, "Invalid Request: a batch item must be an object")
}
