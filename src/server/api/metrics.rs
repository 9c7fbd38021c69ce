//! `GET /api/metrics/:chain`: how the providers of one chain do.
//!
//! The chain is given by key, alias or decimal id; the parameter `profile` says whose it is, if not the default
//! profile's. Other parameters are left alone. Providers and methods without a record are left out. All times are
//! milliseconds; `timestamp` and `last_updated` count from 1970.
//!
//! | Field | Means |
//! |---|---|
//! | `system_metrics.memory_mb` | resident memory in MiB; left out where the system does not say |
//! | `system_metrics.cpu_percent` | processor time since the page was last asked for, at least a second ago, in percent of one core |
//! | `system_metrics.process_count` | tasks alive in the runtime |
//! | `system_metrics.run_queue` | tasks that wait for a thread |
//! | `chain_performance.success_rate`, `error_rate_percent` | in percent, of every recorded call; both 0 before the first |
//! | `chain_performance.p50_latency`, `p95_latency` | over the last hundred successes of every series |
//! | `chain_performance.connected_providers` | providers that are not down: a breaker admits calls, and probes and polls, where there are any, find them well |
//! | `chain_performance.recent_activity`, `calls_last_minute` | recorded calls of the last 60 seconds |
//! | `chain_performance.rpc_calls_per_second` | their mean over these 60 seconds |
//! | `chain_performance.failovers_last_minute` | how often calls of the last 60 seconds left one of these providers for another channel |
//! | `success_rate` of a provider or method | from 0 to 1 |
//! | a method's row | both transports together |

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use lasso_layers::attempt::benchmark::{MethodRow, Totals};
use lasso_layers::catalog::{Chain, DEFAULT_PROFILE, Provider};
use lasso_layers::state::health::Availability;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use super::parameters::Parameters;
use super::{Api, page, past, round};
use crate::clock::Moment;
use crate::usage;

const MINUTE: Duration = Duration::from_secs(60);

impl Api {
    /// How the providers of a chain do. Works on a thread for blocking work, because there may be thousands of series
    /// to sort, and on one page at a time: calls wait for such threads too.
    ///
    /// Cancel safety: a page that has been begun is finished, unheard, and keeps the next one waiting.
    pub(in crate::server) async fn metrics(
        self: Arc<Self>,
        chain: String,
        query: Option<String>,
    ) -> (StatusCode, Bytes) {
        let profile = Parameters::of(query.as_deref().unwrap_or_default())
            .map(|mut parameters| parameters.take("profile").map(Cow::into_owned));
        let profile = match profile {
            Ok(profile) => profile.unwrap_or_else(|| DEFAULT_PROFILE.to_owned()),
            Err(bad) => return past::bad_request(&bad),
        };
        let turn = self.metrics_turn.clone().acquire_owned().await.expect("it is never closed");
        let handle = Handle::current();
        let made = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            self.metrics_now(&profile, &chain, &handle)
        });
        made.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the metrics page panicked");
            let body = json!({ "errors": { "detail": "Internal Server Error" } });
            page(StatusCode::INTERNAL_SERVER_ERROR, &body)
        })
    }

    fn metrics_now(&self, profile: &str, name: &str, handle: &Handle) -> (StatusCode, Bytes) {
        let catalog = self.runtime.live.snapshot();
        let profile = catalog.profile(profile).map(|(_, profile)| profile);
        let name = percent_decode_str(name).decode_utf8_lossy();
        let Some((_, chain)) = profile.and_then(|profile| profile.chain(&name)) else {
            let chains = profile.map_or(&[][..], |profile| profile.chains());
            let body = json!({
                "error": if profile.is_some() { "Unknown chain" } else { "Unknown profile" },
                "chain": name,
                "available_chains": chains.iter().map(|chain| chain.key.as_str()).collect::<Vec<_>>(),
            });
            return page(StatusCode::NOT_FOUND, &body);
        };
        let now = Moment::now();
        let rows = self.runtime.benchmarks.by_method(chain);
        let all = Totals::of(rows.iter());
        let methods = Methods::of(&rows);
        let body = json!({
            "chain": chain.key.as_str(),
            "chain_id": chain.chain_id.to_string(),
            "timestamp": now.unix_ms(),
            "system_metrics": self.system_metrics(handle),
            "chain_performance": self.chain_performance(chain, &all, now),
            "providers": self.providers(chain, now),
            "rpc_methods": methods.names(),
            "rpc_performance_by_provider": methods.by_provider(chain, now),
            "rpc_performance_by_method": methods.by_method(chain, now),
            "last_updated": all.updated.map(|updated| now.unix_ms_of(updated)),
        });
        page(StatusCode::OK, &body)
    }

    fn system_metrics(&self, handle: &Handle) -> Value {
        let runtime = handle.metrics();
        let mut metrics = json!({
            "cpu_percent": round(self.usage.cpu_percent(), 2),
            "process_count": runtime.num_alive_tasks(),
            "run_queue": runtime.global_queue_depth(),
        });
        if let Some(bytes) = usage::resident_bytes() {
            metrics["memory_mb"] = json!(round(bytes as f64 / f64::from(1 << 20), 2));
        }
        metrics
    }

    fn chain_performance(&self, chain: &Chain, all: &Totals, now: Moment) -> Value {
        let recent: u64 = chain.providers.iter().map(|provider| self.calls_last_minute(provider, now)).sum();
        let left = |provider: &Provider| self.runtime.failovers.within(provider.key, MINUTE, now.instant);
        let success_rate = round(all.success_rate() * 100.0, 1);
        let error_rate = if all.calls == 0 { 0.0 } else { round(100.0 - success_rate, 1) };
        json!({
            "total_calls": all.calls,
            "success_rate": success_rate,
            "p50_latency": millis(all.percentiles.at(0.5)),
            "p95_latency": millis(all.percentiles.at(0.95)),
            "failovers_last_minute": chain.providers.iter().map(left).sum::<u64>(),
            "connected_providers": chain.providers.iter().filter(|one| self.is_connected(one, now)).count(),
            "total_providers": chain.providers.len(),
            "recent_activity": recent,
            "rpc_calls_per_second": round(recent as f64 / MINUTE.as_secs_f64(), 2),
            "error_rate_percent": error_rate,
        })
    }

    fn providers(&self, chain: &Chain, now: Moment) -> Vec<Value> {
        let board = self.runtime.benchmarks.leaderboard(chain);
        let rows = board.iter().map(|row| {
            let provider = &chain.providers[usize::from(row.provider)];
            json!({
                "id": provider.id.as_str(),
                "name": provider.name,
                "score": round(row.totals.score(), 2),
                "success_rate": round(row.totals.success_rate(), 4),
                "total_calls": row.totals.calls,
                "avg_latency_ms": millis(row.totals.mean_latency.unwrap_or_default()),
                "calls_last_minute": self.calls_last_minute(provider, now),
            })
        });
        rows.collect()
    }

    fn calls_last_minute(&self, provider: &Provider, now: Moment) -> u64 {
        self.runtime.benchmarks.calls_within(provider.key, MINUTE, now.instant).calls
    }

    fn is_connected(&self, provider: &Provider, now: Moment) -> bool {
        self.runtime.provider_health(provider, now.instant).availability != Availability::Down
    }
}

