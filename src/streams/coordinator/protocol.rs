//! What the coordinator of a stream is told, and what it says.

use std::time::Duration;

use bytes::Bytes;
use lasso_layers::catalog::Continuity;

use crate::streams::block::{BlockHash, Header, Log};

/// A provider that a stream may be served by: its position in the chain of the stream's profile, or whatever else its
/// driver knows it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer(pub u16);

/// One upstream subscription of the stream. Each is a new one, also with the same provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lease(pub u64);

/// A question that the coordinator asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FetchId(pub u64);

/// Which block is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockId {
    /// The newest one that the provider has.
    Latest,
    /// That of the provider's canonical chain at this height.
    Number(u64),
    /// Exactly this one.
    Hash(BlockHash),
}

/// Who is to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// This provider alone.
    Peer(Peer),
    /// Any provider but this one.
    AnyBut(Peer),
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The answer to [`Action::Choose`]: whom a subscription can be had from right now, the best first. May be empty.
    Candidates(Vec<Peer>),
    /// A provider that could not be subscribed to before may have become usable: its connection is up.
    Available,
    /// The subscription is there; everything of it that happens from now on will be told. `head` is the newest head that is
    /// known of the provider, from before the subscription or of the moment, if one is.
    Confirmed {
        /// Which.
        lease: Lease,
        /// The newest known head.
        head: Option<Header>,
    },
    /// There is no subscription.
    Refused {
        /// Which.
        lease: Lease,
        /// The provider does not do this at all; it is no matter of the moment.
        lasting: bool,
    },
    /// The subscription ended by itself.
    Lost {
        /// Which.
        lease: Lease,
        /// Why.
        reason: LossReason,
    },
    /// A new head.
    Head {
        /// Of which subscription.
        lease: Lease,
        /// The head.
        header: Header,
    },
    /// A new log that the stream's filter admits, or one that is taken back. Of streams of logs only.
    Log {
        /// Of which subscription.
        lease: Lease,
        /// The log.
        log: Log,
    },
    /// The answer to [`Action::FetchBlock`]: the block, or `None` where the provider knows of none.
    Block {
        /// The question.
        fetch: FetchId,
        /// The answer.
        outcome: Result<Option<Header>, Unavailable>,
    },
    /// The answer to [`Action::FetchLogs`]: all logs of the block that the stream's filter admits, in any order.
    /// `complete` says that they are proven to be all of them.
    Logs {
        /// The question.
        fetch: FetchId,
        /// The answer.
        outcome: Result<Vec<Log>, Unavailable>,
        /// The logs were held against the block's bloom and are all there are.
        complete: bool,
    },
    /// Time has passed; when the machine asked for it.
    Tick,
}

/// Why an upstream subscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LossReason {
    /// The connection broke or was closed.
    Disconnected,
    /// The connection was replaced by another one.
    Replaced,
    /// The provider is no longer to be used: it is unhealthy, on another chain, or left the configuration.
    Unhealthy,
    /// More events came than could be kept.
    Overflow,
}

/// A question could not be answered: no connection, a timeout, an error. Asking again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unavailable;

/// Something to do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// Say who can be subscribed to: [`Input::Candidates`].
    Choose,
    /// Subscribe at a provider: to its heads, and of a stream of logs to the logs too.
    /// [`Input::Confirmed`] or [`Input::Refused`] follows.
    Subscribe {
        /// The subscription's name from now on.
        lease: Lease,
        /// The provider.
        peer: Peer,
    },
    /// The subscription is no longer needed; whatever of it still comes will be ignored. Also said of a subscription that
    /// was lost, and of one that was neither confirmed nor refused in time.
    Release {
        /// Which.
        lease: Lease,
    },
    /// Ask for a block. [`Input::Block`] follows.
    FetchBlock {
        /// The question's name.
        fetch: FetchId,
        /// Which block.
        block: BlockId,
        /// Whom to ask.
        source: Source,
    },
    /// Ask for the logs of one block. [`Input::Logs`] follows.
    FetchLogs {
        /// The question's name.
        fetch: FetchId,
        /// The block.
        header: Header,
        /// Prove that there are no others: ask for all logs of the block, hold them against its bloom and filter them
        /// here.
        prove: bool,
        /// Whom to ask.
        source: Source,
    },
    /// Hand these to every subscriber, in this order: JSON objects.
    Emit {
        /// Payloads of heads or logs.
        payloads: Vec<Bytes>,
        /// They fill a gap, so that there may be more than a reader can take at once.
        filled: bool,
    },
    /// The stream is there for the first time: subscribers get their ids.
    Established,
    /// The stream could not be established. Nothing is subscribed any more; the machine is at its end.
    Refuse(Refusal),
    /// The stream cannot be continued as promised: every subscriber is to be told. The machine is at its end.
    End(End),
    /// Something that operators want to know.
    Note(Note),
}

