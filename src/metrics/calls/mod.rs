//! What is counted where calls end and breakers change.
//!
//! A series is looked up by numbers: the key of the provider, and then method, transport and status as one index. The
//! series of a provider come into being when they are first needed. So a call costs a few atomic additions and pushes,
//! and no hash, no lock and no text. There can be no more series than providers, registered methods, categories and
//! statuses make: clients have no say in them.

mod cells;
mod chain;
mod channel;
mod names;
mod provider;
mod requests;

use std::fmt;
use std::sync::OnceLock;

use lasso_layers::attempt::breaker::{BreakerState, Reason};
use lasso_layers::call::observe::{Observer, Report};
use lasso_layers::call::{Candidate, Plan, Progress};
use lasso_layers::catalog::{Category, Channel, Live, Provider, Transport};
use lasso_layers::state::Table;

use self::cells::Status;
use self::chain::{ChainSeries, Rare};
pub(super) use self::channel::chain_name;
use self::channel::{ChannelName, ChannelSeries, Decision};
use self::provider::ProviderSeries;
use super::book::{Book, labels};
use crate::observe::{BreakerChange, Event, Listener};

/// Counts calls, attempts and breakers.
pub(super) struct Calls {
    book: Book,
    live: Live,
    providers: Table<OnceLock<Box<ProviderSeries>>>,
    /// By the key of the chain's first provider: chains have no number of their own. Two keys that a chain had over time
    /// lead to the same series.
    chains: Table<OnceLock<Box<ChainSeries>>>,
    channels: Table<OnceLock<Box<ChannelSeries>>>,
    unknown: ChainSeries,
}

impl Calls {
    pub(super) fn new(live: Live) -> Self {
        Self {
            book: Book::new(names::COUNTERS, names::TIMINGS),
            live,
            providers: Table::new(),
            chains: Table::new(),
            channels: Table::new(),
            unknown: ChainSeries::unknown(),
        }
    }

    pub(super) const fn book(&self) -> &Book {
        &self.book
    }

    /// A failure counted against a channel.
    pub(super) fn breaker_failure(&self, channel: &Channel, state: BreakerState, category: Category) {
        // At most a few of them close a channel, which then fails no more: there is time to look the series up.
        let name = self.name_of(channel);
        let more = [("error_category", category.as_str()), ("circuit_state", state.as_str())];
        self.book.counter(names::BREAKER_FAILURE, name.labels(more)).increment(1);
        if category == Category::Timeout {
            self.book.counter(names::BREAKER_TIMEOUT, name.labels([])).increment(1);
        }
    }

    /// A provider was found to have changed to a status.
    pub(super) fn provider_status(&self, profile: &str, chain: &str, provider: &str, status: &str) {
        let names =
            labels([("profile", profile), ("chain", chain), ("provider_id", provider), ("status", status)]);
        self.book.counter(names::PROVIDER_STATUS, names).increment(1);
    }

    /// A page of metrics was asked for.
    pub(super) fn dashboard_cache(&self, profile: &str, chain: &str, result: &str) {
        let names = labels([("profile", profile), ("chain", chain), ("result", result)]);
        self.book.counter(names::DASHBOARD_CACHE, names).increment(1);
    }

    fn breaker_change(&self, change: &BreakerChange) {
        let name = ChannelName {
            chain: chain_name(&self.live.load(), change.chain_id),
            provider: change.known_as.clone(),
            instance: change.instance_id.clone(),
            transport: change.transport,
        };
        let metric = match change.to {
            BreakerState::Open => names::BREAKER_OPEN,
            BreakerState::HalfOpen => names::BREAKER_HALF_OPEN,
            BreakerState::Closed => names::BREAKER_CLOSE,
        };
        self.book.counter(metric, name.labels([("reason", change.reason)])).increment(1);
        if change.reason == Reason::ProactiveRecovery.as_str() {
            self.book.counter(names::PROACTIVE_RECOVERY, name.labels([])).increment(1);
        }
    }

    /// A client's call is over.
    fn request(&self, report: &Report<'_>, error: Option<Category>) {
        let (status, entrance) = (Status::of(error), report.origin().transport);
        let chain = report.plan().map_or(&self.unknown, |plan| self.chain(plan));
        if let Some(strategy) = report.strategy() {
            chain.route(&self.book, strategy, entrance, status);
        }
        if let Some(category) = error {
            chain.error(&self.book, category);
        }
        let series = |transport: Transport| (transport, report.method(), status);
        match (report.plan(), report.selected()) {
            (Some(plan), Some((provider, candidate))) => self.provider(plan, provider).request(
                &self.book,
                series(candidate.transport),
                report.end_to_end(),
            ),
            _ => {
                let transport = report.transport().unwrap_or(Transport::Http);
                chain.request(&self.book, series(transport), report.end_to_end());
            }
        }
    }

