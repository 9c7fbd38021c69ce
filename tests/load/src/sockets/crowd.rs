//! Many clients that do not stand in the way of what they measure.
//!
//! Nobody waits for the sockets while a server writes: the crowd looks at them afterwards, and the kernel has
//! noted when each message arrived. So on a machine of two cores the server has both, as it has when its clients
//! are elsewhere. What remains of the measuring in the figures is the kernel's work of receiving on the same
//! machine, which the floor pays too.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::client::{Client, Read, Scratch};
use super::frame::CLOSE;
use crate::Outcome;

/// Connections from one source address; there are about 28,000 ports.
const FROM_ONE_ADDRESS: usize = 5000;
/// The time between two looks at sockets that were still empty.
const AGAIN: Duration = Duration::from_millis(10);

/// Clients of one server.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) clients: Vec<Client>,
    pub(crate) scratch: Scratch,
}

/// What the clients got of one block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wave {
    /// When each client had got all of it.
    pub(crate) arrivals: Vec<Duration>,
    /// Clients that did not get it in time.
    pub(crate) missing: usize,
    /// Messages that were something else, or too many.
    pub(crate) unexpected: usize,
    /// Clients whose connection has ended.
    pub(crate) ended: usize,
    /// The first message.
    pub(crate) text: Vec<u8>,
}

/// The loopback address that client number `ordinal` connects from.
pub(crate) fn source(ordinal: usize) -> Ipv4Addr {
    let host = ordinal / FROM_ONE_ADDRESS % 200;
    Ipv4Addr::new(127, 0, 1, 1 + host as u8)
}

// === impl Crowd ===

impl Crowd {
    /// Opens so many sockets, one after the other, and has each make one call.
    pub(crate) fn gather(
        server: SocketAddr,
        path: &str,
        clients: usize,
        call: impl Fn(usize) -> String,
    ) -> Outcome<Self> {
        let mut crowd = Self { clients: Vec::with_capacity(clients), scratch: Scratch::new() };
        for ordinal in 0..clients {
            let mut client = Client::open(server, source(ordinal), path)
                .map_err(|error| format!("client {ordinal}: {error}"))?;
            client
                .ask(&mut crowd.scratch, &call(ordinal))
                .map_err(|error| format!("client {ordinal}: {error}"))?;
            crowd.clients.push(client);
        }
        Ok(crowd)
    }

    /// Leaves the server alone for a while and then takes so many messages that are `wanted` from every client.
    pub(crate) fn collect(
        &mut self,
        quiet: Duration,
        limit: Duration,
        messages: usize,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Outcome<Wave> {
        let start = Instant::now();
        sleep(quiet);
        let mut wave = Wave::default();
        let mut waiting: Vec<_> = (0..self.clients.len()).map(|ordinal| (ordinal, messages)).collect();
        loop {
            let mut still = Vec::new();
            for (ordinal, missing) in waiting {
                match self.look(ordinal, missing, &mut wave, &wanted)? {
                    0 => {}
                    missing => still.push((ordinal, missing)),
                }
            }
            wave.missing = still.len();
            if still.is_empty() || start.elapsed() > limit {
                return Ok(wave);
            }
            waiting = still;
            sleep(AGAIN);
        }
    }

    /// Has every client make a call, `together` at once.
    pub(crate) fn ask_all(&mut self, call: &str, together: usize) -> Outcome<()> {
        for group in self.clients.chunks_mut(together) {
            for client in &mut *group {
                client.send(call)?;
            }
            for client in group {
                client.result(&mut self.scratch)?;
            }
        }
        Ok(())
    }

    /// How many messages client number `ordinal` has still to wait for.
    fn look(
        &mut self,
        ordinal: usize,
        mut missing: usize,
        wave: &mut Wave,
        wanted: &impl Fn(&[u8]) -> bool,
    ) -> Outcome<usize> {
        let mut closed = false;
        let read = self.clients[ordinal].sweep(&mut self.scratch, |frame, at| {
            if frame.is_control() {
                closed |= frame.opcode == CLOSE;
            } else if missing > 0 && wanted(frame.payload) {
                missing -= 1;
                if missing == 0 {
                    wave.arrivals.push(at);
                }
                if wave.text.is_empty() {
                    wave.text = frame.payload.to_vec();
                }
            } else {
                wave.unexpected += 1;
            }
        })?;
        if closed || read == Read::End {
            wave.ended += 1;
            return Ok(0);
        }
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::source;

    #[test]
    fn no_source_address_runs_out_of_ports() {
        assert_eq!(source(0), source(4999));
        assert_ne!(source(0), source(5000));
        assert!(source(999_999).is_loopback());
    }
}
