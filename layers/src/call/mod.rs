//! One JSON-RPC call of a client, and what the layers around it share.

#[cfg(feature = "candidate")]
pub mod candidate;
#[cfg(feature = "failover")]
pub mod failover;
#[cfg(feature = "guard")]
pub mod guard;
#[cfg(feature = "inflight")]
pub mod inflight;
#[cfg(feature = "observe")]
pub mod observe;
#[cfg(feature = "rate-limit")]
pub mod rate_limit;
pub mod session;
#[cfg(feature = "strategy")]
pub mod strategy;
#[cfg(feature = "subscribe")]
pub mod subscribe;

mod batch;
mod candidates;
mod either;
mod facts;
mod failure;
mod filter;
mod hex;
mod journal;
mod plan;
mod ranker;
mod reasons;
mod reply;
mod route;
mod trace;

use std::fmt;
use std::sync::Arc;

use http::Extensions;
use tokio::time::Instant;

pub use self::batch::{Batch, BatchItem};
pub use self::candidates::{Candidate, Candidates, Demotion, Progress, Tier};
pub use self::either::Either;
pub use self::facts::{Fact, Facts};
pub use self::failure::{
    BoxError, Dispatch, Exhausted, Failure, HttpRefusal, Rejection, Scope, StatusFailure, TransportFailure,
    TransportKind, UpstreamFailure,
};
pub use self::filter::{Filter, Hints, Stage, Subject, Verdict};
pub use self::journal::{Journal, Metadata};
pub use self::plan::{Pin, Plan, StrategySource, Unknown};
pub use self::ranker::{RankContext, Ranker};
pub use self::reasons::{Finding, Opinion, Premises, Reasons};
pub use self::reply::{Body, ErrorReply, Reply, StreamBody};
pub use self::route::{ClientId, MetaMode, Origin, Route};
pub use self::trace::{RemoteParent, SpanId, Trace, TraceId};

use self::session::CallSession;
use crate::catalog::MethodId;
use crate::wire::Request;

/// One JSON-RPC item that a client asked for, on its way through the call layers.
///
/// Cloning is cheap: a handful of reference counts, no copy of the request.
#[derive(Clone)]
pub struct Call {
    /// Where the client wants it to go.
    pub route: Route,
    /// The client's bytes.
    pub request: Request,
    /// The method as a registered number.
    pub method: MethodId,
    /// When the request, or the batch it came in, arrived.
    pub received: Instant,
    /// When the answer must be there. Set by the layer that resolves the profile; never moved later.
    pub deadline: Instant,
    /// The client chose less time than the call would have had. That there is no answer by then says something about
    /// the client, and [nothing about a provider](crate::attempt::Attempt::was_cut_short). Set with the deadline.
    pub is_rushed: bool,
    /// Who asks, and how the answer is to be decorated.
    pub origin: Origin,
    /// The batch this call is an item of.
    pub batch: Option<BatchItem>,
    /// The socket it came in over, where the client can be pushed to.
    pub session: Option<CallSession>,
    /// Candidates that are being filtered and ranked; taken by the first layer that dispatches.
    pub shortlist: Option<Vec<Candidate>>,
    /// Choose and stop: nothing is sent upstream. The outcome is an empty result, and the journal holds the
    /// candidates. Used to explain a decision and to choose the provider of a batch.
    pub dry_run: bool,
    /// Explain: every stage is asked about every channel, and what each says is kept with the candidates.
    /// With [`dry_run`](Self::dry_run) the call is still answered or refused where no channel is needed for that.
    pub explain: bool,
    /// For layers that are not part of this crate.
    pub extensions: Extensions,
    journal: Arc<Journal>,
}

impl Call {
    /// A call that arrived at `received` and may take ten seconds, the limit of methods without one of
    /// their own, until a layer knows better.
    #[must_use]
    pub fn new(route: Route, request: Request, received: Instant) -> Self {
        Self {
            route,
            method: MethodId::of(&request.method()),
            request,
            received,
            deadline: received + std::time::Duration::from_secs(10),
            is_rushed: false,
            origin: Origin::default(),
            batch: None,
            session: None,
            shortlist: None,
            dry_run: false,
            explain: false,
            extensions: Extensions::new(),
            journal: Arc::default(),
        }
    }

    /// What is written down about the call as it goes. The handle outlives the call.
    #[must_use]
    pub const fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// The resolved route, once a layer has resolved it.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        self.journal.plan()
    }

    /// The same call under another plan, in a journal that continues this one's. Its candidates are yet to be
    /// chosen.
    #[must_use]
    pub fn replanned(&self, plan: Plan) -> Self {
        Self { journal: self.journal.succeeded_by(plan), shortlist: None, ..self.clone() }
    }

    /// Whether reasons are collected: the call is to be explained, or its client asked for metadata.
    #[must_use]
    pub fn wants_reasons(&self) -> bool {
        self.explain || self.origin.meta != MetaMode::None
    }

    /// The candidates to draw from. The first caller closes the shortlist; clones of the call, such as the
    /// racers of a hedge, draw from the same candidates, so that no channel is tried twice.
    pub fn candidates(&mut self) -> &Candidates {
        let shortlist = self.shortlist.take();
        self.journal.open_candidates(|| Candidates::new(shortlist.unwrap_or_default()))
    }
}

/// The answer to a call that reached a layer without a plan: the stack was put together wrongly.
#[cfg(any(feature = "candidate", feature = "guard", feature = "rate-limit"))]
fn unplanned() -> Failure {
    use crate::wire::{ErrorObject, code};

    tracing::error!("a call reached a layer that needs a resolved profile; put `ProfileLayer` outside it");
    let error = ErrorObject::new(code::INTERNAL_ERROR, "Internal error");
    Failure::rejected(crate::catalog::Category::InternalError, error)
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("method", &self.method)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}
