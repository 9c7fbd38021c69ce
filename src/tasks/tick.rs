//! Keeps the timer driver awake enough.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

/// How far ahead the next timer of the process is at most.
const PERIOD: Duration = Duration::from_millis(500);

/// Has a timer pending at all times, for as long as it is polled.
///
/// A timer that is due before every other one makes tokio wake the thread that waits for the kernel, at the price
/// of a system call and two thread switches. Without this, the deadline of nearly every attempt would be such a
/// timer, because it is set and cancelled again within a millisecond while little else is pending. With it, only
/// attempts with less than the period left pay.
pub async fn keep_timers_near() {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
    }
}
