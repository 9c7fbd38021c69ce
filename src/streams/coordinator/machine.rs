//! The machine itself: what is told is handed to the part that it concerns.

use tokio::time::Instant;

use crate::streams::block::{BlockHash, Bloom};

use super::{Action, Input, Peer, StreamPolicy};

/// The continuity of one stream.
pub struct Coordinator {
    policy: StreamPolicy,
    admits: Option<Box<dyn Fn(&Bloom) -> bool + Send>>,
}

impl Coordinator {
    /// A stream of heads.
    #[must_use]
    pub fn heads(policy: StreamPolicy, _now: Instant) -> Self {
        Self { policy, admits: None }
    }

    /// A stream of the logs that a filter admits. `admits` says whether a block with such a bloom may have some.
    #[must_use]
    pub fn logs(
        policy: StreamPolicy,
        admits: impl Fn(&Bloom) -> bool + Send + 'static,
        _now: Instant,
    ) -> Self {
        Self { policy, admits: Some(Box::new(admits)) }
    }

    /// Begins: asks for the first provider.
    pub fn start(&mut self, _now: Instant, out: &mut Vec<Action>) {
        out.push(Action::Choose);
    }

    /// Takes what happened and appends what is to be done, in this order.
    pub fn handle(&mut self, _input: Input, _now: Instant, _out: &mut Vec<Action>) {}

    /// When [`Input::Tick`] is wanted. It may come later, or earlier to no effect.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The provider that the stream is served by, if one is.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        None
    }

    /// Number and hash of the newest block that the stream has come to.
    #[must_use]
    pub fn tip(&self) -> Option<(u64, BlockHash)> {
        None
    }
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator")
            .field("policy", &self.policy)
            .field("logs", &self.admits.is_some())
            .finish_non_exhaustive()
    }
}
