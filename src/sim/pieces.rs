//! Bodies that arrive bit by bit, or in part, or never: a stream of pieces, sent as HTTP body or WebSocket frames.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream, StreamExt};

use super::fault::HugeResult;

/// An error ends the connection where the piece was due.
pub(crate) type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Nothing, and no end.
pub(crate) fn never() -> Pieces {
    stream::pending().boxed()
}

/// Half of the reply and then an error.
pub(crate) fn half(reply: &Bytes) -> Pieces {
    let half = reply.slice(..reply.len() / 2);
    stream::iter([Ok(half)]).chain(cut()).boxed()
}

/// The reply in pieces of `chunk` bytes with a pause before each.
pub(crate) fn slow(reply: Bytes, chunk: usize, pause: Duration) -> Pieces {
    stream::unfold(reply, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let piece = rest.split_to(chunk.clamp(1, rest.len()));
        Some((Ok(piece), rest))
    })
    .boxed()
}

/// A huge reply to the call with this id.
pub(crate) fn huge(shape: &HugeResult, id: &str) -> Pieces {
    let mut logs = HugeReply::new(shape, id);
    match shape.cut_after {
        None => stream::iter(std::iter::from_fn(move || logs.piece()).map(Ok)).boxed(),
        Some(limit) => {
            let mut left = limit;
            let pieces = std::iter::from_fn(move || {
                let mut piece = logs.piece()?;
                piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                left -= piece.len() as u64;
                (!piece.is_empty()).then_some(piece)
            });
            stream::iter(pieces.map(Ok)).chain(cut()).boxed()
        }
    }
}

/// Lets what was sent before reach the socket, then fails.
fn cut() -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::once(async {
        // hyper flushes when a body is not ready.
        tokio::task::yield_now().await;
        Err(io::Error::other("the simulated node ends the body here"))
    })
}

/// The generator behind [`huge`]. Every log has the same length, so the number of logs follows from the size.
pub(crate) struct HugeReply {
    buffer: BytesMut,
    chunk: usize,
    logs: u64,
    next: u64,
    /// Spaces after the last log, then the closing brackets.
    padding: u64,
    closed: bool,
}

const TAIL: &[u8] = b"]}";

// === impl HugeReply ===

impl HugeReply {
    pub(crate) fn new(shape: &HugeResult, id: &str) -> Self {
        let mut buffer = BytesMut::with_capacity(shape.chunk + 1024);
        buffer.extend_from_slice(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":["#).as_bytes());
        let room = shape.total_bytes.saturating_sub((buffer.len() + TAIL.len()) as u64);
        // Each log but the first has a comma before it.
        let each = log(0).len() as u64 + 1;
        let logs = (room + 1) / each;
        let padding = room - (logs * each).saturating_sub(1);
        Self { buffer, chunk: shape.chunk, logs, next: 0, padding, closed: false }
    }

    /// Bytes of a whole reply.
    pub(crate) fn length(shape: &HugeResult, id: &str) -> u64 {
        let empty = Self::new(&HugeResult::new(0), id);
        shape.total_bytes.max((empty.buffer.len() + TAIL.len()) as u64)
    }

    pub(crate) fn piece(&mut self) -> Option<Bytes> {
        while self.buffer.len() < self.chunk && self.extend() {}
        let length = self.chunk.min(self.buffer.len());
        (length > 0).then(|| self.buffer.split_to(length).freeze())
    }

    /// Adds the next bit to the buffer; `false` at the end.
    fn extend(&mut self) -> bool {
        if self.next < self.logs {
            if self.next > 0 {
                self.buffer.extend_from_slice(b",");
            }
            self.buffer.extend_from_slice(log(self.next).as_bytes());
            self.next += 1;
            true
        } else if !self.closed {
            self.buffer.extend(std::iter::repeat_n(b' ', usize::try_from(self.padding).unwrap_or(0)));
            self.buffer.extend_from_slice(TAIL);
            self.closed = true;
            true
        } else {
            false
        }
    }
}

fn log(index: u64) -> String {
    let (token, topic) = (super::TOKEN_A, super::TRANSFER_TOPIC);
    // The leading one keeps the width of the quantity.
    let index = 0x1_0000_0000 | index & 0xffff_ffff;
    let hash = format!("0x{index:064x}");
    format!(
        r#"{{"address":"{token}","topics":["{topic}"],"data":"{hash}","blockNumber":"0x1","blockHash":"{hash}","transactionHash":"{hash}","transactionIndex":"0x0","logIndex":"{index:#x}","removed":false}}"#
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use futures_util::StreamExt;
    use serde_json::Value;

    use super::{HugeReply, Pieces, half, huge, slow};
    use crate::sim::HugeResult;

    async fn collect(pieces: Pieces) -> (Vec<Bytes>, bool) {
        let all: Vec<_> = pieces.collect().await;
        let cut = all.last().is_some_and(Result::is_err);
        (all.into_iter().filter_map(Result::ok).collect(), cut)
    }

    #[tokio::test]
    async fn a_huge_reply_is_valid_has_its_size_and_comes_in_pieces() {
        for total in [0, 40, 41, 600, 10_000, 10_001, 10_448, 100_000] {
            let shape = HugeResult::new(total).chunk(1_000);
            let (pieces, cut) = collect(huge(&shape, "\"x\"")).await;
            assert!(!cut);
            assert!(pieces.iter().all(|piece| piece.len() <= 1_000));
            let body = pieces.concat();
            assert_eq!(body.len() as u64, HugeReply::length(&shape, "\"x\""));
            assert_eq!(body.len() as u64, total.max(38));
            let value: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(value["id"], "x");
            assert_eq!(value["result"].as_array().unwrap().is_empty(), total < 100);
        }
    }

    #[test]
    fn a_huge_reply_holds_no_more_than_a_piece_and_a_log() {
        let shape = HugeResult::new(256 << 20).chunk(4_096);
        let mut reply = HugeReply::new(&shape, "1");
        for _ in 0..1_000 {
            assert_eq!(reply.piece().unwrap().len(), 4_096);
            assert!(reply.buffer.len() < 1_024, "{} bytes are waiting", reply.buffer.len());
        }
    }

    #[tokio::test]
    async fn a_cut_reply_ends_where_it_should() {
        let shape = HugeResult::new(10_000).chunk(1_000).cut_after(2_500);
        let (pieces, cut) = collect(huge(&shape, "1")).await;
        assert_eq!((pieces.concat().len(), cut), (2_500, true));

        let (pieces, cut) = collect(half(&Bytes::from_static(b"0123456789"))).await;
        assert_eq!((pieces.concat(), cut), (b"01234".to_vec(), true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reply_pauses_before_each_piece() {
        let start = tokio::time::Instant::now();
        let pause = Duration::from_secs(1);
        let (pieces, cut) = collect(slow(Bytes::from_static(b"0123456789"), 4, pause)).await;
        assert_eq!(pieces, [&b"0123"[..], b"4567", b"89"]);
        assert!(!cut);
        assert_eq!(start.elapsed(), 3 * pause);
    }
}
