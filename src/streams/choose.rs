//! Which providers a stream can be had from.

use std::cmp::Reverse;
use std::sync::Arc;

use lasso_layers::attempt::breaker::{BreakerState, Breakers};
use lasso_layers::call::Plan;
use lasso_layers::call::subscribe::Topic;
use lasso_layers::catalog::{Channel, Live, MethodId, Provider};
use lasso_layers::state::heights::Heights;
use tokio::time::Instant;

use super::key::StreamKey;
use crate::strangers::Strangers;
use crate::upstream::ws::Links;

/// The name that providers are asked with.
const SUBSCRIBE: &str = "eth_subscribe";

/// Chooses among the providers of a chain.
#[derive(Clone)]
pub(super) struct Chooser {
    pub(super) live: Live,
    pub(super) links: Links,
    pub(super) breakers: Breakers,
    pub(super) strangers: Strangers,
    pub(super) heights: Heights,
}

impl Chooser {
    /// Where the stream's chain is in the catalogue in force. Nothing if it, its profile or its pinned provider left.
    pub(super) fn plan(&self, key: &StreamKey) -> Option<Plan> {
        let plan = Plan::new(self.live.snapshot(), &key.profile, &key.chain_id.to_string()).ok()?;
        let is_there = key.pin.as_ref().is_none_or(|pin| plan.chain().provider(pin).is_some());
        is_there.then_some(plan)
    }

    /// The channels that a subscription can be had from right now, in the order of preference: those in full health
    /// before those on probation, those at the head of the chain before those too far behind it, then by priority.
    ///
    /// With `insist`, a stream has something to lose: where there is nobody else, those whose breaker is open will do if
    /// they are connected, and those that are not are asked to make haste.
    pub(super) fn candidates(
        &self,
        plan: &Plan,
        key: &StreamKey,
        insist: bool,
        now: Instant,
    ) -> Vec<Arc<Channel>> {
        let found = self.ranked(plan, key, |state| state != BreakerState::Open, now);
        if !found.is_empty() || !insist {
            return found;
        }
        able(plan, key).for_each(|(_, channel)| self.links.hurry(channel.key));
        self.ranked(plan, key, |_| true, now)
    }

    fn ranked(
        &self,
        plan: &Plan,
        key: &StreamKey,
        allows: impl Fn(BreakerState) -> bool,
        now: Instant,
    ) -> Vec<Arc<Channel>> {
        let mut ranked: Vec<_> = able(plan, key)
            .filter_map(|(provider, channel)| {
                let is_usable = self.links.is_up(channel.key) && !self.strangers.contains(channel.instance);
                let state = self.breakers.status(channel.key, now).state;
                let is_closed = state == BreakerState::Closed;
                let rank = (Reverse(is_closed), self.is_behind(plan, channel, now), provider.priority);
                (is_usable && allows(state)).then(|| (rank, channel.clone()))
            })
            .collect();
        // Stable: providers of one priority stay in configured order.
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, channel)| channel).collect()
    }

    /// Whether a node is further behind than its chain allows.
    fn is_behind(&self, plan: &Plan, channel: &Channel, now: Instant) -> bool {
        let chain = plan.chain();
        let Some(most) = chain.settings.max_lag_blocks else { return false };
        let standing = self.heights.standing(channel.chain_id, channel.instance, chain.block_time, now);
        let lag = standing.and_then(|standing| standing.optimistic_lag());
        lag.is_some_and(|lag| lag < 0 && lag.unsigned_abs() > most)
    }
}

/// The providers that may serve such a stream at all, by configuration.
pub(super) fn able<'a>(
    plan: &'a Plan,
    key: &'a StreamKey,
) -> impl Iterator<Item = (&'a Provider, &'a Arc<Channel>)> {
    let method = MethodId::of(SUBSCRIBE);
    plan.chain()
        .providers
        .iter()
        .filter(|provider| key.pin.as_ref().is_none_or(|pin| *pin == provider.id))
        .filter(|provider| provider.subscribe_new_heads || key.topic != Topic::NewHeads)
        .filter(move |provider| provider.capabilities.supports(method, SUBSCRIBE))
        .filter_map(|provider| Some((provider, provider.ws.as_ref()?)))
}
