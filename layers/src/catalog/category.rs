//! What kind of failure an upstream's answer is, and what follows from it.

use std::fmt;

/// The kind of an upstream error. Everything that reacts to a failure (failover, breakers, limits,
/// benchmarks) asks the category and never looks at codes or texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Category {
    /// The provider asks for fewer requests.
    RateLimit,
    /// The provider failed on its own account.
    ServerError,
    /// No answer could be carried over the network.
    NetworkError,
    /// No answer in time.
    Timeout,
    /// The provider does not accept our credentials.
    AuthError,
    /// The node reports an internal error.
    InternalError,
    /// The router has no provider to offer.
    ProviderError,
    /// The wallet-style error "disconnected from the chain".
    ChainError,
    /// The wallet-style error "method refused".
    MethodError,
    /// Only an archive node can answer.
    RequiresArchival,
    /// The provider's plan or limits do not cover this request.
    CapabilityViolation,
    /// The provider does not know the method.
    MethodNotFound,
    /// The provider does not have the block yet.
    BlockNotAvailable,
    /// Code -32000 with a text that says nothing we know.
    UnclassifiedServerError,
    /// The provider blames the client, without saying for what.
    ClientError,
    /// An error of no known shape.
    UnknownError,
    /// The parameters are wrong everywhere.
    InvalidParams,
    /// The request is wrong everywhere.
    InvalidRequest,
    /// The provider could not parse the request.
    ParseError,
    /// The user said no.
    UserError,
    /// The EVM said no: an answer, and the same one everywhere.
    ExecutionRevert,
    /// This process had no room for the attempt; nothing was sent.
    LocalCapacityRejection,
    /// The channel's circuit breaker is open; nothing was sent.
    CircuitOpen,
    /// The channel's half-open breaker has no free slot; nothing was sent.
    HalfOpenBusy,
    /// The request may have been executed, nobody knows.
    IndeterminateDispatch,
    /// The caller went away.
    Cancelled,
}

/// Whether another channel is tried after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// Always.
    Always,
    /// Unless this many earlier attempts of the same call failed in the same way.
    Until(u8),
    /// Never: the failure is the answer.
    Never,
}

impl Category {
    /// Every category, in declaration order.
    pub const ALL: [Self; 26] = [
        Self::RateLimit,
        Self::ServerError,
        Self::NetworkError,
        Self::Timeout,
        Self::AuthError,
        Self::InternalError,
        Self::ProviderError,
        Self::ChainError,
        Self::MethodError,
        Self::RequiresArchival,
        Self::CapabilityViolation,
        Self::MethodNotFound,
        Self::BlockNotAvailable,
        Self::UnclassifiedServerError,
        Self::ClientError,
        Self::UnknownError,
        Self::InvalidParams,
        Self::InvalidRequest,
        Self::ParseError,
        Self::UserError,
        Self::ExecutionRevert,
        Self::LocalCapacityRejection,
        Self::CircuitOpen,
        Self::HalfOpenBusy,
        Self::IndeterminateDispatch,
        Self::Cancelled,
    ];

    /// The categories that an `error_rules` entry of a profile may name.
    pub const RULE_CATEGORIES: [Self; 15] = [
        Self::RateLimit,
        Self::CapabilityViolation,
        Self::ServerError,
        Self::RequiresArchival,
        Self::AuthError,
        Self::NetworkError,
        Self::ClientError,
        Self::InvalidParams,
        Self::MethodNotFound,
        Self::ParseError,
        Self::InternalError,
        Self::UnknownError,
        Self::MethodError,
        Self::ChainError,
        Self::UserError,
    ];

    /// The name used in profiles, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::ServerError => "server_error",
            Self::NetworkError => "network_error",
            Self::Timeout => "timeout",
            Self::AuthError => "auth_error",
            Self::InternalError => "internal_error",
            Self::ProviderError => "provider_error",
            Self::ChainError => "chain_error",
            Self::MethodError => "method_error",
            Self::RequiresArchival => "requires_archival",
            Self::CapabilityViolation => "capability_violation",
            Self::MethodNotFound => "method_not_found",
            Self::BlockNotAvailable => "block_not_available",
            Self::UnclassifiedServerError => "unclassified_server_error",
            Self::ClientError => "client_error",
            Self::UnknownError => "unknown_error",
            Self::InvalidParams => "invalid_params",
            Self::InvalidRequest => "invalid_request",
            Self::ParseError => "parse_error",
            Self::UserError => "user_error",
            Self::ExecutionRevert => "execution_revert",
            Self::LocalCapacityRejection => "local_capacity_rejection",
            Self::CircuitOpen => "circuit_open",
            Self::HalfOpenBusy => "half_open_busy",
            Self::IndeterminateDispatch => "indeterminate_dispatch",
            Self::Cancelled => "cancelled",
        }
    }

    /// The category of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|category| category.as_str() == name)
    }

    /// Whether another provider may answer what this one did not.
    #[must_use]
    pub const fn failover(self) -> Failover {
        match self {
            Self::RateLimit
            | Self::ServerError
            | Self::NetworkError
            | Self::Timeout
            | Self::AuthError
            | Self::InternalError
            | Self::ProviderError
            | Self::ChainError
            | Self::MethodError
            | Self::RequiresArchival
            | Self::LocalCapacityRejection
            | Self::CircuitOpen
            | Self::HalfOpenBusy => Failover::Always,
            Self::CapabilityViolation | Self::MethodNotFound | Self::BlockNotAvailable => Failover::Until(2),
            Self::UnclassifiedServerError | Self::ClientError => Failover::Until(1),
            Self::UnknownError
            | Self::InvalidParams
            | Self::InvalidRequest
            | Self::ParseError
            | Self::UserError
            | Self::ExecutionRevert
            | Self::IndeterminateDispatch
            | Self::Cancelled => Failover::Never,
        }
    }

    /// Whether the failure counts against the channel's circuit breaker.
    #[must_use]
    pub const fn penalises(self) -> bool {
        matches!(
            self,
            Self::ServerError
                | Self::NetworkError
                | Self::Timeout
                | Self::AuthError
                | Self::InternalError
                | Self::ProviderError
                | Self::MethodError
                | Self::ChainError
                | Self::UnknownError
        )
    }

    /// Whether the failure counts in the channel's benchmarks.
    #[must_use]
    pub const fn counts_in_benchmarks(self) -> bool {
        matches!(
            self,
            Self::ServerError
                | Self::NetworkError
                | Self::Timeout
                | Self::AuthError
                | Self::InternalError
                | Self::ProviderError
        )
    }

    /// Whether the error is an answer to the client's request: it says something about the request and
    /// nothing about the provider, and every provider would say the same.
    #[must_use]
    pub const fn is_answer(self) -> bool {
        matches!(
            self,
            Self::InvalidParams
                | Self::InvalidRequest
                | Self::ParseError
                | Self::UserError
                | Self::ExecutionRevert
        )
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lists_every_category_at_its_own_discriminant() {
        for (index, category) in Category::ALL.into_iter().enumerate() {
            assert_eq!(category as usize, index);
            assert_eq!(Category::from_name(category.as_str()), Some(category));
        }
    }

    #[test]
    fn what_is_an_answer_neither_fails_over_nor_penalises() {
        for category in Category::ALL.into_iter().filter(|category| category.is_answer()) {
            assert_eq!(category.failover(), Failover::Never);
            assert!(!category.penalises());
            assert!(!category.counts_in_benchmarks());
        }
    }
}
