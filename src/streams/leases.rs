//! The upstream subscriptions that one stream holds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lasso_layers::catalog::Channel;
use tokio::time::Instant;

use super::block::Header;
use super::coordinator::{Input, Lease, Peer};
use super::pool::{Gone, Pool, Seat, Signal, Tap, Update};

/// The leases of one stream: those that it listens to, and those that it has left a moment ago.
#[derive(Debug)]
pub(super) struct Leases {
    held: Vec<Held>,
    /// Kept for a while after a move, so that a stream which comes back finds its subscription.
    left: VecDeque<(Instant, [Option<Seat>; 2])>,
    /// How long.
    keep: Duration,
}

/// A subscription to heads, and one to logs where the stream is of logs.
#[derive(Debug)]
struct Held {
    lease: Lease,
    channel: Arc<Channel>,
    heads: Tap,
    logs: Option<Tap>,
    stage: Stage,
}

/// How far a lease is. The coordinator hears nothing of it before both subscriptions are there, and everything
/// afterwards: what comes meanwhile waits in its queue.
#[derive(Debug)]
enum Stage {
    /// Neither is there for certain.
    Asked,
    /// Heads come; logs do not yet.
    HeadsAlone(Option<Header>),
    /// Everything is there.
    Confirmed,
}

impl Leases {
    /// None yet; each is kept for this long after it is given up.
    pub(super) const fn new(keep: Duration) -> Self {
        Self { held: Vec::new(), left: VecDeque::new(), keep }
    }

    pub(super) fn add(&mut self, lease: Lease, channel: Arc<Channel>, heads: Tap, logs: Option<Tap>) {
        self.held.push(Held { lease, channel, heads, logs, stage: Stage::Asked });
    }

    /// Listens to a lease no longer.
    pub(super) fn release(&mut self, lease: Lease, now: Instant) {
        if let Some(at) = self.held.iter().position(|held| held.lease == lease) {
            let held = self.held.swap_remove(at);
            let seats = [Some(held.heads.into_seat()), held.logs.map(Tap::into_seat)];
            self.left.push_back((now + self.keep, seats));
        }
    }

    /// Has the silent subscriptions at a channel joined by nobody any more, so that the stream gets new ones should it come
    /// back.
    pub(super) fn retire(&self, channel: &Channel, pool: &Pool) {
        for held in self.held.iter().filter(|held| held.channel.key == channel.key) {
            pool.retire(&held.heads);
            held.logs.iter().for_each(|logs| pool.retire(logs));
        }
    }

    /// Gives back what has been kept long enough.
    pub(super) fn forget(&mut self, now: Instant) {
        while self.left.front().is_some_and(|(until, _)| *until <= now) {
            self.left.pop_front();
        }
    }

