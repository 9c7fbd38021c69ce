//! One upstream subscription and everybody who uses it. No sockets and no tasks.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use super::{Gone, Seat, Signal, Tap, Update};
use crate::streams::block::Header;
use crate::streams::coordinator::LossReason;

/// How long the newest head counts as the one that the provider has.
const FRESH: Duration = Duration::from_secs(15);

/// What the users of one upstream subscription share.
#[derive(Debug, Default)]
pub(super) struct Entry {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// Those who are told. Fewer than seats: a user may stop listening before it leaves.
    users: Vec<User>,
    /// Those for whom the subscription is kept.
    seats: usize,
    /// Since when there are none.
    idle_since: Option<Instant>,
    /// The name of the next user.
    next: u64,
}

#[derive(Debug, Default)]
enum Phase {
    /// The provider has not confirmed yet.
    #[default]
    Opening,
    /// It has.
    Open {
        /// The last head that came, and when. Boxed: most subscriptions are to logs.
        newest: Option<Box<(Header, Instant)>>,
    },
    /// There is no subscription, or no longer.
    Over(Gone),
}

#[derive(Debug)]
struct User {
    name: u64,
    signals: mpsc::Sender<Signal>,
    /// Why nothing more comes.
    gone: Arc<OnceLock<Gone>>,
}

impl Entry {
    /// Gives a seat to a user, who hears everything from this moment on. `capacity` is how many updates may wait for
    /// it.
    pub(super) fn join(self: &Arc<Self>, capacity: usize) -> Tap {
        let (sender, signals) = mpsc::channel(capacity.saturating_add(1));
        let gone = Arc::<OnceLock<Gone>>::default();
        let mut state = self.state();
        let name = state.next;
        state.next += 1;
        state.seats += 1;
        state.idle_since = None;
        let user = User { name, signals: sender, gone: gone.clone() };
        match &state.phase {
            Phase::Opening => state.users.push(user),
            Phase::Open { newest } => {
                // What is older may have been followed by others, were the subscription dead without a word.
                let newest = newest.as_deref().filter(|(_, at)| at.elapsed() < FRESH).cloned();
                let newest = newest.map(|(head, _)| head);
                user.signals.try_send(Signal::Confirmed(newest)).expect("the channel is empty and has room");
                state.users.push(user);
            }
            Phase::Over(why) => user.end(*why),
        }
        drop(state);
        Tap { seat: Seat { entry: self.clone(), name }, signals, gone }
    }

    /// Takes a seat back.
    pub(super) fn leave(&self, name: u64, now: Instant) {
        let mut state = self.state();
        state.users.retain(|user| user.name != name);
        state.seats -= 1;
        if state.seats == 0 {
            state.idle_since = Some(now);
        }
    }

    /// The provider confirmed; `newest` is its newest head, if that came with it.
    pub(super) fn confirm(&self, newest: Option<Header>) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Opening) {
            state.tell(&Signal::Confirmed(newest.clone()));
            state.phase = Phase::Open { newest: newest.map(|head| Box::new((head, Instant::now()))) };
        }
    }

    /// Tells everybody. A user that does not keep up loses its subscription; the others do not notice.
    pub(super) fn publish(&self, update: Update) {
        let mut state = self.state();
        if let (Phase::Open { newest }, Update::Head(head)) = (&mut state.phase, &update) {
            *newest = Some(Box::new((head.clone(), Instant::now())));
        }
        state.tell(&Signal::Update(update));
    }

    /// Ends the subscription for everybody.
    pub(super) fn end(&self, why: Gone) {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Over(_)) {
            state.phase = Phase::Over(why);
            state.users.drain(..).for_each(|user| user.end(why));
        }
    }

    /// Whether it is of no use to anybody who comes now.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state().phase, Phase::Over(_))
    }

    /// Since when nobody needs it.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.state().idle_since
    }

    /// Whether it is over, or nobody needed it for this long.
    pub(super) fn is_due(&self, linger: Duration, now: Instant) -> bool {
        let state = self.state();
        let is_idle = state.idle_since.is_some_and(|since| now.saturating_duration_since(since) >= linger);
        is_idle || matches!(state.phase, Phase::Over(_))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tell(&mut self, signal: &Signal) {
        self.users.retain(|user| match user.signals.try_send(signal.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                user.end_with(Gone::Lost(LossReason::Overflow));
                false
            }
            // It listens no longer, and keeps its seat.
            Err(TrySendError::Closed(_)) => false,
        });
    }
}