    /// What became of the channels of a call, whoever made it.
    fn attempts(&self, report: &Report<'_>, error: Option<Category>) {
        let (Some(plan), Some(candidates)) = (report.plan(), report.candidates()) else { return };
        // Nothing followed the failure that the client was told of.
        let end = report.selected().filter(|_| error.is_some()).map(|(_, candidate)| candidate);
        let (mut sent, mut on_probation) = (0, 0);
        for (provider, candidate) in report.attempts() {
            sent += 1;
            on_probation += u32::from(candidate.tier().half_open);
            let is_end = end.is_some_and(|end| std::ptr::eq(end, candidate));
            self.attempt(report, (plan, provider), candidate, is_end);
        }
        for candidate in candidates.all() {
            if let Progress::Skipped(category) = candidate.progress() {
                self.skipped(plan, candidate, category);
            }
        }
        if sent > 0 && on_probation == sent && !candidates.all().iter().any(is_spare) {
            self.chain(plan).rare(&self.book, Rare::DegradedMode);
            let answered = report.selected().filter(|(_, it)| it.progress() == Progress::Answered);
            if let Some((provider, candidate)) = answered {
                self.provider(plan, provider).degraded_success(&self.book, candidate.transport);
            }
        }
        let is_alone = plan.pin.is_some_and(|pin| !pin.failover);
        let is_none_left = candidates.all().iter().all(|candidate| candidate.excluded.is_some());
        if error.is_some() && sent == 0 && is_none_left && !is_alone {
            self.chain(plan).rare(&self.book, Rare::Exhaustion);
        }
    }

    fn attempt(
        &self,
        report: &Report<'_>,
        (plan, provider): (&Plan, &Provider),
        candidate: &Candidate,
        is_end: bool,
    ) {
        let (series, transport) = (self.provider(plan, provider), candidate.transport);
        if let Some(channel) = provider.channel(transport) {
            self.channel(channel).admit(&self.book, Decision::Admitted);
        }
        let error = match candidate.progress() {
            Progress::Answered => None,
            Progress::Failed(category) => Some(category),
            // Nobody waited for the end.
            _ => return,
        };
        series.sent(&self.book, transport, report.method(), error, candidate.upstream());
        if let Some(category) = error.filter(|_| !is_end) {
            series.fast_fail(&self.book, transport, category);
        }
    }

    fn skipped(&self, plan: &Plan, candidate: &Candidate, category: Category) {
        let provider = plan.provider(candidate.provider);
        if let (Some(decision), Some(channel)) =
            (Decision::of_skipped(category), provider.channel(candidate.transport))
        {
            self.channel(channel).admit(&self.book, decision);
        }
        if category == Category::CircuitOpen {
            self.provider(plan, provider).circuit_open(&self.book, candidate.transport);
        }
    }

    fn provider(&self, plan: &Plan, provider: &Provider) -> &ProviderSeries {
        self.providers.cell(provider.key.index()).get_or_init(|| {
            let (profile, chain) = (plan.profile().slug.clone(), plan.chain().key.clone());
            Box::new(ProviderSeries::new(profile, chain, provider.id.clone()))
        })
    }

    fn chain(&self, plan: &Plan) -> &ChainSeries {
        let Some(first) = plan.chain().providers.first() else { return &self.unknown };
        self.chains
            .cell(first.key.index())
            .get_or_init(|| Box::new(ChainSeries::new(plan.profile().slug.clone(), plan.chain().key.clone())))
    }

    fn channel(&self, channel: &Channel) -> &ChannelSeries {
        let cell = self.channels.cell(channel.key.index());
        cell.get_or_init(|| Box::new(ChannelSeries::new(self.name_of(channel))))
    }

    fn name_of(&self, channel: &Channel) -> ChannelName {
        ChannelName {
            chain: chain_name(&self.live.load(), channel.chain_id),
            provider: channel.known_as.clone(),
            instance: channel.instance_id.clone(),
            transport: channel.transport,
        }
    }
}

/// Whether a channel in good health could have been tried and was not.
fn is_spare(candidate: &Candidate) -> bool {
    candidate.excluded.is_none()
        && !candidate.tier().half_open
        && candidate.limit.is_none()
        && candidate.progress() == Progress::Untried
}

impl Observer for Calls {
    fn finished(&self, report: &Report<'_>) {
        let error = report.category();
        if !report.is_own() {
            self.request(report, error);
        }
        self.attempts(report, error);
    }

    fn cancelled(&self, report: &Report<'_>) {
        if !report.is_own() {
            let chain = report.plan().map_or(&self.unknown, |plan| self.chain(plan));
            chain.rare(&self.book, Rare::Cancelled);
        }
        self.attempts(report, None);
    }
}

impl Listener for Calls {
    fn noted(&self, event: &Event) {
        if let Event::Breaker(change) = event {
            self.breaker_change(change);
        }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}
