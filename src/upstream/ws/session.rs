//! One connection from its handshake to its end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use lasso_layers::catalog::Channel;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Error, Message, Utf8Bytes, error::ProtocolError};

use super::closing::{End, Loss};
use super::connect::Socket;
use super::connection::Connection;
use super::keepalive::{Beat, Heard, Keepalive};
use super::links::{Links, Presence};
use super::log;
use super::schedule::Schedule;
use super::status::Tally;

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// About how many bytes are written at once.
const BURST: usize = 64 * 1024;

/// A connection that is up.
pub(super) struct Session {
    links: Links,
    channel: Arc<Channel>,
    socket: Socket,
}

impl Session {
    pub(super) const fn new(links: Links, channel: Arc<Channel>, socket: Socket) -> Self {
        Self { links, channel, socket }
    }

    /// Serves the connection to its end. The link counts as up until then, and everything that depends on the connection
    /// ends with it, at once, also when the future is dropped.
    pub(super) async fn run(self, presence: &mut Presence, schedule: &mut Schedule) -> Loss {
        let Self { links, channel, socket } = self;
        let policy = links.policy();
        let tally = links.tally(channel.key);
        let connection = Arc::new(Connection::new(channel.clone(), policy, tally.clone()));
        let (mut sink, mut stream) = socket.split();
        let now = Instant::now();
        tally.connected.count();
        log::connected(&channel, schedule.attempts());
        let online = presence.online(connection.clone());
        let mut writer = Writer {
            links,
            channel: &channel,
            connection: &connection,
            sink: &mut sink,
            tally: &tally,
            keepalive: Keepalive::new(policy.ping_interval, policy.pong_timeout, now),
            stable_at: Some(now + policy.stable_after),
            schedule,
        };
        // Whichever ends first ends the connection, and the other one with it.
        let end = tokio::select! {
            end = read(&mut stream, &connection, &tally) => end,
            end = writer.run() => end,
        };
        let was_stable = writer.is_stable(Instant::now());
        let pending = online.end();
        say_goodbye(&mut sink, &end).await;
        Loss { end, was_stable, pending }
    }
}

/// Reads until there is no more to read.
async fn read(stream: &mut SplitStream<Socket>, connection: &Arc<Connection>, tally: &Tally) -> End {
    loop {
        let message = match stream.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return end_of(&error),
            None => return End::Broken,
        };
        let end = match message {
            Message::Text(text) => connection.receive(text.into()),
            Message::Binary(bytes) => connection.receive(bytes),
            Message::Pong(_) => {
                tally.pongs.count();
                None
            }
            Message::Close(None) => Some(End::closed_silently()),
            Message::Close(Some(frame)) => {
                Some(End::Closed { code: frame.code.into(), reason: frame.reason.as_str().to_owned() })
            }
            // Answered by the protocol itself, with the next read. Raw frames are not received.
            Message::Ping(_) | Message::Frame(_) => None,
        };
        if let Some(end) = end {
            return end;
        }
    }
}

fn end_of(error: &Error) -> End {
    match error {
        Error::Capacity(_) => End::TooBig,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Broken,
        Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt => End::Garbled,
        _ => End::Broken,
    }
}

/// Lets the other side know, where it may still listen. Nothing depends on it.
async fn say_goodbye(sink: &mut SplitSink<Socket, Message>, end: &End) {
    let goodbye = async {
        match (end, end.own_close()) {
            // The answer to a close frame is waiting to be written.
            (End::Closed { .. }, _) => sink.flush().await,
            (_, Some((code, reason))) => {
                let frame = CloseFrame { code: code.into(), reason: reason.into() };
                sink.send(Message::Close(Some(frame))).await
            }
            (_, None) => Ok(()),
        }
    };
    // The connection is given up whether or not that worked.
    let _ = timeout(GOODBYE, goodbye).await;
}

/// The side of a connection that writes, and that watches the time.
struct Writer<'a> {
    links: Links,
    channel: &'a Channel,
    connection: &'a Connection,
    sink: &'a mut SplitSink<Socket, Message>,
    tally: &'a Tally,
    keepalive: Keepalive,
    /// When the connection will count as good; none once it does.
    stable_at: Option<Instant>,
    schedule: &'a mut Schedule,
}

impl Writer<'_> {
    /// Writes until nothing can be written any more, or nothing comes back.
    async fn run(&mut self) -> End {
        loop {
            let beat = self.keepalive.deadline();
            let next_look = self.stable_at.map_or(beat, |at| at.min(beat));
            // Both are cancel safe: a wake-up that is not taken stays, and a deadline comes again.
            let outcome = tokio::select! {
                () = self.connection.woken() => self.write(None).await,
                () = sleep_until(next_look) => self.look().await,
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    /// Whether the connection counts as good.
    fn is_stable(&self, now: Instant) -> bool {
        self.stable_at.is_none_or(|at| now >= at)
    }

    async fn look(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.stable_at.is_some() && self.is_stable(now) {
            self.stable_at = None;
            self.connection.set_stable();
            self.schedule.reset();
            self.links.stable(self.channel, now);
        }
        let heard = Heard { bytes: self.tally.received_bytes.get(), pongs: self.tally.pongs.get() };
        match self.keepalive.tick(now, heard) {
            None => Ok(()),
            Some(Beat::Dead) => {
                log::heartbeat_failed(self.channel);
                Err(End::Silent)
            }
            Some(Beat::Ping) => {
                self.tally.pings.count();
                self.write(Some(Message::Ping(Bytes::new()))).await
            }
        }
    }

    /// Writes some of what waits to be written, `first` before it.
    async fn write(&mut self, first: Option<Message>) -> Result<(), End> {
        let limit = self.links.policy().write_timeout;
        match timeout(limit, self.burst(first)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Broken),
            Err(_) => Err(End::Stuck),
        }
    }

    /// A burst has an end even where requests come faster than they are written, so that its time says something.
    async fn burst(&mut self, first: Option<Message>) -> tungstenite::Result<()> {
        if let Some(message) = first {
            self.sink.feed(message).await?;
        }
        let mut written = 0;
        while let Some(frame) = self.connection.next_frame() {
            written += frame.len();
            self.sink.feed(text(frame)).await?;
            if written >= BURST {
                // There may be more.
                self.connection.wake();
                break;
            }
        }
        self.sink.flush().await
    }
}

/// Requests were checked when they arrived, and ours are plain.
fn text(frame: Bytes) -> Message {
    Message::Text(Utf8Bytes::try_from(frame).expect("requests are UTF-8"))
}
