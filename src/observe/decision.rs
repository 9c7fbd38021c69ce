//! What became of one call.

use std::sync::Arc;
use std::time::Duration;

use lasso_layers::call::Journal;
use lasso_layers::call::observe::Report;
use lasso_layers::catalog::{Category, MethodId, Strategy, Transport, redact};
use smol_str::SmolStr;

use crate::clock::Moment;

/// What became of one call, and where to read why: names, numbers and reference counts. Neither parameters nor results.
#[derive(Clone, Debug)]
pub struct Decision {
    /// When the call was over, in milliseconds since 1970.
    pub ts_ms: u64,
    /// The name of the request. The items of a batch share one.
    pub request_id: SmolStr,
    /// The profile's slug; empty where it is not known.
    pub profile: SmolStr,
    /// The chain's key; what the client called it where it is not known.
    pub chain: SmolStr,
    /// The chain's number.
    pub chain_id: Option<u64>,
    /// The method as the client named it; long names as a digest.
    pub method: SmolStr,
    /// The method in the registry, which bounds how many there are.
    pub method_id: MethodId,
    /// How channels were ranked.
    pub strategy: Option<Strategy>,
    /// The provider that answered, or the last one that was sent to and failed.
    pub provider: Option<SmolStr>,
    /// The instance behind it.
    pub instance_id: Option<SmolStr>,
    /// The transport to it; without a provider the one that was asked for, or the client's own.
    pub transport: Option<Transport>,
    /// From the arrival of the request to the outcome.
    pub duration: Duration,
    /// The part of it that was spent waiting for upstreams, over all attempts.
    pub upstream: Duration,
    /// How it ended.
    pub result: Outcome,
    /// Code and kind of the error that the client got.
    pub error: Option<(i64, Category)>,
    /// What the error says, masked and cut to 256 characters; pages of a single decision have it.
    pub message: Option<SmolStr>,
    /// The process made the call on its own behalf.
    pub own: bool,
    /// Channels sent to after the first.
    pub failovers: u32,
    /// How many items the batch has that it came in.
    pub batch_size: Option<usize>,
    /// Its position among them, from 0.
    pub batch_index: Option<usize>,
    /// What was written down while it ran, from its beginning.
    pub journal: Arc<Journal>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With a result.
    Success,
    /// With an error.
    Error,
    /// The client left before. Such decisions are kept, but no feed has them.
    Cancelled,
}

impl Outcome {
    /// `success`, `error` or `cancelled`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Decision {
    /// What a report says at this moment.
    pub(super) fn of(report: &Report<'_>, now: Moment) -> Self {
        let (error, message) = match report.error() {
            Some((error, category)) => (Some((error.code, category)), Some(shown(&error.message))),
            None => (None, None),
        };
        let selected = report.selected();
        let transport = selected.map(|(_, candidate)| candidate.transport);
        let channel = selected.and_then(|(provider, candidate)| provider.channel(candidate.transport));
        Self {
            ts_ms: now.unix_ms(),
            request_id: report.request_id().cloned().unwrap_or_default(),
            profile: report.profile().map(|profile| profile.slug.clone()).unwrap_or_default(),
            chain: match report.plan() {
                Some(plan) => plan.chain().key.clone(),
                None => report.chain().into(),
            },
            chain_id: report.chain_id(),
            method: match report.method() {
                MethodId::OTHER => report.method_name().into(),
                known => SmolStr::new_static(known.name()),
            },
            method_id: report.method(),
            strategy: report.strategy(),
            provider: selected.map(|(provider, _)| provider.id.clone()),
            instance_id: channel.map(|channel| channel.instance_id.clone()),
            transport: transport.or_else(|| report.transport()),
            duration: report.end_to_end(),
            upstream: report.upstream().unwrap_or_default(),
            result: match error {
                _ if report.is_cancelled() => Outcome::Cancelled,
                None => Outcome::Success,
                Some(_) => Outcome::Error,
            },
            error,
            message,
            own: report.is_own(),
            failovers: report.retries(),
            batch_size: report.batch_size(),
            batch_index: report.batch_index(),
            journal: report.journal().clone(),
        }
    }

    /// The generation of the catalogue by which the call was routed.
    pub(super) fn generation(&self) -> Option<u64> {
        Some(self.journal.latest().plan()?.snapshot().generation())
    }

    /// The same without what was written down while the call ran.
    pub(super) fn without_reasons(&self) -> Self {
        Self { journal: Arc::default(), ..self.clone() }
    }

    /// `client` or `system`.
    #[must_use]
    pub const fn origin(&self) -> &'static str {
        if self.own { "system" } else { "client" }
    }
}

/// What an error says, for people.
fn shown(message: &str) -> SmolStr {
    const MAX_CHARS: usize = 256;
    // Masked first: half a key is not recognised as one.
    let masked = redact::text(message);
    let end = masked.char_indices().nth(MAX_CHARS).map_or(masked.len(), |(at, _)| at);
    SmolStr::new(&masked[..end])
}

/// A successful call of no chain in particular.
#[cfg(test)]
pub(super) fn sample(request_id: &str) -> Decision {
    Decision {
        ts_ms: 0,
        request_id: request_id.into(),
        profile: SmolStr::default(),
        chain: SmolStr::default(),
        chain_id: None,
        method: SmolStr::default(),
        method_id: MethodId::OTHER,
        strategy: None,
        provider: None,
        instance_id: None,
        transport: None,
        duration: Duration::ZERO,
        upstream: Duration::ZERO,
        result: Outcome::Success,
        error: None,
        message: None,
        own: false,
        failovers: 0,
        batch_size: None,
        batch_index: None,
        journal: Arc::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_errors_are_masked_before_they_are_cut() {
        let key = "0123456789abcdef";
        let text = format!("{}https://node.example/v2/{key}", "x".repeat(226));
        assert!(!shown(&text).contains("01234"), "{}", shown(&text));
        assert_eq!(shown(&"\u{e9}".repeat(300)).chars().count(), 256);
        assert_eq!(shown("execution reverted"), "execution reverted");
    }
}
