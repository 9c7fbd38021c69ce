//! One history: the network, its providers and the stream's player in virtual time, judged as it goes.

use std::time::Duration;

use fastrand::Rng;
use lasso_rpc::streams::block::Header;
use lasso_rpc::streams::coordinator::{
    Action, BlockId, End, FetchId, Input, Lease, LossReason, Note, Peer, Refusal, Source, Unavailable,
};
use tokio::time::Instant;

use crate::chain::{self, Block, Step, Tree};
use crate::node::Node;
use crate::oracle::{Oracle, Violation};
use crate::player::Player;
use crate::queue::Queue;
use crate::scenario::{Fault, Habits, Kind, Provider, Scenario, TakesBack};
use crate::tally::Tally;
use crate::trace;

/// So many ticks without any time passing are a machine that spins.
const SPINNING: u32 = 64;

/// How a history ended, and what was seen on the way.
#[derive(Debug)]
pub struct Played {
    /// What was broken, if anything.
    pub violation: Option<Violation>,
    /// What happened how often.
    pub tally: Tally,
}

/// Plays a scenario to its end. With `aloud`, all that is told and said is printed.
pub fn play<P: Player>(
    scenario: &Scenario,
    aloud: bool,
    make: impl FnOnce(&Scenario, Instant) -> P,
) -> Played {
    let base = Instant::now();
    let player = make(scenario, base);
    let mut world = World::new(scenario, aloud, base, player);
    let violation = world.run().err();
    world.tally.histories = 1;
    Played { violation, tally: world.tally }
}

struct World<'a, P> {
    scenario: &'a Scenario,
    aloud: bool,
    base: Instant,
    now: Duration,
    rng: Rng,
    tree: Tree,
    steps: Vec<Step>,
    nodes: Vec<Node>,
    queue: Queue<Event>,
    leases: Vec<Held>,
    player: P,
    oracle: Oracle,
    tally: Tally,
    out: Vec<Action>,
    subscribed: Vec<Duration>,
    ended: bool,
}

/// A subscription as the world sees it.
struct Held {
    lease: Lease,
    node: usize,
    /// Since when the provider sends.
    from: Option<Duration>,
    /// When the player hears that it is there.
    confirmed: Duration,
    /// Nothing of it comes any more.
    over: bool,
    released: bool,
}

enum Event {
    Adopt { node: usize, step: usize, orphaned: bool },
    Opens { node: usize, fault: Fault, until: Duration },
    Closes { node: usize, fault: Fault },
    Candidates,
    Arrives { lease: Lease },
    Refused { lease: Lease, lasting: bool },
    Confirmed { lease: Lease, head: Option<Header> },
    Lost { lease: Lease, reason: LossReason },
    Live { lease: Lease, input: Input, is_new: bool },
    Block { fetch: FetchId, block: BlockId, source: Source },
    Logs { fetch: FetchId, header: Header, prove: bool, source: Source },
}

impl<'a, P: Player> World<'a, P> {
    fn new(scenario: &'a Scenario, aloud: bool, base: Instant, player: P) -> Self {
        let (tree, steps) = Tree::grow(scenario);
        let nodes: Vec<Node> = scenario.providers.iter().map(|_| Node::new(&tree, steps[0].tip)).collect();
        let mut queue = Queue::new();
        for (node, provider) in scenario.providers.iter().enumerate() {
            for window in &provider.windows {
                queue.put(window.from, Event::Opens { node, fault: window.fault, until: window.until });
                queue.put(window.until, Event::Closes { node, fault: window.fault });
            }
            if let Some(step) = steps.get(1) {
                queue.put(step.at + provider.delay, Event::Adopt { node, step: 1, orphaned: false });
            }
        }
        Self {
            scenario,
            aloud,
            base,
            now: Duration::ZERO,
            rng: Rng::with_seed(scenario.seed ^ 0x3017_d1e5),
            oracle: Oracle::new(scenario),
            tree,
            steps,
            nodes,
            queue,
            leases: Vec::new(),
            player,
            tally: Tally::default(),
            out: Vec::new(),
            subscribed: Vec::new(),
            ended: false,
        }
    }

