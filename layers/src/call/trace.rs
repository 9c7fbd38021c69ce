//! Where a call stands in a trace that spans processes.
//!
//! The rules are those of [W3C Trace Context](https://www.w3.org/TR/trace-context/): a client's `traceparent` makes the
//! call a part of the client's trace, and an upstream that is told ours goes on with it.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use smol_str::SmolStr;

use crate::catalog::ChannelKey;

/// The id of a trace: 16 bytes, not all zero (section 3.2.2.3).
pub type TraceId = [u8; 16];
/// The id of a span: 8 bytes, not all zero (section 3.2.2.4).
pub type SpanId = [u8; 8];

/// The place of a call in a trace. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace(Arc<Place>);

#[derive(Debug, PartialEq, Eq)]
struct Place {
    id: TraceId,
    parent: Option<SpanId>,
    span: SpanId,
    is_sampled: bool,
    state: Option<SmolStr>,
}

/// What a client says about the trace that its request is a part of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteParent {
    trace: TraceId,
    span: SpanId,
    is_sampled: bool,
    /// `tracestate`, which is handed on and not read.
    state: Option<SmolStr>,
}

/// The name of the header that says where a request stands in its trace.
const TRACEPARENT: &str = "traceparent";
/// The name of the header with what tracing systems say to each other.
const TRACESTATE: &str = "tracestate";
/// The most of a `tracestate` that is handed on: as much as everybody has to (section 3.3.1.5).
const MAX_STATE: usize = 512;
/// The length of a `traceparent` of version 0.
const LENGTH: usize = 55;
/// The bit of the flags that says that the caller records the trace (section 3.2.2.5.1).
const SAMPLED: u8 = 1;

impl RemoteParent {
    /// What the headers of a request say. Nothing where they say nothing, or nothing valid: then the trace begins here,
    /// and `tracestate` is not looked at (section 4.3).
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(TRACEPARENT).iter();
        let parent = all.next()?;
        // More than one means that somebody on the way is broken.
        if all.next().is_some() {
            return None;
        }
        let (trace, span, flags) = parse(parent.as_bytes())?;
        Some(Self { trace, span, is_sampled: flags & SAMPLED != 0, state: state(headers) })
    }
}

impl Trace {
    /// The span of a call: below the client's, or the first of a trace. `random` gives ids; `sampling_rate` decides
    /// for traces that begin here, the client for its own.
    #[must_use]
    pub fn begin(parent: Option<RemoteParent>, random: &mut fastrand::Rng, sampling_rate: f64) -> Self {
        // All zero is no id; one in 2^64 is cheap to rule out.
        let mut word = || random.u64(1..).to_be_bytes();
        let span = word();
        Self(Arc::new(match parent {
            Some(RemoteParent { trace, span: parent, is_sampled, state }) => {
                Place { id: trace, parent: Some(parent), span, is_sampled, state }
            }
            None => {
                let mut id = TraceId::default();
                id[..8].copy_from_slice(&word());
                id[8..].copy_from_slice(&word());
                let is_sampled = random.f64() < sampling_rate;
                Place { id, parent: None, span, is_sampled, state: None }
            }
        }))
    }

    /// The id of the trace.
    #[must_use]
    pub fn id(&self) -> TraceId {
        self.0.id
    }

    /// The client's span, if the client has one.
    #[must_use]
    pub fn parent(&self) -> Option<SpanId> {
        self.0.parent
    }

    /// The span of the call.
    #[must_use]
    pub fn span(&self) -> SpanId {
        self.0.span
    }

    /// The span of what the call does with this channel. A call is sent to a channel once, so that the span needs not be
    /// remembered: whoever reports it later finds the same id.
    #[must_use]
    pub fn attempt(&self, channel: ChannelKey) -> SpanId {
        self.part(channel.index() as u64 + 1)
    }

    /// The span of the choice of channels.
    #[must_use]
    pub fn selection(&self) -> SpanId {
        self.part(0)
    }

    /// Whether the trace is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.0.is_sampled
    }

    /// Writes down for an upstream that it is called from this span.
    pub fn inject(&self, span: SpanId, headers: &mut HeaderMap) {
        let flags = if self.is_sampled() { SAMPLED } else { 0 };
        let text = format!("00-{}-{}-{flags:02x}", Hex(&self.0.id), Hex(&span));
        let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(text)) else { return };
        headers.insert(TRACEPARENT, value);
        let state = self.0.state.as_deref().and_then(|state| HeaderValue::from_str(state).ok());
        if let Some(state) = state {
            headers.insert(TRACESTATE, state);
        }
    }

    /// An id for a part of the call, different for each.
    fn part(&self, part: u64) -> SpanId {
        let mut mixed =
            u64::from_be_bytes(self.0.span).wrapping_add((part + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // The finaliser of splitmix64: one to one, so that two parts of a call never share an id.
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).max(1).to_be_bytes()
    }
}

