//! The selection itself: every channel through every stage.

use std::sync::Arc;

use tokio::time::Instant;

use super::Heads;
use super::declared;
use super::hints::{self, Horizon};
use crate::call::{Call, Candidate, Filter, Hints, Plan, Stage, Subject, Verdict};
use crate::catalog::Provider;

const METHOD_UNSUPPORTED: &str = "method_unsupported";

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

    /// Every channel of the chain, each with the first reason that rules it out.
    pub(super) fn shortlist(&self, call: &Call, plan: &Plan, now: Instant) -> Vec<Candidate> {
        let chain = plan.chain();
        let method = call.request.method();
        let hints = self.hints(call, plan, &method, now);
        let allowed = allow_list(plan, &method);
        // Exactly as many as there are channels: the list is closed later without being moved.
        let channels = chain.providers.iter().map(|provider| provider.channels().count()).sum();
        let mut shortlist = Vec::with_capacity(channels);
        for (at, provider) in (0_u16..).zip(&chain.providers) {
            for channel in provider.channels() {
                let mut candidate = Candidate::new(at, channel.key, channel.instance, channel.transport);
                candidate.pinned = plan.pin.is_some_and(|pin| pin.provider == at);
                let subject = Subject { call, plan, hints: &hints, provider, channel, now };
                self.judge(&subject, allowed, &method, &mut candidate);
                shortlist.push(candidate);
            }
        }
        keep_if_none_is_left(&mut shortlist);
        shortlist
    }

    fn hints(&self, call: &Call, plan: &Plan, method: &str, now: Instant) -> Hints {
        let chain = plan.chain();
        let head = || self.heads.as_ref().and_then(|heads| heads.head(chain.chain_id, now));
        let params = call.request.params();
        let archival_threshold = chain.settings.archival_threshold;
        let mut hints = hints::of(call.method, params, || Horizon { head: head(), archival_threshold });
        let aged = |provider: &Provider| {
            provider.capabilities.block_age_methods.iter().any(|listed| listed == method)
        };
        if chain.providers.iter().any(aged) {
            hints.block_age = hints::age(params, head());
        }
        hints
    }

    fn judge(&self, subject: &Subject<'_>, allowed: &[String], method: &str, candidate: &mut Candidate) {
        let plan = subject.plan;
        let provider = subject.provider;
        let pinned = candidate.pinned;
        candidate.excluded = if plan.transport.is_some_and(|transport| transport != subject.channel.transport)
        {
            Some("transport")
        } else if plan.pin.is_some_and(|pin| !pinned && !pin.failover) {
            Some("override")
        } else {
            None
        };
        // A provider chosen by name is asked whatever its health, lag or age: only what makes asking
        // pointless counts.
        let health = self.health.iter().filter(|(stage, _)| !pinned || *stage == Stage::Liveness);
        apply(health, subject, candidate);
        if candidate.excluded.is_none() && !pinned {
            candidate.excluded = if subject.hints.archival && !provider.archival {
                Some("not_archival")
            } else if !allowed.is_empty() && !allowed.iter().any(|id| *id == provider.id) {
                Some("method_override")
            } else {
                None
            };
        }
        apply(self.custom.iter(), subject, candidate);
        if candidate.excluded.is_none() && !provider.capabilities.supports(subject.call.method, method) {
            candidate.excluded = Some(METHOD_UNSUPPORTED);
        }
        if candidate.limit.is_none() {
            candidate.limit = declared::exceeded(&provider.capabilities, method, subject.hints);
        }
    }
}

fn apply<'a>(
    filters: impl Iterator<Item = &'a (Stage, Arc<dyn Filter>)>,
    subject: &Subject<'_>,
    candidate: &mut Candidate,
) {
    for (_, filter) in filters {
        if candidate.excluded.is_some() {
            return;
        }
        match filter.check(subject) {
            Verdict::Keep => {}
            Verdict::Demote(demotion) => candidate.demotion = candidate.demotion.and(demotion),
            Verdict::Limit(reason) => candidate.limit = candidate.limit.or(Some(reason)),
            Verdict::Exclude { reason, retry_after } => {
                candidate.excluded = Some(reason);
                candidate.retry_after = retry_after;
            }
        }
    }
}

/// The providers that may serve a method by the profile's `method_overrides`; empty means all.
fn allow_list<'a>(plan: &'a Plan, method: &str) -> &'a [String] {
    let overrides = &plan.profile().routing.method_overrides;
    overrides.iter().find(|entry| entry.method == method).map_or(&[], |entry| &entry.providers)
}

/// Where no channel is left that supports the method, the declarations are not believed: all are kept.
fn keep_if_none_is_left(shortlist: &mut [Candidate]) {
    if shortlist.iter().any(|candidate| candidate.excluded.is_none()) {
        return;
    }
    for candidate in shortlist.iter_mut().filter(|candidate| candidate.excluded == Some(METHOD_UNSUPPORTED)) {
        candidate.excluded = None;
    }
}
