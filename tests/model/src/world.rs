//! One history: the network, its providers and the stream's player in virtual time, judged as it goes.

mod answering;
mod attempts;
mod doing;
mod serving;
mod telling;

use std::time::Duration;

use fastrand::Rng;
use lasso_rpc::streams::block::Header;
use lasso_rpc::streams::coordinator::{Action, BlockId, FetchId, Input, Lease, LossReason, Peer, Source};
use tokio::time::Instant;

use crate::chain::{Block, Step, Tree};
use crate::node::Node;
use crate::oracle::{Oracle, Violation};
use crate::player::Player;
use crate::queue::Queue;
use crate::scenario::{Fault, Habits, Provider, Scenario};
use crate::tally::Tally;
use crate::trace;

use self::attempts::Attempts;

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
    attempts: Attempts,
    gap_left: bool,
    degraded: bool,
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
            attempts: Attempts::default(),
            gap_left: false,
            degraded: false,
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
            Event::Candidates => return self.candidates(),
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

    fn give(&mut self, input: Input) -> Result<(), Violation> {
        self.say(|| format!("  <-  {}", trace::input(&self.tree, &input)));
        self.tally.inputs += 1;
        let mut out = std::mem::take(&mut self.out);
        let from = self.player.tip();
        self.player.handle(input, self.base + self.now, &mut out);
        if !self.attempts.is_interrupted() {
            self.attempts.went(from, self.player.tip());
        }
        let acted = self.act(&mut out);
        self.out = out;
        if let Some((number, _)) = self.player.tip() {
            self.oracle.reached(number);
            if std::mem::take(&mut self.gap_left) {
                self.oracle.landed(number);
            }
        }
        acted
    }

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
