//! A WebSocket of a simulated node.

use std::future::{Future, pending};
use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::sync::broadcast::error::RecvError;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use super::chain::Event;
use super::exchange::{Core, Exchange};
use super::fault::{Fault, NOTIFICATION, OPENED};
use super::http::{GARBAGE, html};
use super::ledger::{Gauge, Origin, Transport};
use super::line::{Ending, Line};
use super::params::RpcError;
use super::pieces::{self, Pieces};
use super::rpc::reply;
use super::script::Plan;
use super::shock::Shock;
use super::subscriptions::{Notice, Subscriptions};

/// A node has tens of sockets in one process: the default of 128 KiB each is a waste.
const BUFFER: usize = 4096;

type Delayed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Serves a WebSocket until either side ends it.
pub(crate) async fn serve(core: &Core, line: &Line, origin: Origin, io: TokioIo<Upgraded>) {
    let config = WebSocketConfig::default().read_buffer_size(BUFFER).write_buffer_size(BUFFER);
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
    let _counted = core.ledger.hold(Gauge::Sockets);
    let mut session = Session {
        core,
        line,
        origin,
        socket,
        subscriptions: Subscriptions::new(core.ledger.clone()),
        exchanges: FuturesUnordered::new(),
        notices: FuturesOrdered::new(),
        overtaken: Vec::new(),
    };
    // An error means that the client is gone, which is an end like any other.
    let _ = session.run().await;
}

struct Session<'a> {
    core: &'a Core,
    line: &'a Line,
    origin: Origin,
    socket: WebSocketStream<TokioIo<Upgraded>>,
    subscriptions: Subscriptions,
    /// Calls that wait for their latency. They overtake each other.
    exchanges: FuturesUnordered<Delayed<Exchange>>,
    /// Messages of subscriptions that wait for theirs. They keep their order.
    notices: FuturesOrdered<Delayed<(Utf8Bytes, Plan)>>,
    /// Messages of subscriptions that the next one overtakes.
    overtaken: Vec<Utf8Bytes>,
}

