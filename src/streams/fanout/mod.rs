//! The subscribers of one stream.

mod line;
mod members;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lasso_layers::call::session::{Delivery, Ending, Subscriber};
use tokio::sync::oneshot;

use self::line::Line;
use self::members::Members;

/// Hands what a stream has to say to everybody who subscribed to it. Nobody is waited for: each subscriber has a queue of
/// its own, and a bound of its own.
#[derive(Debug, Default)]
pub(super) struct Fanout {
    state: Mutex<State>,
    line: Line,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// Shared with deliveries that are under way. A subscriber that is ended by a push leaves from within it, so no lock
    /// may be held then.
    members: Members,
    /// Those who wait for the stream to be there. Dropped unsaid when it will not be.
    waiting: Vec<(u64, oneshot::Sender<()>)>,
    /// The name of the next member.
    next: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nobody has an id yet.
    #[default]
    Establishing,
    /// Who comes is served at once.
    Established,
    /// Nobody is taken in any more.
    Closed,
}

/// Who came in.
#[derive(Debug)]
pub(super) struct Entered {
    /// Its name, to leave with.
    pub(super) name: u64,
    /// Resolves when the stream is there; to an error when it will not be.
    pub(super) established: oneshot::Receiver<()>,
}

impl Fanout {
    /// Takes a subscriber in. Nothing once nobody is taken in any more.
    pub(super) fn enter(&self, subscriber: &Subscriber) -> Option<Entered> {
        let mut state = self.state();
        let (sender, established) = oneshot::channel();
        let name = state.next;
        match state.phase {
            Phase::Closed => return None,
            Phase::Establishing => state.waiting.push((name, sender)),
            Phase::Established => sender.send(()).expect("the other half is here"),
        }
        state.next += 1;
        state.members.push(name, subscriber.clone());
        Some(Entered { name, established })
    }

    /// Lets a subscriber go. Whether it was the last one: nobody is taken in after it.
    pub(super) fn leave(&self, name: u64) -> bool {
        let mut state = self.state();
        if state.phase == Phase::Closed {
            return false;
        }
        state.members.remove(name);
        state.waiting.retain(|(waiting, _)| *waiting != name);
        let is_last = state.members.is_empty();
        if is_last {
            state.phase = Phase::Closed;
        }
        is_last
    }

    /// How many subscribers there are.
    pub(super) fn len(&self) -> usize {
        self.state().members.len()
    }

    /// The stream is there.
    pub(super) fn establish(&self) {
        let mut state = self.state();
        state.phase = Phase::Established;
        for (_, waiting) in state.waiting.drain(..) {
            // Who gave up is about to leave.
            let _ = waiting.send(());
        }
    }

    /// Hands everybody the same events.
    pub(super) fn deliver(&self, delivery: &Arc<Delivery>) {
        let members = self.state().members.clone();
        self.line.deliver(delivery, members);
    }

    /// Ends the stream for everybody: those who have an id lose their connection, those who wait for one learn that they
    /// wait in vain.
    pub(super) fn end(&self, ending: Ending) {
        let mut state = self.state();
        state.phase = Phase::Closed;
        let (members, waiting) = (std::mem::take(&mut state.members), std::mem::take(&mut state.waiting));
        drop(state);
        for (name, subscriber) in members.rows().iter().flat_map(|row| &**row) {
            if !waiting.iter().any(|(waiting, _)| waiting == name) {
                subscriber.end(ending);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