impl User {
    fn end(self, why: Gone) {
        self.end_with(why);
    }

    /// Said before the channel closes, which is when the user looks.
    fn end_with(&self, why: Gone) {
        let _ = self.gone.set(why);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::streams::block::BlockHash;

    fn head(number: u64) -> Header {
        let hash = |number: u64| BlockHash([number as u8; 32]);
        Header { number, hash: hash(number), parent: hash(number - 1), bloom: None, payload: Bytes::new() }
    }

    async fn numbers(tap: &mut Tap, count: usize) -> Vec<u64> {
        let mut numbers = Vec::new();
        for _ in 0..count {
            match tap.next().await.unwrap() {
                Signal::Update(Update::Head(head)) => numbers.push(head.number),
                other => panic!("{other:?}"),
            }
        }
        numbers
    }

    fn confirmed(signal: Result<Signal, Gone>) -> Option<u64> {
        match signal.unwrap() {
            Signal::Confirmed(head) => head.map(|head| head.number),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn who_joins_late_knows_the_newest_head_and_hears_what_follows() {
        let entry = Arc::<Entry>::default();
        let mut early = entry.join(8);
        entry.confirm(None);
        entry.publish(Update::Head(head(1)));
        let mut late = entry.join(8);
        entry.publish(Update::Head(head(2)));
        assert_eq!(confirmed(early.next().await), None);
        assert_eq!(numbers(&mut early, 2).await, [1, 2]);
        assert_eq!(confirmed(late.next().await), Some(1));
        assert_eq!(numbers(&mut late, 1).await, [2]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_head_is_not_passed_for_the_newest() {
        let entry = Arc::<Entry>::default();
        let _first = entry.join(8);
        entry.confirm(Some(head(1)));
        tokio::time::advance(FRESH - Duration::from_millis(1)).await;
        assert_eq!(confirmed(entry.join(8).next().await), Some(1));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(confirmed(entry.join(8).next().await), None);
    }

    #[tokio::test]
    async fn who_does_not_keep_up_is_dropped_and_the_others_are_not() {
        let entry = Arc::<Entry>::default();
        let (mut slow, mut fast) = (entry.join(2), entry.join(100));
        entry.confirm(None);
        (1..=50).for_each(|number| entry.publish(Update::Head(head(number))));
        assert_eq!(confirmed(slow.next().await), None);
        assert_eq!(numbers(&mut slow, 2).await, [1, 2]);
        assert_eq!(slow.next().await.unwrap_err(), Gone::Lost(LossReason::Overflow));
        assert_eq!(confirmed(fast.next().await), None);
        assert_eq!(numbers(&mut fast, 50).await, (1..=50).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn the_end_comes_after_what_came_before_it() {
        let entry = Arc::<Entry>::default();
        let mut tap = entry.join(8);
        entry.confirm(None);
        entry.publish(Update::Head(head(1)));
        entry.end(Gone::Lost(LossReason::Disconnected));
        entry.end(Gone::Refused { lasting: true });
        assert_eq!(confirmed(tap.next().await), None);
        assert_eq!(numbers(&mut tap, 1).await, [1]);
        assert_eq!(tap.next().await.unwrap_err(), Gone::Lost(LossReason::Disconnected));
        assert!(entry.is_over());
        assert_eq!(entry.join(8).next().await.unwrap_err(), Gone::Lost(LossReason::Disconnected));
    }

    #[tokio::test(start_paused = true)]
    async fn it_lingers_after_the_last_seat_is_left() {
        let entry = Arc::<Entry>::default();
        let linger = Duration::from_secs(60);
        let (first, second) = (entry.join(1), entry.join(1));
        entry.confirm(None);
        drop(first);
        let seat = second.into_seat();
        tokio::time::advance(linger * 2).await;
        assert!(!entry.is_due(linger, Instant::now()), "a seat is kept without listening");
        drop(seat);
        assert!(!entry.is_due(linger, Instant::now() + linger - Duration::from_millis(1)));
        assert!(entry.is_due(linger, Instant::now() + linger));
        let _back = entry.join(1);
        assert!(!entry.is_due(linger, Instant::now() + linger * 2), "somebody came back");
    }
}
