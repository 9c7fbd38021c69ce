//! The continuity of one stream, as a pure state machine: events and time in, actions out.

mod branch;
mod delivered;
mod headers;
mod machine;
mod protocol;
mod questions;
mod search;
mod serving;
mod settling;

pub use self::machine::Coordinator;
pub use self::protocol::{
    Action, BlockId, End, FetchId, Input, Lease, LossReason, Note, Peer, Refusal, Source, StreamPolicy,
    Unavailable,
};
