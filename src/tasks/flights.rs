//! Questions on their way.

use std::future::pending;

use lasso_layers::catalog::InstanceKey;
use tokio::task::{self, AbortHandle, JoinSet};

/// Tasks that run for instances. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Flights<T> {
    tasks: JoinSet<T>,
    /// One for each task, in the order in which they were started.
    passengers: Vec<Passenger>,
}

#[derive(Debug)]
struct Passenger {
    task: task::Id,
    instance: InstanceKey,
    abort: AbortHandle,
}

impl<T: Send + 'static> Flights<T> {
    pub(super) fn new() -> Self {
        Self { tasks: JoinSet::new(), passengers: Vec::new() }
    }

    pub(super) fn start(&mut self, instance: InstanceKey, work: impl Future<Output = T> + Send + 'static) {
        let abort = self.tasks.spawn(work);
        self.passengers.push(Passenger { task: abort.id(), instance, abort });
    }

    /// Ends those for instances that are not wanted; they never land.
    pub(super) fn keep(&mut self, wanted: impl Fn(InstanceKey) -> bool) {
        self.passengers.retain(|passenger| {
            let keep = wanted(passenger.instance);
            if !keep {
                passenger.abort.abort();
            }
            keep
        });
    }

    /// The next one that is over; without a value if it panicked. Waits for as long as there is none.
    ///
    /// Cancel safe.
    pub(super) async fn landed(&mut self) -> (InstanceKey, Option<T>) {
        loop {
            let (id, value) = match self.tasks.join_next_with_id().await {
                None => return pending().await,
                Some(Ok((id, value))) => (id, Some(value)),
                Some(Err(error)) => (error.id(), None),
            };
            // One that is not wanted any more may have been over before it was ended.
            if let Some(at) = self.passengers.iter().position(|passenger| passenger.task == id) {
                return (self.passengers.remove(at).instance, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
    use tokio::sync::oneshot;
    use tokio::time::{Duration, timeout};

    use super::*;

    /// Keys are given out by a catalogue alone.
    fn two() -> [InstanceKey; 2] {
        let provider = |id: &str| ProviderSpec::http(id, format!("http://{id}.example"));
        let chain = ChainSpec::new("ethereum", 1).provider(provider("a")).provider(provider("b"));
        let catalog = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap().snapshot();
        let providers = &catalog.profiles()[0].chains()[0].providers;
        [0, 1].map(|at| providers[at].http.as_ref().unwrap().instance)
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_are_not_wanted_never_land() {
        let [a, b] = two();
        let mut flights = Flights::new();
        flights.start(a, ready(1));
        flights.start(b, ready(2));
        flights.start(a, pending());
        // The first is over, and nobody took it yet.
        tokio::task::yield_now().await;
        flights.keep(|instance| instance == b);
        assert_eq!(flights.landed().await, (b, Some(2)));
        assert!(timeout(Duration::from_secs(60), flights.landed()).await.is_err());
        flights.start(a, ready(3));
        assert_eq!(flights.landed().await, (a, Some(3)));
    }

    #[tokio::test]
    async fn a_panic_lands_without_a_value() {
        let [a, _] = two();
        let mut flights = Flights::<u8>::new();
        flights.start(a, async { panic!("a panic on purpose") });
        assert_eq!(flights.landed().await, (a, None));
    }

    #[tokio::test]
    async fn whoever_stops_asking_ends_the_questions() {
        let [a, _] = two();
        let mut flights = Flights::new();
        let (alive, gone) = oneshot::channel::<()>();
        let (started, start) = oneshot::channel();
        flights.start(a, async move {
            let _alive = alive;
            started.send(()).unwrap();
            pending::<()>().await;
        });
        start.await.unwrap();
        drop(flights);
        assert!(gone.await.is_err(), "the question is given up");
    }
}
