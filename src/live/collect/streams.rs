//! What there is to see of the streams of a profile.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use lasso_layers::catalog::Profile;
use smol_str::{SmolStr, format_smolstr};

use crate::clock::Moment;
use crate::live::view::StreamView;
use crate::streams::{Hub, StreamReport};

/// The streams of a profile, the oldest first.
pub(crate) fn streams(hub: &Hub, profile: &Profile) -> Vec<StreamView> {
    let mine = hub.streams().into_iter().filter(|stream| stream.profile == profile.slug);
    let mut streams: Vec<_> = mine.map(|stream| view(stream, profile)).collect();
    streams.sort_by(|one, other| (one.started, &one.key).cmp(&(other.started, &other.key)));
    streams
}

fn view(stream: StreamReport, profile: &Profile) -> StreamView {
    let id = format_smolstr!("{}", stream.chain_id);
    let chain = profile.chain(&id).map_or(id, |(_, chain)| chain.key.clone());
    StreamView {
        key: key(&chain, &stream),
        chain,
        topic: stream.topic,
        filter: stream.filter,
        subscribers: stream.subscribers,
        state: stream.state.as_str(),
        provider: stream.provider,
        last_block: stream.last_block,
        failovers: stream.failovers,
        filled_blocks: stream.filled_blocks,
        started: Moment::unix_ms_of_wall(stream.started),
    }
}

/// Chain and topic, the provider it is bound to, and a digest in place of a filter, which may be long. The same stream
/// has the same key for as long as the process lives.
fn key(chain: &str, stream: &StreamReport) -> SmolStr {
    static DIGESTS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let pin = stream.pin.as_deref().map(|pin| format_smolstr!("@{pin}")).unwrap_or_default();
    match &stream.filter {
        Some(filter) => format_smolstr!("{chain}/{}{pin}/{:016x}", stream.topic, DIGESTS.hash_one(filter)),
        None => format_smolstr!("{chain}/{}{pin}", stream.topic),
    }
}
