//! What makes two subscriptions one stream.

use lasso_layers::call::Plan;
use lasso_layers::call::subscribe::Topic;
use smol_str::SmolStr;

/// Subscriptions with equal keys share a stream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct StreamKey {
    pub(super) profile: SmolStr,
    pub(super) chain_id: u64,
    /// The only provider it may come from.
    pub(super) pin: Option<SmolStr>,
    pub(super) topic: Topic,
}

impl StreamKey {
    pub(super) fn new(plan: &Plan, topic: Topic) -> Self {
        // A provider that only goes first is none that a stream is bound to.
        let pin = plan.pin.filter(|pin| !pin.failover);
        Self {
            profile: plan.profile().slug.clone(),
            chain_id: plan.chain().chain_id,
            pin: pin.map(|pin| plan.provider(pin.provider).id.clone()),
            topic,
        }
    }
}
