//! The requests of one connection: their ids, what is still to be written, and who waits for which reply.
//!
//! No socket and no clock. Whoever drives it writes what [`Mux::next_frame`] hands out, and asks [`Mux::take`] whose
//! reply it was that arrived.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use bytes::Bytes;
use lasso_layers::attempt::Departure;
use lasso_layers::call::Dispatch;
use lasso_layers::wire::RawJson;

/// How many replies are remembered that will come though nobody waits for them.
const MAX_FORSAKEN: usize = 64;

/// The id of a request on its way upstream, different from every other one of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PrivateId(u64);

/// What every private id begins with, the JSON quote included.
pub(super) const ID_PREFIX: &[u8] = b"\"lasso-";

/// The requests of one connection. `W` is what waits for a reply.
#[derive(Debug)]
pub(super) struct Mux<W> {
    limit: usize,
    pending: HashMap<PrivateId, Pending<W>>,
    queue: VecDeque<Frame>,
    /// The oldest first.
    forsaken: VecDeque<(PrivateId, Afterwards)>,
}

#[derive(Debug)]
struct Pending<W> {
    waiter: W,
    /// Handed out for writing.
    is_sent: bool,
}

#[derive(Debug)]
struct Frame {
    id: PrivateId,
    body: Bytes,
    /// Asked before the frame leaves.
    departure: Option<Departure>,
}

/// What is to be done with a reply that nobody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Afterwards {
    /// Nothing: only that it was asked matters.
    Nothing,
    /// The subscription that was made is to be ended again.
    Unsubscribe,
}

/// Whose reply it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken<W> {
    /// Somebody waits for it.
    By(W),
    /// It was asked for, and is no longer or never was waited for.
    Forsaken(Afterwards),
    /// Nobody's: never asked for, answered before, or given up.
    Unknown,
}

/// There are as many requests in flight as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

// === impl PrivateId ===

impl PrivateId {
    pub(super) const fn new(sequence: u64) -> Self {
        Self(sequence)
    }

    /// The id as a JSON string.
    pub(super) fn to_json(self) -> String {
        format!("\"lasso-{}\"", self.0)
    }

    /// Reads a JSON value; nothing for one that we would not write, whatever its escapes.
    pub(super) fn parse(token: &[u8]) -> Option<Self> {
        if token.contains(&b'\\') {
            let text = RawJson::parse(token).ok()?.as_str()?;
            return Self::from_digits(text.strip_prefix("lasso-")?.as_bytes());
        }
        Self::from_digits(token.strip_prefix(ID_PREFIX)?.strip_suffix(b"\"")?)
    }

    /// No sign, and no zero in front: every id has one spelling.
    fn from_digits(digits: &[u8]) -> Option<Self> {
        let is_plain =
            digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits.first() != Some(&b'0'));
        let text = str::from_utf8(digits).ok().filter(|_| is_plain)?;
        text.parse().ok().map(Self)
    }
}

impl fmt::Display for PrivateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lasso-{}", self.0)
    }
}

// === impl Mux ===

