//! What is kept of a call until it is over.

use std::sync::Arc;

use smol_str::SmolStr;
use tokio::time::Instant;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::report::Report;
use super::{Setup, detail, event, meta};
use crate::call::{Call, Failure, Journal, MetaMode, Origin, Reply};
use crate::catalog::MethodId;
use crate::wire::Request;

/// What is kept of a call until it is over: reference counts, no copies.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) request: Request,
    pub(super) method: MethodId,
    pub(super) origin: Origin,
    /// The chain as the client named it.
    pub(super) chain: SmolStr,
    pub(super) received: Instant,
    pub(super) journal: Arc<Journal>,
    /// How many items the batch of this call has.
    pub(super) batch_size: Option<usize>,
    pub(super) batch_index: Option<usize>,
    /// One entry stands for a whole batch: that of its first item.
    is_logged: bool,
    /// Something of the call is written, if only that a provider was slow.
    is_logging: bool,
    is_meta_wanted: bool,
    /// No client made the call.
    pub(super) is_own: bool,
}

impl Record {
    /// `None` when nothing about the call could be of interest to anybody.
    pub(super) fn of(call: &Call, setup: &Setup) -> Option<Self> {
        if call.dry_run {
            return None;
        }
        let is_meta_wanted = match call.origin.meta {
            _ if setup.is_own => false,
            MetaMode::None => false,
            MetaMode::Headers => true,
            // The items of a batch are handed on as they are.
            MetaMode::Body | MetaMode::Notify => call.batch.is_none(),
        };
        let enabled = LevelFilter::current();
        let is_logging = !setup.is_own
            && setup.policy.enabled
            && (setup.policy.success_level <= enabled || Level::WARN <= enabled);
        (is_meta_wanted || is_logging || setup.observer.is_some()).then(|| Self {
            request: call.request.clone(),
            method: call.method,
            origin: call.origin.clone(),
            chain: call.route.chain.clone(),
            received: call.received,
            journal: call.journal().clone(),
            batch_size: call.batch.as_ref().map(|item| item.batch.size),
            batch_index: call.batch.as_ref().map(|item| item.index),
            is_logged: is_logging && call.batch.as_ref().is_none_or(|item| item.index == 0),
            is_logging,
            is_meta_wanted,
            is_own: setup.is_own,
        })
    }

    /// Reports on the call, which is over.
    pub(super) fn finish(&self, result: &Result<Reply, Failure>, now: Instant, setup: &Setup) {
        let report = Report::new(self, Some(result), now);
        if self.is_meta_wanted && (report.was_routed() || result.is_ok()) {
            self.journal.set_meta(meta::of(&report));
        }
        if self.is_logged {
            event::completed(&report, &setup.policy, &setup.entropy);
        }
        if self.is_logging {
            if let (Some(slow), Some(took)) = (setup.policy.slow, report.answered_in()) {
                event::slow(&report, slow, took);
            }
            detail::write(&report);
        }
        if let Some(observer) = &setup.observer {
            observer.finished(&report);
        }
    }

    /// Reports on the call, which nobody waits for any more.
    pub(super) fn cancel(&self, now: Instant, setup: &Setup) {
        let report = Report::new(self, None, now);
        if self.is_logging {
            detail::write(&report);
        }
        if let Some(observer) = &setup.observer {
            observer.cancelled(&report);
        }
    }
}
