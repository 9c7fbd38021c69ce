//! `GET /api/metrics/:chain`: how the providers of one chain do.
//!
//! The chain is given by key, alias or decimal id; the parameter `profile` says whose it is, if not the default
//! profile's. Other parameters are left alone. Providers and methods without a record are left out. All times are
//! milliseconds; `timestamp` and `last_updated` count from 1970.
//!
//! A page is kept for a while (`cluster.cache_ttl_ms`). One that is older is answered at once all the same, with `stale`
//! set, while a new one is made.
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
use smol_str::SmolStr;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::parameters::Parameters;
use super::{Api, page, past, round};
use crate::clock::Moment;
use crate::stale::{Found, Stale};
use crate::usage;

const MINUTE: Duration = Duration::from_secs(60);

/// Which page it is: the catalogue by which it was made, the slug of the profile and the key of the chain. There are no
/// more of them than chains.
type PageKey = (u64, SmolStr, SmolStr);

/// The pages that were made lately.
#[derive(Debug)]
pub(super) struct Pages {
    kept: Stale<PageKey, Bytes>,
    /// Who may make one: one at a time, because it takes a thread.
    turn: Arc<Semaphore>,
}

impl Pages {
    /// None yet. They are fresh for so long.
    pub(super) fn new(ttl: Duration) -> Self {
        Self { kept: Stale::new(ttl), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Api {
    /// How the providers of a chain do.
    ///
    /// Cancel safety: a page that has been begun is finished, and kept for the next one who asks.
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
        let key = match self.page_key(&profile, &chain) {
            Ok(key) => key,
            Err(unknown) => return page(StatusCode::NOT_FOUND, &unknown),
        };
        let found = self.pages.kept.look(&key, Instant::now());
        self.count_look(&key, &found);
        match found {
            Found::Fresh(body) => (StatusCode::OK, body),
            Found::Old { answer, renew } => {
                if renew {
                    tokio::spawn(self.renewed(key));
                }
                (StatusCode::OK, marked_stale(&answer))
            }
            Found::Missing => match self.renewed(key).await {
                Some(body) => (StatusCode::OK, body),
                None => {
                    let body = json!({ "errors": { "detail": "Internal Server Error" } });
                    page(StatusCode::INTERNAL_SERVER_ERROR, &body)
                }
            },
        }
    }

    fn count_look(&self, (_, profile, chain): &PageKey, found: &Found<Bytes>) {
        let result = match found {
            Found::Fresh(_) => "hit",
            Found::Old { .. } => "stale",
            Found::Missing => "miss",
        };
        if let Some(figures) = &self.figures {
            figures.dashboard_cache(profile, chain, result);
        }
    }

    /// The names that a page goes by; else what there is to say about a name that nothing has.
    fn page_key(&self, profile: &str, name: &str) -> Result<PageKey, Value> {
        let catalog = self.runtime.live.load();
        let profile = catalog.profile(profile).map(|(_, profile)| profile);
        let name = percent_decode_str(name).decode_utf8_lossy();
        if let Some((profile, (_, chain))) = profile.and_then(|it| Some((it, it.chain(&name)?))) {
            return Ok((catalog.generation(), profile.slug.clone(), chain.key.clone()));
        }
        let chains = profile.map_or(&[][..], |profile| profile.chains());
        Err(json!({
            "error": if profile.is_some() { "Chain not found" } else { "Unknown profile" },
            "chain": name,
            "available_chains": chains.iter().map(|chain| chain.key.as_str()).collect::<Vec<_>>(),
        }))
    }

    /// Makes a page and keeps it. Works on a thread for blocking work, because there may be thousands of series to sort,
    /// and on one page at a time: calls wait for such threads too.
    async fn renewed(self: Arc<Self>, key: PageKey) -> Option<Bytes> {
        let turn = self.pages.turn.clone().acquire_owned().await.expect("it is never closed");
        let begun = Instant::now();
        if let Found::Fresh(body) = self.pages.kept.look(&key, begun) {
            // Somebody else made it meanwhile.
            return Some(body);
        }
        let (handle, api, names) = (Handle::current(), self.clone(), key.clone());
        let made = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let body = api.metrics_now(&names, &handle)?;
            api.pages.kept.store(names, body.clone(), begun);
            Some(body)
        });
        let made = made.await.inspect_err(|error| tracing::error!(%error, "the metrics page panicked"));
        let body = made.ok().flatten();
        if body.is_none() {
            self.pages.kept.give_up(&key);
        }
        body
    }

