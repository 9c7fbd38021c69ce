//! Snapshots summed by spans of equal length: an hour, or the step of a chart.

use std::collections::BTreeMap;

use super::snapshot::{Tallies, add_all};

/// What the providers of one chain did within one span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// When the span began, in seconds since 1970: a multiple of its length.
    pub start: u64,
    /// The chain's key in the profile.
    pub chain: String,
    /// When the last of the span's snapshots was taken, in milliseconds since 1970.
    pub taken_ms: u64,
    /// What each series did.
    pub tallies: Tallies,
}

/// Whole spans, oldest first, and by chain within a span. One without a call is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The spans.
    pub spans: Vec<Span>,
    /// Where to go on, in seconds since 1970, if the limit of a page left something out.
    pub next_from: Option<u64>,
}

/// Sums up snapshots that come in the order of time.
pub(super) struct Summing {
    page: Page,
    /// The span that is being summed up, by chain.
    open: BTreeMap<String, Span>,
    start: u64,
    length: u64,
    rows: usize,
    max_rows: usize,
}

impl Summing {
    /// Spans have a length in seconds. The page ends with the one that brings it to this many series or more.
    pub(super) fn new(length: u64, max_rows: usize) -> Self {
        Self { page: Page::default(), open: BTreeMap::new(), start: 0, length, rows: 0, max_rows }
    }

    /// Whether the page has room for a snapshot of this time. Once it has not, it is at its end.
    pub(super) fn has_room(&mut self, taken_ms: u64) -> bool {
        let start = taken_ms / 1000 / self.length * self.length;
        if start != self.start {
            self.end_span();
            self.start = start;
        }
        if self.rows >= self.max_rows {
            self.page.next_from = Some(start);
        }
        self.page.next_from.is_none()
    }

    /// Adds a snapshot that there is room for.
    pub(super) fn add(&mut self, taken_ms: u64, chain: &str, tallies: Tallies) {
        if tallies.is_empty() {
            return;
        }
        let start = self.start;
        let span = self.open.entry(chain.to_owned()).or_insert_with(|| Span {
            start,
            chain: chain.to_owned(),
            taken_ms,
            tallies: Tallies::new(),
        });
        span.taken_ms = taken_ms;
        add_all(&mut span.tallies, tallies);
    }

    pub(super) fn finish(mut self) -> Page {
        self.end_span();
        self.page
    }

    fn end_span(&mut self) {
        for span in std::mem::take(&mut self.open).into_values() {
            self.rows += span.tallies.len();
            self.page.spans.push(span);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lasso_layers::state::{LatencyCounts, LatencyReading};

    use super::super::testing::tallies;
    use super::*;

    const HOUR: u64 = 3_600;
    const HOUR_MS: u64 = HOUR * 1000;

    fn sum(max_rows: usize, snapshots: &[(u64, &str, Tallies)]) -> Page {
        let mut summing = Summing::new(HOUR, max_rows);
        for (taken_ms, chain, tallies) in snapshots {
            if !summing.has_room(*taken_ms) {
                break;
            }
            summing.add(*taken_ms, chain, tallies.clone());
        }
        summing.finish()
    }

    #[test]
    fn a_span_weighs_every_call_the_same() {
        let page = sum(
            100,
            &[
                (HOUR_MS, "base", tallies(&[("a", "eth_call", 1, 0, 1_000)])),
                (
                    HOUR_MS * 2 - 1,
                    "base",
                    tallies(&[("a", "eth_call", 3, 4, 600), ("b", "eth_call", 1, 0, 1)]),
                ),
                (HOUR_MS * 2, "base", tallies(&[("a", "eth_call", 1, 0, 5)])),
            ],
        );
        let starts: Vec<u64> = page.spans.iter().map(|span| span.start).collect();
        assert_eq!(starts, [3_600, 7_200]);
        let first = &page.spans[0];
        assert_eq!(first.taken_ms, HOUR_MS * 2 - 1);
        assert_eq!(first.tallies, tallies(&[("a", "eth_call", 4, 4, 1_600), ("b", "eth_call", 1, 0, 1)]));
        let tally = first.tallies.values().next().unwrap();
        assert_eq!(tally.mean_latency().unwrap().as_micros(), 400);
        assert!((tally.success_rate() - 0.5).abs() < f64::EPSILON);
        assert_eq!(page.next_from, None);
    }

    #[test]
    fn a_page_ends_between_two_spans() {
        let two = tallies(&[("a", "eth_call", 1, 0, 1), ("b", "eth_call", 1, 0, 1)]);
        let snapshots: Vec<_> = (1..=3)
            .flat_map(|hour| {
                [(HOUR_MS * hour, "base", two.clone()), (HOUR_MS * hour + 1, "eth", two.clone())]
            })
            .collect();
        let page = sum(3, &snapshots);
        let found: Vec<_> = page.spans.iter().map(|span| (span.start, span.chain.as_str())).collect();
        assert_eq!(found, [(3_600, "base"), (3_600, "eth")]);
        assert_eq!(page.next_from, Some(7_200));
        assert_eq!(sum(12, &snapshots).next_from, None);
    }

    #[test]
    fn distributions_add_up_so_that_percentiles_are_of_all_calls() {
        let of = |millis: &[u64]| {
            let counts = LatencyCounts::default();
            millis.iter().for_each(|millis| counts.add(Duration::from_millis(*millis)));
            let mut tallies = tallies(&[("a", "eth_call", millis.len() as u64, 0, 1)]);
            let latencies = counts.read().since(&LatencyReading::default());
            tallies.values_mut().for_each(|tally| tally.latencies = latencies.clone());
            tallies
        };
        let page = sum(
            100,
            &[
                (HOUR_MS, "base", of(&[10; 99])),
                (HOUR_MS + 1, "base", of(&[900; 99])),
                (HOUR_MS + 2, "base", of(&[5_000; 2])),
            ],
        );
        assert_eq!(page.spans.len(), 1);
        let latencies = &page.spans[0].tallies.values().next().unwrap().latencies;
        // The mean of the three spans' medians would be about two seconds.
        for (share, millis) in [(0.49, 10.0), (0.5, 900.0), (0.99, 900.0), (0.995, 5_000.0)] {
            let found = latencies.at(share).unwrap().as_secs_f64() * 1e3;
            assert!((found / millis - 1.0).abs() < 0.123, "{share}: {found} is not {millis}");
        }
    }
}
