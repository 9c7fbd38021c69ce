//! What pages are told, as plain data: every struct is the JSON that a browser gets.
//!
//! Figures have at most two decimals, times are in milliseconds, moments in milliseconds since 1970. What is not known is
//! `null`. Two views are equal when a browser needs no word of the difference: how old a height is, or how much of a
//! limit is left, changes by itself and does not count; see [`Span`].

mod chain;
mod event;
mod message;
mod number;
mod provider;
mod standing;
mod stream;

pub use self::chain::{ChainView, Share};
pub(super) use self::chain::{logo, size};
pub use self::event::{DecisionView, ErrorView, EventKind, EventView};
pub use self::message::{Batch, Gone, Heartbeat, Limits, Message, NodeView, ProfileView, Snapshot};
pub use self::number::{Span, ms, percent, round};
pub use self::provider::{
    BreakerError, BreakerView, Issue, IssueKind, LinkView, MethodView, PerTransport, Performance,
    ProviderView, Severity,
};
pub use self::standing::{ClusterView, Stats, SystemView};
pub use self::stream::StreamView;
