//! A machine, a clock, and a chain that its questions are answered from.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lasso_layers::catalog::Continuity;
use tokio::time::Instant;

use super::super::super::protocol::{
    Action, BlockId, End, FetchId, Input, Lease, LossReason, Note, Peer, Source, StreamPolicy, Unavailable,
};
use super::super::Coordinator;
use crate::streams::block::{BlockHash, Bloom, Header, Log};

pub(super) const A: Peer = Peer(0);
pub(super) const B: Peer = Peer(1);
pub(super) const C: Peer = Peer(2);

/// A block by number and branch, such as `11` of branch `'a'`.
pub(super) type Name = (u64, char);

pub(super) fn hash((number, fork): Name) -> BlockHash {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    hash[8] = u8::try_from(fork).unwrap();
    BlockHash(hash)
}

/// What the providers know, and what was said to the machine and by it.
pub(super) struct Rig {
    machine: Coordinator,
    pub(super) now: Instant,
    /// Every block that can be asked for, with its parent's branch and its logs.
    blocks: BTreeMap<Name, (char, Vec<u64>)>,
    /// The branch that numbers are answered from.
    pub(super) canonical: char,
    /// Providers of which questions are not answered.
    pub(super) mute: Vec<Peer>,
    /// Asked and not answered.
    pub(super) open: VecDeque<Action>,
    pub(super) candidates: Vec<Peer>,
    /// Every question ever asked.
    pub(super) asked: Vec<String>,
    pub(super) subscribed: Vec<(Lease, Peer)>,
    emitted: Vec<String>,
    pub(super) notes: Vec<Note>,
    pub(super) end: Option<End>,
    pub(super) said: Vec<Action>,
}

impl Rig {
    pub(super) fn heads(policy: StreamPolicy) -> Self {
        let now = Instant::now();
        Self::new(Coordinator::heads(policy, now), now)
    }

    /// Logs; blooms that are not empty admit.
    pub(super) fn logs(policy: StreamPolicy) -> Self {
        let now = Instant::now();
        Self::new(Coordinator::logs(policy, |bloom| bloom.0[0] != 0, now), now)
    }

    fn new(machine: Coordinator, now: Instant) -> Self {
        let mut rig = Self {
            machine,
            now,
            blocks: BTreeMap::new(),
            canonical: 'a',
            mute: Vec::new(),
            open: VecDeque::new(),
            candidates: vec![A, B, C],
            asked: Vec::new(),
            subscribed: Vec::new(),
            emitted: Vec::new(),
            notes: Vec::new(),
            end: None,
            said: Vec::new(),
        };
        let mut out = Vec::new();
        rig.machine.start(now, &mut out);
        rig.take(out);
        rig
    }

    /// A stream that is served by A, whose head is block 10.
    pub(super) fn served(mut self) -> Self {
        self.grow('a', 1..=10);
        self.confirm(Some((10, 'a')));
        self
    }

    /// Blocks of a branch, the first one on top of its own branch or, where that has none, of branch `'a'`.
    pub(super) fn grow(&mut self, fork: char, numbers: std::ops::RangeInclusive<u64>) {
        for number in numbers {
            let below = number.checked_sub(1).is_some_and(|below| self.blocks.contains_key(&(below, fork)));
            self.blocks.insert((number, fork), (if below { fork } else { 'a' }, Vec::new()));
        }
    }

    /// Gives a block logs.
    pub(super) fn put_logs(&mut self, name: Name, indices: &[u64]) {
        self.blocks.get_mut(&name).unwrap().1 = indices.to_vec();
    }

    pub(super) fn header(&self, name: Name) -> Header {
        let (parent, logs) = &self.blocks[&name];
        let payload = Bytes::from(format!("{}{}", name.0, name.1));
        let bloom = Bloom([u8::from(!logs.is_empty()); 256]);
        let parent = hash((name.0 - 1, *parent));
        Header { number: name.0, hash: hash(name), parent, bloom: Some(Arc::new(bloom)), payload }
    }

