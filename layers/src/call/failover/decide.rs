//! After a failed attempt: is another channel tried?

use crate::call::{Dispatch, Failure};
use crate::catalog::{Category, Failover, Safety};

/// What follows from a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The failure is what the client gets.
    Stop,
    /// The request may have been executed and must not be sent again; the client is told so.
    StopIndeterminate,
    /// The next channel is tried.
    Try,
}

/// Decides from the failure, what kind of call it was, and how many earlier attempts failed the same way.
pub(super) fn next(failure: &Failure, safety: Safety, earlier: usize) -> Next {
    let category = failure.category();
    let by_category = match category.failover() {
        Failover::Always => Next::Try,
        Failover::Until(limit) if earlier < usize::from(limit) => Next::Try,
        Failover::Until(_) | Failover::Never => Next::Stop,
    };
    match (safety, failure.dispatch()) {
        (Safety::Replay, _) | (_, Dispatch::NotSent) => by_category,
        // The same signed bytes have the same hash, so sending them again is harmless.
        (Safety::Broadcast, Dispatch::Unknown) => by_category,
        (Safety::Broadcast, Dispatch::Answered) if !is_verdict(failure) => by_category,
        // A definite refusal by quota, plan or missing method executed nothing.
        (Safety::Unknown, Dispatch::Answered) if refused_before_execution(category) => by_category,
        (Safety::Stateful | Safety::Unknown, Dispatch::Unknown) => Next::StopIndeterminate,
        (_, Dispatch::Answered) => Next::Stop,
    }
}

/// Whether an answer to a signed transaction says something about the transaction. A quota, credentials, a method that
/// is missing, HTTP 5xx and a reply that cannot be read say nothing.
fn is_verdict(failure: &Failure) -> bool {
    let Failure::Upstream(answer) = failure else { return false };
    let is_about_the_provider =
        matches!(answer.category, Category::RateLimit | Category::AuthError | Category::MethodNotFound);
    !is_about_the_provider && !answer.http.is_some_and(|http| http.status.is_server_error())
}

/// Whether the provider turned the request away without looking at what it asks for.
const fn refused_before_execution(category: Category) -> bool {
    matches!(
        category,
        Category::RateLimit | Category::AuthError | Category::MethodNotFound | Category::CapabilityViolation
    )
}

/// Whether the failure rules out the provider's other channel too.
pub(super) const fn drops_provider(category: Category) -> bool {
    matches!(category, Category::MethodNotFound | Category::CapabilityViolation | Category::RequiresArchival)
}

/// Whether the instance's other transport should wait until other instances were tried.
pub(super) const fn defers_instance(category: Category) -> bool {
    matches!(category, Category::Timeout | Category::NetworkError)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::call::{HttpRefusal, TransportKind, UpstreamFailure};
    use crate::catalog::Transport;
    use crate::wire::ErrorObject;

    fn answered(category: Category) -> Failure {
        let error = ErrorObject::new(-32000, "no");
        Failure::Upstream(Box::new(UpstreamFailure {
            error,
            category,
            retry_after: None,
            transport: Transport::Http,
            http: None,
        }))
    }

    fn broken(dispatch: Dispatch) -> Failure {
        Failure::transport(TransportKind::Broken, dispatch, Transport::Http)
    }

    #[test]
    fn repeat_stops_count_earlier_attempts() {
        for (category, limit) in [
            (Category::CapabilityViolation, 2),
            (Category::MethodNotFound, 2),
            (Category::BlockNotAvailable, 2),
            (Category::UnclassifiedServerError, 1),
            (Category::ClientError, 1),
        ] {
            assert_eq!(next(&answered(category), Safety::Replay, limit - 1), Next::Try);
            assert_eq!(next(&answered(category), Safety::Replay, limit), Next::Stop);
        }
        assert_eq!(next(&answered(Category::ServerError), Safety::Replay, 9), Next::Try);
    }

    #[test]
    fn a_filter_call_is_dispatched_once() {
        assert_eq!(next(&broken(Dispatch::Unknown), Safety::Stateful, 0), Next::StopIndeterminate);
        assert_eq!(next(&answered(Category::RateLimit), Safety::Stateful, 0), Next::Stop);
        assert_eq!(next(&broken(Dispatch::NotSent), Safety::Stateful, 0), Next::Try);
    }

    #[test]
    fn a_signed_transaction_moves_on_unless_the_answer_is_explicit() {
        assert_eq!(next(&broken(Dispatch::Unknown), Safety::Broadcast, 0), Next::Try);
        for category in [Category::RateLimit, Category::AuthError, Category::MethodNotFound] {
            assert_eq!(next(&answered(category), Safety::Broadcast, 0), Next::Try, "{category:?}");
        }
        for category in
            [Category::ServerError, Category::CapabilityViolation, Category::UnclassifiedServerError]
        {
            assert_eq!(next(&answered(category), Safety::Broadcast, 0), Next::Stop, "{category:?}");
        }
        let Failure::Upstream(mut busy) = answered(Category::ServerError) else { unreachable!() };
        busy.http = Some(HttpRefusal { status: StatusCode::SERVICE_UNAVAILABLE, mentions_limit: false });
        assert_eq!(next(&Failure::Upstream(busy), Safety::Broadcast, 0), Next::Try);
    }

    #[test]
    fn an_unknown_method_moves_on_only_after_a_definite_refusal() {
        assert_eq!(next(&answered(Category::MethodNotFound), Safety::Unknown, 0), Next::Try);
        assert_eq!(next(&answered(Category::CapabilityViolation), Safety::Unknown, 0), Next::Try);
        assert_eq!(next(&answered(Category::ServerError), Safety::Unknown, 0), Next::Stop);
        assert_eq!(next(&broken(Dispatch::Unknown), Safety::Unknown, 0), Next::StopIndeterminate);
    }

    #[test]
    fn what_was_never_sent_may_always_move_on() {
        let refused = Failure::rejected(Category::CircuitOpen, ErrorObject::new(-32000, "open"));
        for safety in [Safety::Replay, Safety::Broadcast, Safety::Stateful, Safety::Unknown] {
            assert_eq!(next(&refused, safety, 0), Next::Try);
        }
    }
}
