//! What the process hears: calls, breakers, links, streams and blocks, for pages, metrics and the dashboard.
//!
//! [`Observed`] is told of every call, where the call ends, and of every change, where it happens. From there it goes to
//! three places: the ring of the latest [`Decisions`], the [`Feed`] of who watches just now, and each [`Listener`].
//! Nothing is formatted on the way and nobody is woken; who wants to know looks at times of their own choosing.

mod decision;
mod decisions;
mod event;
mod feed;
mod page;
mod tip;

use std::collections::HashMap;
use std::fmt;
use std::slice;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use lasso_layers::attempt::breaker::Transition;
use lasso_layers::call::observe::{Observer, Report};
use lasso_layers::catalog::Channel;

pub use self::decision::{Decision, Outcome};
pub use self::decisions::Decisions;
pub use self::event::{BreakerChange, Event, LinkChange, NewBlock, Recovery, StreamChange};
pub use self::feed::{Feed, Watch};
pub(crate) use self::page::DecisionPage;
use crate::clock::Moment;
use crate::upstream::ws::LinkState;

/// Wants to know of everything that happens, at once and on the thread on which it happens: it has to be quick and must
/// not wait.
pub trait Listener: Observer {
    /// Something other than a call happened.
    fn noted(&self, event: &Event);
}

/// Everything that is heard. A handle; clones share it.
#[derive(Clone)]
pub struct Observed(Arc<Heard>);

struct Heard {
    decisions: Decisions,
    feed: Feed,
    listeners: ArcSwap<Vec<Arc<dyn Listener>>>,
    /// The last known height of each chain.
    heights: Mutex<HashMap<u64, Option<u64>>>,
}

impl Observed {
    /// Keeps that many decisions.
    #[must_use]
    pub fn new(kept_decisions: usize) -> Self {
        let (decisions, feed) = (Decisions::new(kept_decisions), Feed::new());
        Self(Arc::new(Heard { decisions, feed, listeners: ArcSwap::default(), heights: Mutex::default() }))
    }

    /// The latest decisions.
    #[must_use]
    pub fn decisions(&self) -> &Decisions {
        &self.0.decisions
    }

    /// What happens while somebody watches.
    #[must_use]
    pub fn feed(&self) -> &Feed {
        &self.0.feed
    }

    /// Has everything told to this listener too, for good. What happened before is not repeated.
    pub fn listen(&self, listener: Arc<dyn Listener>) {
        self.0.listeners.rcu(|known| [known.as_slice(), slice::from_ref(&listener)].concat());
    }

    /// Tells everybody that something other than a call happened.
    pub fn note(&self, event: Event) {
        for listener in self.0.listeners.load().iter() {
            listener.noted(&event);
        }
        self.0.feed.push(event);
    }

    /// Tells everybody of a link's state.
    pub(crate) fn link_changed(&self, channel: &Channel, state: LinkState, unexpected: bool) {
        self.note(Event::Link(LinkChange {
            ts_ms: Moment::now().unix_ms(),
            instance: channel.instance,
            instance_id: channel.instance_id.clone(),
            known_as: channel.known_as.clone(),
            chain_id: channel.chain_id,
            state,
            unexpected,
        }));
    }

    /// Takes the height that the nodes of a chain agree on after one of them, over this channel, told its own. Tells
    /// everybody if the chain has grown.
    pub(crate) fn height_known(&self, channel: &Channel, consensus: Option<u64>) {
        let Some(height) = consensus else { return };
        let (chain_id, instance) = (channel.chain_id, channel.instance);
        // Background tasks alone come here, a few times for each block.
        let mut heights = self.0.heights.lock().expect("nothing panics while it holds the lock");
        if tip::moves(heights.entry(chain_id).or_default(), height) {
            drop(heights);
            self.note(Event::Block(NewBlock { ts_ms: Moment::now().unix_ms(), chain_id, instance, height }));
        }
    }

    /// Tells everybody that a breaker changed; for [`Breakers::observe`](lasso_layers::attempt::breaker::Breakers::observe).
    pub fn breaker_changed(&self, channel: &Channel, transition: &Transition) {
        self.note(Event::Breaker(BreakerChange::of(channel, transition, Moment::now())));
    }
}

impl Observer for Observed {
    fn finished(&self, report: &Report<'_>) {
        for listener in self.0.listeners.load().iter() {
            listener.finished(report);
        }
        let decision = Arc::new(Decision::of(report, Moment::now()));
        if self.0.feed.is_watched() {
            self.0.feed.push(Event::Decision(decision.clone()));
        }
        self.0.decisions.push(decision);
    }

    fn cancelled(&self, report: &Report<'_>) {
        for listener in self.0.listeners.load().iter() {
            listener.cancelled(report);
        }
        self.0.decisions.push(Arc::new(Decision::of(report, Moment::now())));
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").field("feed", &self.0.feed).finish_non_exhaustive()
    }
}
