//! What a profile calls what the process hears of.

use foldhash::HashMap;
use lasso_layers::catalog::{InstanceKey, Profile};
use smol_str::SmolStr;

use crate::live::view::{DecisionView, EventKind};
use crate::observe::Event;

/// The names of a profile: events are about instances, which profiles share under names of their own.
#[derive(Debug)]
pub(in crate::live) struct Names {
    profile: SmolStr,
    node: SmolStr,
    /// Chain and provider.
    providers: HashMap<InstanceKey, (SmolStr, SmolStr)>,
}

impl Names {
    pub(in crate::live) fn of(profile: &Profile, node: SmolStr) -> Self {
        let mut providers = HashMap::default();
        for chain in profile.chains() {
            for provider in &chain.providers {
                for channel in provider.channels() {
                    let named = || (chain.key.clone(), provider.id.clone());
                    // Where a chain lists an instance twice, the first one stands for it.
                    providers.entry(channel.instance).or_insert_with(named);
                }
            }
        }
        Self { profile: profile.slug.clone(), node, providers }
    }

    /// What the profile is told of an event; nothing if it is none of its business.
    pub(in crate::live) fn event(&self, event: &Event) -> Option<EventKind> {
        let (chain, provider);
        Some(match event {
            Event::Decision(decision) => {
                let is_mine = decision.profile == self.profile;
                EventKind::Decision(is_mine.then(|| DecisionView::of(decision, &self.node))?)
            }
            Event::Breaker(change) => {
                (chain, provider) = self.providers.get(&change.instance)?.clone();
                EventKind::Breaker {
                    ts: change.ts_ms,
                    chain,
                    provider,
                    instance_id: change.instance_id.clone(),
                    transport: change.transport.as_str(),
                    from: change.from.as_str(),
                    to: change.to.as_str(),
                    reason: change.reason,
                    category: change.category.map(|category| category.as_str()),
                    code: change.code,
                    message: change.message.clone(),
                    retry_after_ms: change.recovery_timeout.map(lasso_layers::state::millis),
                }
            }
            Event::Link(change) => {
                (chain, provider) = self.providers.get(&change.instance)?.clone();
                let (state, unexpected) = (change.state.as_str(), change.unexpected);
                EventKind::Link { ts: change.ts_ms, chain, provider, transport: "ws", state, unexpected }
            }
            Event::Stream(change) => EventKind::Stream {
                ts: change.ts_ms,
                chain: (change.profile == self.profile).then(|| change.chain.clone())?,
                topic: change.topic,
                change: change.change,
                provider: change.provider.clone(),
                detail: change.detail,
            },
            Event::Block(block) => {
                (chain, provider) = self.providers.get(&block.instance)?.clone();
                EventKind::Block { ts: block.ts_ms, chain, height: block.height, provider }
            }
        })
    }
}
