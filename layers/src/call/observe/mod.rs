//! What becomes of calls: the request log, slow providers, and metadata for clients.
//!
//! **What it does.** Gives a call a request id if it has none. When the call is over it writes one log entry,
//! `rpc.request.completed`: an error as a warning, a success at a level and rate of choice. A provider that took long
//! is reported beside it. Below that, at the level of debug output, `lasso.rpc.request.terminal` sums the call up,
//! `lasso.rpc.attempt.terminal` says what became of each channel that was tried, and `lasso.rpc.admission.rejected` which
//! ones this process kept the call from. If the client asked for routing metadata, the object is put into the call's journal, from
//! where the edge puts it on the wire.
//!
//! **What is never written:** parameters, results, addresses of providers, keys, the query of the client's URL; nor the
//! client's address, unless [asked for](ObservePolicy::client_address). Error texts are masked and cut.
//!
//! **A batch** has one entry, that of its first item, with the size of the batch. Dry runs have none.
//!
//! **When metadata is there.** For every result, and for errors of calls that channels were considered for. Not for
//! what was refused before. The items of a batch have it only when the client wants it in headers. It says of every
//! candidate where it stood, what spoke against it and what became of it; the same, in full, of a call that is not run
//! is an [`Explanation`].
//!
//! **When to use it.** Where somebody reads logs, or clients ask which provider answered.
//!
//! **Where it stands.** Outermost, so that it sees refused calls and all the time that is spent. What it reads is in
//! the journal, written by the layers further in; without them the entries are shorter.
//!
//! **Time.** A call is over when its answer begins. A large result may still be streaming then.
//!
//! **What it counts.** Nothing; what it reports are tracing events. An [`Observer`] is handed a [`Report`] on every call
//! and can count what it likes: all items of a batch, and with [`ObserveLayer::for_own_calls`] also the calls that no
//! client made.
//!
//! **What it costs.** Nothing is formatted or allocated unless somebody listens. With all log levels off, no observer
//! and no metadata asked for, a call passes untouched.
//!
//! **Cancel safety.** A call whose future is dropped leaves no entry; an observer is told that it was
//! [cancelled](Observer::cancelled).
//!
//! ```
//! use lasso_layers::call::observe::{ObserveLayer, ObservePolicy};
//!
//! // One in a hundred successes is enough; errors are always written.
//! let layer = ObserveLayer::new(ObservePolicy { sampling_rate: 0.01, ..ObservePolicy::default() });
//! ```

mod attempt;
mod detail;
mod event;
mod explain;
mod identifier;
mod meta;
mod observer;
mod reasons;
mod record;
mod report;

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project::pin_project;
use smol_str::SmolStr;
use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::Level;

pub use self::attempt::AttemptOutcome;
pub use self::explain::Explanation;
pub use self::identifier::identifier;
pub use self::observer::Observer;
use self::record::Record;
pub use self::report::Report;
use super::{Call, Failure, Reply, Trace};
use crate::state::Entropy;

/// What is written about calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObservePolicy {
    /// Whether calls are written down at all.
    pub enabled: bool,
    /// The level of successes. Errors are warnings.
    pub success_level: Level,
    /// The share of successes that is written, from 0 to 1. Errors always are.
    pub sampling_rate: f64,
    /// How much of an error's text is written, in characters.
    pub max_error_message_chars: usize,
    /// Whether the client's address is written.
    pub client_address: bool,
    /// From when on providers count as slow; `None` reports none.
    pub slow: Option<SlowPolicy>,
}

impl Default for ObservePolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            success_level: Level::INFO,
            sampling_rate: 1.0,
            max_error_message_chars: 256,
            client_address: false,
            slow: Some(SlowPolicy::default()),
        }
    }
}

/// How long a provider may take for a successful answer before it is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowPolicy {
    /// Longer is worth a note.
    pub info: Duration,
    /// Longer is worth a warning.
    pub warn: Duration,
    /// Longer is an error.
    pub error: Duration,
}

impl Default for SlowPolicy {
    fn default() -> Self {
        Self { info: Duration::from_secs(1), warn: Duration::from_secs(2), error: Duration::from_secs(4) }
    }
}