impl Session<'_> {
    async fn run(&mut self) -> tungstenite::Result<()> {
        let mut events = self.core.chain.events();
        let mut shocks = self.core.shocks.subscribe();
        let opened = self.core.script.plan(Transport::WebSocket, OPENED, None);
        if !opened.delay.is_zero() {
            tokio::time::sleep(opened.delay).await;
        }
        if let Some(fault) = &opened.delivery {
            self.strike(fault).await?;
        }
        loop {
            // All branches are cancel safe: each takes at most one finished element from a stream or channel.
            tokio::select! {
                message = self.socket.next() => match message {
                    Some(message) => self.receive(&message?).await?,
                    None => return Ok(()),
                },
                Some(exchange) = self.exchanges.next(), if !self.exchanges.is_empty() => {
                    self.answer(exchange).await?;
                }
                Some((text, plan)) = self.notices.next(), if !self.notices.is_empty() => {
                    self.notify(text, plan).await?;
                }
                event = events.recv() => match event {
                    Ok(event) => self.hear(&event),
                    // Heads that were missed are told with the next event.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(()),
                },
                shock = shocks.recv() => match shock {
                    Ok(Shock::Fault(fault)) => self.strike(&fault).await?,
                    Ok(Shock::Push { topic, result }) => {
                        let notices = self.subscriptions.push(&topic, &result);
                        self.plan(notices);
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(()),
                },
            }
        }
    }

    async fn receive(&mut self, message: &Message) -> tungstenite::Result<()> {
        let bytes = match message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
            // Pings and closes are answered by the protocol itself, with the next read.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return Ok(()),
        };
        match self.core.read(Transport::WebSocket, &self.origin, bytes) {
            Err(reply) => self.socket.send(Message::text(reply)).await,
            Ok(exchange) if exchange.plan.delay.is_zero() => self.answer(exchange).await,
            Ok(exchange) => {
                self.exchanges.push(Box::pin(async move {
                    tokio::time::sleep(exchange.plan.delay).await;
                    exchange
                }));
                Ok(())
            }
        }
    }

    /// Plays out the plan of an exchange.
    async fn answer(&mut self, exchange: Exchange) -> tungstenite::Result<()> {
        let fault = exchange.plan.delivery.clone();
        if matches!(fault, Some(Fault::Hang | Fault::HangAfterHeaders)) {
            // Keeps it in flight for as long as the socket lives.
            self.exchanges.push(Box::pin(async move {
                let _exchange = exchange;
                pending().await
            }));
            return Ok(());
        }
        if let Some(fault) = &fault
            && self.made_up(fault, &exchange).await?
        {
            return Ok(());
        }
        for text in exchange.replies(self.core, Some(&mut self.subscriptions)) {
            match &fault {
                Some(Fault::HalfBody) => self.fragments(pieces::half(&text.into())).await?,
                Some(Fault::SlowBody { chunk, pause }) => {
                    self.fragments(pieces::slow(text.into(), *chunk, *pause)).await?;
                }
                _ => self.socket.send(Message::text(text)).await?,
            }
        }
        Ok(())
    }

    /// Does what a fault says that needs no reply; `false` when there is to be one.
    async fn made_up(&mut self, fault: &Fault, exchange: &Exchange) -> tungstenite::Result<bool> {
        match fault {
            Fault::TornFrame => {
                let reply = exchange.replies(self.core, Some(&mut self.subscriptions)).into_iter().next();
                self.tear(reply.unwrap_or_default().as_bytes()).await?;
            }
            Fault::Freeze | Fault::Reset | Fault::Close | Fault::CloseFrame { .. } => self.end(fault).await?,
            Fault::Garbage => self.socket.send(Message::binary(GARBAGE)).await?,
            Fault::Raw(bytes) | Fault::Status { body: bytes, .. } => self.send_bytes(bytes).await?,
            Fault::Html(status) => self.socket.send(Message::text(html(*status))).await?,
            Fault::Redirect(location) => {
                self.send_bytes(&Bytes::copy_from_slice(location.as_bytes())).await?
            }
            Fault::RateLimited { .. } => {
                let error = Err(RpcError::new(429, "too many requests"));
                self.socket.send(Message::text(reply(exchange.raw_id(), &error))).await?;
            }
            Fault::Stream(shape) => self.fragments(pieces::huge(shape, exchange.id())).await?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn hear(&mut self, event: &Event) {
        let lag = self.core.script.standing_lag();
        let notices = self.subscriptions.messages(event, lag);
        self.plan(notices);
    }

    fn plan(&mut self, notices: Vec<Notice>) {
        for notice in notices {
            let plan = self.core.script.plan(Transport::WebSocket, NOTIFICATION, Some(&notice.result));
            let text = Utf8Bytes::from(notice.text);
            self.notices.push_back(Box::pin(async move {
                if !plan.delay.is_zero() {
                    tokio::time::sleep(plan.delay).await;
                }
                (text, plan)
            }));
        }
    }

    async fn notify(&mut self, text: Utf8Bytes, plan: Plan) -> tungstenite::Result<()> {
        match (&plan.delivery, &plan.answer) {
            (Some(fault @ (Fault::Freeze | Fault::Reset | Fault::Close | Fault::CloseFrame { .. })), _) => {
                self.end(fault).await
            }
            (Some(Fault::TornFrame), _) => self.tear(text.as_bytes()).await,
            (Some(Fault::Hang), _) | (_, Some(Fault::Omit)) => Ok(()),
            (_, Some(Fault::Overtaken)) => {
                self.overtaken.push(text);
                Ok(())
            }
            (Some(Fault::Garbage), _) => self.socket.send(Message::binary(GARBAGE)).await,
            (Some(Fault::Raw(bytes)), _) => self.send_bytes(bytes).await,
            (_, Some(Fault::Repeat)) => {
                self.socket.send(Message::Text(text.clone())).await?;
                self.socket.send(Message::Text(text)).await
            }
            _ => {
                self.socket.send(Message::Text(text)).await?;
                for late in std::mem::take(&mut self.overtaken) {
                    self.socket.send(Message::Text(late)).await?;
                }
                Ok(())
            }
        }
    }

    /// Meets a fault that no message is about.
    async fn strike(&mut self, fault: &Fault) -> tungstenite::Result<()> {
        match fault {
            Fault::Freeze | Fault::Reset | Fault::Close | Fault::CloseFrame { .. } => self.end(fault).await,
            Fault::TornFrame => self.tear(&[b' '; 64]).await,
            Fault::Garbage => self.socket.send(Message::binary(GARBAGE)).await,
            Fault::Raw(bytes) => self.send_bytes(bytes).await,
            Fault::Html(status) => self.socket.send(Message::text(html(*status))).await,
            _ => Ok(()),
        }
    }

    /// Sends the head of a frame with this payload and half of the payload, then resets the connection.
    async fn tear(&mut self, payload: &[u8]) -> tungstenite::Result<()> {
        self.socket.flush().await?;
        let mut frame = Vec::new();
        Frame::message(payload.to_vec(), OpCode::Data(Data::Text), true).format(&mut frame)?;
        frame.truncate(frame.len() - payload.len() / 2);
        let io = self.socket.get_mut();
        io.write_all(&frame).await?;
        io.flush().await?;
        self.end(&Fault::Reset).await
    }

    /// Ends the socket, or stops serving it, in the way of the fault.
    async fn end(&mut self, fault: &Fault) -> tungstenite::Result<()> {
        match fault {
            Fault::CloseFrame { code, reason } => {
                let frame = CloseFrame { code: (*code).into(), reason: reason.as_str().into() };
                return self.socket.close(Some(frame)).await;
            }
            Fault::Reset => self.line.end(Ending::Reset),
            Fault::Close => self.line.end(Ending::Close),
            _ => {}
        }
        // The connection's task waits for the ending and drops this.
        pending().await
    }

    /// Sends bytes as text if they are.
    async fn send_bytes(&mut self, bytes: &Bytes) -> tungstenite::Result<()> {
        let message = match Utf8Bytes::try_from(bytes.clone()) {
            Ok(text) => Message::Text(text),
            Err(_) => Message::Binary(bytes.clone()),
        };
        self.socket.send(message).await
    }

    /// Sends one message with a frame for each piece (RFC 6455, section 5.4). Control frames are not answered
    /// meanwhile.
    async fn fragments(&mut self, mut pieces: Pieces) -> tungstenite::Result<()> {
        let mut data = Data::Text;
        while let Some(piece) = pieces.next().await {
            let Ok(piece) = piece else {
                return self.end(&Fault::Close).await;
            };
            self.socket.send(Message::Frame(Frame::message(piece, OpCode::Data(data), false))).await?;
            data = Data::Continue;
        }
        self.socket.send(Message::Frame(Frame::message(Bytes::new(), OpCode::Data(data), true))).await
    }
}
