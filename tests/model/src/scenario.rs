//! One history as plain data: what the network does and how its providers fail. [`crate::draw`] makes them up.

use std::time::Duration;

use lasso_rpc::streams::coordinator::StreamPolicy;

/// All that a history depends on.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where everything that is not said here comes from: delays, losses, orders.
    pub seed: u64,
    /// What is subscribed to.
    pub kind: Kind,
    /// How the stream is kept.
    pub policy: StreamPolicy,
    /// What the network does.
    pub moves: Vec<Move>,
    /// How far below the highest block that there was a reorganisation may begin.
    pub deepest: u64,
    /// Whom the stream can be had from, the best first.
    pub providers: Vec<Provider>,
    /// How many of all blocks have logs that the filter admits.
    pub log_rate: f64,
    /// How many of the other blocks look as if they had some.
    pub false_positives: f64,
    /// Heads have blooms.
    pub blooms: bool,
    /// The logs of a block may come further apart than the policy waits: their order is not promised.
    pub late_logs: bool,
    /// Events of a subscription still come for a while after it was released.
    pub echoes: bool,
    /// From here on every provider behaves.
    pub calm: Duration,
    /// When the client looks at what it got.
    pub end: Duration,
}

/// What is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// New heads.
    Heads,
    /// Logs.
    Logs,
}

/// The network gets another newest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// When.
    pub at: Duration,
    /// How.
    pub turn: Turn,
}

/// How the newest block comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// So many new blocks on top.
    Extend(u64),
    /// A new branch from below the newest block; it may be shorter than what it replaces.
    Reorg {
        /// How many blocks leave.
        depth: u64,
        /// How many take their place.
        length: u64,
    },
    /// Back to a branch that was left.
    Back {
        /// Which, the latest first.
        nth: usize,
        /// How many blocks it has grown since.
        extended: u64,
    },
    /// So many blocks are taken back, and nothing takes their place yet.
    SetBack(u64),
}

/// A provider.
#[derive(Clone, Debug)]
pub struct Provider {
    /// How long after the network it has a block.
    pub delay: Duration,
    /// How long an event takes from it to us.
    pub link: Duration,
    /// A question takes between the first and the second.
    pub answers: (Duration, Duration),
    /// Of a reorganisation it announces every new block, and not just the newest.
    pub announces_each: bool,
    /// How it takes logs back.
    pub takes_back: TakesBack,
    /// It forgets blocks that left its chain.
    pub forgets: bool,
    /// It does not do subscriptions at all.
    pub refuses: bool,
    /// What it does now and then, until all is calm.
    pub habits: Habits,
    /// What it does for a while.
    pub windows: Vec<Window>,
}

/// In which order a provider takes the logs of several blocks back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakesBack {
    /// The newest first.
    NewestFirst,
    /// The oldest first.
    OldestFirst,
    /// Not at all.
    Never,
}

/// Bad habits. Probabilities are for each event, block or question.
#[derive(Clone, Debug, PartialEq)]
pub struct Habits {
    /// Heads come up to so much later than they should, and pass each other.
    pub head_jitter: Duration,
    /// The same for logs.
    pub log_jitter: Duration,
    /// An event comes twice.
    pub repeats: f64,
    /// An event comes again much later.
    pub late_repeats: f64,
    /// A head is not announced.
    pub loses_heads: f64,
    /// The logs of a block are not told.
    pub loses_logs: f64,
    /// Some of a block's logs are not told.
    pub loses_some_logs: f64,
    /// A question fails.
    pub fails: f64,
    /// A question takes seconds.
    pub dawdles: f64,
    /// A block is not found for once.
    pub nulls: f64,
    /// So long after a block's arrival its logs may not be found.
    pub index_lag: Duration,
    /// The logs of another block are answered.
    pub wrong_logs: f64,
    /// A block comes that nobody else ever has.
    pub orphans: f64,
    /// A confirmed subscription comes without the newest head.
    pub headless: f64,
    /// Or with one that is not the newest any more.
    pub dated: f64,
}

/// A fault for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Since when.
    pub from: Duration,
    /// Until when.
    pub until: Duration,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The socket closes and cannot be opened again.
    Down,
    /// The socket is open and nothing comes.
    Silent {
        /// All of it comes in the end; else the socket closes.
        flushed: bool,
    },
    /// The node gets no blocks.
    Frozen,
    /// New subscriptions are refused.
    Refusing,
    /// Heads are announced that do not exist.
    Lying,
    /// No question is answered.
    Mute,
    /// No block is found.
    Blind,
    /// No logs are found.
    Logless,
}

impl Habits {
    /// None of them.
    pub const GOOD: Self = Self {
        head_jitter: Duration::ZERO,
        log_jitter: Duration::ZERO,
        repeats: 0.0,
        late_repeats: 0.0,
        loses_heads: 0.0,
        loses_logs: 0.0,
        loses_some_logs: 0.0,
        fails: 0.0,
        dawdles: 0.0,
        nulls: 0.0,
        index_lag: Duration::ZERO,
        wrong_logs: 0.0,
        orphans: 0.0,
        headless: 0.0,
        dated: 0.0,
    };
}

impl Provider {
    /// Whether a fault is on.
    #[must_use]
    pub fn has(&self, fault: Fault, at: Duration) -> bool {
        self.window(at, |other| other == fault).is_some()
    }

    /// The window that is open and of such a fault.
    #[must_use]
    pub fn window(&self, at: Duration, of: impl Fn(Fault) -> bool) -> Option<&Window> {
        self.windows.iter().find(|window| window.from <= at && at < window.until && of(window.fault))
    }

    /// Whether it can be relied on all that time.
    #[must_use]
    pub fn is_sound(&self, from: Duration, until: Duration) -> bool {
        !self.refuses && !self.windows.iter().any(|window| window.from < until && from < window.until)
    }
}
