use std::sync::{Arc, Mutex};
use std::task::Waker;

use proptest::prelude::*;

use super::*;

/// Takes as much of each write as it is told, and nothing when it is told nothing.
#[derive(Default)]
struct Slow {
    takes: VecDeque<usize>,
    taken: Arc<Mutex<Vec<u8>>>,
    writes: usize,
}

impl AsyncWrite for Slow {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(room) = self.takes.pop_front() else { return Poll::Pending };
        self.writes += 1;
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(room).collect();
        self.taken.lock().unwrap().extend_from_slice(&bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A frame as a client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Frame {
    is_final: bool,
    opcode: u8,
    payload: Vec<u8>,
}

fn text(payload: impl Into<Vec<u8>>) -> Frame {
    Frame { is_final: true, opcode: 1, payload: payload.into() }
}

fn pong(payload: &[u8]) -> Frame {
    Frame { is_final: true, opcode: 10, payload: payload.to_vec() }
}

/// Reads frames by the standard, and panics where the bytes are none.
fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        assert_eq!(first & 0x70, 0, "reserved bits");
        let (length, rest) = match second {
            0..126 => (usize::from(*second), rest),
            126 => (usize::from(u16::from_be_bytes(rest[..2].try_into().unwrap())), &rest[2..]),
            127 => (u64::from_be_bytes(rest[..8].try_into().unwrap()) as usize, &rest[8..]),
            masked => panic!("a server masks nothing: {masked}"),
        };
        frames.push(Frame {
            is_final: first & 0x80 != 0,
            opcode: first & 0xf,
            payload: rest[..length].to_vec(),
        });
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty());
    frames
}

fn flush(gate: &mut Gate, io: &mut Slow) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    match gate.poll_flush(Pin::new(io), &mut cx) {
        Poll::Ready(flushed) => {
            flushed.unwrap();
            true
        }
        Poll::Pending => false,
    }
}

fn everything(mut gate: Gate) -> Vec<Frame> {
    let mut io = Slow { takes: [usize::MAX; 100].into(), ..Slow::default() };
    assert!(flush(&mut gate, &mut io));
    assert_eq!(gate.bytes(), 0);
    frames(&io.taken.lock().unwrap())
}

#[test]
fn a_frame_holds_its_own_head_and_the_shared_tail() {
    let shared = Bytes::from(vec![b'x'; 300]);
    let mut gate = Gate::default();
    gate.push(Header::WHOLE, b"one:", [shared.clone()]);
    gate.push(Header::WHOLE, b"two:", [shared.clone(), Bytes::new(), shared.clone()]);
    gate.push(Header::WHOLE, b"", []);
    let shared_at: Vec<_> =
        gate.queue.iter().filter(|chunk| chunk.bytes.as_ptr() == shared.as_ptr()).collect();
    assert_eq!(shared_at.len(), 3, "the tail is not copied");
    assert_eq!(gate.bytes(), 4 + 4 + 300 + 4 + 4 + 600 + 2);
    let expected =
        [text([b"one:", &shared[..]].concat()), text([b"two:", &shared[..], &shared[..]].concat()), text("")];
    assert_eq!(everything(gate), expected);
}

#[test]
fn lengths_are_written_in_each_of_the_three_ways() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let mut gate = Gate::default();
        gate.push(Header::WHOLE, b"", [Bytes::from(vec![b'y'; length])]);
        assert_eq!(everything(gate), [text(vec![b'y'; length])], "{length}");
    }
}

#[test]
fn a_message_in_fragments_is_continued_and_ended() {
    let mut gate = Gate::default();
    gate.push(Header { is_continuation: false, is_final: false }, b"", [Bytes::from_static(b"ab")]);
    gate.push(Header { is_continuation: true, is_final: false }, b"", [Bytes::from_static(b"c")]);
    gate.push(Header { is_continuation: true, is_final: true }, b"", []);
    let part = |is_final, opcode, payload: &[u8]| Frame { is_final, opcode, payload: payload.to_vec() };
    assert_eq!(everything(gate), [part(false, 1, b"ab"), part(false, 0, b"c"), part(true, 0, b"")]);
}

#[test]
fn several_frames_go_out_in_one_write() {
    let mut gate = Gate::default();
    for _ in 0..4 {
        gate.push(Header::WHOLE, b"head", [Bytes::from_static(b"tail")]);
    }
    let mut io = Slow { takes: [usize::MAX; 10].into(), ..Slow::default() };
    assert!(flush(&mut gate, &mut io));
    assert_eq!(io.writes, 1);
}