/// Bytes as lower-case hex digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Trace, span and flags of a `traceparent` (section 3.2). A later version may have more behind them.
fn parse(text: &[u8]) -> Option<(TraceId, SpanId, u8)> {
    let (head, rest) = text.split_at_checked(LENGTH)?;
    let [version] = hex(&head[..2])?;
    let is_long_enough = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.first().is_none_or(|next| *next == b'-'),
    };
    if !is_long_enough || [2, 35, 52].iter().any(|at| head[*at] != b'-') {
        return None;
    }
    let (trace, span): (TraceId, SpanId) = (hex(&head[3..35])?, hex(&head[36..52])?);
    let [flags] = hex(&head[53..])?;
    (trace != TraceId::default() && span != SpanId::default()).then_some((trace, span, flags))
}

/// The bytes that lower-case hex digits stand for.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

/// All of `tracestate`, joined as for any header that is a list, where that is short enough.
fn state(headers: &HeaderMap) -> Option<SmolStr> {
    let parts: Option<Vec<&str>> =
        headers.get_all(TRACESTATE).iter().map(|part| part.to_str().ok()).collect();
    let state = parts?.join(",");
    (!state.is_empty() && state.len() <= MAX_STATE).then(|| state.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn parent(text: &str) -> Option<RemoteParent> {
        RemoteParent::of(&headers(&[(TRACEPARENT, text)]))
    }

    #[test]
    fn a_parent_is_read() {
        let parent = parent(VALID).unwrap();
        assert_eq!(Hex(&parent.trace).to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(Hex(&parent.span).to_string(), "00f067aa0ba902b7");
        assert!(parent.is_sampled);
    }

    #[test]
    fn flags_that_are_not_known_do_not_matter() {
        assert!(
            parent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-fe")
                .is_some_and(|it| !it.is_sampled)
        );
        assert!(
            parent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff").is_some_and(|it| it.is_sampled)
        );
    }

    #[test]
    fn later_versions_are_read_as_far_as_they_are_known() {
        let later = VALID.replacen("00", "cc", 1);
        assert!(parent(&later).is_some());
        assert!(parent(&format!("{later}-what-the-future-brings")).is_some());
        assert!(parent(&format!("{later}.what")).is_none());
    }

    #[test]
    fn what_is_not_valid_is_nothing() {
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(parent(text), None, "{text}");
        }
        assert_eq!(RemoteParent::of(&headers(&[(TRACEPARENT, VALID), (TRACEPARENT, VALID)])), None);
    }

    #[test]
    fn a_call_goes_on_with_the_trace_of_its_client() {
        let parent = parent(VALID);
        let trace = Trace::begin(parent.clone(), &mut fastrand::Rng::with_seed(1), 0.0);
        assert_eq!(trace.id(), parent.as_ref().unwrap().trace);
        assert_eq!(trace.parent(), Some(parent.unwrap().span));
        assert!(trace.is_sampled(), "the client decides");
    }

    #[test]
    fn traces_that_begin_here_are_sampled_by_rate() {
        let mut random = fastrand::Rng::with_seed(1);
        let sampled = (0..1_000).filter(|_| Trace::begin(None, &mut random, 0.25).is_sampled()).count();
        assert!((200..300).contains(&sampled), "{sampled}");
        assert!(Trace::begin(None, &mut random, 1.0).is_sampled());
        assert!(!Trace::begin(None, &mut random, 0.0).is_sampled());
    }

    #[test]
    fn an_upstream_is_told_its_span_and_the_state() {
        let state = headers(&[(TRACEPARENT, VALID), (TRACESTATE, "a=1"), (TRACESTATE, "b=2")]);
        let trace = Trace::begin(RemoteParent::of(&state), &mut fastrand::Rng::with_seed(1), 0.0);
        let span = trace.attempt(ChannelKey(7));
        let mut out = HeaderMap::new();
        trace.inject(span, &mut out);
        let told = RemoteParent::of(&out).unwrap();
        assert_eq!((told.trace, told.span, told.is_sampled), (trace.id(), span, true));
        assert_eq!(out[TRACESTATE], "a=1,b=2");
    }

    #[test]
    fn a_state_that_is_too_long_is_not_handed_on() {
        let long = format!("a={}", "x".repeat(MAX_STATE));
        let parent = RemoteParent::of(&headers(&[(TRACEPARENT, VALID), (TRACESTATE, &long)])).unwrap();
        assert_eq!(parent.state, None);
    }

    #[test]
    fn the_parts_of_a_call_have_ids_of_their_own() {
        let trace = Trace::begin(None, &mut fastrand::Rng::with_seed(1), 1.0);
        let mut ids = vec![trace.span(), trace.selection()];
        ids.extend((0..100).map(|key| trace.attempt(ChannelKey(key))));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 102);
    }
}
