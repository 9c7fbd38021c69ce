//! Snapshots summed by the hour.

use std::collections::BTreeMap;

use super::snapshot::{Tallies, add_all};

/// Milliseconds of an hour.
pub(super) const HOUR_MS: u64 = 3_600_000;

/// What the providers of one chain did within one hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hour {
    /// When the hour began, in seconds since 1970.
    pub start: u64,
    /// The chain's key in the profile.
    pub chain: String,
    /// When the last of the hour's snapshots was taken, in milliseconds since 1970.
    pub taken_ms: u64,
    /// What each series did.
    pub tallies: Tallies,
}

/// Whole hours, oldest first, and by chain within an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The hours.
    pub hours: Vec<Hour>,
    /// Where to go on, in seconds since 1970, if the limit of a page left something out.
    pub next_from: Option<u64>,
}

/// Sums up snapshots that come in the order of time.
pub(super) struct Summing {
    page: Page,
    /// The hour that is being summed up, by chain.
    open: BTreeMap<String, Hour>,
    start: u64,
    rows: usize,
    max_rows: usize,
}

impl Summing {
    /// The page ends with the hour that brings it to this many series or more.
    pub(super) fn new(max_rows: usize) -> Self {
        Self { page: Page::default(), open: BTreeMap::new(), start: 0, rows: 0, max_rows }
    }

    /// Whether the page has room for a snapshot of this time. Once it has not, it is at its end.
    pub(super) fn has_room(&mut self, taken_ms: u64) -> bool {
        let start = taken_ms / HOUR_MS * (HOUR_MS / 1000);
        if start != self.start {
            self.end_hour();
            self.start = start;
        }
        if self.rows >= self.max_rows {
            self.page.next_from = Some(start);
        }
        self.page.next_from.is_none()
    }

    /// Adds a snapshot that there is room for.
    pub(super) fn add(&mut self, taken_ms: u64, chain: &str, tallies: Tallies) {
        let start = self.start;
        let hour = self.open.entry(chain.to_owned()).or_insert_with(|| Hour {
            start,
            chain: chain.to_owned(),
            taken_ms,
            tallies: Tallies::new(),
        });
        hour.taken_ms = taken_ms;
        add_all(&mut hour.tallies, tallies);
    }

    pub(super) fn finish(mut self) -> Page {
        self.end_hour();
        self.page
    }

    fn end_hour(&mut self) {
        for hour in std::mem::take(&mut self.open).into_values() {
            self.rows += hour.tallies.len();
            self.page.hours.push(hour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::tallies;
    use super::*;

    fn sum(max_rows: usize, snapshots: &[(u64, &str, Tallies)]) -> Page {
        let mut summing = Summing::new(max_rows);
        for (taken_ms, chain, tallies) in snapshots {
            if !summing.has_room(*taken_ms) {
                break;
            }
            summing.add(*taken_ms, chain, tallies.clone());
        }
        summing.finish()
    }

    #[test]
    fn an_hour_weighs_every_call_the_same() {
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
        let starts: Vec<u64> = page.hours.iter().map(|hour| hour.start).collect();
        assert_eq!(starts, [3_600, 7_200]);
        let first = &page.hours[0];
        assert_eq!(first.taken_ms, HOUR_MS * 2 - 1);
        assert_eq!(first.tallies, tallies(&[("a", "eth_call", 4, 4, 1_600), ("b", "eth_call", 1, 0, 1)]));
        let tally = first.tallies.values().next().unwrap();
        assert_eq!(tally.mean_latency().unwrap().as_micros(), 400);
        assert!((tally.success_rate() - 0.5).abs() < f64::EPSILON);
        assert_eq!(page.next_from, None);
    }

    #[test]
    fn a_page_ends_between_two_hours() {
        let two = tallies(&[("a", "eth_call", 1, 0, 1), ("b", "eth_call", 1, 0, 1)]);
        let snapshots: Vec<_> = (1..=3)
            .flat_map(|hour| {
                [(HOUR_MS * hour, "base", two.clone()), (HOUR_MS * hour + 1, "eth", two.clone())]
            })
            .collect();
        let page = sum(3, &snapshots);
        let found: Vec<_> = page.hours.iter().map(|hour| (hour.start, hour.chain.as_str())).collect();
        assert_eq!(found, [(3_600, "base"), (3_600, "eth")]);
        assert_eq!(page.next_from, Some(7_200));
        assert_eq!(sum(12, &snapshots).next_from, None);
    }
}