impl<W> Mux<W> {
    /// For at most `limit` requests that wait for a reply.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, pending: HashMap::new(), queue: VecDeque::new(), forsaken: VecDeque::new() }
    }

    /// Takes a request on. Before it leaves `departure` is asked whether it still may.
    pub(super) fn send(
        &mut self,
        id: PrivateId,
        body: Bytes,
        departure: Option<Departure>,
        waiter: W,
    ) -> Result<(), Full> {
        if self.pending.len() >= self.limit {
            return Err(Full);
        }
        self.pending.insert(id, Pending { waiter, is_sent: false });
        self.queue.push_back(Frame { id, body, departure });
        Ok(())
    }

    /// Takes a request on whose reply is of no interest. Not limited: whoever asks so has asked before.
    pub(super) fn tell(&mut self, id: PrivateId, body: Bytes) {
        self.queue.push_back(Frame { id, body, departure: None });
        self.forsake(id, Afterwards::Nothing);
    }

    /// What is to be written next.
    pub(super) fn next_frame(&mut self) -> Option<Bytes> {
        while let Some(Frame { id, body, departure }) = self.queue.pop_front() {
            if departure.is_some_and(|departure| !departure.may_leave()) {
                self.pending.remove(&id);
                continue;
            }
            if let Some(pending) = self.pending.get_mut(&id) {
                pending.is_sent = true;
            }
            return Some(body);
        }
        None
    }

    /// A reply arrived: whose is it? Whoever is told so no longer waits.
    pub(super) fn take(&mut self, id: PrivateId) -> Taken<W> {
        // A reply to what has not left yet is a guess.
        if self.pending.get(&id).is_some_and(|pending| pending.is_sent)
            && let Some(pending) = self.pending.remove(&id)
        {
            return Taken::By(pending.waiter);
        }
        match self.forsaken.iter().position(|(forsaken, _)| *forsaken == id) {
            Some(at) => self.forsaken.remove(at).map_or(Taken::Unknown, |(_, then)| Taken::Forsaken(then)),
            None => Taken::Unknown,
        }
    }

    /// Gives a request up: it is not written if it was not yet, and its reply will be nobody's.
    pub(super) fn cancel(&mut self, id: PrivateId) -> Option<(W, Dispatch)> {
        let Pending { waiter, is_sent } = self.pending.remove(&id)?;
        if !is_sent {
            self.queue.retain(|frame| frame.id != id);
        }
        Some((waiter, dispatch(is_sent)))
    }

    /// Says that a reply will come that nobody waits for. Of too many the oldest are forgotten.
    pub(super) fn forsake(&mut self, id: PrivateId, afterwards: Afterwards) {
        if self.forsaken.len() == MAX_FORSAKEN {
            // Those that something is still to be done about are kept for longer: hundreds of others may come at once.
            let is_idle = |(_, then): &(PrivateId, Afterwards)| *then == Afterwards::Nothing;
            let oldest = self.forsaken.iter().position(is_idle).unwrap_or_default();
            self.forsaken.remove(oldest);
        }
        self.forsaken.push_back((id, afterwards));
    }

    /// The connection is gone: everybody who waits, and whether their request left.
    pub(super) fn drain(&mut self) -> Vec<(W, Dispatch)> {
        self.queue.clear();
        self.forsaken.clear();
        self.pending.drain().map(|(_, pending)| (pending.waiter, dispatch(pending.is_sent))).collect()
    }

    /// How many wait.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }
}

