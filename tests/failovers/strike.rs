//! The ways in which the node that serves a stream fails.

use lasso_rpc::sim::{Ending, Fault, NOTIFICATION, Rule, SimNode};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strike {
    /// Its sockets end with a TCP RST.
    Reset,
    /// Its sockets end with a TCP FIN.
    Close,
    /// It says goodbye.
    CloseFrame,
    /// Its sockets are half-open: TCP stays, nothing is read or written.
    HalfOpen,
    /// Its sockets end, and the next ones are accepted and closed at once.
    AcceptThenClose,
    /// It answers calls and pings but tells no events any more.
    Stall,
    /// Its sockets end in the middle of a frame.
    TornFrame,
    /// It is gone for a while, HTTP included.
    Death,
}

const ALL: [Strike; 8] = [
    Strike::Reset,
    Strike::Close,
    Strike::CloseFrame,
    Strike::HalfOpen,
    Strike::AcceptThenClose,
    Strike::Stall,
    Strike::TornFrame,
    Strike::Death,
];

impl Strike {
    pub(crate) fn draw(rng: &mut fastrand::Rng) -> Self {
        *rng.choice(&ALL).expect("there are some")
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Close => "close",
            Self::CloseFrame => "close frame",
            Self::HalfOpen => "half-open",
            Self::AcceptThenClose => "accept then close",
            Self::Stall => "stall",
            Self::TornFrame => "torn frame",
            Self::Death => "death",
        }
    }

    pub(crate) async fn hit(self, node: &SimNode) {
        match self {
            Self::Reset => node.strike(Fault::Reset),
            Self::Close => node.strike(Fault::Close),
            Self::CloseFrame => node.strike(Fault::CloseFrame { code: 1012, reason: "restart".into() }),
            Self::HalfOpen => node.strike(Fault::Freeze),
            Self::AcceptThenClose => {
                node.behave([Rule::opened(Fault::Close).first(2)]);
                node.strike(Fault::Close);
            }
            Self::Stall => node.behave([Rule::method(NOTIFICATION, Fault::Omit)]),
            Self::TornFrame => node.behave([Rule::method(NOTIFICATION, Fault::TornFrame)]),
            Self::Death => node.stop().await,
        }
    }

    pub(crate) async fn heal(self, node: &SimNode) {
        node.heal();
        match self {
            Self::HalfOpen => node.disconnect(Ending::Reset),
            Self::Death => node.restart().await.expect("its port was kept"),
            _ => {}
        }
    }
}
