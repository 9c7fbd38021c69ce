//! Replies that are there as a whole.

use std::time::Duration;

use bytes::Bytes;

use crate::call::{Body, Dispatch, ErrorReply, Failure, Reply, TransportKind};
use crate::catalog::{Category, Transport};
use crate::wire::{
    ErrorObject, ReplyDefect, ReplyShape, parse_error, parse_reply, retry_after_beside, splice_id,
};

/// Reads a reply that some transport delivered in one piece, as [`Egress`](super::Egress) reads one that came over
/// HTTP: `sent_id` is the id that went upstream, `client_id` the one that the client gets back, both JSON values.
///
/// # Errors
///
/// When it is no valid reply to that request.
pub fn read_whole(
    body: Bytes,
    sent_id: &[u8],
    client_id: &[u8],
    transport: Transport,
) -> Result<Reply, Failure> {
    let size = body.len() as u64;
    parse_reply(&body, sent_id).and_then(|shape| settle(shape, body, client_id, None)).map_err(|defect| {
        Failure::transport(TransportKind::InvalidReply { defect, size }, Dispatch::Unknown, transport)
    })
}

/// Makes an answer of a valid reply. `retry_after` is what was said outside of it.
pub(super) fn settle(
    shape: ReplyShape,
    body: Bytes,
    client_id: &[u8],
    retry_after: Option<Duration>,
) -> Result<Reply, ReplyDefect> {
    let error = match shape {
        ReplyShape::Result { id, .. } => {
            // The usual case comes first: even a clone of bytes may allocate.
            let is_own = id.slice(&body) == client_id;
            let body = if is_own { body } else { splice_id(&body, id, client_id) };
            return Ok(Reply::Result(Body::Full(body)));
        }
        ReplyShape::Error { error, .. } => body.slice(error.range()),
    };
    let parts = parse_error(&error).ok_or(ReplyDefect::InvalidEnvelope)?;
    let data = parts.data.map(|data| error.slice_ref(data));
    let message = parts.message.into_owned().into();
    Ok(Reply::Error(Box::new(ErrorReply {
        error: ErrorObject { code: parts.code, message, data },
        category: Category::UnknownError,
        retry_after: retry_after.or_else(|| retry_after_beside(&body)),
    })))
}
