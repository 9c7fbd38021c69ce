//! The task that writes.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use lasso_layers::attempt::benchmark::Benchmarks;
use lasso_layers::catalog::Live;
use tokio::time::{MissedTickBehavior, interval};

use super::History;
use super::ledger::Ledger;
use crate::clock::Moment;

/// Writes what providers did into the history, again and again.
pub(crate) struct Recorder {
    history: History,
    live: Live,
    benchmarks: Benchmarks,
    // Shared with the thread that writes; never waited for, because there is one at a time.
    ledger: Arc<Mutex<Ledger>>,
    /// What the log was last told to be wrong.
    trouble: Option<String>,
}

impl Recorder {
    pub(crate) fn new(history: History, live: Live, benchmarks: Benchmarks) -> Self {
        Self { history, live, benchmarks, ledger: Arc::default(), trouble: None }
    }

    /// Writes until told to stop, then a last time, and gives the file free.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut ticks = interval(self.history.shared.policy.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = pin!(stop);
        loop {
            // Both may be dropped and polled anew; the second is not polled after it is done.
            let is_last = tokio::select! {
                _ = ticks.tick() => false,
                () = &mut stop => true,
            };
            self.record().await;
            if is_last {
                break;
            }
        }
        let history = self.history.clone();
        // It does not panic: there is nobody to tell in the end.
        let _ = tokio::task::spawn_blocking(move || history.shared.archive.close()).await;
    }

    async fn record(&mut self) {
        let (history, ledger) = (self.history.clone(), self.ledger.clone());
        let (catalog, benchmarks) = (self.live.snapshot(), self.benchmarks);
        let writing = move || {
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Moment::now();
            let difference = ledger.difference(catalog, &benchmarks, now);
            history.shared.archive.append(now.unix_ms(), &difference.snapshots)?;
            ledger.settle(difference);
            Ok::<_, super::Error>(())
        };
        let trouble = match tokio::task::spawn_blocking(writing).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => {
                // Whatever the file held, the next round opens and checks it.
                self.history.shared.archive.close();
                Some(panic.to_string())
            }
        };
        if trouble != self.trouble {
            let path = self.history.shared.archive.path().display();
            match &trouble {
                // What happens meanwhile is not lost: it is a part of the next difference.
                Some(reason) => tracing::warn!(
                    event = "lasso.history.unavailable",
                    %path,
                    "cannot write the history, serving without it: {reason}",
                ),
                None => tracing::info!(event = "lasso.history.available", %path, "writing the history again"),
            }
            self.trouble = trouble;
        }
    }
}
