//! The selection itself: every channel through every stage.

use std::sync::Arc;

use tokio::time::Instant;

use super::built_in::{self, METHOD_UNSUPPORTED};
use super::hearing::{self, Hearing};
use super::hints::{self, Horizon};
use super::{Heads, declared};
use crate::call::{Call, Candidate, Filter, Hints, Plan, Premises, Stage, Subject};
use crate::catalog::Provider;

/// The filters, split where the built-in stages stand between them.
pub(super) struct Selection {
    /// Liveness to lag.
    health: Vec<(Stage, Arc<dyn Filter>)>,
    /// Everything after the built-in archival and exclusion stages.
    custom: Vec<(Stage, Arc<dyn Filter>)>,
    heads: Option<Arc<dyn Heads>>,
}

impl Selection {
    pub(super) fn new(mut filters: Vec<(Stage, Arc<dyn Filter>)>, heads: Option<Arc<dyn Heads>>) -> Self {
        let custom = filters.split_off(filters.partition_point(|(stage, _)| *stage < Stage::Archival));
        Self { health: filters, custom, heads }
    }

    /// Every channel of the chain, each with the first reason that rules it out; with all reasons where somebody wants
    /// to know.
    pub(super) fn shortlist(&self, call: &Call, plan: &Plan, now: Instant) -> Vec<Candidate> {
        let chain = plan.chain();
        let method = call.request.method();
        let head = || self.heads.as_ref().and_then(|heads| heads.head(chain.chain_id, now));
        let hints = hints(call, plan, &method, head);
        let allowed = allow_list(plan, &method);
        let wants_reasons = call.wants_reasons();
        if wants_reasons {
            call.journal().set_premises(Premises { hints, head: head() });
        }
        // Exactly as many as there are channels: the list is closed later without being moved.
        let channels = chain.providers.iter().map(|provider| provider.channels().count()).sum();
        let mut shortlist = Vec::with_capacity(channels);
        for (at, provider) in (0_u16..).zip(&chain.providers) {
            for channel in provider.channels() {
                let mut candidate = Candidate::new(at, channel.key, channel.instance, channel.transport);
                candidate.pinned = plan.pin.is_some_and(|pin| pin.provider == at);
                let subject = Subject { call, plan, hints: &hints, provider, channel, now };
                if wants_reasons {
                    self.judge::<true>(&subject, allowed, &method, &mut candidate);
                } else {
                    self.judge::<false>(&subject, allowed, &method, &mut candidate);
                }
                shortlist.push(candidate);
            }
        }
        keep_if_none_is_left(plan, &mut shortlist);
        shortlist
    }

    /// With all reasons, if `ALL`.
    fn judge<const ALL: bool>(
        &self,
        subject: &Subject<'_>,
        allowed: &[String],
        method: &str,
        candidate: &mut Candidate,
    ) {
        let pinned = candidate.pinned;
        let mut hearing = Hearing::<ALL> { subject, candidate };
        hearing.rule(Stage::Transport, built_in::transport);
        hearing.rule(Stage::Pin, |subject| built_in::pin(subject, pinned));
        // A provider that goes first is asked whatever its health, lag or age: only what makes asking pointless counts.
        // What is known of its health is noted all the same.
        for (stage, filter) in &self.health {
            if pinned && *stage != Stage::Liveness {
                hearing.advice(*stage, &**filter);
            } else {
                hearing.filter(*stage, &**filter);
            }
        }
        if pinned {
            hearing.skip(Stage::Archival);
        } else {
            hearing.rule(Stage::Archival, built_in::archival);
        }
        // A list of the operator yields to a client that names a provider, and not to a provider that was chosen for a
        // batch.
        if pinned && is_named(subject) {
            hearing.skip(Stage::Exclusion);
        } else {
            hearing.rule(Stage::Exclusion, |subject| built_in::allowed(subject, allowed));
        }
        for (stage, filter) in &self.custom {
            hearing.filter(*stage, &**filter);
        }
        hearing.rule(Stage::Method, |subject| built_in::method(subject, method));
        let capabilities = &subject.provider.capabilities;
        let exceeded = declared::exceeded(capabilities, method, subject.hints);
        hearing.limit(exceeded, || declared::facts(capabilities, subject.hints));
    }
}

fn hints(call: &Call, plan: &Plan, method: &str, head: impl Fn() -> Option<u64>) -> Hints {
    let chain = plan.chain();
    let params = call.request.params();
    let archival_threshold = chain.settings.archival_threshold;
    let mut hints = hints::of(call.method, params, || Horizon { head: head(), archival_threshold });
    let aged =
        |provider: &Provider| provider.capabilities.block_age_methods.iter().any(|listed| listed == method);
    if chain.providers.iter().any(aged) {
        hints.block_age = hints::age(call.method, params, head());
    }
    hints
}

/// Whether it is the client that names the provider which goes first.
fn is_named(subject: &Subject<'_>) -> bool {
    let alone = subject.plan.pin.is_some_and(|pin| !pin.failover);
    alone || subject.call.route.provider.is_some()
}

/// The providers that may serve a method by the profile's `method_overrides`; empty means all. One list holds for all
/// chains of a profile: where it names nobody of a chain, it does not mean that chain.
fn allow_list<'a>(plan: &'a Plan, method: &str) -> &'a [String] {
    let overrides = &plan.profile().routing.method_overrides;
    let listed = overrides.iter().find(|entry| entry.method == method).map(|entry| &entry.providers);
    listed
        .filter(|listed| listed.iter().any(|id| plan.chain().provider(id).is_some()))
        .map_or(&[], Vec::as_slice)
}

/// Where no channel is left that supports the method, the declarations are not believed: all are kept. Unless the client
/// asked for one provider alone: that the others were not asked does not make its declaration doubtful.
fn keep_if_none_is_left(plan: &Plan, shortlist: &mut [Candidate]) {
    if plan.pin.is_some_and(|pin| !pin.failover) {
        return;
    }
    if shortlist.iter().any(|candidate| candidate.excluded.is_none()) {
        return;
    }
    for candidate in shortlist.iter_mut().filter(|candidate| candidate.excluded == Some(METHOD_UNSUPPORTED)) {
        candidate.excluded = None;
        if let Some(reasons) = &mut candidate.reasons {
            hearing::overrule(reasons, Stage::Method);
        }
    }
}
