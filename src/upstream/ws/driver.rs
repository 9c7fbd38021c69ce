//! The task of one link: connects, serves the connection, and decides when to connect anew.

use std::sync::Arc;
use std::time::Duration;

use lasso_layers::attempt::classify::hide_secrets;
use lasso_layers::call::Failure;
use lasso_layers::catalog::{Category, Channel, redact};
use tokio::time::{Instant, sleep};

use super::closing::Loss;
use super::connect::{Connector, Refused};
use super::links::{Links, Presence};
use super::log;
use super::schedule::{Circumstances, Reason, Schedule, Wait};
use super::session::Session;
use super::status::LinkState;

/// The least time between two attempts of a link that somebody waits for.
const HURRIED: Duration = Duration::from_secs(2);

/// Keeps one channel connected.
pub(super) struct Driver {
    links: Links,
    channel: Arc<Channel>,
    connector: Connector,
    schedule: Schedule,
    presence: Presence,
}

impl Driver {
    pub(super) fn new(links: Links, channel: Arc<Channel>, connector: Connector) -> Self {
        let policy = links.policy();
        let schedule = Schedule::new(policy.reconnect_interval, policy.max_attempts);
        let presence = Presence::new(links, channel.clone());
        Self { links, channel, connector, schedule, presence }
    }

    /// Connects again and again for as long as it is polled. Dropping the future drops the connection.
    pub(super) async fn run(mut self) {
        let jitter = self.links.policy().connect_jitter;
        sleep(jitter.mul_f64(self.links.rng().f64())).await;
        loop {
            self.presence.set(LinkState::Reconnecting);
            let tally = self.links.tally(self.channel.key);
            let circumstances = match self.connector.connect(&self.channel.endpoint, tally).await {
                Ok(socket) => {
                    let session = Session::new(self.links, self.channel.clone(), socket);
                    let loss = session.run(&mut self.presence, &mut self.schedule).await;
                    self.lost(&loss)
                }
                Err(refused) => self.refused(refused),
            };
            // What happened is on record by now: whether the breaker is open depends on it.
            let wait = self.schedule.next(circumstances, &mut self.links.rng());
            if matches!(wait.reason, Reason::Refused | Reason::Exhausted) {
                self.presence.set(LinkState::Disconnected);
                self.presence.tell(LinkState::Disconnected, false);
            }
            self.presence.attempts(self.schedule.attempts());
            log::scheduled(&self.channel, wait, self.schedule.attempts());
            self.rest(wait).await;
        }
    }

    /// Waits for the next attempt. Delays keep a crowd away from an upstream that is in trouble; one link that somebody
    /// waits for is no crowd.
    async fn rest(&self, wait: Wait) {
        let hurried = async {
            sleep(HURRIED).await;
            self.presence.wanted().await;
        };
        // Both branches may be dropped: a wish that is left unheard counts for the next rest.
        tokio::select! {
            () = sleep(wait.delay) => {}
            () = hurried, if matches!(wait.reason, Reason::Step | Reason::BreakerOpen) => {}
        }
    }

    fn lost(&self, loss: &Loss) -> Circumstances {
        let tally = self.links.tally(self.channel.key);
        tally.disconnected.count();
        tally.pending_cleanups.add(loss.pending as u64);
        if !loss.is_blameless() {
            tally.unexpected_ends.count();
            self.record(loss.end.failure());
        }
        log::disconnected(&self.channel, loss);
        self.presence.tell(LinkState::Reconnecting, !loss.is_blameless());
        self.circumstances(true, loss.end.is_refusal())
    }

    fn refused(&self, refused: Refused) -> Circumstances {
        self.links.tally(self.channel.key).connect_failures.count();
        log::connection_failed(&self.channel, &refused.failure);
        self.record(refused.failure);
        self.circumstances(false, refused.is_final)
    }

    /// Tells limits or breaker about a failure.
    fn record(&self, mut failure: Failure) {
        let now = Instant::now();
        if failure.category() == Category::RateLimit {
            return self.links.paces().limit(&self.channel, failure.retry_after(), now);
        }
        if let Failure::Upstream(failure) = &mut failure {
            // The reason of a close frame is the upstream's own text.
            hide_secrets(&mut failure.error, &self.channel.endpoint);
            failure.error.message = redact::text(&failure.error.message).into_owned().into();
        }
        self.links.breakers().connection_failed(&self.channel, &failure, now);
    }

    fn circumstances(&self, was_connected: bool, refused: bool) -> Circumstances {
        let now = Instant::now();
        Circumstances {
            was_connected,
            refused,
            breaker_open: self.links.breakers().is_open(self.channel.key, now),
            limited: self.links.limited(self.channel.instance, now),
        }
    }
}
