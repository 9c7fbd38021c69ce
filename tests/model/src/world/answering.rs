//! What providers answer when they are asked for blocks and logs.

use std::time::Duration;

use lasso_rpc::streams::block::Header;
use lasso_rpc::streams::coordinator::{BlockId, FetchId, Input, Source, Unavailable};

use crate::oracle::Violation;
use crate::player::Player;
use crate::scenario::Fault;

use super::World;

impl<P: Player> World<'_, P> {
    pub(super) fn answer_block(
        &mut self,
        fetch: FetchId,
        id: BlockId,
        source: Source,
    ) -> Result<(), Violation> {
        let outcome = match self.asked(source) {
            None => Err(Unavailable),
            Some(node) => {
                let nulls = self.habits(node).nulls;
                let provider = &self.scenario.providers[node];
                if provider.has(Fault::Blind, self.now) || self.rng.f64() < nulls {
                    Ok(None)
                } else if id == BlockId::Latest && provider.has(Fault::Lying, self.now) && self.rng.bool() {
                    Ok(Some(self.lie(node)))
                } else {
                    let block = self.nodes[node].block(&self.tree, id, provider.forgets);
                    Ok(block.map(|block| self.tree.header(block).clone()))
                }
            }
        };
        if let (BlockId::Latest, Ok(Some(header))) = (id, &outcome) {
            self.oracle.looked_up(header.number);
        }
        self.give(Input::Block { fetch, outcome })
    }

    pub(super) fn answer_logs(
        &mut self,
        fetch: FetchId,
        header: &Header,
        prove: bool,
        source: Source,
    ) -> Result<(), Violation> {
        let (mut outcome, mut complete) = (Err(Unavailable), false);
        let known = self.tree.find(header.hash);
        if let (Some(node), Some(block)) = (self.asked(source), known) {
            let habits = self.habits(node).clone();
            let provider = &self.scenario.providers[node];
            let is_wrong = self.rng.f64() < habits.wrong_logs;
            let lag = habits.index_lag.mul_f64(self.rng.f64());
            match self.nodes[node].since(block) {
                Some(since) if self.now < since + lag || provider.has(Fault::Logless, self.now) => {
                    outcome = Ok(Vec::new());
                }
                Some(_) if is_wrong => {
                    let other = self.tree.parent(block).unwrap_or(block);
                    outcome = Ok(self.tree.logs(other).to_vec());
                    complete = false;
                }
                Some(_) => {
                    let mut logs = self.tree.logs(block).to_vec();
                    self.rng.shuffle(&mut logs);
                    (outcome, complete) = (Ok(logs), prove);
                }
                None if self.rng.bool() && self.scenario.blooms => outcome = Ok(Vec::new()),
                None => {}
            }
        }
        self.give(Input::Logs { fetch, outcome, complete })
    }

    /// Who answers a question, if anybody does.
    fn asked(&mut self, source: Source) -> Option<usize> {
        let node = match source {
            Source::Peer(peer) => usize::from(peer.0),
            Source::AnyBut(peer) => {
                let others = (0..self.nodes.len()).filter(|&node| node != usize::from(peer.0));
                let answering: Vec<usize> =
                    others.filter(|&node| !self.provider(node).has(Fault::Mute, self.now)).collect();
                *answering.get(self.rng.usize(..answering.len().max(1)))?
            }
        };
        let fails = self.habits(node).fails;
        (!self.provider(node).has(Fault::Mute, self.now) && self.rng.f64() >= fails).then_some(node)
    }

    pub(super) fn answered_at(&mut self, source: Source) -> Duration {
        let node = match source {
            Source::Peer(peer) | Source::AnyBut(peer) => usize::from(peer.0).min(self.nodes.len() - 1),
        };
        let (least, most) = self.provider(node).answers;
        let mut takes = least + (most - least).mul_f64(self.rng.f64());
        let dawdles = self.habits(node).dawdles;
        if self.rng.f64() < dawdles {
            takes += self.scenario.policy.recovery_deadline.mul_f64(self.rng.f64() * 0.2);
        }
        self.now + takes
    }
}
