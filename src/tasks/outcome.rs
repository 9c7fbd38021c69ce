//! What a failed question says about an upstream.

use std::time::Duration;

use lasso_layers::call::Failure;
use lasso_layers::catalog::{Category, Channel};
use tokio::time::Instant;

use crate::runtime::Runtime;

/// How long an upstream is used last after it asked us for fewer requests.
const LIMITED: Duration = Duration::from_secs(60);
/// Codes with which providers refuse a question that every node can answer, and which they use for limits then.
const LIMIT_CODES: [i64; 3] = [-32005, -32007, -32029];

/// How a question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The right answer.
    Good,
    /// The wrong answer, or none.
    Failed,
    /// The provider asks for fewer requests.
    Limited,
    /// The provider does not accept our credentials, or wants to be paid.
    Refused,
}

impl Outcome {
    /// Reads a failure as one of a question that every node can answer, which is not how a client's request is read:
    /// who forbids such a question hardly minds the question itself, and a busy server in front of a node may say
    /// that there are too many requests with any status of a server's failure.
    pub(super) fn of(failure: &Failure) -> Self {
        if let Failure::Upstream(failure) = failure {
            match failure.http.map(|http| (http.status.as_u16(), http.mentions_limit)) {
                Some((403 | 429, _) | (500..=599, true)) => return Self::Limited,
                Some((401 | 402, _)) => return Self::Refused,
                _ if LIMIT_CODES.contains(&failure.error.code) => return Self::Limited,
                _ => {}
            }
        }
        match failure.category() {
            Category::RateLimit => Self::Limited,
            Category::AuthError => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// Tells breaker and limits of a channel about a failure.
///
/// One that asks for fewer requests limits the channel, unless it is limited already, and never counts against it.
/// Any other counts by its category.
pub(super) fn tell(runtime: &Runtime, channel: &Channel, failure: &Failure, now: Instant) -> Outcome {
    let outcome = Outcome::of(failure);
    if outcome != Outcome::Limited {
        runtime.breakers.probe_failed(channel, failure, now);
    } else if runtime.paces.remaining(channel.key, now).is_none() {
        runtime.paces.limit(channel, Some(LIMITED), now);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use lasso_layers::call::{Dispatch, HttpRefusal, TransportKind, UpstreamFailure};
    use lasso_layers::catalog::Transport;
    use lasso_layers::wire::ErrorObject;

    use super::*;

    fn failure(category: Category, code: i64, http: Option<(u16, bool)>) -> Failure {
        let http = http.map(|(status, mentions_limit)| HttpRefusal {
            status: StatusCode::from_u16(status).unwrap(),
            mentions_limit,
        });
        let (error, transport) = (ErrorObject::new(code, "no"), Transport::Http);
        Failure::Upstream(Box::new(UpstreamFailure { error, category, retry_after: None, transport, http }))
    }

    #[test]
    fn statuses_and_codes_tell_limits_refusals_and_failures_apart() {
        let server = Category::ServerError;
        for (category, code, http, expected) in [
            (Category::RateLimit, -32005, Some((429, false)), Outcome::Limited),
            (Category::AuthError, -32002, Some((403, false)), Outcome::Limited),
            (server, -32002, Some((503, true)), Outcome::Limited),
            (server, -32002, Some((503, false)), Outcome::Failed),
            (server, -32002, Some((404, true)), Outcome::Failed),
            (server, -32007, None, Outcome::Limited),
            (server, -32029, None, Outcome::Limited),
            (Category::CapabilityViolation, -32005, None, Outcome::Limited),
            (server, -32006, None, Outcome::Failed),
            (Category::RateLimit, -32000, None, Outcome::Limited),
            (Category::AuthError, -32002, Some((401, false)), Outcome::Refused),
            (server, -32002, Some((402, false)), Outcome::Refused),
            (Category::AuthError, -32000, None, Outcome::Refused),
        ] {
            assert_eq!(Outcome::of(&failure(category, code, http)), expected, "{code} {http:?}");
        }
    }

    #[test]
    fn our_own_timeout_is_no_limit_though_its_code_is_one_of_theirs() {
        let failure = Failure::transport(TransportKind::Timeout, Dispatch::Unknown, Transport::Http);
        assert!(LIMIT_CODES.contains(&failure.error().code));
        assert_eq!(Outcome::of(&failure), Outcome::Failed);
    }
}
