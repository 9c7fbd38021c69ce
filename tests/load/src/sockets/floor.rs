//! The floor of fan-out: a server that does nothing but write the same bytes to every socket, with one thread
//! for each half of them.
//!
//! Its control connection says the word [`CONTROL`], and then, for each message, its length in eight bytes and
//! the frame itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use super::frame::{self, TEXT};
use crate::Outcome;
use crate::process::{Server, free_address};

/// Threads that write.
const WRITERS: usize = 2;
const CONTROL: &[u8] = b"CONTROL\n";

/// A running floor and the connection that tells it what to write.
pub(crate) struct Floor {
    pub(crate) server: Server,
    control: TcpStream,
}

// === impl Floor ===

impl Floor {
    pub(crate) async fn start() -> Outcome<Self> {
        let address = free_address().await?;
        let this = std::env::current_exe()?;
        let server =
            Server::start("floor", &this, &["socket-floor", &address.to_string()], address, "/").await?;
        let mut control = TcpStream::connect(address)?;
        control.set_nodelay(true)?;
        control.write_all(CONTROL)?;
        Ok(Self { server, control })
    }

    /// Has the floor write one text message to all its clients.
    pub(crate) fn say(&mut self, text: &[u8]) -> Outcome<()> {
        let frame = frame::from_server(TEXT, text);
        self.control.write_all(&[&(frame.len() as u64).to_be_bytes(), &*frame].concat())?;
        Ok(())
    }
}

/// What a writer is told.
enum Order {
    Adopt(TcpStream),
    Write(Arc<[u8]>),
}

/// Serves until the process is ended.
pub(crate) fn serve(address: SocketAddr) -> Outcome<()> {
    // The writers live as long as the process: the kernel forgets the processor time of threads that end.
    let writers: [_; WRITERS] = std::array::from_fn(|_| {
        let (orders, receiver) = mpsc::sync_channel(1);
        // The name is how its core is found.
        let writer = thread::Builder::new().name("writer".to_owned()).spawn(move || write(&receiver));
        writer.expect("the system has threads");
        orders
    });
    let mut next = 0;
    for stream in TcpListener::bind(address)?.incoming() {
        let mut stream = stream?;
        stream.set_nodelay(true)?;
        let mut first = [0; CONTROL.len()];
        // Whoever looks whether the port is open says nothing.
        if stream.read_exact(&mut first).is_err() {
            continue;
        }
        if first == CONTROL {
            let writers = writers.clone();
            thread::spawn(move || command(&mut stream, &writers));
        } else {
            welcome(&mut stream)?;
            stream.set_nonblocking(true)?;
            writers[next % WRITERS].send(Order::Adopt(stream))?;
            next += 1;
        }
    }
    Ok(())
}

/// Answers a handshake and a call, whatever they are.
fn welcome(stream: &mut TcpStream) -> Outcome<()> {
    let mut buffer = [0; 4096];
    let mut head = Vec::new();
    while memchr::memmem::find(&head, b"\r\n\r\n").is_none() {
        match stream.read(&mut buffer)? {
            0 => return Err("the client left".into()),
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    stream.write_all(
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n",
    )?;
    if stream.read(&mut buffer)? == 0 {
        return Err("the client left".into());
    }
    let reply = br#"{"jsonrpc":"2.0","id":1,"result":"0x00000000000000000000000000000000"}"#;
    Ok(stream.write_all(&frame::from_server(TEXT, reply))?)
}

/// Passes on what is to be written, until the control connection ends.
fn command(control: &mut TcpStream, writers: &[SyncSender<Order>]) {
    let mut length = [0; 8];
    while control.read_exact(&mut length).is_ok() {
        let mut frame = vec![0; u64::from_be_bytes(length) as usize];
        if control.read_exact(&mut frame).is_err() {
            return;
        }
        let frame: Arc<[u8]> = frame.into();
        for writer in writers {
            // A writer ends only with the process.
            let _ = writer.send(Order::Write(frame.clone()));
        }
    }
}

fn write(orders: &Receiver<Order>) {
    let mut clients = Vec::new();
    for order in orders {
        match order {
            Order::Adopt(client) => clients.push(client),
            Order::Write(frame) => {
                for client in &mut clients {
                    // A frame that a socket does not take whole is missed by the client, and reported there.
                    let _ = client.write(&frame);
                }
            }
        }
    }
}
