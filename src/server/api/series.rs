//! `GET /api/series`: how fast and how reliable providers were over time, for charts.
//!
//! | Parameter | Means | Default |
//! |---|---|---|
//! | `profile` | slug | the default profile |
//! | `chain` | key, alias or decimal id | has to be there |
//! | `provider`, `method` | id of one provider, name of one method | all of them |
//! | `transport` | `http` or `ws` | both |
//! | `from`, `to` | seconds since 1970; the steps they lie in are read whole | the last 24 hours |
//! | `step` | seconds that are summed up to one point, at least the time between two entries of the history | such that the time has at most about 240 of them |
//!
//! A point is what one series (provider, method and transport) did within the step that begins at `t`; a series
//! without a call has none there. Percentiles are over all successes of the step and [off by at most
//! 12.3 %](lasso_layers::state::Histogram); they are null, as the mean is, where nothing succeeded, and in entries of
//! earlier versions, which knew none.
//!
//! An answer ends after the step that brings it to 10,000 points; `next_from` says then where to go on, with the
//! same `step`. Profiles and chains that exist no more are found by the names they had.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use lasso_layers::catalog::Transport;
use serde_json::{Value, json};

use super::parameters::{BadParameter, Parameters};
use super::past::{self, Past};
use super::{Api, round};
use crate::clock::Moment;
use crate::history::{self, HistoryQuery, SeriesFilter, SeriesName, Tally};

/// How many steps a time has that is not asked for in steps of a certain length.
const STEPS: u64 = 240;

impl Api {
    /// What providers did, step by step. Waits for its turn and for a thread that reads.
    pub(in crate::server) async fn series(self: Arc<Self>, query: Option<String>) -> (StatusCode, Bytes) {
        // What is wrong with the query is wrong without a history too.
        let interval = self.history.as_ref().map_or(Duration::ZERO, history::History::interval);
        let query = match self.series_query(&query.unwrap_or_default(), interval, Moment::now()) {
            Ok(query) => query,
            Err(bad) => return past::bad_request(&bad),
        };
        let Some(history) = &self.history else { return past::no_history() };
        match history.read(query, body).await {
            Ok(body) => (StatusCode::OK, body),
            Err(error) => past::unreadable(&error),
        }
    }

    fn series_query(
        &self,
        query: &str,
        interval: Duration,
        now: Moment,
    ) -> Result<HistoryQuery, BadParameter> {
        let bad =
            |name: &str, reason: &str| BadParameter { name: name.to_owned(), reason: reason.to_owned() };
        let mut parameters = Parameters::of(query)?;
        let Past { profile, chain, from, to } = Past::take(&mut parameters, self, now)?;
        if chain.is_none() {
            return Err(bad("chain", "is missing"));
        }
        let transport = match parameters.take("transport").as_deref() {
            None => None,
            Some("http") => Some(Transport::Http),
            Some("ws") => Some(Transport::Ws),
            Some(_) => return Err(bad("transport", "must be `http` or `ws`")),
        };
        let only = SeriesFilter {
            provider: parameters.take("provider").map(Into::into),
            method: parameters.take("method").map(Into::into),
            transport,
        };
        let least = interval.as_millis().div_ceil(1000).max(1) as u64;
        let step = match parameters.take("step") {
            None => step(to - from, least),
            Some(step) => match step.parse::<u64>() {
                Ok(step) if step > 0 => step.max(least),
                _ => return Err(bad("step", "must be a whole number of seconds, at least 1")),
            },
        };
        parameters.end("`profile`, `chain`, `provider`, `method`, `transport`, `from`, `to` and `step`")?;
        Ok(HistoryQuery { profile, chain, only, from, to, step })
    }
}

/// The least multiple of the shortest step that a time is divided by into few enough.
const fn step(seconds: u64, least: u64) -> u64 {
    let times = seconds.div_ceil(least.saturating_mul(STEPS));
    if times == 0 { least } else { least.saturating_mul(times) }
}

fn body(query: &HistoryQuery, page: history::Page) -> Bytes {
    let points = page
        .spans
        .iter()
        .flat_map(|span| span.tallies.iter().map(|(name, tally)| point(span.start, name, tally)));
    let body = json!({
        "profile": query.profile,
        "chain": query.chain,
        "from": query.from,
        "to": query.to,
        "step_seconds": query.step,
        "points": points.collect::<Vec<_>>(),
        "next_from": page.next_from,
    });
    Bytes::from(body.to_string())
}

fn point(start: u64, name: &SeriesName, tally: &Tally) -> Value {
    let millis = |latency: Duration| round(latency.as_secs_f64() * 1e3, 2);
    let at = |share| tally.latencies.at(share).map(millis);
    json!({
        "t": start,
        "provider": name.provider,
        "method": name.method,
        "transport": name.transport.as_str(),
        "calls": tally.calls(),
        "success_rate": round(tally.success_rate(), 4),
        "avg_ms": tally.mean_latency().map(millis),
        "p50_ms": at(0.5),
        "p95_ms": at(0.95),
        "p99_ms": at(0.99),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_multiple_of_the_interval_and_there_are_few() {
        for (seconds, least, expected) in [
            (0, 60, 60),
            (3_600, 60, 60),
            (14_400, 60, 60),
            (14_401, 60, 120),
            (86_400, 60, 360),
            (7 * 86_400, 60, 2_520),
            (60, 5, 5),
            (3_600, 5, 15),
            (240, 1, 1),
        ] {
            assert_eq!(step(seconds, least), expected, "{seconds} s in steps of {least} s");
            assert!(seconds / expected <= STEPS);
        }
        assert!(step(u64::MAX, 60) >= u64::MAX / STEPS);
    }
}
