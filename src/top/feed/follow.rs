//! One connection after the other.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{Feed, Source, Trouble};
use crate::top::message::Message;

/// The pause after the first attempt that failed.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is to be shown next.
#[derive(Debug)]
pub(in crate::top) enum Update {
    /// Something was told.
    Message(Message),
    /// Nothing is heard any more, or still.
    Lost(Trouble),
}

/// Passes on what a router tells, and connects again whenever the connection is lost, until nobody wants to know.
pub(in crate::top) async fn follow(source: Source, mut feed: Feed, updates: mpsc::Sender<Update>) {
    let mut failures = 0;
    let mut next = feed.next().await;
    loop {
        let update = match next {
            Ok(message) => Update::Message(message),
            Err(trouble) => Update::Lost(trouble),
        };
        let is_lost = matches!(update, Update::Lost(_));
        if updates.send(update).await.is_err() {
            return;
        }
        if !is_lost {
            failures = 0;
            next = feed.next().await;
            continue;
        }
        sleep(pause(failures)).await;
        failures += 1;
        next = source.open().await.map(|(again, snapshot)| {
            feed = again;
            Message::Snapshot(Box::new(snapshot))
        });
    }
}

/// How long to wait after so many attempts in a row that failed.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.min(8)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_short() {
        let seconds: Vec<_> = (0..7).map(|failures| pause(failures).as_secs_f64()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
