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
