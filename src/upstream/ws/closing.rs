//! What the end of a connection means: whose fault it was, and what to call it.

use std::time::Duration;

use http::StatusCode;
use lasso_layers::call::{Dispatch, Failure, HttpRefusal, TransportKind, UpstreamFailure};
use lasso_layers::catalog::{Category, Transport};
use lasso_layers::wire::{ErrorObject, code};

/// Codes of [RFC 6455, section 7.4.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1) and of the
/// [registry](https://www.iana.org/assignments/websocket) that it founded.
mod close {
    pub(super) const NORMAL: u16 = 1000;
    pub(super) const GOING_AWAY: u16 = 1001;
    pub(super) const PROTOCOL: u16 = 1002;
    pub(super) const UNSUPPORTED: u16 = 1003;
    pub(super) const NO_STATUS: u16 = 1005;
    pub(super) const ABNORMAL: u16 = 1006;
    pub(super) const POLICY: u16 = 1008;
    pub(super) const TOO_BIG: u16 = 1009;
    pub(super) const INTERNAL: u16 = 1011;
    pub(super) const RESTART: u16 = 1012;
    pub(super) const TRY_AGAIN: u16 = 1013;
    pub(super) const BAD_GATEWAY: u16 = 1014;
    pub(super) const TLS: u16 = 1015;
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The upstream sent a close frame.
    Closed {
        /// The code; without one that of [RFC 6455, section 7.1.5](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5).
        code: u16,
        /// What it said.
        reason: String,
    },
    /// TCP ended or broke without a word.
    Broken,
    /// The upstream wrote something that is no WebSocket protocol.
    Garbled,
    /// The upstream wrote a message longer than we read.
    TooBig,
    /// Nothing came back for too long.
    Silent,
    /// What was written did not leave in time.
    Stuck,
    /// The upstream said outside of any reply that the connection timed out.
    TimedOut,
}

/// The end of a connection, and what it was worth until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) end: End,
    /// It had lived long enough to count as good.
    pub(super) was_stable: bool,
    /// Requests that waited for a reply.
    pub(super) pending: usize,
}

impl End {
    /// Without a close frame's code.
    pub(super) const fn closed_silently() -> Self {
        Self::Closed { code: close::NO_STATUS, reason: String::new() }
    }

    /// The close code that was received, or that says the same.
    pub(super) const fn code(&self) -> u16 {
        match self {
            Self::Closed { code, .. } => *code,
            Self::Broken | Self::Silent | Self::Stuck => close::ABNORMAL,
            Self::Garbled => close::PROTOCOL,
            Self::TooBig => close::TOO_BIG,
            Self::TimedOut => close::TRY_AGAIN,
        }
    }

    /// Code and reason of the close frame that we send, where the upstream can be expected to read one.
    pub(super) const fn own_close(&self) -> Option<(u16, &'static str)> {
        match self {
            Self::TimedOut => Some((close::TRY_AGAIN, "connection timeout")),
            Self::TooBig => Some((close::TOO_BIG, "message too big")),
            Self::Garbled => Some((close::PROTOCOL, "protocol error")),
            Self::Closed { .. } | Self::Broken | Self::Silent | Self::Stuck => None,
        }
    }

    /// Whether trying again will hardly help: the upstream does not want us, or what we send.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Closed { code: close::UNSUPPORTED | close::POLICY | close::TOO_BIG, .. })
    }

    /// A word for logs.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Broken => "broken",
            Self::Garbled => "protocol_error",
            Self::TooBig => "message_too_big",
            Self::Silent => "pong_timeout",
            Self::Stuck => "write_timeout",
            Self::TimedOut => "connection_timeout",
        }
    }

    /// The end as a failure of the upstream.
    pub(super) fn failure(&self) -> Failure {
        let Self::Closed { code, reason } = self else {
            return match self {
                Self::Garbled | Self::TooBig | Self::TimedOut => of_code(self.code(), ""),
                _ => Failure::transport(TransportKind::Broken, Dispatch::Unknown, Transport::Ws),
            };
        };
        of_code(*code, reason)
    }
}

impl Loss {
    /// Whether nobody is to blame: a good connection that nothing was asked on, closed in good order.
    pub(super) const fn is_blameless(&self) -> bool {
        let is_graceful =
            matches!(self.end, End::Closed { code: close::NORMAL | close::GOING_AWAY | close::RESTART, .. });
        self.was_stable && self.pending == 0 && is_graceful
    }
}

/// What a close code means.
fn of_code(code: u16, reason: &str) -> Failure {
    let (message, category) = match code {
        close::NORMAL => ("WebSocket closed normally", Category::NetworkError),
        close::GOING_AWAY => ("WebSocket endpoint going away", Category::NetworkError),
        close::ABNORMAL => ("WebSocket closed abnormally", Category::NetworkError),
        close::BAD_GATEWAY => ("WebSocket bad gateway", Category::NetworkError),
        close::TLS => ("WebSocket TLS failure", Category::NetworkError),
        close::PROTOCOL => ("WebSocket protocol error", Category::ServerError),
        close::INTERNAL => ("WebSocket internal server error", Category::ServerError),
        close::RESTART => ("WebSocket service restart", Category::ServerError),
        close::TRY_AGAIN => ("WebSocket try again later", Category::ServerError),
        close::UNSUPPORTED => ("WebSocket unsupported data", Category::ClientError),
        close::POLICY => ("WebSocket policy violation", Category::ClientError),
        close::TOO_BIG => ("WebSocket message too big", Category::ClientError),
        other => {
            let mut message = format!("WebSocket close (code {other})");
            if !reason.is_empty() {
                message.push_str(": ");
                message.push_str(reason);
            }
            return upstream(code::SERVER_ERROR, message, Category::NetworkError, None, None);
        }
    };
    let code = match code {
        close::UNSUPPORTED | close::POLICY => code::INVALID_REQUEST,
        close::TOO_BIG => code::INVALID_PARAMS,
        _ => code::SERVER_ERROR,
    };
    upstream(code, message.to_owned(), category, None, None)
}

