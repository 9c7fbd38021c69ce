//! For stacks that end in HTTP.

use crate::call::{Filter, Subject, Verdict};
use crate::catalog::Transport;

/// Leaves WebSocket channels out: for [`Stage::Liveness`](crate::call::Stage) in a stack that ends in an HTTP client.
///
/// A provider with a WebSocket address has a channel for it, whether or not anything in the process can send there.
/// Without this filter such a channel is drawn like any other, and the attempt on it fails.
///
/// ```
/// use lasso_layers::call::Stage;
/// use lasso_layers::call::candidate::{CandidateLayer, HttpOnly};
///
/// let layer = CandidateLayer::new().filter(Stage::Liveness, HttpOnly);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpOnly;

impl Filter for HttpOnly {
    fn check(&self, subject: &Subject<'_>) -> Verdict {
        match subject.channel.transport {
            Transport::Http => Verdict::Keep,
            Transport::Ws => Verdict::exclude("ws_not_live"),
        }
    }
}
