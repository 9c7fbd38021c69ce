//! How often the player may ask for subscriptions, and when it has no reason to wait with it.

use std::time::Duration;

use lasso_rpc::streams::block::BlockHash;
use lasso_rpc::streams::coordinator::{Note, Peer};

/// Within which attempts are counted.
const SPAN: Duration = Duration::from_secs(5);

/// Attempts within the last while. They count until a stream that was caught up has moved on.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    made: Vec<Duration>,
    is_interrupted: bool,
    /// Who was left at the beginning of an interruption, as long as nobody else was looked for.
    left: Option<Peer>,
}

impl Attempts {
    /// Counts one more. Says how many there are now.
    pub(super) fn add(&mut self, now: Duration) -> usize {
        self.made.push(now);
        self.count(now)
    }

    fn count(&mut self, now: Duration) -> usize {
        self.made.retain(|&at| at + SPAN > now);
        self.made.len()
    }

    pub(super) const fn is_interrupted(&self) -> bool {
        self.is_interrupted
    }

    pub(super) const fn noted(&mut self, note: Note) {
        match note {
            Note::FailoverInitiated { from, .. } => {
                if !self.is_interrupted {
                    self.left = Some(from);
                }
                self.is_interrupted = true;
            }
            Note::FailoverCompleted { .. } => self.is_interrupted = false,
            _ => {}
        }
    }

    /// The stream was not interrupted, and went from one tip to another. Where it begins, it has not moved on.
    pub(super) fn went(&mut self, from: Option<(u64, BlockHash)>, to: Option<(u64, BlockHash)>) {
        if from.is_some() && from != to {
            self.made.clear();
        }
    }

    /// Whether somebody has to be asked at once: these can be had, the first time since the stream was interrupted.
    pub(super) fn must_ask(
        &mut self,
        mut able: impl Iterator<Item = Peer>,
        budget: u32,
        now: Duration,
    ) -> bool {
        let Some(left) = self.left.take() else { return false };
        self.count(now) < budget as usize && able.any(|peer| peer != left)
    }
}
