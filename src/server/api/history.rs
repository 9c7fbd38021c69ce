//! `GET /api/history`: what providers did, hour by hour.
//!
//! | Parameter | Means | Default |
//! |---|---|---|
//! | `profile` | slug | the default profile |
//! | `chain` | key, alias or decimal id | every chain of the profile |
//! | `from`, `to` | seconds since 1970; the hours they lie in are read whole, but for one that begins at `to` | the last 24 hours |
//!
//! Percentiles are [off by at most 12.3 %](lasso_layers::state::Histogram), and null where no success of the hour has
//! its latency written down.
//!
//! An answer ends after the hour that brings it to 10,000 rows; `next_from` says then where to go on. Profiles and
//! chains that exist no more are found by the names they had.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::parameters::{BadParameter, Parameters};
use super::past::{self, Past};
use super::{Api, round};
use crate::clock::{self, Moment};
use crate::history::{self, HOUR, HistoryQuery, SeriesFilter, SeriesName, Span, Tally};

impl Api {
    /// What providers did. Waits for its turn and for a thread that reads.
    pub(in crate::server) async fn history(self: Arc<Self>, query: Option<String>) -> (StatusCode, Bytes) {
        let query = match self.history_query(&query.unwrap_or_default(), Moment::now()) {
            Ok(query) => query,
            Err(bad) => return past::bad_request(&bad),
        };
        let Some(history) = &self.history else { return past::no_history() };
        match history.read(query, body).await {
            Ok(body) => (StatusCode::OK, body),
            Err(error) => past::unreadable(&error),
        }
    }

    fn history_query(&self, query: &str, now: Moment) -> Result<HistoryQuery, BadParameter> {
        let mut parameters = Parameters::of(query)?;
        let Past { profile, chain, from, to } = Past::take(&mut parameters, self, now)?;
        parameters.end("`profile`, `chain`, `from` and `to`")?;
        Ok(HistoryQuery { profile, chain, only: SeriesFilter::default(), from, to, step: HOUR })
    }
}

fn body(query: &HistoryQuery, page: history::Page) -> Bytes {
    let snapshots = page.spans.iter().map(|hour| snapshot(&query.profile, hour));
    let body = json!({
        "profile": query.profile,
        "from": query.from,
        "to": query.to,
        "next_from": page.next_from,
        "snapshots": snapshots.collect::<Vec<_>>(),
    });
    Bytes::from(body.to_string())
}

fn snapshot(profile: &str, hour: &Span) -> Value {
    let mut providers: Vec<&str> = hour.tallies.keys().map(|name| name.provider.as_str()).collect();
    providers.dedup();
    json!({
        "profile": profile,
        "chain_name": hour.chain,
        "timestamp": hour.taken_ms / 1000,
        "datetime": clock::iso_8601(UNIX_EPOCH + Duration::from_millis(hour.taken_ms)),
        "data": {
            "profile": profile,
            "chain_name": hour.chain,
            "hour_timestamp": hour.start,
            "providers": providers,
            "snapshot_data": hour.tallies.iter().map(row).collect::<Vec<_>>(),
        },
    })
}

fn row((name, tally): (&SeriesName, &Tally)) -> Value {
    let millis = |latency: Duration| round(latency.as_secs_f64() * 1e3, 2);
    let at = |share| tally.latencies.at(share).map(millis);
    json!({
        "provider_id": name.provider,
        "rpc_method": format!("{}@{}", name.method, name.transport),
        "rpc_calls": tally.calls(),
        "rpc_avg_duration_ms": millis(tally.mean_latency().unwrap_or_default()),
        "rpc_p50_duration_ms": at(0.5),
        "rpc_p95_duration_ms": at(0.95),
        "rpc_p99_duration_ms": at(0.99),
        "rpc_success_rate": round(tally.success_rate(), 4),
        "last_updated": tally.updated_ms,
    })
}
