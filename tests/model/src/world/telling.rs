//! What providers tell by themselves: heads, logs, and lies.

use std::time::Duration;

use lasso_rpc::streams::block::Header;
use lasso_rpc::streams::coordinator::{Input, Lease};

use crate::chain::{self, Block};
use crate::player::Player;
use crate::scenario::{Fault, Habits, Kind, TakesBack};

use super::{Event, Held, World};

impl<P: Player> World<'_, P> {
    pub(super) fn announce(&mut self, index: usize, left: &[Block], joined: &[Block]) {
        let Held { lease, node, confirmed, .. } = self.leases[index];
        let scenario = self.scenario;
        let provider = &scenario.providers[node];
        let mut at = (self.now + provider.link).max(confirmed);
        if let Some(window) = provider.window(self.now, |fault| matches!(fault, Fault::Silent { .. })) {
            if window.fault != (Fault::Silent { flushed: true }) {
                return;
            }
            at = at.max(window.until);
        }
        let heads_first = self.rng.bool();
        if heads_first {
            self.announce_heads(lease, node, at, joined);
        }
        if scenario.kind == Kind::Logs {
            self.announce_logs(lease, node, at, left, joined);
        }
        if !heads_first {
            self.announce_heads(lease, node, at, joined);
        }
        if provider.has(Fault::Lying, self.now) && self.rng.bool() {
            let header = self.lie(node);
            self.queue.put(at, Event::Live { lease, input: Input::Head { lease, header }, is_new: false });
        }
    }

    fn announce_heads(&mut self, lease: Lease, node: usize, at: Duration, joined: &[Block]) {
        let habits = self.habits(node).clone();
        let heads = match joined {
            [] if self.rng.bool() => &[self.nodes[node].tip()],
            [.., last] if !self.provider(node).announces_each => std::slice::from_ref(last),
            all => all,
        };
        for &block in heads {
            if self.rng.f64() < habits.loses_heads {
                continue;
            }
            let header = self.tree.header(block).clone();
            let input = Input::Head { lease, header };
            self.deliver(lease, at, input, &habits, habits.head_jitter, !joined.is_empty());
        }
    }

    fn announce_logs(&mut self, lease: Lease, node: usize, at: Duration, left: &[Block], joined: &[Block]) {
        let habits = self.habits(node).clone();
        let mut taken_back: Vec<Block> = left.to_vec();
        let takes_back = self.provider(node).takes_back;
        match takes_back {
            TakesBack::NewestFirst => {}
            TakesBack::OldestFirst => taken_back.reverse(),
            TakesBack::Never => taken_back.clear(),
        }
        for (block, is_removed) in taken_back
            .into_iter()
            .map(|block| (block, true))
            .chain(joined.iter().map(|&block| (block, false)))
        {
            let mut logs = self.tree.logs(block).to_vec();
            if is_removed && takes_back == TakesBack::NewestFirst {
                logs.reverse();
            }
            if logs.is_empty() || self.rng.f64() < habits.loses_logs {
                continue;
            }
            // All of a block again: a part of one could not be told from all of it.
            if !is_removed && self.rng.f64() < habits.late_repeats {
                let again = at + self.scenario.policy.heads_timeout.mul_f64(self.rng.f64() * 4.0);
                for log in logs.iter().filter(|_| again < self.scenario.calm) {
                    let input = Input::Log { lease, log: log.clone() };
                    self.queue.put(again, Event::Live { lease, input, is_new: false });
                }
            }
            for log in logs {
                if self.rng.f64() < habits.loses_some_logs {
                    continue;
                }
                let log = if is_removed { log.withdrawn() } else { log };
                self.deliver(lease, at, Input::Log { lease, log }, &habits, habits.log_jitter, true);
            }
        }
    }

    fn deliver(
        &mut self,
        lease: Lease,
        at: Duration,
        input: Input,
        habits: &Habits,
        jitter: Duration,
        is_new: bool,
    ) {
        if self.rng.f64() < habits.repeats {
            let again = at + jitter.mul_f64(self.rng.f64());
            self.queue.put(again, Event::Live { lease, input: input.clone(), is_new: false });
        }
        if matches!(input, Input::Head { .. }) && self.rng.f64() < habits.late_repeats {
            let again = at + self.scenario.policy.heads_timeout.mul_f64(self.rng.f64() * 4.0);
            if again < self.scenario.calm {
                self.queue.put(again, Event::Live { lease, input: input.clone(), is_new: false });
            }
        }
        let at = if jitter.is_zero() { at } else { at + jitter.mul_f64(self.rng.f64()) };
        self.queue.put(at, Event::Live { lease, input, is_new });
    }

    pub(super) fn lie(&mut self, node: usize) -> Header {
        let tip = self.tree.number(self.nodes[node].tip());
        let number = match self.rng.u8(..4) {
            0 => tip + self.rng.u64(2..6000),
            1 => tip.saturating_sub(self.rng.u64(0..4)),
            2 => tip + self.rng.u64(2..8),
            _ => tip + 1,
        };
        self.tally.lies += 1;
        chain::made_up(number, self.rng.u64(..))
    }

    /// What a new subscription comes with.
    pub(super) fn newest_known(&mut self, node: usize) -> Option<Header> {
        let habits = self.habits(node).clone();
        if self.provider(node).has(Fault::Lying, self.now) && self.rng.u8(..4) == 0 {
            return Some(self.lie(node));
        }
        if self.rng.f64() < habits.headless {
            return None;
        }
        let tip = self.nodes[node].tip();
        let back = if self.rng.f64() < habits.dated { self.rng.usize(1..4) } else { 0 };
        self.tree.branch(tip).nth(back).map(|block| self.tree.header(block).clone())
    }
}
