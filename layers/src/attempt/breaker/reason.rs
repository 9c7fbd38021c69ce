//! Why breakers change.

/// Why a breaker changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Too many failures in a row.
    FailureThresholdExceeded,
    /// It was half-open, and a call failed.
    ReopenDueToFailure,
    /// The recovery timeout is over, and a call asked for the channel.
    AttemptRecovery,
    /// The recovery timeout is over, and no call had asked for the channel yet.
    ProactiveRecovery,
    /// The provider answered a probe.
    RecoveryAttempt,
    /// Enough successes.
    Recovered,
    /// Opened by hand.
    ManualOpen,
    /// Closed by hand.
    ManualClose,
}

impl Reason {
    /// The name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailureThresholdExceeded => "failure_threshold_exceeded",
            Self::ReopenDueToFailure => "reopen_due_to_failure",
            Self::AttemptRecovery => "attempt_recovery",
            Self::ProactiveRecovery => "proactive_recovery",
            Self::RecoveryAttempt => "recovery_attempt",
            Self::Recovered => "recovered",
            Self::ManualOpen => "manual_open",
            Self::ManualClose => "manual_close",
        }
    }
}
