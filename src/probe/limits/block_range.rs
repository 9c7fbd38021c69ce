//! How many blocks one `eth_getLogs` may span.

use super::search::Search;
use super::{LOGLESS, refusal};
use crate::probe::answer::Kind;
use crate::probe::catalogue::Sample;
use crate::probe::http::Http;
use crate::probe::progress::Progress;
use crate::probe::report::{Bound, BoundVerdict};

/// The spans that are tried first. A span is `toBlock` minus `fromBlock`, as in `max_block_range` of a profile.
pub(super) const SPANS: [u64; 9] = [100, 500, 1_000, 2_000, 5_000, 10_000, 25_000, 50_000, 100_000];

/// What became of a span.
enum Step {
    Accepted,
    Refused(String),
    /// The endpoint did not say.
    Unclear(String),
}

pub(super) async fn run(http: &Http, sample: &Sample, progress: &Progress) -> Bound {
    let Some(height) = sample.height else {
        let note = Some("the endpoint does not say how long the chain is".to_owned());
        return Bound { verdict: BoundVerdict::Inconclusive, max: None, note };
    };
    let mut search = Search::new(ladder(height));
    let mut note = None;
    while let Some(span) = search.next() {
        progress.say(&format!("limits: eth_getLogs over {span} blocks"));
        match ask(http, height, span, search.accepted().is_some()).await {
            Step::Accepted => search.record(span, true),
            Step::Refused(text) => {
                search.record(span, false);
                note = Some(text);
            }
            Step::Unclear(text) => {
                let verdict = BoundVerdict::Inconclusive;
                return Bound { verdict, max: search.accepted(), note: Some(text) };
            }
        }
    }
    conclude(&search, height, note)
}

/// The spans that the chain is long enough for, and at the end of a short chain all of it.
fn ladder(height: u64) -> Vec<u64> {
    let mut ladder: Vec<u64> = SPANS.into_iter().filter(|span| *span <= height).collect();
    if ladder.len() < SPANS.len() && ladder.last() != Some(&height) {
        ladder.push(height);
    }
    ladder
}

async fn ask(http: &Http, height: u64, span: u64, was_accepted: bool) -> Step {
    let from = height.saturating_sub(span);
    let params = format!(r#"[{{"fromBlock":"0x{from:x}","toBlock":"0x{height:x}","address":"{LOGLESS}"}}]"#);
    match http.ask_patiently("eth_getLogs", &params).await.outcome {
        Ok(_) => Step::Accepted,
        Err(trouble) if trouble.is_rate_limit() => Step::Unclear(trouble.text),
        Err(trouble) => match trouble.kind {
            // Where less was answered, it is the length that takes too long.
            Kind::Timeout if was_accepted => Step::Refused(trouble.text),
            Kind::Refused { .. } | Kind::Status(_) => Step::Refused(trouble.text),
            Kind::Timeout | Kind::Broken | Kind::Invalid | Kind::TooLong => Step::Unclear(trouble.text),
        },
    }
}

fn conclude(search: &Search, height: u64, note: Option<String>) -> Bound {
    let max = search.accepted();
    match (max, search.is_limited()) {
        (Some(_), true) => Bound { verdict: BoundVerdict::Limited, max, note },
        (Some(max), false) => {
            let is_short = max < SPANS[SPANS.len() - 1];
            let note = is_short.then(|| format!("the chain is no longer than {height} blocks"));
            Bound { verdict: BoundVerdict::Unlimited, max: Some(max), note }
        }
        (None, _) => refusal(note),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_chain_has_a_short_ladder() {
        assert_eq!(ladder(1_000_000), SPANS);
        assert_eq!(ladder(100_000), SPANS);
        assert_eq!(ladder(1_200), [100, 500, 1_000, 1_200]);
        assert_eq!(ladder(500), [100, 500]);
        assert_eq!(ladder(20), [20]);
        assert_eq!(ladder(0), [0]);
    }
}