    fn run(&mut self) -> Result<(), Violation> {
        if self.aloud {
            trace::scenario(self.scenario);
        }
        let mut out = std::mem::take(&mut self.out);
        self.player.start(self.base, &mut out);
        self.act(&mut out)?;
        self.out = out;
        // Timers of a busy machine are late.
        let late = Duration::from_millis([0, 0, 1, 3][self.rng.usize(..4)]);
        let (mut ticks, mut ticked) = (0, Duration::MAX);
        while !self.ended {
            let wanted = self.player.deadline().map(|at| at.saturating_duration_since(self.base) + late);
            let event = self.queue.next_at().filter(|&at| at <= self.scenario.end);
            let wanted = wanted.map(|at| at.max(self.now)).filter(|&at| at <= self.scenario.end);
            let is_tick = match (wanted, event) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(tick), Some(event)) => tick < event || tick == event && self.rng.bool(),
            };
            if is_tick {
                self.now = wanted.expect("just seen");
                ticks = if ticked == self.now { ticks + 1 } else { 0 };
                ticked = self.now;
                if ticks > SPINNING {
                    return Err(self.broken("spins", "ticks are wanted again and again at once"));
                }
                self.give(Input::Tick)?;
            } else {
                self.now = event.expect("just seen");
                let event = self.queue.take().expect("just seen");
                self.happen(event)?;
            }
        }
        self.now = self.scenario.end;
        if self.ended {
            return Ok(());
        }
        let held = self.leases.iter().filter(|held| !held.over && !held.released).count();
        if held > 1 {
            return Err(self.broken("leaks leases", &format!("{held} subscriptions are held at the end")));
        }
        let tip = self.steps.last().expect("there is a beginning").tip;
        self.oracle.finish(&self.tree, &self.steps, tip)
    }

    // What happens

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Adopt { node, step, orphaned } => self.adopt(node, step, orphaned),
            Event::Opens { node, fault, until } => self.opens(node, fault, until),
            Event::Closes { node, fault } => {
                self.say(|| format!("      p{node} no longer {fault:?}"));
                return match fault {
                    Fault::Down | Fault::Refusing | Fault::Silent { .. } => self.give(Input::Available),
                    _ => Ok(()),
                };
            }
            Event::Candidates => {
                let up = |&node: &usize| !self.provider(node).has(Fault::Down, self.now);
                let peers = (0..self.nodes.len()).filter(up).map(peer).collect();
                return self.give(Input::Candidates(peers));
            }
            Event::Arrives { lease } => self.arrives(lease),
            Event::Refused { lease, lasting } => {
                let held = self.held(lease);
                held.over = true;
                if !held.released || self.scenario.echoes {
                    return self.give(Input::Refused { lease, lasting });
                }
            }
            Event::Confirmed { lease, head } => return self.confirmed(lease, head),
            Event::Lost { lease, reason } => {
                let held = self.held(lease);
                let was_over = std::mem::replace(&mut held.over, true);
                if !was_over && (!held.released || self.scenario.echoes) {
                    self.oracle.lost(lease);
                    return self.give(Input::Lost { lease, reason });
                }
            }
            Event::Live { lease, input, is_new } => {
                let Held { over, released, .. } = *self.held(lease);
                if over || released && !self.scenario.echoes {
                    return Ok(());
                }
                let is_held = !released;
                match &input {
                    Input::Head { header, .. } if is_new && is_held => {
                        self.oracle.announced(lease, header.number);
                    }
                    _ => {}
                }
                return self.give(input);
            }
            Event::Block { fetch, block, source } => return self.answer_block(fetch, block, source),
            Event::Logs { fetch, header, prove, source } => {
                return self.answer_logs(fetch, &header, prove, source);
            }
        }
        Ok(())
    }

    fn adopt(&mut self, node: usize, step: usize, orphaned: bool) {
        if let Some(window) = self.provider(node).window(self.now, |fault| fault == Fault::Frozen) {
            let until = window.until;
            self.queue.put(until, Event::Adopt { node, step, orphaned });
            return;
        }
        let chance = self.habits(node).orphans;
        if !orphaned && self.rng.f64() < chance {
            let orphan = self.tree.push(Some(self.nodes[node].tip()));
            self.take(node, orphan);
            let pause = self.scenario.policy.heads_timeout.mul_f64(self.rng.f64() * 0.3);
            self.queue.put(self.now + pause, Event::Adopt { node, step, orphaned: true });
            return;
        }
        self.take(node, self.steps[step].tip);
        if let Some(next) = self.steps.get(step + 1) {
            let at = (next.at + self.provider(node).delay).max(self.now);
            self.queue.put(at, Event::Adopt { node, step: step + 1, orphaned: false });
        }
    }

    /// A node takes a block for its newest, and tells whoever subscribed.
    fn take(&mut self, node: usize, tip: Block) {
        let (left, joined) = self.nodes[node].adopt(&self.tree, tip, self.now);
        self.say(|| format!("      p{node} is at {}", trace::block(&self.tree, tip)));
        for index in 0..self.leases.len() {
            let held = &self.leases[index];
            if held.node == node && !held.over && held.from.is_some() {
                self.announce(index, &left, &joined);
            }
        }
    }

    fn announce(&mut self, index: usize, left: &[Block], joined: &[Block]) {
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

    fn lie(&mut self, node: usize) -> Header {
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

    fn opens(&mut self, node: usize, fault: Fault, until: Duration) {
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

    fn arrives(&mut self, lease: Lease) {
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

    /// What a new subscription comes with.
    fn newest_known(&mut self, node: usize) -> Option<Header> {
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

    fn confirmed(&mut self, lease: Lease, head: Option<Header>) -> Result<(), Violation> {
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

    fn answer_block(&mut self, fetch: FetchId, id: BlockId, source: Source) -> Result<(), Violation> {
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

    fn answer_logs(
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
                None if self.rng.bool() => outcome = Ok(Vec::new()),
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

    fn answered_at(&mut self, source: Source) -> Duration {
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

    // What the player does

    fn give(&mut self, input: Input) -> Result<(), Violation> {
        self.say(|| format!("  <-  {}", trace::input(&self.tree, &input)));
        self.tally.inputs += 1;
        let mut out = std::mem::take(&mut self.out);
        self.player.handle(input, self.base + self.now, &mut out);
        let acted = self.act(&mut out);
        self.out = out;
        if let Some((number, _)) = self.player.tip() {
            self.oracle.reached(number);
        }
        acted
    }

    fn act(&mut self, out: &mut Vec<Action>) -> Result<(), Violation> {
        for action in out.drain(..) {
            self.say(|| format!("   -> {}", trace::action(&self.tree, &action)));
            if self.ended {
                return Err(self.broken("goes on after its end", &trace::action(&self.tree, &action)));
            }
            self.perform(action)?;
        }
        Ok(())
    }

    fn perform(&mut self, action: Action) -> Result<(), Violation> {
        match action {
            Action::Choose => {
                let at = self.now + Duration::from_millis(self.rng.u64(0..=2));
                self.queue.put(at, Event::Candidates);
            }
            Action::Subscribe { lease, peer } => return self.subscribe(lease, peer),
            Action::Release { lease } => {
                self.held(lease).released = true;
                self.oracle.lost(lease);
            }
            Action::FetchBlock { fetch, block, source } => {
                self.tally.fetched_blocks += 1;
                let at = self.answered_at(source);
                self.queue.put(at, Event::Block { fetch, block, source });
            }
            Action::FetchLogs { fetch, header, prove, source } => {
                self.tally.fetched_logs += 1;
                self.tally.proofs += u64::from(prove);
                if self.scenario.kind == Kind::Heads {
                    return Err(self.broken("asks for logs", "in a stream of heads"));
                }
                let at = self.answered_at(source);
                self.queue.put(at, Event::Logs { fetch, header, prove, source });
            }
            Action::Emit { payloads, filled } => {
                self.tally.filled += if filled { payloads.len() as u64 } else { 0 };
                self.tally.emitted += payloads.len() as u64;
                return self.oracle.emitted(&self.tree, self.now, &payloads);
            }
            Action::Established => {
                self.tally.established += 1;
                return self.oracle.established(self.now);
            }
            Action::Refuse(refusal) => return self.refused(refusal),
            Action::End(end) => return self.over(end),
            Action::Note(note) => return self.noted(note),
            other => return Err(self.broken("unknown action", &trace::action(&self.tree, &other))),
        }
        Ok(())
    }

    fn subscribe(&mut self, lease: Lease, peer: Peer) -> Result<(), Violation> {
        self.tally.subscribed += 1;
        let node = usize::from(peer.0);
        if node >= self.nodes.len() || self.leases.iter().any(|held| held.lease == lease) {
            return Err(
                self.broken("subscribes wrongly", "no such provider, or a lease that was there before")
            );
        }
        let span = Duration::from_secs(5);
        self.subscribed.retain(|&at| at + span > self.now);
        self.subscribed.push(self.now);
        if self.subscribed.len() > self.scenario.policy.attempts as usize {
            return Err(self.broken("tries too often", "more subscriptions within five seconds than allowed"));
        }
        let at = self.now + self.provider(node).link;
        let held = Held { lease, node, from: None, confirmed: at, over: false, released: false };
        self.leases.push(held);
        self.queue.put(at, Event::Arrives { lease });
        Ok(())
    }

    fn refused(&mut self, refusal: Refusal) -> Result<(), Violation> {
        self.ended = true;
        self.tally.refused += 1;
        let providers = &self.scenario.providers;
        let lasting = providers.iter().filter(|provider| provider.refuses).count();
        // Nobody is waited for who has not been there for a while.
        let up = providers.iter().filter(|provider| !provider.has(Fault::Down, self.now)).count();
        if self.tally.established > 0 || lasting < 3.min(up.max(1)) {
            return Err(self.broken("refuses without need", &format!("{refusal:?}")));
        }
        Ok(())
    }

    fn over(&mut self, end: End) -> Result<(), Violation> {
        self.ended = true;
        self.tally.ended(end);
        if !self.oracle.is_strict() {
            return Err(self.broken("ends a best-effort stream", &format!("{end:?}")));
        }
        let is_justified = match end {
            End::OutOfTime => self.is_unservable(),
            End::GapTooWide => self.is_wide(),
            End::TooDeep => self.oracle.may_be_too_deep(),
            _ => false,
        };
        if is_justified { Ok(()) } else { Err(self.broken("ends without need", &format!("{end:?}"))) }
    }

    fn noted(&mut self, note: Note) -> Result<(), Violation> {
        self.tally.noted(note);
        if let Note::GapLeft { blocks } = note {
            if self.oracle.is_strict() {
                return Err(self.broken("leaves a gap", "though the policy is strict"));
            }
            if !self.is_unservable() && !self.is_wide() && !self.oracle.may_be_too_deep() {
                return Err(self.broken("leaves a gap without need", &format!("of {blocks} blocks")));
            }
            self.oracle.gap_left(blocks);
        }
        Ok(())
    }

    /// Nobody could have served the stream all the time that recovering may take.
    fn is_unservable(&self) -> bool {
        let since = self.now.saturating_sub(self.scenario.policy.recovery_deadline);
        !self.scenario.is_servable(since, self.now)
    }

    /// The network is further ahead of the stream than is filled.
    fn is_wide(&self) -> bool {
        let highest = self.nodes.iter().map(|node| self.tree.number(node.tip())).max().unwrap_or_default();
        self.oracle.is_wide(highest)
    }

    // Look-ups

    fn provider(&self, node: usize) -> &'a Provider {
        &self.scenario.providers[node]
    }

    fn habits(&self, node: usize) -> &'a Habits {
        static GOOD: Habits = Habits::GOOD;
        if self.now < self.scenario.calm { &self.provider(node).habits } else { &GOOD }
    }

    fn held(&mut self, lease: Lease) -> &mut Held {
        self.leases.iter_mut().rev().find(|held| held.lease == lease).expect("the world made it")
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.aloud {
            println!("{} {}", trace::time(self.now), what());
        }
    }

    fn broken(&self, rule: &'static str, text: &str) -> Violation {
        Violation { rule, text: format!("{} {text}", trace::time(self.now)) }
    }
}

fn peer(node: usize) -> Peer {
    Peer(u16::try_from(node).expect("a handful"))
}
