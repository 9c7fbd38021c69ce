//! Why there is no subscription, in the words that clients know.

use std::fmt;

use crate::call::{Failure, Plan};
use crate::catalog::Category;
use crate::wire::{ErrorObject, code, write_string};

/// Why a subscription could not be established, as the error's data says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CreationFailure {
    /// There is no such stream.
    NotFound,
    /// An upstream did not answer in time.
    Timeout,
    /// There is no upstream for it.
    Unavailable,
    /// Upstreams refuse it.
    SubscriptionFailed,
    /// No upstream had confirmed it when the time for the call was over.
    UpstreamEstablishmentFailed,
}

/// What the provider that a client insists on cannot do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PinProblem {
    /// It is not one of the chain's.
    NotFound,
    /// It has no WebSocket address.
    NoWebSocket,
    /// It is not to be asked for new heads.
    NoNewHeads,
}

impl CreationFailure {
    /// The word in the error's data.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::SubscriptionFailed => "subscription_failed",
            Self::UpstreamEstablishmentFailed => "upstream_establishment_failed",
        }
    }
}

impl fmt::Display for CreationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<CreationFailure> for Failure {
    fn from(failure: CreationFailure) -> Self {
        let error = ErrorObject::new(code::SERVER_ERROR, "Failed to create subscription")
            .with_data(format!(r#"{{"reason":"{failure}"}}"#));
        Self::rejected(Category::ProviderError, error)
    }
}

impl PinProblem {
    /// The refusal of a subscription to this provider.
    #[must_use]
    pub fn refusal(self, provider: &str, plan: &Plan) -> Failure {
        let problem = match self {
            Self::NotFound => "not found",
            Self::NoWebSocket => "does not support WebSocket subscriptions",
            Self::NoNewHeads => "does not support newHeads subscriptions",
        };
        let mut data = br#"{"provider_id":"#.to_vec();
        write_string(&mut data, provider);
        data.extend_from_slice(format!(r#","chain_id":{},"profile":"#, plan.chain().chain_id).as_bytes());
        write_string(&mut data, &plan.profile().slug);
        data.push(b'}');
        let message = format!("Provider '{provider}' {problem}");
        let error = ErrorObject::new(code::INVALID_PARAMS, message).with_data(data);
        Failure::rejected(Category::InvalidParams, error)
    }
}

/// The parameters are none that we know.
pub(super) fn invalid_params() -> Failure {
    let error = ErrorObject::new(code::INVALID_PARAMS, "Invalid subscription parameters");
    Failure::rejected(Category::InvalidParams, error)
}

/// The client has as many subscriptions as it may have.
pub(super) fn no_slot() -> Failure {
    let error = ErrorObject::new(code::CAPACITY, "Subscription capacity unavailable");
    Failure::rejected(Category::LocalCapacityRejection, error)
}

/// The call came too late to be begun.
pub(super) fn too_late() -> Failure {
    let error = ErrorObject::new(code::SERVER_ERROR, "Subscription request is no longer authorized");
    Failure::rejected(Category::Timeout, error)
}

/// Nobody would learn the id.
pub(super) fn notification() -> Failure {
    let error = ErrorObject::new(code::INVALID_REQUEST, "Invalid Request: a subscription needs an id");
    Failure::rejected(Category::InvalidRequest, error)
}