/// Why a stream was not established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Every provider that was asked, or as many as may be asked, refused for good.
    Rejected,
}

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The gap could not be filled in time.
    OutOfTime,
    /// The gap is wider than what is filled.
    GapTooWide,
    /// The chain was reorganised deeper than is remembered.
    TooDeep,
}

impl End {
    /// The name in logs and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutOfTime => "out_of_time",
            Self::GapTooWide => "gap_too_wide",
            Self::TooDeep => "reorg_too_deep",
        }
    }
}

/// What operators want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The stream leaves a provider.
    FailoverInitiated {
        /// The provider it leaves.
        from: Peer,
        /// Why: a word for logs.
        reason: &'static str,
    },
    /// The stream asks a provider to go on with.
    ResubscribeInitiated {
        /// The provider.
        to: Peer,
    },
    /// The stream goes on, gap filled.
    FailoverCompleted {
        /// The provider it goes on with.
        to: Peer,
        /// From the first trigger to now.
        took: Duration,
        /// How many blocks were filled in.
        filled: u64,
    },
    /// Nobody can continue it at the moment.
    Degraded,
    /// The current provider was silent for too long.
    Stale {
        /// The provider.
        peer: Peer,
    },
    /// The chain was reorganised.
    Reorg {
        /// How many blocks left it.
        depth: u64,
    },
    /// An event was left out: a word for the reason.
    Dropped(&'static str),
    /// A log came after its block's logs had been handed out. It was handed out by itself.
    LateLog,
    /// A gap was left, because the policy is best effort.
    GapLeft {
        /// How many blocks are missing.
        blocks: u64,
    },
}

/// How a stream is kept continuous. Times are as the settings and the profile say.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamPolicy {
    /// What happens when it cannot be.
    pub continuity: Continuity,
    /// The most blocks that a gap may have and still be filled.
    pub window: u64,
    /// With best effort, the most blocks that are filled of a wider one; the rest is left out.
    pub max_backfill: u64,
    /// How long recovering may take, from the first trigger.
    pub recovery_deadline: Duration,
    /// How long a provider may take to confirm a subscription.
    pub establish_attempt: Duration,
    /// Silence of heads after which a provider is left.
    pub heads_timeout: Duration,
    /// When a stream that nobody could continue is tried again, where the policy is best effort.
    pub retry_after_degraded: Duration,
    /// How long after the last sign of a block its logs are waited for.
    pub settle: Duration,
    /// Ask for the logs of every block that may have some, whatever came by itself.
    pub verify_all_logs: bool,
    /// How many blocks and logs are remembered for reorganisations.
    pub history: usize,
    /// How many heads and logs that cannot be placed yet are kept.
    pub live_buffer: usize,
    /// How many questions are asked at once.
    pub concurrency: usize,
    /// How many providers may be subscribed to within five seconds.
    pub attempts: u32,
}

impl Default for StreamPolicy {
    fn default() -> Self {
        Self {
            continuity: Continuity::Strict,
            window: 100,
            max_backfill: 100,
            recovery_deadline: Duration::from_secs(30),
            establish_attempt: Duration::from_secs(4),
            heads_timeout: Duration::from_secs(42),
            retry_after_degraded: Duration::from_secs(60),
            settle: Duration::from_millis(20),
            verify_all_logs: false,
            history: 4096,
            live_buffer: 101,
            concurrency: 8,
            attempts: 5,
        }
    }
}
