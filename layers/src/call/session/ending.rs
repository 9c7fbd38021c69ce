//! Why a session is ended by this side.

use std::fmt;

/// Why a client's socket is closed by this side while its client still listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// The client does not read what it subscribed to.
    SlowConsumer,
    /// A stream lost its thread, and the client would not notice.
    ContinuityExhausted,
}

impl Ending {
    /// Every ending, in declaration order.
    pub(super) const ALL: [Self; 2] = [Self::SlowConsumer, Self::ContinuityExhausted];

    /// The code of the close frame ([RFC 6455, section 7.4.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1)).
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::SlowConsumer | Self::ContinuityExhausted => 1011,
        }
    }

    /// The reason in the close frame.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::SlowConsumer => "slow consumer",
            Self::ContinuityExhausted => "Lasso subscription continuity exhausted",
        }
    }

    /// The name used in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SlowConsumer => "slow_consumer",
            Self::ContinuityExhausted => "continuity_exhausted",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