/// Reports on calls; see the [module](self).
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ObserveLayer {
    /// One reference count for all of it: every call takes one.
    setup: Arc<Setup>,
}

/// What is to be done with every call.
#[derive(Clone, Default)]
struct Setup {
    policy: ObservePolicy,
    entropy: Entropy,
    observer: Option<Arc<dyn Observer>>,
    /// The share of traces that are recorded; `None` where calls have none.
    traces: Option<f64>,
    is_own: bool,
}

impl ObserveLayer {
    /// Reports by this policy.
    pub fn new(policy: ObservePolicy) -> Self {
        Self { setup: Arc::new(Setup { policy, ..Setup::default() }) }
    }

    /// For the calls that the process makes on its own behalf: nothing is written about them, and they have no
    /// metadata. Only an [`observer`](Self::observer) hears of them.
    pub fn for_own_calls() -> Self {
        Self { setup: Arc::new(Setup { is_own: true, ..Setup::default() }) }
    }

    /// Sets where random numbers come from.
    pub fn entropy(mut self, entropy: Entropy) -> Self {
        Arc::make_mut(&mut self.setup).entropy = entropy;
        self
    }

    /// Has every call told to `observer` too.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        Arc::make_mut(&mut self.setup).observer = Some(observer);
        self
    }

    /// Gives every call a place in a [trace](super::Trace): in that of its client, or in a new one, of which
    /// `sampling_rate` from 0 to 1 says how many are recorded. An observer finds it in the call's origin.
    pub fn traces(mut self, sampling_rate: f64) -> Self {
        Arc::make_mut(&mut self.setup).traces = Some(sampling_rate);
        self
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = ObserveService<S>;

    fn layer(&self, inner: S) -> ObserveService<S> {
        ObserveService { inner, layer: self.clone() }
    }
}

/// The service of [`ObserveLayer`].
#[derive(Clone, Debug)]
pub struct ObserveService<S> {
    inner: S,
    layer: ObserveLayer,
}

impl<S> Service<Call> for ObserveService<S>
where
    S: Service<Call, Response = Reply>,
    S::Error: Into<Failure>,
{
    type Response = Reply;
    type Error = Failure;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut call: Call) -> Self::Future {
        let setup = &self.layer.setup;
        if let Some(sampling_rate) = setup.traces {
            let parent = call.origin.parent.take().map(|parent| *parent);
            call.origin.trace = Some(Trace::begin(parent, &mut setup.entropy.rng(), sampling_rate));
        }
        let mut record = Record::of(&call, setup);
        if let Some(record) = &mut record {
            let id = setup.request_id(call.origin.request_id.take());
            call.origin.request_id = Some(id.clone());
            record.origin.request_id = Some(id);
        }
        let pending = Pending(record.map(|record| (record, setup.clone())));
        ResponseFuture { inner: self.inner.call(call), pending }
    }
}

impl Setup {
    fn request_id(&self, given: Option<SmolStr>) -> SmolStr {
        match given {
            None => identifier::generate(&mut self.entropy.rng()),
            Some(id) => match identifier(id.as_bytes()) {
                Cow::Borrowed(_) => id,
                Cow::Owned(digest) => digest.into(),
            },
        }
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("policy", &self.policy)
            .field("is_observed", &self.observer.is_some())
            .field("is_own", &self.is_own)
            .finish_non_exhaustive()
    }
}

/// The future of [`ObserveService`].
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    pending: Pending,
}

/// A call that is to be reported on; `None` when nobody wants to know, and after the report.
struct Pending(Option<(Record, Arc<Setup>)>);

impl Pending {
    fn finish(&mut self, result: &Result<Reply, Failure>) {
        if let Some((record, setup)) = self.0.take() {
            record.finish(result, Instant::now(), &setup);
        }
    }
}

/// The client left before there was an answer.
impl Drop for Pending {
    fn drop(&mut self) {
        if let Some((record, setup)) = &self.0 {
            record.cancel(Instant::now(), setup);
        }
    }
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Reply, E>>,
    E: Into<Failure>,
{
    type Output = Result<Reply, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.inner.poll(cx)).map_err(Into::into);
        this.pending.finish(&result);
        Poll::Ready(result)
    }
}

impl<F: fmt::Debug> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("inner", &self.inner).finish_non_exhaustive()
    }
}
