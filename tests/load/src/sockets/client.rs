//! The cheapest client socket: no task, no buffer of its own while nothing is half read, and the kernel's word
//! on when something arrived.

use std::io::{IoSliceMut, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn, bind, connect, recvmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;

use super::frame::{self, Frame, PING, PONG, TEXT};
use crate::Outcome;

/// How long a client waits for an answer.
const LIMIT: Duration = Duration::from_secs(20);

/// Room for what one read takes, shared by all sockets of a thread.
#[derive(Debug)]
pub(crate) struct Scratch {
    bytes: Vec<u8>,
    control: Vec<u8>,
}

/// One WebSocket.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    /// The beginning of a frame of which the rest has not arrived.
    partial: Vec<u8>,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// So much, and when the last of it arrived, as time since 1970.
    Bytes(usize, Duration),
    Nothing,
    /// The server has ended the connection.
    End,
}

/// A message of the server.
#[derive(Clone, Debug)]
pub(crate) enum Heard {
    Text(Vec<u8>, Duration),
    /// A close frame's code, or `None` when the connection ended without one.
    End(Option<u16>),
}

/// The time since 1970 by the clock that the kernel stamps with.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

// === impl Scratch ===

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; 256 * 1024], control: nix::cmsg_space!(TimeSpec) }
    }
}

// === impl Client ===