#[test]
fn a_pong_in_the_middle_of_a_large_write_waits_for_the_end_of_the_frame_and_no_longer() {
    let large = Bytes::from(vec![b'z'; 200_000]);
    let mut gate = Gate::default();
    gate.push(Header::WHOLE, b"", [large.clone()]);
    gate.push(Header::WHOLE, b"", [large.clone()]);
    gate.push(Header::WHOLE, b"last", []);
    let mut io = Slow { takes: [3, 100_000].into(), ..Slow::default() };
    assert!(!flush(&mut gate, &mut io));
    assert_eq!(gate.written(), 100_003);
    assert!(gate.push_control(&[0x8a, 1, b'1']));
    assert!(gate.push_control(&[0x8a, 1, b'2']));
    io.takes = [usize::MAX; 100].into();
    assert!(flush(&mut gate, &mut io));
    let expected = [text(large.to_vec()), pong(b"1"), pong(b"2"), text(large.to_vec()), text("last")];
    assert_eq!(frames(&io.taken.lock().unwrap()), expected);
}

#[test]
fn who_pings_and_does_not_read_is_answered_a_few_times() {
    let mut gate = Gate::default();
    let taken = (0..100).filter(|_| gate.push_control(&[0x8a, 0])).count();
    assert_eq!(taken, CONTROLS);
    let mut io = Slow { takes: [usize::MAX; 2].into(), ..Slow::default() };
    assert!(flush(&mut gate, &mut io));
    assert!(gate.push_control(&[0x8a, 0]), "there is room again");
}

#[test]
fn what_is_abandoned_leaves_no_half_frame() {
    let mut gate = Gate::default();
    gate.push(Header::WHOLE, b"begun", [Bytes::from(vec![b'a'; SETTLED_BYTES])]);
    gate.push(Header::WHOLE, b"never", [Bytes::from_static(b" seen")]);
    let mut io = Slow { takes: [4].into(), ..Slow::default() };
    assert!(!flush(&mut gate, &mut io));
    gate.abandon();
    assert!(gate.push_control(&[0x88, 0]));
    io.takes = [usize::MAX; 10].into();
    assert!(flush(&mut gate, &mut io));
    assert_eq!((gate.bytes(), gate.is_empty()), (0, true));
    let frames = frames(&io.taken.lock().unwrap());
    assert_eq!(frames.iter().map(|frame| frame.opcode).collect::<Vec<_>>(), [1, 8]);
    assert_eq!(frames[0].payload.len(), 5 + SETTLED_BYTES);
}

#[test]
fn a_client_that_nothing_waits_for_costs_next_to_nothing() {
    let mut gate = Gate::default();
    for _ in 0..1000 {
        gate.push(Header::WHOLE, b"head", [Bytes::from_static(b"tail")]);
    }
    let mut io = Slow { takes: [usize::MAX; 1000].into(), ..Slow::default() };
    assert!(flush(&mut gate, &mut io));
    assert!(gate.queue.capacity() <= KEPT, "{}", gate.queue.capacity());
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize, usize),
    Pong(u8),
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..200_usize, 0..40_usize).prop_map(|(tail, head)| Step::Push(tail, head)),
        any::<u8>().prop_map(Step::Pong),
        prop_oneof![Just(1), 1..400_usize].prop_map(Step::Take),
    ]
}

proptest! {
    /// Whatever is put in between whatever partial writes: the client reads whole frames, each writer's in its order.
    #[test]
    fn frames_stay_whole_and_in_order(steps in proptest::collection::vec(step(), 1..120)) {
        let (mut gate, mut io) = (Gate::default(), Slow::default());
        let (mut texts, mut pongs) = (Vec::new(), Vec::new());
        for (at, step) in steps.into_iter().enumerate() {
            match step {
                Step::Push(tail, head) => {
                    let head = vec![at as u8; head];
                    let tail = vec![at as u8 ^ 0xff; tail];
                    gate.push(Header::WHOLE, &head, [Bytes::from(tail.clone())]);
                    texts.push(text([head, tail].concat()));
                }
                Step::Pong(payload) => {
                    if gate.push_control(&[0x8a, 1, payload]) {
                        pongs.push(pong(&[payload]));
                    }
                }
                Step::Take(room) => {
                    io.takes.push_back(room);
                    flush(&mut gate, &mut io);
                }
            }
        }
        io.takes = [1; 40_000].into();
        prop_assert!(flush(&mut gate, &mut io));
        let read = frames(&io.taken.lock().unwrap());
        prop_assert_eq!(gate.written(), io.taken.lock().unwrap().len() as u64);
        let (control, data): (Vec<_>, Vec<_>) = read.into_iter().partition(|frame| frame.opcode == 10);
        prop_assert_eq!(data, texts);
        prop_assert_eq!(control, pongs);
    }
}