/// What an HTTP status in place of a handshake means. `retry_after` is what its headers say.
pub(super) fn of_status(status: StatusCode, retry_after: Option<Duration>) -> Failure {
    let same = i64::from(status.as_u16());
    let (code, message, category) = match status.as_u16() {
        429 => (same, "Rate limited", Category::RateLimit),
        408 => (code::SERVER_ERROR, "Upstream timeout", Category::NetworkError),
        401 | 403 => (same, "Client error", Category::AuthError),
        400..=499 => (same, "Client error", Category::ClientError),
        500..=599 => (same, "Upstream server error", Category::ServerError),
        // Not a word that a WebSocket server says.
        _ => return not_connected(),
    };
    upstream(code, message.to_owned(), category, retry_after, Some(status))
}

/// No connection was made, for a reason below HTTP.
pub(super) fn not_connected() -> Failure {
    Failure::transport(TransportKind::Connect, Dispatch::NotSent, Transport::Ws)
}

/// Whether asking again soon will hardly change the answer to a handshake.
pub(super) fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() && !matches!(status.as_u16(), 408 | 429)
}

fn upstream(
    code: i64,
    message: String,
    category: Category,
    retry_after: Option<Duration>,
    status: Option<StatusCode>,
) -> Failure {
    Failure::Upstream(Box::new(UpstreamFailure {
        error: ErrorObject::new(code, message),
        category,
        retry_after,
        transport: Transport::Ws,
        http: status.map(|status| HttpRefusal { status, mentions_limit: false }),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(code: u16, reason: &str) -> End {
        End::Closed { code, reason: reason.to_owned() }
    }

    fn told(failure: &Failure) -> (i64, String, Category) {
        let error = failure.error();
        (error.code, error.message.clone().into_owned(), failure.category())
    }

    #[test]
    fn only_a_good_idle_connection_that_is_closed_in_good_order_costs_nothing() {
        for code in [1000, 1001, 1012] {
            let loss = Loss { end: closed(code, ""), was_stable: true, pending: 0 };
            assert!(loss.is_blameless(), "{code}");
            assert!(!Loss { was_stable: false, ..loss.clone() }.is_blameless(), "{code}");
            assert!(!Loss { pending: 1, ..loss }.is_blameless(), "{code}");
        }
        let others =
            [1002, 1003, 1005, 1006, 1008, 1009, 1011, 1013, 1014, 1015, 4000].map(|code| closed(code, ""));
        let abrupt = [End::Broken, End::Garbled, End::TooBig, End::Silent, End::Stuck, End::TimedOut];
        for end in others.into_iter().chain(abrupt) {
            let loss = Loss { end, was_stable: true, pending: 0 };
            assert!(!loss.is_blameless(), "{loss:?}");
        }
    }

    #[test]
    fn close_codes_have_their_meaning() {
        use Category::{ClientError, NetworkError, ServerError};
        for (codes, code, category) in [
            (&[1000, 1001, 1006, 1014, 1015][..], -32000, NetworkError),
            (&[1002, 1011, 1012, 1013], -32000, ServerError),
            (&[1003, 1008], -32600, ClientError),
            (&[1009], -32602, ClientError),
            (&[1005, 3000, 4999], -32000, NetworkError),
        ] {
            for close in codes {
                let (seen, message, kind) = told(&closed(*close, "").failure());
                assert_eq!((seen, kind), (code, category), "{close}: {message}");
            }
        }
        assert_eq!(told(&closed(1009, "").failure()).1, "WebSocket message too big");
        assert_eq!(told(&closed(4001, "quota").failure()).1, "WebSocket close (code 4001): quota");
        assert_eq!(told(&closed(1005, "").failure()).1, "WebSocket close (code 1005)");
        for end in [End::Broken, End::Silent, End::Stuck] {
            assert_eq!(
                told(&end.failure()),
                (-32004, "WebSocket connection closed".to_owned(), NetworkError)
            );
        }
    }

    #[test]
    fn statuses_in_place_of_a_handshake_have_their_meaning() {
        for (status, code, message, category) in [
            (429, 429, "Rate limited", Category::RateLimit),
            (408, -32000, "Upstream timeout", Category::NetworkError),
            (500, 500, "Upstream server error", Category::ServerError),
            (503, 503, "Upstream server error", Category::ServerError),
            (404, 404, "Client error", Category::ClientError),
            (401, 401, "Client error", Category::AuthError),
            (403, 403, "Client error", Category::AuthError),
            (200, -32006, "WebSocket connection failed", Category::NetworkError),
            (302, -32006, "WebSocket connection failed", Category::NetworkError),
        ] {
            let failure = of_status(StatusCode::from_u16(status).unwrap(), None);
            assert_eq!(told(&failure), (code, message.to_owned(), category), "{status}");
        }
        let wait = Some(Duration::from_secs(7));
        assert_eq!(of_status(StatusCode::TOO_MANY_REQUESTS, wait).retry_after(), wait);
    }

    #[test]
    fn refusals_are_told_from_accidents() {
        for (status, expected) in
            [(400, true), (401, true), (404, true), (408, false), (429, false), (500, false)]
        {
            assert_eq!(is_refusal(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
        for (code, expected) in
            [(1000, false), (1003, true), (1008, true), (1009, true), (1011, false), (4000, false)]
        {
            assert_eq!(closed(code, "").is_refusal(), expected, "{code}");
        }
        // It was us who did not want more.
        assert!(!End::TooBig.is_refusal());
    }
}
