//! What probes have to say to operators.

use lasso_layers::call::Failure;
use lasso_layers::catalog::Channel;
use lasso_layers::state::health::Status;

use super::super::ask::told;
use super::schedule::Change;

/// Writes down what operators want to know: when an upstream is lost, and when it is back.
pub(super) fn change(channel: &Channel, change: Change, failure: Option<&Failure>) {
    if change.from == change.to {
        return;
    }
    let (from, to) = (change.from.as_str(), change.to.as_str());
    match (change.from, change.to) {
        (_, Status::Unhealthy | Status::Misconfigured) => tracing::warn!(
            event = "lasso.probe.unhealthy",
            instance_id = %channel.instance_id,
            provider_id = %channel.known_as,
            chain_id = channel.chain_id,
            from,
            to,
            failures = change.failures,
            error_category = failure.map(|failure| failure.category().as_str()),
            error_message = failure.map(told),
            "upstream fails its probes",
        ),
        (Status::Unhealthy | Status::Misconfigured, Status::Healthy) => tracing::info!(
            event = "lasso.probe.recovered",
            instance_id = %channel.instance_id,
            provider_id = %channel.known_as,
            chain_id = channel.chain_id,
            from,
            to,
            "upstream answers its probes again",
        ),
        _ => tracing::debug!(
            event = "lasso.probe.changed",
            instance_id = %channel.instance_id,
            provider_id = %channel.known_as,
            chain_id = channel.chain_id,
            from,
            to,
            "health of an upstream changed",
        ),
    }
}
