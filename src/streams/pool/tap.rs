//! The users' side of an upstream subscription.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::sync::mpsc;

use super::entry::Entry;
use super::{Gone, Signal};
use crate::streams::coordinator::LossReason;

/// Hears a subscription, and keeps it.
#[derive(Debug)]
pub(in crate::streams) struct Tap {
    pub(super) seat: Seat,
    pub(super) signals: mpsc::Receiver<Signal>,
    pub(super) gone: Arc<OnceLock<Gone>>,
}

/// Keeps a subscription, without hearing it. Given back when dropped.
#[derive(Debug)]
pub(in crate::streams) struct Seat {
    pub(super) entry: Arc<Entry>,
    pub(super) name: u64,
}

impl Tap {
    /// What happens next; from the end on, again and again why it ended. Cancel safe.
    pub(in crate::streams) async fn next(&mut self) -> Result<Signal, Gone> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next).
    pub(in crate::streams) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Signal, Gone>> {
        let signal = ready!(self.signals.poll_recv(cx));
        // A subscription that ends without a word was given up with the process's other tasks.
        let why = || self.gone.get().copied().unwrap_or(Gone::Lost(LossReason::Disconnected));
        Poll::Ready(signal.ok_or_else(why))
    }

    /// Stops listening, and keeps the subscription for now.
    pub(in crate::streams) fn into_seat(self) -> Seat {
        self.seat
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.left();
    }
}