    pub(super) fn log(&self, name: Name, index: u64) -> Log {
        let payload = Bytes::from(format!(r#"{{"at":"{}{}/{index}"}}"#, name.0, name.1));
        Log { block: hash(name), number: name.0, index, removed: false, payload }
    }

    // === what happens ===

    pub(super) fn give(&mut self, input: Input) {
        let mut out = Vec::new();
        self.machine.handle(input, self.now, &mut out);
        self.take(out);
    }

    /// The provider that was asked last confirms.
    pub(super) fn confirm(&mut self, head: Option<Name>) {
        let (lease, _) = *self.subscribed.last().unwrap();
        let head = head.map(|name| self.header(name));
        self.give(Input::Confirmed { lease, head });
    }

    pub(super) fn refuse(&mut self, lasting: bool) {
        let (lease, _) = *self.subscribed.last().unwrap();
        self.give(Input::Refused { lease, lasting });
    }

    pub(super) fn lose(&mut self, reason: LossReason) {
        let (lease, _) = *self.subscribed.last().unwrap();
        self.give(Input::Lost { lease, reason });
    }

    pub(super) fn head(&mut self, name: Name) {
        let (lease, _) = *self.subscribed.last().unwrap();
        let header = self.header(name);
        self.give(Input::Head { lease, header });
    }

    pub(super) fn live_log(&mut self, name: Name, index: u64) {
        let (lease, _) = *self.subscribed.last().unwrap();
        let log = self.log(name, index);
        self.give(Input::Log { lease, log });
    }

    /// A head that nobody has.
    pub(super) fn made_up_head(&mut self, name: Name) {
        self.grow(name.1, name.0..=name.0);
        self.head(name);
        self.blocks.remove(&name);
    }

    /// A head with its logs, and the quiet after them.
    pub(super) fn block(&mut self, name: Name) {
        for index in self.blocks[&name].1.clone() {
            self.live_log(name, index);
        }
        self.head(name);
        self.answer();
        self.pass(20);
    }

    /// Time goes by; the machine is called when it asked to be.
    pub(super) fn pass(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        let mut ticks = 0;
        while let Some(at) = self.machine.deadline().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.give(Input::Tick);
            self.answer();
            ticks += 1;
            assert!(ticks < 5000, "it spins: {:?}", self.machine);
        }
        self.now = until;
    }

    /// Answers every open question, and those that follow.
    pub(super) fn answer(&mut self) {
        while let Some(question) = self.open.pop_front() {
            let answer = self.answer_to(question);
            self.give(answer);
        }
    }

    fn answer_to(&self, question: Action) -> Input {
        let reached = |source| !matches!(source, Source::Peer(peer) if self.mute.contains(&peer));
        match question {
            Action::FetchBlock { fetch, block, source } => {
                let outcome = if reached(source) { Ok(self.find(block)) } else { Err(Unavailable) };
                Input::Block { fetch, outcome }
            }
            Action::FetchLogs { fetch, header, prove, source } if reached(source) => {
                let name = self.blocks.keys().find(|name| hash(**name) == header.hash).copied();
                let logs =
                    name.map(|name| self.blocks[&name].1.iter().map(move |index| self.log(name, *index)));
                let outcome = logs.map(Iterator::collect).ok_or(Unavailable);
                Input::Logs { fetch, outcome, complete: prove }
            }
            Action::FetchLogs { fetch, .. } => {
                Input::Logs { fetch, outcome: Err(Unavailable), complete: false }
            }
            other => panic!("no question: {other:?}"),
        }
    }

    fn find(&self, block: BlockId) -> Option<Header> {
        let of_number = |number| {
            let own = (number, self.canonical);
            if self.blocks.contains_key(&own) { own } else { (number, 'a') }
        };
        let name = match block {
            BlockId::Latest => {
                *self.blocks.keys().rev().find(|name| name.1 == self.canonical).expect("it has blocks")
            }
            BlockId::Number(number) => of_number(number),
            BlockId::Hash(wanted) => *self.blocks.keys().find(|name| hash(**name) == wanted)?,
        };
        self.blocks.contains_key(&name).then(|| self.header(name))
    }

    // === what was said ===

    fn take(&mut self, out: Vec<Action>) {
        for action in out {
            assert!(self.end.is_none(), "after the end: {action:?}");
            self.said.push(action.clone());
            match action {
                Action::Choose => {
                    let candidates = self.candidates.clone();
                    self.give(Input::Candidates(candidates));
                }
                Action::Subscribe { lease, peer } => self.subscribed.push((lease, peer)),
                Action::FetchBlock { block, source, .. } => {
                    let what = match block {
                        BlockId::Hash(hash) => {
                            format!(
                                "{}{}",
                                u64::from_be_bytes(*hash.0.first_chunk().unwrap()),
                                hash.0[8] as char
                            )
                        }
                        other => format!("{other:?}"),
                    };
                    self.asked.push(format!("{what} {source:?}"));
                    self.open.push_back(action);
                }
                Action::FetchLogs { ref header, prove, source, .. } => {
                    let name = std::str::from_utf8(&header.payload).unwrap();
                    self.asked.push(format!("logs {name} {prove} {source:?}"));
                    self.open.push_back(action);
                }
                Action::Emit { payloads, .. } => {
                    assert!(!payloads.is_empty());
                    let text = |json: &Bytes| String::from_utf8(json.to_vec()).unwrap();
                    self.emitted.extend(payloads.iter().map(text).map(|json| short(&json)));
                }
                Action::Note(note) => self.notes.push(note),
                Action::End(end) => self.end = Some(end),
                Action::Release { .. } | Action::Established | Action::Refuse(_) => {}
            }
        }
    }

    /// What subscribers got since this was last asked.
    pub(super) fn emitted(&mut self) -> String {
        std::mem::take(&mut self.emitted).join(" ")
    }

    pub(super) fn peers(&self) -> Vec<Peer> {
        self.subscribed.iter().map(|(_, peer)| *peer).collect()
    }

    pub(super) fn has_completed(&self) -> bool {
        self.notes.iter().any(|note| matches!(note, Note::FailoverCompleted { .. }))
    }

    pub(super) fn machine(&self) -> &Coordinator {
        &self.machine
    }

    pub(super) fn next_fetch(&self) -> Option<FetchId> {
        self.open.iter().find_map(|action| match action {
            Action::FetchBlock { fetch, .. } | Action::FetchLogs { fetch, .. } => Some(*fetch),
            _ => None,
        })
    }
}

/// `11a` of a head; `11a/0` of a log, `-11a/0` of one that is taken back.
fn short(json: &str) -> String {
    let Some(log) = json.strip_prefix(r#"{"at":""#) else { return json.to_owned() };
    let name = log.split('"').next().unwrap();
    let sign = if json.contains(r#""removed":true"#) { "-" } else { "" };
    format!("{sign}{name}")
}

pub(super) fn strict() -> StreamPolicy {
    StreamPolicy::default()
}

pub(super) fn best_effort() -> StreamPolicy {
    StreamPolicy { continuity: Continuity::BestEffort, ..StreamPolicy::default() }
}
