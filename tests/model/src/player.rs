//! Who is judged: the coordinator, and in tests of the judge whoever plays its part.

use lasso_rpc::streams::block::BlockHash;
use lasso_rpc::streams::coordinator::{Action, Coordinator, Input};
use tokio::time::Instant;

use crate::chain;
use crate::scenario::{Kind, Scenario};

/// Something with the face of a coordinator.
pub trait Player {
    /// See [`Coordinator::start`].
    fn start(&mut self, now: Instant, out: &mut Vec<Action>);
    /// See [`Coordinator::handle`].
    fn handle(&mut self, input: Input, now: Instant, out: &mut Vec<Action>);
    /// See [`Coordinator::deadline`].
    fn deadline(&self) -> Option<Instant>;
    /// See [`Coordinator::tip`].
    fn tip(&self) -> Option<(u64, BlockHash)>;
}

impl Player for Coordinator {
    fn start(&mut self, now: Instant, out: &mut Vec<Action>) {
        Self::start(self, now, out);
    }

    fn handle(&mut self, input: Input, now: Instant, out: &mut Vec<Action>) {
        Self::handle(self, input, now, out);
    }

    fn deadline(&self) -> Option<Instant> {
        Self::deadline(self)
    }

    fn tip(&self) -> Option<(u64, BlockHash)> {
        Self::tip(self)
    }
}

/// The coordinator of a scenario.
#[must_use]
pub fn coordinator(scenario: &Scenario, now: Instant) -> Coordinator {
    match scenario.kind {
        Kind::Heads => Coordinator::heads(scenario.policy.clone(), now),
        Kind::Logs => Coordinator::logs(scenario.policy.clone(), chain::admits, now),
    }
}
