//! The task of one stream: what its coordinator is told, and what is done about what it says.

use std::sync::Arc;
use std::time::Duration;

use lasso_layers::call::Plan;
use lasso_layers::call::session::Delivery;
use lasso_layers::call::subscribe::{LogFilter, Topic};
use lasso_layers::catalog::{Channel, Provider};
use smol_str::SmolStr;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::block::Header;
use super::choose::able;
use super::coordinator::{
    Action, BlockId, Coordinator, FetchId, Input, Lease, LossReason, Note, Peer, Source, Unavailable,
};
use super::fetch::{Asked, Fetcher};
use super::hub::{Finale, Handle, Shared};
use super::key::StreamKey;
use super::leases::{Leases, Peers};
use super::log;
use crate::observe::Recovery;

/// How long subscribers wait for the block that their stream begins with, once a provider has confirmed.
const FIRST_BLOCK: Duration = Duration::from_secs(2);

/// Serves the subscribers of a stream for as long as there are any, or for as long as it can.
pub(super) async fn run(shared: Arc<Shared>, key: Arc<StreamKey>, handle: Arc<Handle>, plan: Plan) {
    let _counted = shared.counters.stream();
    let links = shared.chooser.links;
    let (mut connections, mut catalog) = (links.changes(), shared.generation.subscribe());
    let finale = Finale { shared, key, handle };
    // The call that the plan is from may have been overtaken by a reload.
    catalog.mark_changed();
    let mut stream = Stream::new(finale, plan);
    stream.start(Instant::now());
    while !stream.is_over {
        let deadline = stream.deadline();
        // All branches are cancel safe: what is not taken stays where it is. Which one is taken first does not matter,
        // since the coordinator takes everything in any order.
        tokio::select! {
            input = stream.leases.next() => stream.tell(input, Instant::now()),
            Some(answer) = stream.fetches.join_next() => {
                stream.tell(answer.expect("questions do not panic"), Instant::now());
            }
            Ok(()) = connections.changed() => stream.tell(Input::Available, Instant::now()),
            Ok(()) = catalog.changed() => stream.follow(Instant::now()),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                stream.wake(Instant::now());
            }
        }
    }
}

struct Stream {
    finale: Finale,
    /// Where the chain is in the catalogue that the stream follows.
    plan: Plan,
    coordinator: Coordinator,
    /// Providers that may be asked within five seconds.
    attempts: u32,
    peers: Peers,
    leases: Leases,
    fetches: JoinSet<Input>,
    /// A provider has confirmed, and nobody has been told yet. Whoever has an id misses nothing that happens from then
    /// on, even if the provider is lost at once: so the block that the stream begins with is known first, unless it takes
    /// until then.
    untold: Option<Instant>,
    is_over: bool,
}

impl Stream {
    fn new(finale: Finale, plan: Plan) -> Self {
        let shared = &finale.shared;
        let now = Instant::now();
        let chain = plan.chain();
        let block_time = shared.chooser.heights.block_time(chain.chain_id, chain.block_time);
        let policy = shared.policy.stream(&plan, block_time, able(&plan, &finale.key).count());
        let attempts = policy.attempts;
        let coordinator = match &finale.key.topic {
            Topic::Logs(filter) => {
                let filter = filter.clone();
                Coordinator::logs(policy, move |bloom| filter.may_match(&bloom.0), now)
            }
            _ => Coordinator::heads(policy, now),
        };
        let leases = Leases::new(shared.policy.release_after_failover);
        Self {
            plan,
            coordinator,
            attempts,
            peers: Peers::default(),
            leases,
            fetches: JoinSet::new(),
            untold: None,
            is_over: false,
            finale,
        }
    }

    fn start(&mut self, now: Instant) {
        let mut actions = Vec::new();
        self.coordinator.start(now, &mut actions);
        self.perform(actions, now);
    }

    /// Tells the coordinator what happened, and does what it says.
    fn tell(&mut self, input: Input, now: Instant) {
        let mut actions = Vec::new();
        self.coordinator.handle(input, now, &mut actions);
        self.perform(actions, now);
        self.acknowledge(now);
        if let Some((block, _)) = self.coordinator.tip() {
            self.finale.handle.record.told(block);
        }
    }

