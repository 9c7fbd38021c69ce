//! What a client is told when a route does not exist.

use http::StatusCode;

use crate::call::{Plan, Rejection};
use crate::catalog::Category;
use crate::wire::{ErrorObject, code, write_string};

/// The profile's name is blank.
pub(super) fn blank_profile() -> Rejection {
    let error = ErrorObject::new(code::INVALID_PARAMS, "Profile must not be blank")
        .with_data(r#"{"error_type":"profile_empty"}"#);
    Rejection::new(Category::InvalidParams, error).whole_request(StatusCode::BAD_REQUEST)
}

/// There is no such profile.
pub(super) fn unknown_profile(slug: &str) -> Rejection {
    let error = ErrorObject::new(code::SERVER_ERROR, format!("Profile not found: '{slug}'"))
        .with_data(r#"{"error_type":"profile_not_found"}"#);
    Rejection::new(Category::InvalidParams, error).whole_request(StatusCode::NOT_FOUND)
}

/// The profile has no such chain.
pub(super) fn unknown_chain(chain: &str, profile: &str) -> Rejection {
    let message = format!("Unsupported chain '{chain}' in profile '{profile}'");
    let error = ErrorObject::new(code::INVALID_PARAMS, message);
    Rejection::new(Category::InvalidParams, error).whole_request(StatusCode::BAD_REQUEST)
}

/// The chain has no such provider.
pub(super) fn unknown_provider(provider: &str, plan: &Plan) -> Rejection {
    let (profile, chain) = (&plan.profile().slug, plan.chain());
    let message = format!("Unknown provider '{provider}' for chain '{}' in profile '{profile}'", chain.key);
    let mut data = br#"{"provider_id":"#.to_vec();
    write_string(&mut data, provider);
    data.extend_from_slice(format!(r#","chain_id":{},"profile":"#, chain.chain_id).as_bytes());
    write_string(&mut data, profile);
    data.push(b'}');
    let error = ErrorObject::new(code::INVALID_PARAMS, message).with_data(data);
    Rejection::new(Category::InvalidParams, error).whole_request(StatusCode::BAD_REQUEST)
}
