//! Subscriptions: how they come about, and how they break.

use std::time::Duration;

use lasso_rpc::streams::block::Header;
use lasso_rpc::streams::coordinator::{Input, Lease, LossReason, Peer};

use crate::oracle::Violation;
use crate::player::Player;
use crate::scenario::Fault;
use crate::trace;

use super::{Event, Held, World, peer};

impl<P: Player> World<'_, P> {
    pub(super) fn opens(&mut self, node: usize, fault: Fault, until: Duration) {
        self.say(|| format!("      p{node} is {fault:?} until {}", trace::time(until)));
        let at = match fault {
            Fault::Down => self.now + Duration::from_millis(self.rng.u64(0..20)),
            // It is noticed in the end.
            Fault::Silent { flushed: false } => until,
            _ => return,
        };
        let reason = if self.rng.bool() { LossReason::Disconnected } else { LossReason::Replaced };
        for held in self.leases.iter().filter(|held| held.node == node && !held.over) {
            let (lease, now) = (held.lease, self.now);
            let event = match held.from {
                Some(_) if held.confirmed <= now => Event::Lost { lease, reason },
                Some(_) => Event::Lost { lease, reason: LossReason::Disconnected },
                // It has not arrived yet, and will find nobody.
                None => continue,
            };
            self.queue.put(at.max(held.confirmed), event);
        }
    }

    pub(super) fn candidates(&mut self) -> Result<(), Violation> {
        let up = |&node: &usize| !self.provider(node).has(Fault::Down, self.now);
        let up: Vec<usize> = (0..self.nodes.len()).filter(up).collect();
        // Who refuses for good may have said so already.
        let providers = &self.scenario.providers;
        let able = up.iter().filter(|&&node| !providers[node].refuses).map(|&node| peer(node));
        let must_ask = self.attempts.must_ask(able, self.scenario.policy.attempts, self.now);
        let before = self.tally.subscribed;
        self.give(Input::Candidates(up.into_iter().map(peer).collect()))?;
        if must_ask && self.tally.subscribed == before {
            return Err(self.broken("waits without need", "another provider can be asked"));
        }
        Ok(())
    }

    pub(super) fn arrives(&mut self, lease: Lease) {
        let Held { node, over, .. } = *self.held(lease);
        if over {
            return;
        }
        let provider = &self.scenario.providers[node];
        let back = self.now + provider.link;
        let attempt = self.scenario.policy.establish_attempt;
        if provider.has(Fault::Down, self.now) {
            self.queue.put(back, Event::Refused { lease, lasting: false });
        } else if provider.window(self.now, |fault| matches!(fault, Fault::Silent { .. })).is_some() {
            // Some drivers have limits of their own.
            if self.rng.bool() {
                self.queue.put(self.now + attempt, Event::Refused { lease, lasting: false });
            }
        } else if provider.refuses {
            self.queue.put(back, Event::Refused { lease, lasting: true });
        } else if provider.has(Fault::Refusing, self.now) {
            self.queue.put(back, Event::Refused { lease, lasting: false });
        } else {
            let head = self.newest_known(node);
            let held = self.held(lease);
            (held.from, held.confirmed) = (Some(back - provider.link), back);
            self.queue.put(back, Event::Confirmed { lease, head });
        }
    }

    pub(super) fn confirmed(&mut self, lease: Lease, head: Option<Header>) -> Result<(), Violation> {
        let (node, over) = (self.held(lease).node, self.held(lease).over);
        if over {
            return Ok(());
        }
        if self.held(lease).released {
            // The answer crossed the release.
            return if self.scenario.echoes { self.give(Input::Confirmed { lease, head }) } else { Ok(()) };
        }
        let lowest = self.nodes.iter().map(|node| self.tree.number(node.tip())).min().unwrap_or_default();
        let newest = self.tree.number(self.nodes[node].tip());
        self.oracle.confirmed(lease, head.as_ref().map(|head| head.number), newest, lowest);
        self.give(Input::Confirmed { lease, head })
    }

    pub(super) fn subscribe(&mut self, lease: Lease, peer: Peer) -> Result<(), Violation> {
        self.tally.subscribed += 1;
        let node = usize::from(peer.0);
        if node >= self.nodes.len() || self.leases.iter().any(|held| held.lease == lease) {
            return Err(
                self.broken("subscribes wrongly", "no such provider, or a lease that was there before")
            );
        }
        if self.attempts.add(self.now) > self.scenario.policy.attempts as usize {
            return Err(self.broken("tries too often", "more subscriptions within five seconds than allowed"));
        }
        let at = self.now + self.provider(node).link;
        let held = Held { lease, node, from: None, confirmed: at, over: false, released: false };
        self.leases.push(held);
        self.queue.put(at, Event::Arrives { lease });
        Ok(())
    }
}
