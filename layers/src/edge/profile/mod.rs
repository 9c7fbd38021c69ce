//! Which profile, chain and provider a call is for.
//!
//! **What it does.** [`parse`] turns an HTTP path, query and headers into a [`Route`](crate::call::Route) of names.
//! [`ProfileLayer`] looks the names up in one snapshot of the catalogue, writes the resulting [`Plan`] into the
//! call's journal and sets the call's deadline. Everything further in sees that one snapshot, whatever is reloaded
//! meanwhile; the items of a batch share the snapshot of the batch. The layer needs no HTTP: an embedder fills the
//! route by hand.
//!
//! **Strategy**, strongest first: the route, `method_overrides` of the profile, `default_strategy` of the profile,
//! [`ProfilePolicy::default_strategy`].
//!
//! **Pin.** A provider in the route is asked alone, or first if the route says so. Otherwise the provider that was
//! chosen for a batch goes first.
//!
//! **Time.** What the route asks for, up to [`ProfilePolicy::max_requested_timeout`]; otherwise that of the method, or of
//! any call over WebSocket. A call that gets less than that because of its route is marked as
//! [rushed](crate::call::Call::is_rushed): what it does not wait for is not held against providers.
//!
//! **When to use it.** Always: no other layer looks names up.
//!
//! **Where it stands.** Inside [`ObserveLayer`](crate::call), which wants to see refused calls too, and outside
//! everything else: every other layer asks the plan.
//!
//! **Refusals** concern the whole request: a blank profile (over WebSocket it means the default one), an unknown
//! profile, chain or provider.
//!
//! **What it counts.** Nothing.
//!
//! **Cancel safety.** Adds no state of its own: its future is the inner service's.
//!
//! ```
//! use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
//! use lasso_layers::edge::profile::{ProfileLayer, ProfilePolicy, parse};
//!
//! let node = ProviderSpec::http("node", "http://127.0.0.1:8545");
//! let profile = ProfileSpec::new("default").chain(ChainSpec::new("ethereum", 1).provider(node));
//! let live = Live::new(vec![profile]).expect("the profile is valid");
//! let layer = ProfileLayer::new(live, ProfilePolicy::default());
//!
//! let parsed = parse(&"/rpc/fastest/ethereum".parse().unwrap(), &http::HeaderMap::new()).unwrap();
//! assert_eq!(parsed.route.chain, "ethereum");
//! ```

mod path;
mod refusal;

use std::borrow::Cow;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tower::{Layer, Service};

pub use self::path::{Parsed, choose, parse};
use crate::call::{Call, Either, Failure, Pin, Plan, Rejection, Reply, StrategySource, Unknown};
use crate::catalog::{DEFAULT_PROFILE, Live, Profile, Strategy, Timeouts, Transport};

/// The parameters of a query, decoded, in the order in which they were written. What has no `=` is none.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    super::query::pairs(query)
}

/// What resolving adds to a route.
#[derive(Clone, Debug)]
pub struct ProfilePolicy {
    /// Total time of a call, by method.
    pub timeouts: Timeouts,
    /// Total time of a call that came over a client's WebSocket, whatever the method.
    pub ws_timeout: Duration,
    /// The most of it that a client may ask for.
    pub max_requested_timeout: Duration,
    /// The strategy where neither the client nor the profile names one.
    pub default_strategy: Strategy,
}

impl Default for ProfilePolicy {
    fn default() -> Self {
        Self {
            timeouts: Timeouts::default(),
            ws_timeout: Duration::from_secs(10),
            max_requested_timeout: Duration::from_secs(60),
            default_strategy: Strategy::default(),
        }
    }
}

/// Resolves the routes of calls; see the [module](self).
#[derive(Clone, Debug)]
#[must_use]
pub struct ProfileLayer {
    live: Live,
    policy: Arc<ProfilePolicy>,
}

impl ProfileLayer {
    /// Resolves against this catalogue.
    pub fn new(live: Live, policy: ProfilePolicy) -> Self {
        Self { live, policy: Arc::new(policy) }
    }

    fn plan(&self, call: &Call) -> Result<Plan, Rejection> {
        let route = &call.route;
        let is_ws = call.origin.transport == Some(Transport::Ws);
        let profile = match route.profile.trim() {
            "" if is_ws => DEFAULT_PROFILE,
            "" => return Err(refusal::blank_profile()),
            slug => slug,
        };
        let snapshot = match &call.batch {
            Some(item) => item.batch.snapshot.clone(),
            None => self.live.snapshot(),
        };
        let mut plan = Plan::new(snapshot, profile, &route.chain).map_err(|unknown| match unknown {
            Unknown::Profile => refusal::unknown_profile(&route.profile),
            Unknown::Chain => refusal::unknown_chain(&route.chain, profile),
        })?;
        (plan.strategy, plan.strategy_source) = self.strategy(call, plan.profile());
        plan.transport = route.transport;
        plan.pin = match &route.provider {
            Some(id) => {
                let found = plan.chain().provider(id);
                let (provider, _) = found.ok_or_else(|| refusal::unknown_provider(id, &plan))?;
                Some(Pin { provider, failover: route.failover_on_override })
            }
            None => {
                let pin = call.batch.as_ref().and_then(|item| item.batch.pin);
                pin.map(|provider| Pin { provider, failover: true })
            }
        };
        Ok(plan)
    }

    fn strategy(&self, call: &Call, profile: &Profile) -> (Strategy, StrategySource) {
        let overrides = &profile.routing.method_overrides;
        let of_method = || overrides.iter().find(|entry| entry.method == call.request.method())?.strategy;
        let from = |source| move |strategy| (strategy, source);
        call.route
            .strategy
            .map(from(StrategySource::Route))
            .or_else(|| of_method().map(from(StrategySource::MethodOverride)))
            .or_else(|| profile.routing.default_strategy.map(from(StrategySource::Profile)))
            .unwrap_or((self.policy.default_strategy, StrategySource::Default))
    }

    /// How long the call may take, and whether that is less than if its client had not asked.
    fn time(&self, call: &Call) -> (Duration, bool) {
        let usual = match call.origin.transport {
            Some(Transport::Ws) => self.policy.ws_timeout,
            _ => self.policy.timeouts.of(call.method, &call.request.method()),
        };
        let Some(asked) = call.route.timeout else { return (usual, false) };
        let time = asked.min(self.policy.max_requested_timeout);
        (time, time < usual)
    }
}

impl<S> Layer<S> for ProfileLayer {
    type Service = ProfileService<S>;

    fn layer(&self, inner: S) -> ProfileService<S> {
        ProfileService { inner, layer: self.clone() }
    }
}

/// The service of [`ProfileLayer`].
#[derive(Clone, Debug)]
pub struct ProfileService<S> {
    inner: S,
    layer: ProfileLayer,
}

impl<S> ProfileService<S> {
    /// Around a service of calls.
    pub fn new(inner: S, live: Live, policy: ProfilePolicy) -> Self {
        Self { inner, layer: ProfileLayer::new(live, policy) }
    }
}

impl<S> Service<Call> for ProfileService<S>
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
        let plan = match self.layer.plan(&call) {
            Ok(plan) => plan,
            Err(rejection) => return Either::Right(ready(Err(rejection.into()))),
        };
        let (time, is_rushed) = self.layer.time(&call);
        call.deadline = call.received + time;
        call.is_rushed = is_rushed;
        call.journal().set_plan(plan);
        Either::Left(self.inner.call(call))
    }
}
