//! What the records say to people: leaderboard, methods, transports.

use std::time::Duration;

use smol_str::SmolStr;
use tokio::time::Instant;

use super::{Benchmarks, Series, Summary};
use crate::catalog::{Chain, MethodId, ProviderKey, Transport};
use crate::state::Percentiles;

/// One provider on the leaderboard of a chain.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its position in the chain.
    pub provider: u16,
    /// Where its records are kept.
    pub key: ProviderKey,
    /// Its id in the profile.
    pub id: SmolStr,
    /// All its methods and transports together.
    pub totals: Totals,
}

/// One method of one provider over one transport.
#[derive(Clone, Debug)]
pub struct MethodRow {
    /// The provider's position in the chain.
    pub provider: u16,
    /// The protocol.
    pub transport: Transport,
    /// The method.
    pub method: MethodId,
    /// Its record.
    pub summary: Summary,
    /// Its last hundred latencies.
    pub percentiles: Percentiles,
}

/// One method over both transports, all providers of the chain together.
#[derive(Clone, Debug)]
pub struct TransportRow {
    /// The method.
    pub method: MethodId,
    /// Over HTTP.
    pub http: Totals,
    /// Over WebSocket.
    pub ws: Totals,
}

/// Several series together.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// How many attempts there were.
    pub calls: u64,
    /// How many of them succeeded.
    pub successes: u64,
    /// The mean latency of successes, each series weighted by its calls; nothing without a success.
    pub mean_latency: Option<Duration>,
    /// The last hundred latencies of each series.
    pub percentiles: Percentiles,
    /// When the last outcome was recorded.
    pub updated: Option<Instant>,
}

impl Totals {
    /// These series together.
    #[must_use]
    pub fn of<'a>(rows: impl Iterator<Item = &'a MethodRow> + Clone) -> Self {
        let summaries = || rows.clone().map(|row| &row.summary);
        // A series without a success has no latency that could be weighted.
        let measured = || summaries().filter_map(|summary| Some((summary.mean_latency()?, summary.calls())));
        let weight: u64 = measured().map(|(_, calls)| calls).sum();
        let nanos = measured().map(|(mean, calls)| mean.as_nanos() * u128::from(calls)).sum::<u128>();
        let mean = nanos.checked_div(u128::from(weight)).and_then(|nanos| u64::try_from(nanos).ok());
        Self {
            calls: summaries().map(Summary::calls).sum(),
            successes: summaries().map(|summary| summary.successes).sum(),
            mean_latency: mean.map(Duration::from_nanos),
            percentiles: rows.clone().map(|row| &row.percentiles).collect(),
            updated: summaries().map(|summary| summary.updated).max(),
        }
    }

    /// The share of attempts that succeeded, from 0 to 1.
    #[must_use]
    pub fn success_rate(&self) -> f64 {
        if self.calls == 0 { 0.0 } else { self.successes as f64 / self.calls as f64 }
    }

    /// How good a provider is: reliable, fast and much used are better. Zero without a success, and for a single
    /// call.
    #[must_use]
    pub fn score(&self) -> f64 {
        let Some(mean) = self.mean_latency else { return 0.0 };
        let speed = 1_000.0 / (1_000.0 + mean.as_secs_f64() * 1e3);
        self.success_rate() * speed * (self.calls.max(1) as f64).log10()
    }
}

impl MethodRow {
    /// Whether somebody should look: fewer than 95 in 100 succeed, or they take more than a second on average.
    #[must_use]
    pub fn is_anomalous(&self) -> bool {
        const RELIABLE: f64 = 0.95;
        const SLOW: Duration = Duration::from_secs(1);
        self.summary.success_rate() < RELIABLE || self.summary.mean_latency() > Some(SLOW)
    }
}