/// The series of a chain by method and provider, transports together.
struct Methods(BTreeMap<(&'static str, u16), Totals>);

impl Methods {
    fn of(rows: &[MethodRow]) -> Self {
        let mut together = BTreeMap::<_, Vec<&MethodRow>>::new();
        for row in rows {
            together.entry((row.method.name(), row.provider)).or_default().push(row);
        }
        Self(together.into_iter().map(|(key, rows)| (key, Totals::of(rows.into_iter()))).collect())
    }

    fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.0.keys().map(|(method, _)| *method).collect();
        names.dedup();
        names
    }

    fn by_provider(&self, chain: &Chain, now: Moment) -> Vec<Value> {
        let mut providers = BTreeMap::<u16, Vec<Value>>::new();
        for ((method, provider), totals) in &self.0 {
            providers.entry(*provider).or_default().push(Value::from(performance(method, totals, now)));
        }
        let rows = providers.into_iter().map(|(at, methods)| {
            let provider = &chain.providers[usize::from(at)];
            json!({
                "provider_id": provider.id.as_str(),
                "provider_name": provider.name,
                "methods": methods,
            })
        });
        rows.collect()
    }

    fn by_method(&self, chain: &Chain, now: Moment) -> Vec<Value> {
        let mut methods = BTreeMap::<&str, Vec<Value>>::new();
        for ((method, provider), totals) in &self.0 {
            let provider = &chain.providers[usize::from(*provider)];
            let mut row = performance(method, totals, now);
            row.insert("provider_id".to_owned(), provider.id.as_str().into());
            row.insert("provider_name".to_owned(), provider.name.as_str().into());
            methods.entry(method).or_default().push(Value::from(row));
        }
        methods
            .into_iter()
            .map(|(method, providers)| json!({ "method": method, "providers": providers }))
            .collect()
    }
}

fn performance(method: &str, totals: &Totals, now: Moment) -> Map<String, Value> {
    let at = |share| millis(totals.percentiles.at(share));
    let fields: [(&str, Value); 9] = [
        ("method", method.into()),
        ("avg_latency_ms", millis(totals.mean_latency.unwrap_or_default()).into()),
        ("p50_latency_ms", at(0.5).into()),
        ("p90_latency_ms", at(0.9).into()),
        ("p95_latency_ms", at(0.95).into()),
        ("p99_latency_ms", at(0.99).into()),
        ("success_rate", round(totals.success_rate(), 4).into()),
        ("total_calls", totals.calls.into()),
        ("last_updated", totals.updated.map(|updated| now.unix_ms_of(updated)).into()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A latency in milliseconds, to two decimals.
fn millis(latency: Duration) -> f64 {
    round(latency.as_secs_f64() * 1e3, 2)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec};
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::config::Settings;
    use crate::runtime::Runtime;

    // While a thread works, paused time stands still: what runs out of it waits for its turn and for nothing else.
    #[tokio::test(start_paused = true)]
    async fn a_page_waits_until_the_one_before_is_made() {
        let profile = ProfileSpec::new(DEFAULT_PROFILE).chain(ChainSpec::new("ethereum", 1));
        let runtime = Runtime::new(Live::new(vec![profile]).unwrap(), &Settings::default());
        let api = Arc::new(Api::new(runtime, None, Instant::now()));
        let before = api.metrics_turn.clone().try_acquire_owned().unwrap();
        let mut page = pin!(api.clone().metrics("ethereum".to_owned(), None));
        assert!(timeout(MINUTE, page.as_mut()).await.is_err());
        drop(before);
        assert_eq!(page.await.0, StatusCode::OK);
        assert!(api.metrics_turn.try_acquire().is_ok(), "the turn is passed on");
    }
}
