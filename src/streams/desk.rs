//! What streams ask at the moment, all together.
//!
//! A thousand streams that lose a provider miss the same blocks at once. Each block is asked for once then, and no
//! provider is asked more at once than a busy node bears: the rest waits in line.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::HashMap;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use lasso_layers::catalog::ChannelKey;
use smol_str::SmolStr;
use tokio::sync::Semaphore;

use super::block::Header;
use super::coordinator::{BlockId, Unavailable};
use super::fetch::Calls;

/// Questions that are with one provider at once.
const AT_ONCE: usize = 64;

/// Where questions are put. A handle: clones share everything.
#[derive(Clone)]
pub(super) struct Desk {
    shared: Arc<Open>,
}

struct Open {
    calls: Calls,
    /// One for each target. There are no more of them than channels, twice.
    lines: Mutex<HashMap<Target, Arc<Semaphore>>>,
    /// Blocks that are being asked for.
    blocks: Mutex<HashMap<BlockQuestion, WeakShared<Answer>>>,
}

/// Whoever is asked: the provider of a channel, or every other one.
pub(super) type Target = (ChannelKey, bool);

/// The answer to a question about a block, on its way.
pub(super) type Answer = BoxFuture<'static, Result<Option<Header>, Unavailable>>;

/// Equal ones have the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct BlockQuestion {
    pub(super) profile: SmolStr,
    pub(super) target: Target,
    pub(super) block: BlockId,
}

impl Desk {
    /// Over the stack that questions go through.
    pub(super) fn new(calls: Calls) -> Self {
        let (lines, blocks) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Open { calls, lines, blocks }) }
    }

    /// The stack that questions go through.
    pub(super) fn calls(&self) -> Calls {
        self.shared.calls.clone()
    }

    /// The line before a provider.
    pub(super) fn line(&self, target: Target) -> Arc<Semaphore> {
        let mut lines = self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.entry(target).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone()
    }

    /// The answer that is on its way, or else that of `ask`. It is given up when nobody waits for it any more.
    pub(super) fn block(&self, question: BlockQuestion, ask: impl FnOnce() -> Answer) -> Shared<Answer> {
        let mut blocks = self.shared.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = blocks.get(&question).and_then(WeakShared::upgrade) {
            return answer;
        }
        blocks.retain(|_, answer| answer.upgrade().is_some());
        let answer = ask().shared();
        blocks.extend(answer.downgrade().map(|answer| (question, answer)));
        answer
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}
