//! How much an endpoint takes.

mod archive;
pub(super) mod block_range;
pub(super) mod rate_limit;
mod search;

use super::answer::{Kind, Trouble};
use super::catalogue::Sample;
use super::chain::Chain;
use super::http::Http;
use super::progress::Progress;
use super::report::{BlockParam, Bound, BoundVerdict, Limits};

/// An address that holds something and never wrote a log: what is asked about it is answered briefly.
const LOGLESS: &str = "0x000000000000000000000000000000000000dead";

const ADDRESSES: [u64; 6] = [1, 5, 10, 20, 50, 100];
const BATCHES: [u64; 3] = [10, 50, 100];
const TAGS: [&str; 5] = ["earliest", "latest", "pending", "safe", "finalized"];

/// Everything but the rate limit, one thing after the other.
pub(super) async fn run(http: &Http, sample: &Sample, chain: Chain, progress: &Progress) -> Limits {
    let block_range = block_range::run(http, sample, progress).await;
    progress.say("limits: addresses of eth_getLogs");
    let address_count = climb(ADDRESSES, async |count| logs_of(http, count).await).await;
    progress.say("limits: batches");
    let batch = climb(BATCHES, async |items| {
        http.batch("eth_chainId", usize::try_from(items).unwrap_or(usize::MAX)).await
    })
    .await;
    progress.say("limits: names of blocks");
    let mut block_params = Vec::with_capacity(TAGS.len());
    for tag in TAGS {
        block_params.push(block_param(http, tag).await);
    }
    progress.say("limits: old blocks");
    let archive = archive::run(http, sample, chain).await;
    Limits { block_range, address_count, batch, block_params, archive, rate_limit: None }
}

/// Tries one step after the other until one is refused.
async fn climb(
    steps: impl IntoIterator<Item = u64>,
    mut ask: impl AsyncFnMut(u64) -> Result<(), Trouble>,
) -> Bound {
    let mut max = None;
    for step in steps {
        match ask(step).await {
            Ok(()) => max = Some(step),
            Err(trouble) => return stopped(max, trouble),
        }
    }
    Bound { verdict: BoundVerdict::Unlimited, max, note: None }
}

fn stopped(max: Option<u64>, trouble: Trouble) -> Bound {
    let is_unclear = trouble.is_rate_limit() || matches!(trouble.kind, Kind::Broken | Kind::Timeout);
    let note = Some(trouble.text);
    match max {
        _ if is_unclear => Bound { verdict: BoundVerdict::Inconclusive, max, note },
        Some(_) => Bound { verdict: BoundVerdict::Limited, max, note },
        None => refusal(note),
    }
}

/// Not even the least is accepted.
const fn refusal(note: Option<String>) -> Bound {
    Bound { verdict: BoundVerdict::Unsupported, max: None, note }
}

async fn logs_of(http: &Http, addresses: u64) -> Result<(), Trouble> {
    // Small numbers are the addresses of precompiled contracts, which write no logs either.
    let addresses: Vec<String> = (1..=addresses).map(|number| format!("\"0x{number:040x}\"")).collect();
    let list = addresses.join(",");
    let params = format!(r#"[{{"fromBlock":"latest","toBlock":"latest","address":[{list}]}}]"#);
    http.ask_patiently("eth_getLogs", &params).await.outcome.map(|_| ())
}

async fn block_param(http: &Http, tag: &'static str) -> BlockParam {
    let answer = http.ask_patiently("eth_getBlockByNumber", &format!(r#"["{tag}",false]"#)).await;
    let (supported, note) = match answer.outcome {
        Ok(block) if &block[..] == b"null" => (false, Some("no such block".to_owned())),
        Ok(_) => (true, None),
        Err(trouble) => (false, Some(trouble.text)),
    };
    BlockParam { tag, supported, note }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn climbed(most: u64, trouble: Trouble) -> Bound {
        climb(ADDRESSES, async |step| if step <= most { Ok(()) } else { Err(trouble.clone()) }).await
    }

    #[tokio::test]
    async fn a_ladder_is_climbed_until_something_is_refused() {
        let no = || Trouble::new(Kind::Invalid, "no");
        let bound = |verdict, max, note: Option<&str>| Bound { verdict, max, note: note.map(str::to_owned) };
        assert_eq!(climbed(100, no()).await, bound(BoundVerdict::Unlimited, Some(100), None));
        assert_eq!(climbed(30, no()).await, bound(BoundVerdict::Limited, Some(20), Some("no")));
        assert_eq!(climbed(0, no()).await, bound(BoundVerdict::Unsupported, None, Some("no")));
    }

    #[tokio::test]
    async fn silence_is_no_limit() {
        let slow = Trouble::timeout(Duration::from_millis(7));
        let bound = climbed(10, slow).await;
        assert_eq!((bound.verdict, bound.max), (BoundVerdict::Inconclusive, Some(10)));
        assert_eq!(bound.note.as_deref(), Some("no answer within 7 ms"));
    }
}