    /// When there is something to give back.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.left.front().map(|(until, _)| *until)
    }

    /// Those at channels that are not to be used any more.
    pub(super) fn unfit(&self, is_fit: impl Fn(&Channel) -> bool) -> Vec<Lease> {
        self.held.iter().filter(|held| !is_fit(&held.channel)).map(|held| held.lease).collect()
    }

    /// What happens next on any of them. Cancel safe. Never resolves while there are none.
    pub(super) async fn next(&mut self) -> Input {
        std::future::poll_fn(|cx| {
            for at in 0..self.held.len() {
                if let Poll::Ready(input) = self.held[at].poll(cx) {
                    if matches!(input, Input::Lost { .. } | Input::Refused { .. }) {
                        self.held.swap_remove(at);
                    }
                    return Poll::Ready(input);
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl Held {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        let lease = self.lease;
        loop {
            match &mut self.stage {
                Stage::Asked => match std::task::ready!(self.heads.poll_next(cx)) {
                    Ok(Signal::Confirmed(head)) => self.stage = Stage::HeadsAlone(head),
                    Ok(Signal::Update(_)) => {}
                    Err(gone) => return Poll::Ready(self.gone(gone)),
                },
                Stage::HeadsAlone(head) => {
                    let logs = match &mut self.logs {
                        None => Ok(Signal::Confirmed(None)),
                        Some(logs) => std::task::ready!(logs.poll_next(cx)),
                    };
                    match logs {
                        Ok(Signal::Confirmed(_)) => {
                            let head = head.take();
                            self.stage = Stage::Confirmed;
                            return Poll::Ready(Input::Confirmed { lease, head });
                        }
                        Ok(Signal::Update(_)) => {}
                        Err(gone) => return Poll::Ready(self.gone(gone)),
                    }
                }
                // Heads first: there are few of them, so that logs come to their turn.
                Stage::Confirmed => {
                    let signal = match self.heads.poll_next(cx) {
                        Poll::Ready(signal) => signal,
                        Poll::Pending => match &mut self.logs {
                            Some(logs) => std::task::ready!(logs.poll_next(cx)),
                            None => return Poll::Pending,
                        },
                    };
                    match signal {
                        Ok(Signal::Update(Update::Head(header))) => {
                            return Poll::Ready(Input::Head { lease, header });
                        }
                        Ok(Signal::Update(Update::Log(log))) => {
                            return Poll::Ready(Input::Log { lease, log });
                        }
                        Ok(Signal::Update(Update::Transaction(_)) | Signal::Confirmed(_)) => {}
                        Err(gone) => return Poll::Ready(self.gone(gone)),
                    }
                }
            }
        }
    }

    fn gone(&self, gone: Gone) -> Input {
        let lease = self.lease;
        match (gone, &self.stage) {
            (Gone::Lost(reason), Stage::Confirmed) => Input::Lost { lease, reason },
            (Gone::Refused { lasting }, _) => Input::Refused { lease, lasting },
            (Gone::Lost(_), _) => Input::Refused { lease, lasting: false },
        }
    }
}

/// The channels that a stream knows, by the names that its coordinator has for them. They only get more, as the
/// catalogue changes.
#[derive(Debug, Default)]
pub(super) struct Peers(Vec<Arc<Channel>>);

impl Peers {
    /// The name of a channel.
    pub(super) fn name(&mut self, channel: &Arc<Channel>) -> Option<Peer> {
        let known = self.0.iter().position(|known| known.key == channel.key);
        let at = known.unwrap_or_else(|| {
            self.0.push(channel.clone());
            self.0.len() - 1
        });
        u16::try_from(at).ok().map(Peer)
    }

    /// The channel of that name.
    ///
    /// # Panics
    ///
    /// If the name was not given out by [`name`](Self::name).
    pub(super) fn channel(&self, peer: Peer) -> &Arc<Channel> {
        &self.0[usize::from(peer.0)]
    }
}

#[cfg(test)]
mod tests {
    use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};

    use super::*;
    use crate::streams::block::{BlockHash, Log};
    use crate::streams::coordinator::LossReason;
    use crate::streams::pool::testing::Source;

    const LEASE: Lease = Lease(7);

    fn channel() -> Arc<Channel> {
        let mut provider = ProviderSpec::http("a", "http://a.example");
        provider.ws_url = Some("ws://a.example".into());
        let chain = ChainSpec::new("ethereum", 1).provider(provider);
        let live = Live::new(vec![ProfileSpec::new("default").chain(chain)]).unwrap();
        live.snapshot().profiles()[0].chains()[0].providers[0].ws.clone().unwrap()
    }

    fn head(number: u64) -> Update {
        let hash = |number: u64| BlockHash([number as u8; 32]);
        let payload = bytes::Bytes::new();
        Update::Head(Header { number, hash: hash(number), parent: hash(number - 1), bloom: None, payload })
    }

    fn log(number: u64) -> Update {
        let (block, payload) = (BlockHash([number as u8; 32]), bytes::Bytes::new());
        Update::Log(Log { block, number, index: 0, removed: false, payload })
    }

    /// A lease on heads and logs.
    fn leases(heads: &Source, logs: &Source) -> Leases {
        let mut leases = Leases::new(Duration::from_secs(5));
        leases.add(LEASE, channel(), heads.tap(), Some(logs.tap()));
        leases
    }

    /// What happens next, if it has happened already.
    async fn next(leases: &mut Leases) -> Option<String> {
        let input = tokio::time::timeout(Duration::from_millis(1), leases.next()).await.ok()?;
        Some(match input {
            Input::Confirmed { head, .. } => format!("confirmed {:?}", head.map(|head| head.number)),
            Input::Refused { lasting, .. } => format!("refused {lasting}"),
            Input::Lost { reason, .. } => format!("lost {reason:?}"),
            Input::Head { header, .. } => format!("head {}", header.number),
            Input::Log { log, .. } => format!("log {}", log.number),
            other => panic!("{other:?}"),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_told_before_both_are_there_and_everything_then() {
        let (heads, logs) = (Source::default(), Source::default());
        let mut leases = leases(&heads, &logs);
        heads.confirm();
        heads.publish(head(11));
        heads.publish(head(12));
        assert_eq!(next(&mut leases).await, None);
        logs.confirm();
        logs.publish(log(12));
        for expected in ["confirmed None", "head 11", "head 12", "log 12"] {
            assert_eq!(next(&mut leases).await.as_deref(), Some(expected));
        }
        assert_eq!(next(&mut leases).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_subscription_is_none() {
        let (heads, logs) = (Source::default(), Source::default());
        let mut leases = leases(&heads, &logs);
        heads.confirm();
        logs.end(Gone::Refused { lasting: true });
        assert_eq!(next(&mut leases).await.as_deref(), Some("refused true"));
        assert_eq!(next(&mut leases).await, None, "it is told once");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_lost_before_it_is_confirmed_was_refused() {
        let (heads, logs) = (Source::default(), Source::default());
        let mut leases = leases(&heads, &logs);
        heads.end(Gone::Lost(LossReason::Disconnected));
        assert_eq!(next(&mut leases).await.as_deref(), Some("refused false"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_loss_comes_after_what_came_before_it() {
        let (heads, logs) = (Source::default(), Source::default());
        let mut leases = leases(&heads, &logs);
        heads.confirm();
        logs.confirm();
        heads.publish(head(11));
        heads.end(Gone::Lost(LossReason::Unhealthy));
        for expected in ["confirmed None", "head 11", "lost Unhealthy"] {
            assert_eq!(next(&mut leases).await.as_deref(), Some(expected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_released_is_kept_for_a_while_and_says_nothing() {
        let (heads, logs) = (Source::default(), Source::default());
        let mut leases = leases(&heads, &logs);
        heads.confirm();
        logs.confirm();
        assert!(next(&mut leases).await.is_some());
        let now = Instant::now();
        leases.release(LEASE, now);
        heads.publish(head(11));
        assert_eq!(next(&mut leases).await, None);
        assert_eq!(leases.deadline(), Some(now + Duration::from_secs(5)));
        leases.forget(now + Duration::from_millis(4_999));
        assert!(heads.is_kept());
        leases.forget(now + Duration::from_secs(5));
        assert!(!heads.is_kept() && !logs.is_kept());
        assert_eq!(leases.deadline(), None);
    }

    #[test]
    fn a_channel_has_one_name() {
        let (mut peers, channel) = (Peers::default(), channel());
        assert_eq!(peers.name(&channel), Some(Peer(0)));
        assert_eq!(peers.name(&channel), Some(Peer(0)));
        assert_eq!(peers.channel(Peer(0)).key, channel.key);
    }
}
