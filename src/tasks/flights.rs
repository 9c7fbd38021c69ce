//! Questions on their way.

use std::collections::HashMap;
use std::future::pending;

use lasso_layers::catalog::InstanceKey;
use tokio::task::{self, JoinSet};

/// Tasks that run for instances. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Flights<T> {
    tasks: JoinSet<T>,
    instances: HashMap<task::Id, InstanceKey>,
}

impl<T: Send + 'static> Flights<T> {
    pub(super) fn new() -> Self {
        Self { tasks: JoinSet::new(), instances: HashMap::new() }
    }

    pub(super) fn start(&mut self, instance: InstanceKey, work: impl Future<Output = T> + Send + 'static) {
        let task = self.tasks.spawn(work);
        self.instances.insert(task.id(), instance);
    }

    /// The next one that is over; without a value if it panicked. Waits for as long as there is none.
    ///
    /// Cancel safe.
    pub(super) async fn landed(&mut self) -> (InstanceKey, Option<T>) {
        let (id, value) = match self.tasks.join_next_with_id().await {
            None => return pending().await,
            Some(Ok((id, value))) => (id, Some(value)),
            Some(Err(error)) => (error.id(), None),
        };
        let instance = self.instances.remove(&id).expect("every task was started for an instance");
        (instance, value)
    }
}

#[cfg(test)]
mod tests {
    use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};
    use tokio::sync::oneshot;

    use super::*;

    fn an_instance() -> InstanceKey {
        let chain = ChainSpec::new("ethereum", 1).provider(ProviderSpec::http("a", "http://a.example"));
        let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
        let catalog = live.snapshot();
        catalog.channels().next().expect("there is one channel").instance
    }

    #[tokio::test]
    async fn whoever_stops_asking_ends_the_questions() {
        let mut flights = Flights::new();
        let (alive, gone) = oneshot::channel::<()>();
        let (started, start) = oneshot::channel();
        flights.start(an_instance(), async move {
            let _alive = alive;
            started.send(()).unwrap();
            pending::<()>().await;
        });
        start.await.unwrap();
        drop(flights);
        assert!(gone.await.is_err(), "the question is given up");
    }

    #[tokio::test]
    async fn a_question_that_panics_lands_without_an_answer() {
        let mut flights = Flights::new();
        let instance = an_instance();
        flights.start(instance, async { panic!("as expected") });
        let landed: (InstanceKey, Option<()>) = flights.landed().await;
        assert_eq!(landed, (instance, None));
    }
}
