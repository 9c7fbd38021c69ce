//! Deliveries on their way to the subscribers of a stream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec;

use lasso_layers::call::session::Delivery;
use tokio::runtime::Handle;
use tokio::task::yield_now;

use super::members::{Members, Row};

/// So many deliveries may be on their way before whoever brings more has to lend a hand.
const AHEAD: usize = 32;

/// Deliveries one after the other, each of which goes to several rows of subscribers at once. So everybody gets all of
/// them in their order, and the writing is shared by the threads of the runtime.
///
/// A handle: clones share everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    rounds: VecDeque<Round>,
    /// Rows of the first round that are being served.
    busy: usize,
    /// Tasks that serve rows.
    workers: usize,
}

/// A delivery and the rows that have not got it.
#[derive(Debug)]
struct Round {
    delivery: Arc<Delivery>,
    rows: vec::IntoIter<Row>,
}

impl Line {
    /// Hands a delivery to these members, at once if they are few and nothing else is under way.
    ///
    /// A runtime is needed where they are many.
    pub(super) fn deliver(&self, delivery: &Arc<Delivery>, members: Members) {
        let rows = members.into_rows();
        if rows.is_empty() {
            return;
        }
        let mut queue = self.queue();
        let is_alone = rows.len() <= 1 && queue.rounds.is_empty();
        queue.rounds.push_back(Round { delivery: delivery.clone(), rows: rows.into_iter() });
        if !is_alone {
            self.hire(&mut queue);
        }
        let is_hurried = is_alone || queue.rounds.len() > AHEAD;
        drop(queue);
        while is_hurried && let Some((delivery, row)) = self.take() {
            self.serve(&delivery, &row);
        }
    }

    /// Has a task for each thread of the runtime serve the first round, those included that are there.
    fn hire(&self, queue: &mut Queue) {
        let Some(round) = queue.rounds.front() else { return };
        let threads = Handle::current().metrics().num_workers();
        for _ in queue.workers..threads.min(round.rows.len()) {
            queue.workers += 1;
            tokio::spawn(self.clone().work());
        }
    }

    /// Serves rows until there are none. In between, others get their turn.
    async fn work(self) {
        while let Some((delivery, row)) = self.next() {
            self.serve(&delivery, &row);
            yield_now().await;
        }
    }

    fn take(&self) -> Option<(Arc<Delivery>, Row)> {
        self.queue().take()
    }

    /// The next row for a task; without one, the task has left.
    fn next(&self) -> Option<(Arc<Delivery>, Row)> {
        let mut queue = self.queue();
        let next = queue.take();
        queue.workers -= usize::from(next.is_none());
        next
    }

    fn serve(&self, delivery: &Arc<Delivery>, row: &Row) {
        for (_, subscriber) in &**row {
            // Whoever is gone has left by itself, or is about to.
            let _ = subscriber.push(delivery);
        }
        let mut queue = self.queue();
        if queue.finish() {
            // The others may have left because there was nothing more to do before.
            self.hire(&mut queue);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// A row of the first round. The one after it begins when everybody has got that: nobody may get the later delivery
    /// first.
    fn take(&mut self) -> Option<(Arc<Delivery>, Row)> {
        let round = self.rounds.front_mut()?;
        let row = round.rows.next()?;
        self.busy += 1;
        Some((round.delivery.clone(), row))
    }

    /// A row is done. Whether another round begins with that.
    fn finish(&mut self) -> bool {
        self.busy -= 1;
        let is_over = self.busy == 0 && self.rounds.front().is_some_and(|round| round.rows.len() == 0);
        if is_over {
            self.rounds.pop_front();
        }
        is_over && !self.rounds.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use lasso_layers::call::session::{OutboxBudget, Outgoing, Session, SessionPolicy, Slot, SubscriptionId};

    use super::*;

    const CLIENTS: u64 = 1000;

    fn client() -> (Session, Slot) {
        let policy = SessionPolicy { outbox_messages: usize::MAX, ..SessionPolicy::default() };
        let session = Session::new(policy, OutboxBudget::default());
        let frame = session.for_call();
        let slot = frame.reserve(SubscriptionId([1; 16])).unwrap();
        session.replied(&frame);
        (session, slot)
    }

    fn numbered(number: u64) -> Arc<Delivery> {
        Arc::new(Delivery::of(number.to_string().as_bytes()))
    }

    async fn next(session: &Session) -> Arc<Delivery> {
        match session.next().await {
            Outgoing::Push { delivery, .. } => delivery,
            Outgoing::End(ending) => panic!("{ending}"),
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_get_everything_in_its_order_however_fast_it_comes() {
        let (line, mut members) = (Line::default(), Members::default());
        let clients: Vec<_> = (0..CLIENTS).map(|_| client()).collect();
        (0..).zip(&clients).for_each(|(name, (_, slot))| members.push(name, slot.subscriber()));
        for number in 0..200 {
            line.deliver(&numbered(number), members.clone());
            if number % 10 == 0 {
                yield_now().await;
            }
        }
        for (session, _) in &clients {
            for number in 0..200 {
                assert_eq!(next(session).await.events(), numbered(number).events());
            }
        }
    }

    #[test]
    fn a_few_have_it_when_the_call_returns_and_nobody_is_no_hindrance() {
        let (line, mut members) = (Line::default(), Members::default());
        line.deliver(&numbered(1), members.clone());
        let (session, slot) = client();
        members.push(0, slot.subscriber());
        line.deliver(&numbered(2), members);
        assert!(matches!(session.try_next(), Some(Outgoing::Push { .. })));
        assert!(session.try_next().is_none());
    }

    #[tokio::test]
    async fn whoever_brings_too_much_lends_a_hand() {
        let (line, mut members) = (Line::default(), Members::default());
        let clients: Vec<_> = (0..CLIENTS).map(|_| client()).collect();
        (0..).zip(&clients).for_each(|(name, (_, slot))| members.push(name, slot.subscriber()));
        // Nobody else gets a turn on the only thread.
        (0..1000).for_each(|number| line.deliver(&numbered(number), members.clone()));
        assert!(line.queue().rounds.len() <= AHEAD);
    }
}
