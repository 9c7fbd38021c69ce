//! The task that writes.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use lasso_layers::attempt::benchmark::Benchmarks;
use lasso_layers::catalog::Live;
use tokio::time::{MissedTickBehavior, interval};

use super::ledger::Ledger;
use super::{BreakerLog, History};
use crate::clock::Moment;

/// Writes what providers did into the history, again and again.
pub(crate) struct Recorder {
    history: History,
    live: Live,
    benchmarks: Benchmarks,
    breakers: BreakerLog,
    // Shared with the thread that writes; never waited for, because there is one at a time.
    written: Arc<Mutex<Written>>,
    /// What the log was last told to be wrong.
    trouble: Option<String>,
}

/// What was written down already.
#[derive(Default)]
struct Written {
    ledger: Ledger,
    /// How many changes of breakers.
    changes: u64,
}

impl Recorder {
    pub(crate) fn new(history: History, live: Live, benchmarks: Benchmarks, breakers: BreakerLog) -> Self {
        Self { history, live, benchmarks, breakers, written: Arc::default(), trouble: None }
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
        self.close().await;
    }

    async fn close(&self) {
        let history = self.history.clone();
        // It does not panic, and there would be nobody to tell.
        let _ = tokio::task::spawn_blocking(move || history.shared.archive.close()).await;
    }

    async fn record(&mut self) {
        let (history, written) = (self.history.clone(), self.written.clone());
        let (catalog, benchmarks, breakers) = (self.live.snapshot(), self.benchmarks, self.breakers.clone());
        let writing = move || {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Moment::now();
            // What changes from here on is for the next time.
            let count = breakers.count();
            let mut changes = breakers.since(written.changes, &catalog);
            changes.retain(|(_, number), _| *number < count);
            let difference = written.ledger.difference(catalog, &benchmarks, now);
            history.shared.archive.append(now.unix_ms(), &difference.snapshots, &changes)?;
            written.ledger.settle(difference);
            written.changes = count;
            Ok::<_, super::Error>(())
        };
        let trouble = match tokio::task::spawn_blocking(writing).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => {
                // Whatever the file held, the next round opens and checks it.
                self.close().await;
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::future::ready;
    use std::path::Path;
    use std::time::Duration;

    use lasso_layers::attempt::benchmark::Series;
    use lasso_layers::catalog::{ChainSpec, MethodId, ProfileSpec, ProviderSpec, Transport};
    use tokio::time::Instant;

    use super::super::testing::Log;
    use super::super::{HistoryPolicy, HistoryQuery, SeriesFilter};
    use super::*;

    fn history(folder: &Path, interval: Duration) -> History {
        History::new(HistoryPolicy {
            folder: folder.to_owned(),
            interval,
            retention: Duration::from_secs(3_600),
            max_bytes: 1 << 20,
        })
    }

    #[tokio::test]
    async fn an_interval_of_nothing_is_one_of_very_little() {
        let folder = tempfile::tempdir().unwrap();
        let history = history(folder.path(), Duration::ZERO);
        assert_eq!(history.shared.policy.interval, Duration::from_millis(1));
        let recorder =
            Recorder::new(history, Live::new(Vec::new()).unwrap(), Benchmarks::new(), BreakerLog::default());
        recorder.run(ready(())).await;
    }

    #[tokio::test]
    async fn trouble_is_said_once_and_its_end_too_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let occupied = folder.path().join("occupied");
        fs::write(&occupied, "").unwrap();
        let chain = ChainSpec::new("base", 8453).provider(ProviderSpec::http("a", "http://a.example"));
        let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
        let provider = live.load().profiles()[0].chains()[0].providers[0].key;
        let history = history(&occupied, Duration::from_secs(60));
        let benchmarks = Benchmarks::new();
        let mut recorder = Recorder::new(history.clone(), live, benchmarks, BreakerLog::default());
        let log = Log::default();
        let _listening = log.listen();
        let count = |event: &str| log.text().matches(event).count();

        for _ in 0..3 {
            let series = Series { provider, transport: Transport::Http, method: MethodId::of("eth_call") };
            benchmarks.success(series, Duration::from_millis(1), Instant::now());
            recorder.record().await;
        }
        assert_eq!(count("lasso.history.unavailable"), 1, "{}", log.text());
        assert!(log.text().contains(occupied.join("history.redb").to_str().unwrap()), "{}", log.text());

        fs::remove_file(&occupied).unwrap();
        recorder.record().await;
        recorder.record().await;
        assert_eq!(count("lasso.history.unavailable"), 1);
        assert_eq!(count("lasso.history.available"), 1, "{}", log.text());
        let query = HistoryQuery {
            profile: "default".to_owned(),
            chain: None,
            only: SeriesFilter::default(),
            from: 0,
            to: u64::MAX,
            step: 3_600,
        };
        let page = history.read(query, |_, page| page).await.unwrap();
        let calls: Vec<u64> = page.spans[0].tallies.values().map(super::super::Tally::calls).collect();
        assert_eq!(calls, [3]);
    }
}
