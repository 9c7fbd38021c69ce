//! Puts changed profiles in force while requests go on.

use std::path::PathBuf;
use std::time::Duration;

use lasso_layers::catalog::Live;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::config::{self, Environment, Located};

/// When profiles are read again.
#[derive(Clone, Copy, Debug)]
pub struct ReloadPolicy {
    /// Whether a change in the folder is enough.
    pub watch: bool,
    /// How long the folder must be quiet before it is read.
    pub debounce: Duration,
    /// Time between attempts to read a set that was refused.
    pub retry: Duration,
}

impl Default for ReloadPolicy {
    fn default() -> Self {
        Self { watch: true, debounce: Duration::from_millis(200), retry: Duration::from_secs(30) }
    }
}

/// Reads the profiles again at SIGHUP and when the folder changes.
///
/// A set that is refused leaves the old one in force, is reported with every problem, and is tried again until
/// it is accepted.
#[derive(Debug)]
pub struct Reload {
    live: Live,
    folder: PathBuf,
    environment_folder: PathBuf,
    policy: ReloadPolicy,
    hangups: Signal,
    changes: mpsc::Receiver<()>,
    /// Watching ends when it is dropped.
    _watcher: Option<RecommendedWatcher>,
}

impl Reload {
    /// Starts listening for reasons to reload. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// If the signal cannot be listened for or the folder cannot be watched.
    pub fn new(
        live: Live,
        folder: PathBuf,
        policy: ReloadPolicy,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let hangups = signal(SignalKind::hangup())?;
        // One place is enough: a change that finds it taken is part of the same reload.
        let (sender, changes) = mpsc::channel(1);
        let watcher = if policy.watch {
            let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if event.is_ok_and(|event| !event.kind.is_access()) {
                    // Full means that a reload is already due.
                    let _ = sender.try_send(());
                }
            })?;
            // The folder, not the files: editors and mounted volumes replace files.
            watcher.watch(&folder, RecursiveMode::NonRecursive)?;
            Some(watcher)
        } else {
            None
        };
        let environment_folder = std::env::current_dir()?;
        Ok(Self { live, folder, environment_folder, policy, hangups, changes, _watcher: watcher })
    }

    /// Reloads for as long as it is polled.
    pub async fn run(mut self) {
        let mut retry_at = None;
        loop {
            let retry = async {
                match retry_at {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            // Every branch may be cancelled: signals and the channel keep what they have, a timer has nothing.
            tokio::select! {
                Some(()) = self.hangups.recv() => {}
                Some(()) = self.changes.recv() => self.settle().await,
                () = retry => {}
            }
            retry_at = match self.reload() {
                Ok(()) => None,
                Err(problems) => {
                    tracing::error!(
                        event = "lasso.config.reload_failed",
                        problems = problems.iter().filter(|problem| problem.is_error()).count(),
                        "the new profiles are refused, the old ones stay in force"
                    );
                    problems.iter().for_each(tell);
                    Some(Instant::now() + self.jittered_retry())
                }
            };
        }
    }

    /// Waits until nothing changed for a while: a file may be half written.
    async fn settle(&mut self) {
        loop {
            tokio::select! {
                Some(()) = self.changes.recv() => {}
                () = sleep(self.policy.debounce) => return,
            }
        }
    }

    fn reload(&self) -> Result<(), Vec<Located>> {
        let environment = Environment::load(&self.environment_folder)?;
        let loaded = config::load(&self.folder, &environment)?;
        loaded.warnings.iter().for_each(tell);
        // `load` found no error, so publishing finds none either.
        if self.live.publish(loaded.profiles).is_ok() {
            let catalog = self.live.load();
            tracing::info!(
                event = "lasso.config.reloaded",
                generation = catalog.generation(),
                profiles = catalog.profiles().len(),
                "the new profiles are in force"
            );
        }
        Ok(())
    }

    /// Up to a seventh more or less, so that many processes do not read a shared volume at once.
    fn jittered_retry(&self) -> Duration {
        self.policy.retry.mul_f64(fastrand::f64().mul_add(2.0 / 7.0, 6.0 / 7.0))
    }
}

/// One line for each problem: what made the difference between accepted and refused stands out.
fn tell(problem: &Located) {
    if problem.is_error() {
        tracing::error!(event = "lasso.config.problem", "{problem}");
    } else {
        tracing::warn!(event = "lasso.config.problem", "{problem}");
    }
}
