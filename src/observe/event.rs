//! What can happen.

use std::sync::Arc;
use std::time::Duration;

use lasso_layers::attempt::breaker::{BreakerState, Transition};
use lasso_layers::catalog::{Category, Channel, InstanceKey, Transport};
use smol_str::SmolStr;

use super::Decision;
use crate::clock::Moment;
use crate::upstream::ws::LinkState;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A call was answered.
    Decision(Arc<Decision>),
    /// A breaker changed its state.
    Breaker(BreakerChange),
    /// A connection to a WebSocket upstream came or went.
    Link(LinkChange),
    /// A shared subscription changed.
    Stream(StreamChange),
    /// A chain is higher than it was known to be.
    Block(NewBlock),
}

/// A breaker changed its state.
#[derive(Clone, Debug)]
pub struct BreakerChange {
    /// When, in milliseconds since 1970.
    pub ts_ms: u64,
    /// The instance, as a number.
    pub instance: InstanceKey,
    /// Its public name.
    pub instance_id: SmolStr,
    /// The id of the first provider that names it.
    pub known_as: SmolStr,
    /// The chain's number.
    pub chain_id: u64,
    /// The channel's protocol.
    pub transport: Transport,
    /// The state before.
    pub from: BreakerState,
    /// The state after.
    pub to: BreakerState,
    /// Why.
    pub reason: &'static str,
    /// The kind of the failure that opened it.
    pub category: Option<Category>,
    /// That failure's code.
    pub code: Option<i64>,
    /// What clients read of it.
    pub message: Option<SmolStr>,
    /// Consecutive failures, the last one included.
    pub failures: u32,
    /// How often the breaker opened since it was last closed.
    pub openings: u32,
    /// How long it will be open.
    pub recovery_timeout: Option<Duration>,
}

/// How a stream went on after the loss of its provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// From the loss until it went on.
    pub took: Duration,
    /// Blocks that were filled in.
    pub filled_blocks: u64,
}

impl BreakerChange {
    pub(super) fn of(channel: &Channel, transition: &Transition, now: Moment) -> Self {
        let error = transition.error.as_deref();
        Self {
            ts_ms: now.unix_ms(),
            instance: channel.instance,
            instance_id: channel.instance_id.clone(),
            known_as: channel.known_as.clone(),
            chain_id: channel.chain_id,
            transport: channel.transport,
            from: transition.from,
            to: transition.to,
            reason: transition.reason.as_str(),
            category: error.map(|error| error.category),
            code: error.map(|error| error.code),
            message: error.map(|error| SmolStr::new(&error.message)),
            failures: transition.failures,
            openings: transition.openings,
            recovery_timeout: transition.recovery_timeout,
        }
    }
}

/// A connection to a WebSocket upstream came or went.
#[derive(Clone, Debug)]
pub struct LinkChange {
    /// When, in milliseconds since 1970.
    pub ts_ms: u64,
    /// The instance, as a number.
    pub instance: InstanceKey,
    /// Its public name.
    pub instance_id: SmolStr,
    /// The id of the first provider that names it.
    pub known_as: SmolStr,
    /// The chain's number.
    pub chain_id: u64,
    /// What the connection is now.
    pub state: LinkState,
    /// It went although nobody here wanted that.
    pub unexpected: bool,
}

/// A shared subscription changed.
#[derive(Clone, Debug)]
pub struct StreamChange {
    /// When, in milliseconds since 1970.
    pub ts_ms: u64,
    /// The profile's slug.
    pub profile: SmolStr,
    /// The chain's key; its number where the profile has it no more.
    pub chain: SmolStr,
    /// The chain's number.
    pub chain_id: u64,
    /// `newHeads`, `logs` or `newPendingTransactions`.
    pub topic: &'static str,
    /// `subscribed`, `failed`, `failover`, `stale`, `recovered` or `ended`.
    pub change: &'static str,
    /// The provider it is about.
    pub provider: Option<SmolStr>,
    /// A word on why; may be empty.
    pub detail: &'static str,
    /// How it went on after the loss of its provider, where that is what happened.
    pub recovery: Option<Recovery>,
}

/// A chain is higher than it was known to be.
#[derive(Clone, Debug)]
pub struct NewBlock {
    /// When, in milliseconds since 1970.
    pub ts_ms: u64,
    /// The chain's number.
    pub chain_id: u64,
    /// The instance that has the block.
    pub instance: InstanceKey,
    /// The block's number.
    pub height: u64,
}
