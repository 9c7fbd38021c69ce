//! Where attempts end: a script in place of a network.

use std::fmt::Write as _;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::StatusCode;
use lasso_layers::attempt::Attempt;
use lasso_layers::call::{Body, Call, Dispatch, Failure, Reply, StatusFailure, TransportKind};
use lasso_layers::catalog::Transport;
use tokio::time::{Instant, sleep};
use tower::Service;

use crate::draw::Luck;
use crate::log::{Entry, Notes, Sent};
use crate::quota::Quota;
use crate::script::{Actor, Fate, Script};
use crate::traffic::Method;

/// The chain's id.
pub(crate) const CHAIN_ID: u64 = 1;
/// The id of the chain that a lost node is on.
const OTHER_CHAIN_ID: u64 = 5;
/// Time between two blocks, in milliseconds.
pub(crate) const BLOCK_TIME: u64 = 2_000;
/// The chain's height at the start.
const FIRST_BLOCK: u64 = 20_000_000;

/// The number of a client's call, which the call carries with it. What the router asks by itself has none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(pub(crate) u64);

/// Answers attempts as the script says, in the place of a connection pool. Clones share the quotas of providers.
#[derive(Clone, Debug)]
pub struct Upstream {
    world: Arc<World>,
}

#[derive(Debug)]
struct World {
    script: Script,
    seed: u64,
    start: Instant,
    notes: Notes,
    quotas: Mutex<Vec<Visits>>,
}

/// What a provider was asked so far.
#[derive(Clone, Copy, Debug, Default)]
struct Visits {
    quota: Quota,
    /// Requests of the router itself, which draw their luck by this count.
    own: u64,
}

impl Upstream {
    /// Begins now.
    pub(crate) fn new(script: Script, seed: u64, notes: Notes) -> Self {
        let quotas = Mutex::new(vec![Visits::default(); script.actors.len()]);
        Self { world: Arc::new(World { script, seed, start: Instant::now(), notes, quotas }) }
    }
}

impl Service<Attempt> for Upstream {
    type Response = Reply;
    type Error = Failure;
    type Future = BoxFuture<'static, Result<Reply, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, attempt: Attempt) -> Self::Future {
        let time = self.world.time();
        let (actor, fate, took) = self.world.receive(&attempt, time);
        let world = self.world.clone();
        Box::pin(async move {
            if fate == Fate::Silent {
                return pending().await;
            }
            sleep(Duration::from_millis(took)).await;
            world.answer(attempt.call(), actor, fate)
        })
    }
}

impl World {
    fn time(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).expect("no script takes so long")
    }

    /// A request arrives: at whom, what becomes of it, and after how many milliseconds.
    fn receive(&self, attempt: &Attempt, time: u64) -> (usize, Fate, u64) {
        let id = &attempt.provider().id;
        let actors = &self.script.actors;
        let at =
            actors.iter().position(|actor| *actor.id == **id).expect("the catalogue is made of the script");
        let actor = &actors[at];
        let number = attempt.call().extensions.get::<Number>().copied();
        // Both counters under one lock, which nobody holds for longer than this.
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        let visits = &mut quotas[at];
        let luck = match number {
            Some(Number(number)) => Luck::of(self.seed, at, number),
            None => {
                visits.own += 1;
                Luck::of(!self.seed, at, visits.own)
            }
        };
        let over = actor.at(time).limit.filter(|limit| !visits.quota.has_room(*limit, time));
        let (fate, took) = match over {
            Some(limit) => (Fate::Limited(limit.retry_after), Actor::refusal()),
            None => {
                visits.quota.take(time);
                actor.fate(method(attempt.call()), time, luck)
            }
        };
        drop(quotas);
        if let Some(Number(number)) = number {
            self.notes.add(Entry::Sent(Sent { number, actor: at, at: time, fate }));
        }
        (at, fate, took)
    }

    fn answer(&self, call: &Call, actor: usize, fate: Fate) -> Result<Reply, Failure> {
        let (kind, dispatch) = match fate {
            Fate::Answered => return Ok(self.reply(call, actor, CHAIN_ID)),
            Fate::Wrong => return Ok(self.reply(call, actor, OTHER_CHAIN_ID)),
            Fate::Failed => (status(StatusCode::INTERNAL_SERVER_ERROR, None), Dispatch::Answered),
            Fate::Limited(after) => (status(StatusCode::TOO_MANY_REQUESTS, after), Dispatch::Answered),
            Fate::Refused => (TransportKind::Connect, Dispatch::NotSent),
            Fate::Broken | Fate::Silent => (TransportKind::Broken, Dispatch::Unknown),
        };
        Err(Failure::transport(kind, dispatch, Transport::Http))
    }

    /// What the connection pool hands up: the envelope with the client's id.
    fn reply(&self, call: &Call, actor: usize, chain_id: u64) -> Reply {
        let time = self.time();
        let number = match &*call.request.method() {
            "eth_chainId" => chain_id,
            "eth_blockNumber" => {
                let behind = self.script.actors[actor].at(time).lag;
                FIRST_BLOCK + time / BLOCK_TIME - behind
            }
            _ => 0,
        };
        let id = String::from_utf8_lossy(call.request.id().unwrap_or(b"null"));
        let mut envelope = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":""#);
        // Writing to a string cannot fail.
        let _ = write!(envelope, "{number:#x}\"}}");
        Reply::Result(Body::Full(envelope.into()))
    }
}

/// What the script calls the method. The router's own questions are as cheap as the cheapest.
fn method(call: &Call) -> Method {
    let name = call.request.method();
    Method::ALL.into_iter().find(|method| method.name() == name).unwrap_or(Method::BlockNumber)
}

fn status(status: StatusCode, retry_after: Option<Duration>) -> TransportKind {
    TransportKind::Status(StatusFailure { status, retry_after, error: None, text: String::new() })
}
