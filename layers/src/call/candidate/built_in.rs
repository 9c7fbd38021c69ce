//! The stages that need nothing but the catalogue.

use crate::call::{Subject, Verdict};

/// Why a channel is out whose provider declares that it does not serve the method.
pub(super) const METHOD_UNSUPPORTED: &str = "method_unsupported";

/// The client may have asked for one transport.
pub(super) fn transport(subject: &Subject<'_>) -> Verdict {
    let wanted = subject.plan.transport;
    exclude_if(wanted.is_some_and(|wanted| wanted != subject.channel.transport), "transport")
}

/// The client may have named a provider, and wants no other.
pub(super) fn pin(subject: &Subject<'_>, pinned: bool) -> Verdict {
    exclude_if(subject.plan.pin.is_some_and(|pin| !pinned && !pin.failover), "override")
}

/// The call may need old state.
pub(super) fn archival(subject: &Subject<'_>) -> Verdict {
    exclude_if(subject.hints.archival && !subject.provider.archival, "not_archival")
}

/// The profile may list the providers that serve the method; an empty list means all.
pub(super) fn allowed(subject: &Subject<'_>, allowed: &[String]) -> Verdict {
    let is_listed = allowed.iter().any(|id| *id == subject.provider.id);
    exclude_if(!allowed.is_empty() && !is_listed, "method_override")
}

/// The provider may declare that it does not serve the method.
pub(super) fn method(subject: &Subject<'_>, method: &str) -> Verdict {
    exclude_if(!subject.provider.capabilities.supports(subject.call.method, method), METHOD_UNSUPPORTED)
}

const fn exclude_if(condition: bool, reason: &'static str) -> Verdict {
    if condition { Verdict::exclude(reason) } else { Verdict::Keep }
}