impl Benchmarks {
    /// The providers of a chain that have records, the best score first.
    #[must_use]
    pub fn leaderboard(&self, chain: &Chain) -> Vec<Row> {
        let providers = (0..).zip(&chain.providers);
        let mut board: Vec<Row> = providers
            .filter_map(|(at, provider)| {
                let methods = self.of_provider(at, provider.key);
                let totals = Totals::of(methods.iter());
                let row = Row { provider: at, key: provider.key, id: provider.id.clone(), totals };
                (!methods.is_empty()).then_some(row)
            })
            .collect();
        board.sort_by(|one, other| other.totals.score().total_cmp(&one.totals.score()));
        board
    }

    /// Every series of a chain: by provider, HTTP before WebSocket, by method.
    #[must_use]
    pub fn by_method(&self, chain: &Chain) -> Vec<MethodRow> {
        let providers = (0..).zip(&chain.providers);
        providers.flat_map(|(at, provider)| self.of_provider(at, provider.key)).collect()
    }

    /// The methods of a chain that have records, with what each transport does with them.
    #[must_use]
    pub fn by_transport(&self, chain: &Chain) -> Vec<TransportRow> {
        let mut rows = self.by_method(chain);
        rows.sort_by_key(|row| row.method);
        let methods = rows.chunk_by(|one, other| one.method == other.method);
        let over =
            |rows: &[MethodRow], transport| Totals::of(rows.iter().filter(|row| row.transport == transport));
        methods
            .map(|rows| TransportRow {
                method: rows[0].method,
                http: over(rows, Transport::Http),
                ws: over(rows, Transport::Ws),
            })
            .collect()
    }

    fn of_provider(&self, provider: u16, key: ProviderKey) -> Vec<MethodRow> {
        let row = |(series, summary, percentiles): (Series, _, _)| MethodRow {
            provider,
            transport: series.transport,
            method: series.method,
            summary,
            percentiles,
        };
        self.series_of(key).map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Trend;

    fn row(successes: u64, failures: u64, mean: u64) -> MethodRow {
        let summary = Summary {
            successes,
            failures,
            total_latency: Duration::from_millis(mean * successes),
            updated: Instant::now(),
            trend: Trend::NONE,
        };
        let percentiles = Percentiles::default();
        MethodRow { provider: 0, transport: Transport::Http, method: MethodId::OTHER, summary, percentiles }
    }

    fn totals(rows: &[MethodRow]) -> Totals {
        Totals::of(rows.iter())
    }

    #[test]
    fn routing_17_case_69_without_a_success_there_is_no_mean_and_no_score() {
        let totals = totals(&[row(0, 5, 0)]);
        assert_eq!(totals.mean_latency, None);
        assert!(totals.score().abs() < f64::EPSILON);
        assert_eq!(row(0, 5, 0).summary.mean_latency(), None);
    }

    #[test]
    fn scores_follow_the_formula() {
        for (successes, failures, mean, expected) in
            [(1, 0, 10, 0.0), (1_000, 0, 0, 3.0), (500, 500, 1_000, 0.75)]
        {
            let score = totals(&[row(successes, failures, mean)]).score();
            assert!((score - expected).abs() < 1e-9, "{score} is not {expected}");
        }
    }

    #[test]
    fn means_are_weighted_by_calls_and_failing_methods_do_not_look_fast() {
        let totals = totals(&[row(8, 2, 100), row(30, 0, 20), row(0, 60, 0)]);
        assert_eq!((totals.calls, totals.successes), (100, 38));
        assert_eq!(totals.mean_latency, Some(Duration::from_millis(40)));
        assert!((totals.success_rate() - 0.38).abs() < 1e-9);
    }

    #[test]
    fn slow_or_unreliable_series_are_anomalies() {
        for (row, expected) in [
            (row(95, 5, 1_000), false),
            (row(94, 6, 10), true),
            (row(10, 0, 1_001), true),
            (row(0, 1, 0), true),
        ] {
            assert_eq!(row.is_anomalous(), expected, "{row:?}");
        }
    }
}