    /// Tells those who wait that the stream is there, once they can be told.
    fn acknowledge(&mut self, now: Instant) {
        let is_due = |until: &mut Instant| self.coordinator.tip().is_some() || now >= *until;
        if self.untold.take_if(is_due).is_some() {
            if let Some(peer) = self.coordinator.peer() {
                log::established(&self.finale.key, self.peers.channel(peer));
                self.finale.tell("subscribed", Some(self.peers.channel(peer)), "");
            }
            self.finale.handle.record.served_by(self.served_by());
            self.finale.handle.fanout.establish();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        [self.coordinator.deadline(), self.leases.deadline(), self.untold].into_iter().flatten().min()
    }

    fn wake(&mut self, now: Instant) {
        self.leases.forget(now);
        self.tell(Input::Tick, now);
    }

    /// Takes over the catalogue in force.
    fn follow(&mut self, now: Instant) {
        let Some(plan) = self.finale.shared.chooser.plan(&self.finale.key) else {
            log::withdrawn(&self.finale.key);
            self.finale.tell("failed", None, "withdrawn");
            self.is_over = true;
            return;
        };
        self.plan = plan;
        let gone = self.leases.unfit(|channel| self.provider(channel).is_some());
        for lease in gone {
            self.leases.release(lease, now);
            self.tell(Input::Lost { lease, reason: LossReason::Unhealthy }, now);
        }
    }

    fn perform(&mut self, actions: Vec<Action>, now: Instant) {
        for action in actions {
            if self.is_over {
                return;
            }
            match action {
                Action::Choose => {
                    let candidates = self.candidates(now);
                    self.tell(Input::Candidates(candidates), now);
                }
                Action::Subscribe { lease, peer } => self.subscribe(lease, peer, now),
                Action::Release { lease } => self.leases.release(lease, now),
                Action::FetchBlock { fetch, block, source } => self.fetch_block(fetch, block, source),
                Action::FetchLogs { fetch, header, prove, source } => {
                    self.fetch_logs(fetch, header, prove, source);
                }
                Action::Emit { payloads, filled } => {
                    let delivery = Delivery::all(payloads.iter().map(|payload| &payload[..]), filled);
                    self.finale.handle.fanout.deliver(&Arc::new(delivery));
                }
                Action::Established => self.untold = Some(now + FIRST_BLOCK),
                Action::Refuse(_) => {
                    log::refused(&self.finale.key);
                    self.finale.tell("failed", None, "refused");
                    self.is_over = true;
                }
                Action::End(end) => {
                    self.finale.shared.counters.exhausted();
                    log::exhausted(&self.finale.key, end);
                    self.finale.tell("failed", None, end.as_str());
                    self.is_over = true;
                }
                Action::Note(note) => {
                    if let Note::Stale { peer } = note {
                        self.leases.retire(self.peers.channel(peer), &self.finale.shared.pool);
                    }
                    self.note(note);
                }
            }
        }
    }

    fn candidates(&mut self, now: Instant) -> Vec<Peer> {
        let Finale { shared, key, .. } = &self.finale;
        let insist = self.coordinator.tip().is_some();
        let channels = shared.chooser.candidates(&self.plan, key, insist, now);
        channels.iter().filter_map(|channel| self.peers.name(channel)).collect()
    }

    fn subscribe(&mut self, lease: Lease, peer: Peer, now: Instant) {
        let channel = self.peers.channel(peer).clone();
        let Some(provider) = self.provider(&channel) else {
            return self.tell(Input::Refused { lease, lasting: false }, now);
        };
        let Finale { shared, key, .. } = &self.finale;
        let heads = if provider.subscribe_new_heads {
            shared.pool.join(&channel, &Topic::NewHeads)
        } else {
            let fetcher =
                self.fetcher(Asked::Only(channel.clone())).expect("the provider is one of the chain");
            shared.pool.poll(&channel, fetcher, self.poll_interval())
        };
        let logs = match &key.topic {
            topic @ Topic::Logs(_) => Some(shared.pool.join(&channel, topic)),
            _ => None,
        };
        self.leases.add(lease, channel, heads, logs);
    }

    fn fetch_block(&mut self, fetch: FetchId, block: BlockId, source: Source) {
        let fetcher = self.fetcher(self.asked(source));
        self.fetches.spawn(async move {
            let outcome = match fetcher {
                Some(fetcher) => fetcher.block(block).await,
                None => Err(Unavailable),
            };
            Input::Block { fetch, outcome }
        });
    }

    fn fetch_logs(&mut self, fetch: FetchId, header: Header, prove: bool, source: Source) {
        let fetcher = self.fetcher(self.asked(source));
        let filter = match &self.finale.key.topic {
            Topic::Logs(filter) => filter.clone(),
            _ => LogFilter::default(),
        };
        self.fetches.spawn(async move {
            let answer = match fetcher {
                Some(fetcher) if prove => fetcher.all_logs(&filter, &header).await,
                Some(fetcher) => fetcher.logs(&filter, header.hash).await.map(|logs| (logs, false)),
                None => Err(Unavailable),
            };
            let (outcome, complete) = match answer {
                Ok((logs, complete)) => (Ok(logs), complete),
                Err(unavailable) => (Err(unavailable), false),
            };
            Input::Logs { fetch, outcome, complete }
        });
    }

    fn note(&self, note: Note) {
        let Finale { shared, key, .. } = &self.finale;
        let (counters, channel) = (&shared.counters, |peer| self.peers.channel(peer));
        let record = &self.finale.handle.record;
        let budget = log::Budget { attempts: self.attempts, providers: able(&self.plan, key).count() };
        match note {
            Note::FailoverInitiated { from, reason } => {
                counters.failed_over();
                record.failed_over();
                log::failover_initiated(key, channel(from), reason, budget);
                self.finale.tell("failover", Some(channel(from)), reason);
            }
            Note::ResubscribeInitiated { to } => log::resubscribe_initiated(key, channel(to)),
            Note::FailoverCompleted { to, took, filled } => {
                counters.recovered(filled);
                record.filled(filled);
                record.served_by(self.provider(channel(to)).map(|provider| provider.id.clone()));
                log::failover_completed(key, channel(to), took, filled);
                self.finale.tell_recovered(channel(to), Recovery { took, filled_blocks: filled });
            }
            Note::Degraded => {
                record.degraded();
                log::degraded(key, budget);
                self.finale.tell("failed", None, "degraded");
            }
            Note::Stale { peer } => {
                log::stale(channel(peer), &key.topic);
                self.finale.tell("stale", Some(channel(peer)), "");
            }
            Note::Reorg { depth } => {
                counters.reorganised();
                log::reorganised(key, depth);
            }
            Note::Dropped(reason) => {
                counters.dropped(key.chain_id, reason);
                log::dropped(key, reason);
            }
            Note::LateLog => counters.late_log(),
            Note::GapLeft { blocks } => {
                counters.left_out(blocks);
                log::gap_left(key, blocks);
            }
        }
    }

    /// The id of the provider that serves the stream now.
    fn served_by(&self) -> Option<SmolStr> {
        let provider = self.provider(self.peers.channel(self.coordinator.peer()?))?;
        Some(provider.id.clone())
    }

    /// The provider of a WebSocket channel, if the chain still has it.
    fn provider(&self, channel: &Channel) -> Option<&Provider> {
        let is_its = |provider: &&Provider| provider.ws.as_ref().is_some_and(|ws| ws.key == channel.key);
        self.plan.chain().providers.iter().find(is_its)
    }

    fn asked(&self, source: Source) -> Asked {
        match source {
            Source::Peer(peer) => Asked::Only(self.peers.channel(peer).clone()),
            Source::AnyBut(peer) => Asked::AllBut(self.peers.channel(peer).clone()),
        }
    }

    fn fetcher(&self, asked: Asked) -> Option<Fetcher> {
        Fetcher::new(self.finale.shared.desk.clone(), &self.plan, &asked)
    }

    /// How often a provider that pushes no heads is asked for them.
    fn poll_interval(&self) -> Duration {
        let chain = self.plan.chain();
        let block_time = self.finale.shared.chooser.heights.block_time(chain.chain_id, chain.block_time);
        block_time.min(chain.settings.probe_interval)
    }
}
