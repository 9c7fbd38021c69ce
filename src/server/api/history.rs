//! `GET /api/history`: what providers did, hour by hour.
//!
//! | Parameter | Means | Default |
//! |---|---|---|
//! | `profile` | slug | the default profile |
//! | `chain` | key, alias or decimal id | every chain of the profile |
//! | `from`, `to` | seconds since 1970; the hours they lie in are read whole, but for one that begins at `to` | the last 24 hours |
//!
//! An answer ends after the hour that brings it to 10,000 rows; `next_from` says then where to go on. Profiles and
//! chains that exist no more are found by the names they had.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::StatusCode;
use lasso_layers::catalog::DEFAULT_PROFILE;
use serde_json::{Value, json};

use super::parameters::{BadParameter, Parameters};
use super::{Api, page, round};
use crate::clock::{self, Moment};
use crate::history::{self, Error, HistoryQuery, Hour, SeriesName, Tally};

/// The seconds of a day.
const DAY: u64 = 86_400;

impl Api {
    /// What providers did. Waits for its turn and for a thread that reads.
    pub(in crate::server) async fn history(self: Arc<Self>, query: Option<String>) -> (StatusCode, Bytes) {
        let query = match self.history_query(&query.unwrap_or_default(), Moment::now()) {
            Ok(query) => query,
            Err(bad) => {
                let error = format!("parameter `{}` {}", bad.name, bad.reason);
                return page(StatusCode::BAD_REQUEST, &json!({ "error": error, "parameter": bad.name }));
            }
        };
        let Some(history) = &self.history else {
            let error = "no history is kept: history.enabled is false, or this is a demo";
            return page(StatusCode::NOT_FOUND, &json!({ "error": error }));
        };
        match history.read(query, body).await {
            Ok(body) => (StatusCode::OK, body),
            Err(error) => {
                // What a file system says may hold a path, which is not for everybody.
                if !matches!(error, Error::Closed) {
                    tracing::warn!(event = "lasso.history.unreadable", "cannot read the history: {error}");
                }
                let error = "the history cannot be read just now; the log says why";
                page(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": error }))
            }
        }
    }

    fn history_query(&self, query: &str, now: Moment) -> Result<HistoryQuery, BadParameter> {
        let mut parameters = Parameters::of(query)?;
        let profile = parameters.take("profile").unwrap_or_else(|| DEFAULT_PROFILE.into());
        let chain = parameters.take("chain");
        let to = parameters.take_number("to")?;
        let from = parameters.take_number("from")?;
        parameters.end("`profile`, `chain`, `from` and `to`")?;
        // The second that is not over yet is a part of the last day.
        let to = to.unwrap_or_else(|| now.unix_ms() / 1000 + 1);
        let from = from.unwrap_or_else(|| to.saturating_sub(DAY));
        if from > to {
            return Err(BadParameter { name: "from".to_owned(), reason: "is later than `to`".to_owned() });
        }
        let catalog = self.runtime.live.load();
        let known = catalog.profile(&profile).map(|(_, profile)| profile);
        let chain = chain.map(|name| {
            let known = known.and_then(|profile| profile.chain(&name));
            known.map_or_else(|| name.into_owned(), |(_, chain)| chain.key.to_string())
        });
        let profile = known.map_or_else(|| profile.into_owned(), |profile| profile.slug.to_string());
        Ok(HistoryQuery { profile, chain, from, to })
    }
}

fn body(query: &HistoryQuery, page: history::Page) -> Bytes {
    let snapshots = page.hours.iter().map(|hour| snapshot(&query.profile, hour));
    let body = json!({
        "profile": query.profile,
        "from": query.from,
        "to": query.to,
        "next_from": page.next_from,
        "snapshots": snapshots.collect::<Vec<_>>(),
    });
    Bytes::from(body.to_string())
}

fn snapshot(profile: &str, hour: &Hour) -> Value {
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
    json!({
        "provider_id": name.provider,
        "rpc_method": format!("{}@{}", name.method, name.transport),
        "rpc_calls": tally.calls(),
        "rpc_avg_duration_ms": round(tally.mean_latency().unwrap_or_default().as_secs_f64() * 1e3, 2),
        "rpc_success_rate": round(tally.success_rate(), 4),
        "last_updated": tally.updated_ms,
    })
}