impl Client {
    /// Opens a WebSocket from a source address: one address has too few ports for tens of thousands.
    pub(crate) fn open(server: SocketAddr, source: Ipv4Addr, path: &str) -> Outcome<Self> {
        let SocketAddr::V4(address) = server else { return Err("only IPv4 is measured".into()) };
        let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        setsockopt(&socket, sockopt::TcpNoDelay, &true)?;
        bind(socket.as_raw_fd(), &SockaddrIn::from(std::net::SocketAddrV4::new(source, 0)))?;
        connect(socket.as_raw_fd(), &SockaddrIn::from(address))?;
        let mut client = Self { stream: TcpStream::from(socket), partial: Vec::new() };
        client.stream.set_read_timeout(Some(LIMIT))?;
        write!(
            client.stream,
            "GET {path} HTTP/1.1\r\nhost: {server}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )?;
        client.upgraded()?;
        Ok(client)
    }

    /// Reads the answer to the handshake.
    fn upgraded(&mut self) -> Outcome<()> {
        let mut scratch = Scratch::new();
        let mut head = Vec::new();
        let end = loop {
            let Read::Bytes(read, _) = self.receive(&mut scratch, MsgFlags::empty())? else {
                return Err("no answer to the handshake".into());
            };
            head.extend_from_slice(&scratch.bytes[..read]);
            if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
                break end + 4;
            }
        };
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(format!("the handshake was refused: {}", String::from_utf8_lossy(&head)).into());
        }
        self.partial = head.split_off(end);
        Ok(())
    }

    /// Sends one text message.
    pub(crate) fn send(&mut self, text: &str) -> Outcome<()> {
        Ok(self.stream.write_all(&frame::from_client(TEXT, text.as_bytes()))?)
    }

    /// Sends a close frame with code 1000.
    pub(crate) fn close(&mut self) -> Outcome<()> {
        Ok(self.stream.write_all(&frame::from_client(frame::CLOSE, &1000_u16.to_be_bytes()))?)
    }

    /// Makes dropping it a TCP RST.
    pub(crate) fn rude(&self) -> Outcome<()> {
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        Ok(setsockopt(&self.stream, sockopt::Linger, &linger)?)
    }

    /// Keeps the kernel from taking more than so many bytes for a client that does not read.
    pub(crate) fn receive_buffer(&self, bytes: usize) -> Outcome<()> {
        Ok(setsockopt(&self.stream, sockopt::RcvBuf, &bytes)?)
    }

    /// Sends a call and waits for the answer with its result; what else is said meanwhile is passed over.
    pub(crate) fn ask(&mut self, scratch: &mut Scratch, text: &str) -> Outcome<Vec<u8>> {
        self.send(text)?;
        self.result(scratch)
    }

    /// Waits for the answer to a call; it has to be a result.
    pub(crate) fn result(&mut self, scratch: &mut Scratch) -> Outcome<Vec<u8>> {
        loop {
            match self.hear(scratch)? {
                Heard::Text(text, _) if is_push(&text) => {}
                Heard::Text(text, _) if memchr::memmem::find(&text, b"\"result\"").is_some() => {
                    return Ok(text);
                }
                Heard::Text(text, _) => {
                    return Err(format!("not a result: {}", String::from_utf8_lossy(&text)).into());
                }
                Heard::End(code) => return Err(format!("closed with {code:?}").into()),
            }
        }
    }

    /// Reads on until the server has ended the connection.
    pub(crate) fn until_end(&mut self, scratch: &mut Scratch) -> Outcome<()> {
        while let Heard::Text(..) = self.hear(scratch)? {}
        Ok(())
    }

    /// Waits for the next message. Pings are answered.
    pub(crate) fn hear(&mut self, scratch: &mut Scratch) -> Outcome<Heard> {
        let mut at = now();
        let mut message = Vec::new();
        loop {
            while let Some((frame, end)) = Frame::first(&self.partial) {
                let heard = match frame.opcode {
                    frame::CLOSE => Some(Heard::End(frame.close_code())),
                    PING => {
                        let pong = frame::from_client(PONG, frame.payload);
                        self.stream.write_all(&pong)?;
                        None
                    }
                    PONG => None,
                    _ => {
                        message.extend_from_slice(frame.payload);
                        frame.last.then(|| Heard::Text(std::mem::take(&mut message), at))
                    }
                };
                self.partial.drain(..end);
                if let Some(heard) = heard {
                    return Ok(heard);
                }
            }
            match self.receive(scratch, MsgFlags::empty())? {
                Read::Bytes(read, stamp) => {
                    at = stamp;
                    self.partial.extend_from_slice(&scratch.bytes[..read]);
                }
                Read::Nothing => return Err("nothing was said in time".into()),
                Read::End => return Ok(Heard::End(None)),
            }
        }
    }

    /// Takes what is there, without waiting, and shows every frame that is complete. Pings are answered.
    ///
    /// `Nothing` when nothing was there.
    pub(crate) fn sweep(
        &mut self,
        scratch: &mut Scratch,
        mut each: impl FnMut(&Frame<'_>, Duration),
    ) -> Outcome<Read> {
        let read = self.receive(scratch, MsgFlags::MSG_DONTWAIT)?;
        let Read::Bytes(length, at) = read else { return Ok(read) };
        // Almost always whole frames arrive, and nothing is copied.
        let joined = (!self.partial.is_empty()).then(|| {
            self.partial.extend_from_slice(&scratch.bytes[..length]);
            std::mem::take(&mut self.partial)
        });
        let mut rest = joined.as_deref().unwrap_or(&scratch.bytes[..length]);
        while let Some((frame, end)) = Frame::first(rest) {
            if frame.opcode == PING {
                self.stream.write_all(&frame::from_client(PONG, frame.payload))?;
            }
            each(&frame, at);
            rest = &rest[end..];
        }
        self.partial = rest.to_vec();
        // The kernel answers what comes after a pause with an ACK at once, over loopback within the sender's system
        // call. A client elsewhere would do that on its own time.
        rustix::net::sockopt::set_tcp_quickack(&self.stream, false)?;
        Ok(read)
    }

    fn receive(&self, scratch: &mut Scratch, flags: MsgFlags) -> Outcome<Read> {
        let mut parts = [IoSliceMut::new(&mut scratch.bytes)];
        let message =
            match recvmsg::<()>(self.stream.as_raw_fd(), &mut parts, Some(&mut scratch.control), flags) {
                Ok(message) => message,
                Err(Errno::EAGAIN) => return Ok(Read::Nothing),
                Err(Errno::ECONNRESET) => return Ok(Read::End),
                Err(error) => return Err(error.into()),
            };
        let stamp = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
            _ => None,
        });
        Ok(match message.bytes {
            0 => Read::End,
            bytes => Read::Bytes(bytes, stamp.unwrap_or_else(now)),
        })
    }
}

/// Whether a message is an event of a subscription. Its first members say so.
pub(crate) fn is_push(text: &[u8]) -> bool {
    memchr::memmem::find(&text[..text.len().min(64)], b"eth_subscription").is_some()
}

/// The block number of a head.
pub(crate) fn block_number(text: &[u8]) -> Option<u64> {
    quantity(text, b"\"number\":\"0x")
}

/// The hexadecimal number behind the first `key`.
pub(crate) fn quantity(text: &[u8], key: &[u8]) -> Option<u64> {
    let from = memchr::memmem::find(text, key)? + key.len();
    let digits = text[from..].split(|byte| *byte == b'"').next()?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::{block_number, is_push};

    #[test]
    fn the_number_of_a_head_is_found_among_other_members() {
        let head = br#"{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"0xab","result":{"baseFeePerGas":"0x7","number":"0x3ea","nonce":"0x0"}}}"#;
        assert!(is_push(head));
        assert_eq!(block_number(head), Some(0x3ea));
    }

    #[test]
    fn a_reply_is_no_push_and_may_have_no_number() {
        let reply = br#"{"jsonrpc":"2.0","id":1,"result":"0xab"}"#;
        assert!(!is_push(reply));
        assert_eq!(block_number(reply), None);
    }
}
