//! `GET /api/breakers`: when circuit breakers opened and closed, for a time line.
//!
//! | Parameter | Means | Default |
//! |---|---|---|
//! | `profile` | slug | the default profile |
//! | `chain` | key, alias or decimal id | every chain of the profile |
//! | `from`, `to` | seconds since 1970, the latter excluded | the last 24 hours |
//!
//! The transitions come oldest first. They are the latest of this process, also where no history is kept, and those that
//! the history has from before. Of more than 2,000 the newest are shown, and `truncated` is true.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::parameters::{BadParameter, Parameters};
use super::past::{self, Past};
use super::{Api, page};
use crate::clock::Moment;
use crate::history::{BreakerEntry, BreakerPage, BreakerQuery, Entries};

impl Api {
    /// How breakers changed. Waits for its turn and for a thread that reads.
    pub(in crate::server) async fn breakers(self: Arc<Self>, query: Option<String>) -> (StatusCode, Bytes) {
        let query = match self.breaker_query(&query.unwrap_or_default(), Moment::now()) {
            Ok(query) => query,
            Err(bad) => return past::bad_request(&bad),
        };
        // Before the file is read: what is written meanwhile is then seen at least once.
        let latest = self.runtime.breaker_log.since(0, &self.runtime.live.snapshot());
        let found = match &self.history {
            None => Entries::new(),
            // What is in memory is known all the same.
            Some(history) => history.breakers(query.clone()).await.unwrap_or_else(|error| {
                past::log_unreadable(&error);
                Entries::new()
            }),
        };
        let BreakerPage { entries, truncated } = BreakerPage::of(&query, found, latest);
        let transitions = entries.iter().flat_map(|(ts_ms, entry)| rows(*ts_ms, entry));
        let body = json!({
            "profile": query.profile,
            "chain": query.chain,
            "from": query.from,
            "to": query.to,
            "transitions": transitions.collect::<Vec<_>>(),
            "truncated": truncated,
        });
        page(StatusCode::OK, &body)
    }

    fn breaker_query(&self, query: &str, now: Moment) -> Result<BreakerQuery, BadParameter> {
        let mut parameters = Parameters::of(query)?;
        let Past { profile, chain, from, to } = Past::take(&mut parameters, self, now)?;
        parameters.end("`profile`, `chain`, `from` and `to`")?;
        Ok(BreakerQuery { profile, chain, from, to })
    }
}

/// One row for each provider that uses the breaker.
fn rows(ts_ms: u64, entry: &BreakerEntry) -> impl Iterator<Item = Value> {
    entry.places.iter().map(move |place| {
        json!({
            "ts": ts_ms,
            "chain": place.chain,
            "provider": place.provider,
            "transport": entry.transport.as_str(),
            "from": entry.from.as_str(),
            "to": entry.to.as_str(),
            "reason": entry.reason,
            "category": entry.category,
        })
    })
}