/// What is known about a request that got no reply.
const fn dispatch(is_sent: bool) -> Dispatch {
    if is_sent { Dispatch::Unknown } else { Dispatch::NotSent }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PrivateId = PrivateId::new(1);
    const B: PrivateId = PrivateId::new(2);

    fn mux(limit: usize) -> Mux<&'static str> {
        Mux::new(limit)
    }

    fn send(mux: &mut Mux<&'static str>, id: PrivateId, waiter: &'static str) -> Result<(), Full> {
        mux.send(id, id.to_json().into(), None, waiter)
    }

    #[test]
    fn ids_are_read_as_they_are_written() {
        let id = PrivateId::new(10_203);
        assert_eq!(id.to_json(), "\"lasso-10203\"");
        for token in [r#""lasso-10203""#, r#""\u006casso-10203""#, r#""lasso\u002d10203""#] {
            assert_eq!(PrivateId::parse(token.as_bytes()), Some(id), "{token}");
        }
        for token in [
            "10203",
            "null",
            "",
            "\"",
            r#""lasso-""#,
            r#""lasso-+1""#,
            r#""lasso-01""#,
            r#""lasso-1"#,
            r#""lasso-1x""#,
            r#""lasso-18446744073709551616""#,
            r#"{"a":"\u0041"}"#,
            r#""\"#,
        ] {
            assert_eq!(PrivateId::parse(token.as_bytes()), None, "{token}");
        }
    }

    /// Edge case 47 of the streaming specification.
    #[test]
    fn streaming_11_case_47_replies_in_any_order_find_their_owners() {
        let mut mux = mux(10);
        send(&mut mux, A, "a").unwrap();
        send(&mut mux, B, "b").unwrap();
        assert_eq!(mux.next_frame().unwrap(), A.to_json());
        assert_eq!(mux.next_frame().unwrap(), B.to_json());
        assert_eq!(mux.next_frame(), None);
        assert_eq!(mux.take(B), Taken::By("b"));
        assert_eq!(mux.take(A), Taken::By("a"));
        assert_eq!(mux.take(A), Taken::Unknown, "a repeated reply");
        assert_eq!(mux.pending(), 0);
    }

    #[test]
    fn nobody_is_answered_before_they_asked() {
        let mut mux = mux(10);
        send(&mut mux, A, "a").unwrap();
        assert_eq!(mux.take(A), Taken::Unknown);
        mux.next_frame();
        assert_eq!(mux.take(A), Taken::By("a"));
    }

    #[test]
    fn the_limit_counts_those_who_wait() {
        let mut mux = mux(1);
        send(&mut mux, A, "a").unwrap();
        assert_eq!(send(&mut mux, B, "b"), Err(Full));
        mux.tell(PrivateId::new(3), Bytes::new());
        mux.next_frame();
        assert_eq!(send(&mut mux, B, "b"), Err(Full), "written or not");
        mux.take(A);
        send(&mut mux, B, "b").unwrap();
    }

    #[test]
    fn what_is_given_up_before_it_left_never_leaves() {
        let mut mux = mux(10);
        send(&mut mux, A, "a").unwrap();
        send(&mut mux, B, "b").unwrap();
        assert_eq!(mux.cancel(A), Some(("a", Dispatch::NotSent)));
        assert_eq!(mux.next_frame().unwrap(), B.to_json());
        assert_eq!(mux.next_frame(), None);
        assert_eq!(mux.cancel(B), Some(("b", Dispatch::Unknown)));
        assert_eq!(mux.take(B), Taken::Unknown, "a late reply");
        assert_eq!((mux.cancel(B), mux.pending()), (None, 0));
    }

    #[test]
    fn replies_that_nobody_waits_for_are_known_for_a_while() {
        let mut mux = mux(10);
        mux.tell(A, Bytes::from_static(b"bye"));
        mux.forsake(B, Afterwards::Unsubscribe);
        assert_eq!(mux.next_frame().unwrap(), "bye");
        assert_eq!(mux.take(B), Taken::Forsaken(Afterwards::Unsubscribe));
        assert_eq!(mux.take(B), Taken::Unknown);
        mux.forsake(B, Afterwards::Unsubscribe);
        for id in 99..99 + MAX_FORSAKEN as u64 {
            mux.forsake(PrivateId::new(id), Afterwards::Nothing);
        }
        assert_eq!(mux.take(A), Taken::Unknown, "the oldest is forgotten");
        assert_eq!(mux.take(B), Taken::Forsaken(Afterwards::Unsubscribe), "that it was made matters");
        assert_eq!(mux.take(PrivateId::new(99)), Taken::Unknown);
        assert_eq!(mux.take(PrivateId::new(100)), Taken::Forsaken(Afterwards::Nothing));
    }

    #[test]
    fn the_end_tells_what_left_from_what_did_not() {
        let mut mux = mux(10);
        send(&mut mux, A, "a").unwrap();
        mux.next_frame();
        send(&mut mux, B, "b").unwrap();
        let mut all = mux.drain();
        all.sort_unstable_by_key(|(waiter, _)| *waiter);
        assert_eq!(all, [("a", Dispatch::Unknown), ("b", Dispatch::NotSent)]);
        assert_eq!((mux.pending(), mux.next_frame()), (0, None));
    }
}
