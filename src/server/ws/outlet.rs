//! The way out to a client, which its task shares with the streams that the client subscribed to.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use lasso_layers::call::session::{Delivery, Passage, Shortcut, SubscriptionId};
use smallvec::SmallVec;

use super::gate::{Gate, Header};
use super::io::Writer;

/// A [`Gate`] and what is behind it. Frames are whole whoever writes them, and leave in the order in which they come.
///
/// Lock order: whoever holds the lock may lock the session. The other way round it is only tried.
#[derive(Debug)]
pub(super) struct Outlet(Mutex<Outflow>);

/// What the lock protects.
#[derive(Debug)]
pub(super) struct Outflow {
    pub(super) gate: Gate,
    writer: Writer,
}

/// The most bytes that are written for a client outside of its own time.
const SHORT: usize = 16 * 1024;

/// Up to here a delivery needs no allocation of its own.
const COMMON: usize = 4096;

impl Outlet {
    pub(super) fn new(writer: Writer) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Outflow { gate: Gate::default(), writer })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Outflow> {
        self.0.lock().expect("nothing panics while it holds the lock")
    }
}

impl Shortcut for Outlet {
    fn send(&self, id: SubscriptionId, delivery: &Delivery) -> Passage {
        if delivery.bytes() > SHORT {
            return Passage::Blocked;
        }
        // Who holds the lock, the client's task, may be about to put something in.
        let Ok(mut outflow) = self.0.try_lock() else { return Passage::Blocked };
        let Outflow { gate, writer } = &mut *outflow;
        // Of another connection than a socket nobody but its task knows whether it is ready.
        let Writer::Tcp(socket) = writer else { return Passage::Blocked };
        if !gate.is_clear() {
            return Passage::Blocked;
        }
        // One piece is cheaper to send than two, more than it costs to put it together.
        let head = id.push_head();
        let mut frames = SmallVec::<[u8; COMMON]>::new();
        for event in delivery.events() {
            frames.extend_from_slice(&Header::WHOLE.of(head.len() + event.len()));
            frames.extend_from_slice(&head);
            frames.extend_from_slice(event);
        }
        gate.pass(&frames, |bytes| socket.try_write(bytes))
    }
}

// === impl Outflow ===

impl Outflow {
    /// Writes what waits.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.gate.poll_flush(Pin::new(&mut self.writer), cx)
    }

    /// Says that nothing more will be written.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_shutdown(Pin::new(&mut self.writer), cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use bytes::Bytes;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const ID: SubscriptionId = SubscriptionId([7; 16]);

    async fn connected() -> (Arc<Outlet>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_, writer) = listener.accept().await.unwrap().0.into_split();
        writer.writable().await.unwrap();
        (Outlet::new(Writer::Tcp(writer)), client)
    }

    fn delivery(length: usize) -> Delivery {
        Delivery::of(&vec![b'x'; length])
    }

    fn frame(delivery: &Delivery) -> Vec<u8> {
        let (head, event) = (ID.push_head(), &delivery.events()[0]);
        [&Header::WHOLE.of(head.len() + event.len())[..], &head, event].concat()
    }

    #[tokio::test]
    async fn what_a_full_socket_does_not_take_is_gone_on_with_before_anything_else() {
        let (outlet, mut client) = connected().await;
        let (delivery, mut expected) = (delivery(5000), Vec::new());
        loop {
            let passage = outlet.send(ID, &delivery);
            if passage != Passage::Blocked {
                expected.extend(frame(&delivery));
            }
            if passage != Passage::Sent {
                break;
            }
        }
        assert_eq!(outlet.send(ID, &delivery), Passage::Blocked);
        outlet.lock().gate.push(Header::WHOLE, b"next", []);
        expected.extend(b"\x81\x04next");

        let mut read = vec![0; expected.len()];
        let flushed = poll_fn(|cx| outlet.lock().poll_flush(cx));
        let (flushed, _) = tokio::join!(flushed, client.read_exact(&mut read));
        flushed.unwrap();
        assert!(read == expected);
        assert_eq!(outlet.lock().gate.written(), expected.len() as u64);
    }

    #[tokio::test]
    async fn nothing_comes_between_the_parts_of_a_message_or_into_the_hands_of_the_task() {
        let (outlet, mut client) = connected().await;
        let (small, large) = (delivery(100), delivery(SHORT));
        assert_eq!(outlet.send(ID, &large), Passage::Blocked, "it is left to the task");
        let task = outlet.lock();
        assert_eq!(outlet.send(ID, &small), Passage::Blocked);
        drop(task);

        outlet.lock().gate.push(Header { is_continuation: false, is_final: false }, b"be", []);
        poll_fn(|cx| outlet.lock().poll_flush(cx)).await.unwrap();
        assert_eq!(outlet.send(ID, &small), Passage::Blocked);
        let end = Header { is_continuation: true, is_final: true };
        outlet.lock().gate.push(end, b"", [Bytes::from_static(b"gun")]);
        assert_eq!(outlet.send(ID, &small), Passage::Blocked);
        poll_fn(|cx| outlet.lock().poll_flush(cx)).await.unwrap();
        assert_eq!(outlet.send(ID, &small), Passage::Sent);

        let expected = [b"\x01\x02be\x80\x03gun", &frame(&small)[..]].concat();
        let mut read = vec![0; expected.len()];
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(read, expected);
    }
}
