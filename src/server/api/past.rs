//! What the pages about the past have in common: whose, when, and what goes wrong.

use bytes::Bytes;
use http::StatusCode;
use lasso_layers::catalog::DEFAULT_PROFILE;
use serde_json::json;

use super::parameters::{BadParameter, Parameters};
use super::{Api, page};
use crate::clock::Moment;
use crate::history::Error;

/// The seconds of a day.
const DAY: u64 = 86_400;

/// Which part of the past is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Past {
    /// A slug, of a profile that need not exist any more.
    pub(super) profile: String,
    /// A chain's key, if one is named.
    pub(super) chain: Option<String>,
    /// The first moment, in seconds since 1970.
    pub(super) from: u64,
    /// The moment after the last, in seconds since 1970.
    pub(super) to: u64,
}

impl Past {
    /// Takes `profile`, `chain`, `from` and `to`. Without times it is the last 24 hours. Profiles and chains that
    /// exist go by all their names, and those that exist no more by the one they had.
    pub(super) fn take(
        parameters: &mut Parameters<'_>,
        api: &Api,
        now: Moment,
    ) -> Result<Self, BadParameter> {
        let profile = parameters.take("profile").unwrap_or_else(|| DEFAULT_PROFILE.into());
        let chain = parameters.take("chain");
        let to = parameters.take_number("to")?;
        let from = parameters.take_number("from")?;
        // The second that is not over yet is a part of the last day.
        let to = to.unwrap_or_else(|| now.unix_ms() / 1000 + 1);
        let from = from.unwrap_or_else(|| to.saturating_sub(DAY));
        if from > to {
            return Err(BadParameter { name: "from".to_owned(), reason: "is later than `to`".to_owned() });
        }
        let catalog = api.runtime.live.load();
        let known = catalog.profile(&profile).map(|(_, profile)| profile);
        let chain = chain.map(|name| {
            let known = known.and_then(|profile| profile.chain(&name));
            known.map_or_else(|| name.into_owned(), |(_, chain)| chain.key.to_string())
        });
        let profile = known.map_or_else(|| profile.into_owned(), |profile| profile.slug.to_string());
        Ok(Self { profile, chain, from, to })
    }
}

/// The answer to a query that cannot be understood.
pub(super) fn bad_request(bad: &BadParameter) -> (StatusCode, Bytes) {
    let error = format!("parameter `{}` {}", bad.name, bad.reason);
    page(StatusCode::BAD_REQUEST, &json!({ "error": error, "parameter": bad.name }))
}

/// The answer where nothing is written down.
pub(super) fn no_history() -> (StatusCode, Bytes) {
    page(StatusCode::NOT_FOUND, &json!({ "error": "no history is kept: history.enabled is false" }))
}

/// The answer where the file cannot be had.
pub(super) fn unreadable(error: &Error) -> (StatusCode, Bytes) {
    log_unreadable(error);
    let error = "the history cannot be read just now; the log says why";
    page(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": error }))
}

/// Says what is wrong to the operator. What a file system says may hold a path, which is not for everybody.
pub(super) fn log_unreadable(error: &Error) {
    if !matches!(error, Error::Closed) {
        tracing::warn!(event = "lasso.history.unreadable", "cannot read the history: {error}");
    }
}