    /// Nothing where a reload has just taken the chain away.
    fn metrics_now(&self, (_, profile, chain): &PageKey, handle: &Handle) -> Option<Bytes> {
        let catalog = self.runtime.live.snapshot();
        let (_, chain) = catalog.profile(profile)?.1.chain(chain)?;
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
        Some(Bytes::from(body.to_string()))
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

/// A page with one member more, which says that it is old.
fn marked_stale(page: &Bytes) -> Bytes {
    let members = page.strip_prefix(b"{").expect("a page is an object with members");
    [b"{\"stale\":true,", members].concat().into()
}

/// A latency in milliseconds, to two decimals.
fn millis(latency: Duration) -> f64 {
    round(latency.as_secs_f64() * 1e3, 2)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec};
    use tokio::task::yield_now;
    use tokio::time::{advance, timeout};

    use super::*;
    use crate::config::Settings;
    use crate::runtime::Runtime;

    fn api(ttl: Duration) -> Arc<Api> {
        let chains = [ChainSpec::new("ethereum", 1), ChainSpec::new("base", 8453)];
        let profile = chains.into_iter().fold(ProfileSpec::new(DEFAULT_PROFILE), ProfileSpec::chain);
        let runtime = Runtime::new(Live::new(vec![profile]).unwrap(), &Settings::default());
        Arc::new(Api::new(runtime, None, Instant::now()).keep_pages(ttl))
    }

    async fn read(api: &Arc<Api>) -> Value {
        let (status, body) = api.clone().metrics("ethereum".to_owned(), None).await;
        assert_eq!(status, StatusCode::OK);
        serde_json::from_slice(&body).unwrap()
    }

    // While a thread works, paused time stands still: what runs out of it waits for its turn and for nothing else.
    #[tokio::test(start_paused = true)]
    async fn a_page_waits_until_the_one_before_is_made() {
        let api = api(Duration::ZERO);
        let before = api.pages.turn.clone().try_acquire_owned().unwrap();
        let mut page = pin!(api.clone().metrics("ethereum".to_owned(), None));
        assert!(timeout(MINUTE, page.as_mut()).await.is_err());
        drop(before);
        assert_eq!(page.await.0, StatusCode::OK);
        assert!(api.pages.turn.try_acquire().is_ok(), "the turn is passed on");
    }

    #[tokio::test(start_paused = true)]
    async fn streaming_11_case_55_an_old_page_comes_at_once_and_the_next_one_is_fresh() {
        const TTL: Duration = Duration::from_secs(15);
        let api = api(TTL);
        let first = read(&api).await;
        advance(TTL).await;
        assert_eq!(read(&api).await, first, "it is kept for a while");
        advance(Duration::from_millis(1)).await;
        // Nobody can make a page now; the old one is there all the same.
        let turn = api.pages.turn.clone().acquire_owned().await.unwrap();
        let mut old = read(&api).await;
        assert_eq!(old.as_object_mut().unwrap().remove("stale"), Some(Value::Bool(true)));
        assert_eq!(old, first);
        assert_eq!(read(&api).await["stale"], true);
        drop(turn);
        // The one that was begun meanwhile is made on another thread.
        let fresh = loop {
            let page = read(&api).await;
            if page.get("stale").is_none() {
                break page;
            }
            yield_now().await;
        };
        assert_ne!(fresh["system_metrics"], Value::Null);
        advance(TTL).await;
        assert_eq!(read(&api).await, fresh, "one new page was made, and no more");
    }

    #[tokio::test]
    async fn streaming_11_case_57_an_unknown_chain_is_answered_with_those_that_there_are() {
        let (status, body) = api(Duration::ZERO).metrics("nochain".to_owned(), None).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        let body: Value = serde_json::from_slice(&body).unwrap();
        let expected = json!({
            "error": "Chain not found",
            "chain": "nochain",
            "available_chains": ["ethereum", "base"],
        });
        assert_eq!(body, expected);
    }
}
