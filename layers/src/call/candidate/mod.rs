//! Which channels a call may be sent to.
//!
//! **What it does.** Lists every channel of the chain's providers and lets each pass the filters, stage by
//! stage ([`Stage`]). A channel that is ruled out stays on the list with the reason. A call of which somebody
//! [wants to know](Call::wants_reasons) has every stage asked about every channel, with the same outcome, and what each
//! said stays with the candidates ([`Reasons`](crate::call::Reasons)).
//!
//! **When to use it.** Always: failover draws from this list and from nothing else.
//!
//! **Where it stands.** Inside everything that can answer without an upstream, outside
//! [`StrategyLayer`](crate::call::strategy::StrategyLayer), which orders what is left.
//!
//! **Built in** are the stages that need nothing but the catalogue: transport, pin, archival, allow-lists, method
//! support and declared parameter limits. The stages that read state are given with
//! [`CandidateLayer::filter`]; an absent one rules nothing out. A stack that cannot send over WebSocket gives
//! [`HttpOnly`].
//!
//! **Without a plan** (no [`ProfileLayer`](crate::edge) outside) the call is refused with an internal error.
//!
//! **What it counts.** Nothing; the time that selecting takes is written into the call's journal.
//!
//! **Cancel safety.** Adds no state of its own: its future is the inner service's.
//!
//! ```
//! use lasso_layers::call::candidate::CandidateLayer;
//! use lasso_layers::call::{Stage, Subject, Verdict};
//!
//! // A provider whose id starts with "beta" serves nobody.
//! let layer = CandidateLayer::new().filter(Stage::Custom, |subject: &Subject<'_>| {
//!     if subject.provider.id.starts_with("beta") { Verdict::exclude("beta") } else { Verdict::Keep }
//! });
//! ```

mod built_in;
mod declared;
mod hearing;
mod heights;
mod hints;
mod http_only;
mod select;

use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Instant;
use tower::{Layer, Service};

pub use self::http_only::HttpOnly;
use self::select::Selection;
use super::{Call, Candidate, Either, Failure, Filter, Reply, Stage, unplanned};

/// Knows how far chains are.
pub trait Heads: Send + Sync {
    /// The consensus height of a chain at `now`, if anything is known.
    fn head(&self, chain_id: u64, now: Instant) -> Option<u64>;
}

/// Puts the candidates of a call together; see the [module](self).
#[derive(Clone, Default)]
#[must_use]
pub struct CandidateLayer {
    filters: Vec<(Stage, Arc<dyn Filter>)>,
    heads: Option<Arc<dyn Heads>>,
}

impl CandidateLayer {
    /// The built-in stages alone.
    pub const fn new() -> Self {
        Self { filters: Vec::new(), heads: None }
    }

    /// Adds a filter at a stage, after those that are already there.
    pub fn filter(mut self, stage: Stage, filter: impl Filter + 'static) -> Self {
        let at = self.filters.partition_point(|(earlier, _)| *earlier <= stage);
        self.filters.insert(at, (stage, Arc::new(filter)));
        self
    }

    /// Says where the heights of chains are known, for requests that need old state.
    pub fn heads(mut self, heads: impl Heads + 'static) -> Self {
        self.heads = Some(Arc::new(heads));
        self
    }

    /// Every channel that the call's plan knows, each with what speaks against it at `now`, in configured order;
    /// nothing without a plan. What the layer's service puts on the call's shortlist, for those who have to choose
    /// [anew](crate::call::failover::FailoverLayer::reselect).
    #[must_use]
    pub fn shortlist(&self, call: &Call, now: Instant) -> Vec<Candidate> {
        let selection = Selection::new(self.filters.clone(), self.heads.clone());
        call.plan().map(|plan| selection.shortlist(call, plan, now)).unwrap_or_default()
    }
}

impl<S> Layer<S> for CandidateLayer {
    type Service = CandidateService<S>;

    fn layer(&self, inner: S) -> CandidateService<S> {
        CandidateService {
            inner,
            selection: Arc::new(Selection::new(self.filters.clone(), self.heads.clone())),
        }
    }
}

impl fmt::Debug for CandidateLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages: Vec<_> = self.filters.iter().map(|(stage, _)| stage).collect();
        f.debug_struct("CandidateLayer").field("filters", &stages).finish_non_exhaustive()
    }
}

/// The service of [`CandidateLayer`].
#[derive(Clone)]
pub struct CandidateService<S> {
    inner: S,
    selection: Arc<Selection>,
}

impl<S> Service<Call> for CandidateService<S>
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

    fn call(&mut self, mut call: Call) -> Self::Future {
        let now = Instant::now();
        let Some(plan) = call.plan() else { return Either::Right(ready(Err(unplanned()))) };
        let shortlist = self.selection.shortlist(&call, plan, now);
        call.shortlist = Some(shortlist);
        call.journal().selection_began(now);
        Either::Left(self.inner.call(call))
    }
}

impl<S: fmt::Debug> fmt::Debug for CandidateService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CandidateService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
