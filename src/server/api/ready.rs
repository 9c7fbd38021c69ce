//! `GET /api/ready`: whether calls should be sent here.
//!
//! 200 when every chain of every profile has a provider that calls can be sent to, else 503; also 503 as soon as the
//! process was told to end. Unlike `/api/health` it is about upstreams: a load balancer asks it, and nobody restarts a
//! process for it.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::StatusCode;
use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::catalog::{Chain, Profile, Provider};
use lasso_layers::state::health::Availability;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Api, page};
use crate::health::ChannelHealth;
use crate::upstream::ws::LinkState;

impl Api {
    /// Whether every chain can be served.
    pub(in crate::server) fn ready(&self) -> (StatusCode, Bytes) {
        let (catalog, now) = (self.runtime.live.load(), Instant::now());
        let chains = |profile: &Profile| -> Vec<_> {
            profile.chains().iter().map(|chain| self.chain_readiness(profile, chain, now)).collect()
        };
        let chains: Vec<Value> = catalog.profiles().iter().flat_map(chains).collect();
        let is_served = chains.iter().all(|chain| chain["ready"] == true);
        let (code, status) = match (self.is_ending.load(Ordering::Relaxed), is_served) {
            (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "ending"),
            (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
            (false, true) => (StatusCode::OK, "ready"),
        };
        page(code, &json!({ "status": status, "chains": chains }))
    }

    fn chain_readiness(&self, profile: &Profile, chain: &Chain, now: Instant) -> Value {
        let usable = chain.providers.iter().filter(|provider| self.is_usable(provider, now)).count();
        json!({
            "profile": profile.slug.as_str(),
            "chain": chain.key.as_str(),
            "chain_id": chain.chain_id,
            "ready": usable > 0,
            "usable_providers": usable,
            "total_providers": chain.providers.len(),
        })
    }

    /// Whether a call could be sent to it and there is no reason to expect that it fails.
    fn is_usable(&self, provider: &Provider, now: Instant) -> bool {
        let health = self.runtime.provider_health(provider, now);
        let is_stranger = provider.channels().any(|one| self.runtime.strangers.contains(one.instance));
        let is_open = |channel: &ChannelHealth| {
            channel.breaker.state != BreakerState::Open
                && channel.link.is_none_or(|link| link == LinkState::Connected)
        };
        health.availability != Availability::Down
            && !is_stranger
            && health.routing.channels.iter().any(is_open)
    }
}

#[cfg(test)]
mod tests {
    use lasso_layers::catalog::{ChainSpec, Live, ProfileSpec, ProviderSpec};

    use super::*;
    use crate::config::Settings;
    use crate::runtime::Runtime;

    fn api() -> Api {
        let provider = |id: &str| ProviderSpec::http(id, format!("http://{id}.example"));
        let ethereum = ChainSpec::new("ethereum", 1).provider(provider("a")).provider(provider("b"));
        let base = ChainSpec::new("base", 8453).provider(provider("c"));
        let profiles =
            vec![ProfileSpec::new("default").chain(ethereum), ProfileSpec::new("other").chain(base)];
        let runtime = Runtime::new(Live::new(profiles).unwrap(), &Settings::default());
        Api::new(runtime, None, Instant::now())
    }

    fn open(api: &Api, profile: usize, provider: usize) {
        let catalog = api.runtime.live.load();
        let provider = &catalog.profiles()[profile].chains()[0].providers[provider];
        api.runtime.breakers.open(provider.http.as_ref().unwrap(), Instant::now());
    }

    fn asked(api: &Api) -> (StatusCode, Value) {
        let (status, body) = api.ready();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn ready_while_every_chain_of_every_profile_has_a_usable_provider() {
        let api = api();
        assert_eq!(asked(&api).0, StatusCode::OK);
        open(&api, 0, 0);
        let (status, page) = asked(&api);
        assert_eq!((status, &page["status"]), (StatusCode::OK, &json!("ready")));
        assert_eq!(page["chains"][0]["usable_providers"], 1);
        open(&api, 1, 0);
        let (status, page) = asked(&api);
        assert_eq!((status, &page["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("not_ready")));
        let base = json!({
            "profile": "other", "chain": "base", "chain_id": 8453, "ready": false,
            "usable_providers": 0, "total_providers": 1,
        });
        assert_eq!(page["chains"], json!([page["chains"][0], base]));
    }

    #[tokio::test]
    async fn a_node_of_another_chain_is_no_use() {
        let api = api();
        let catalog = api.runtime.live.snapshot();
        let provider = &catalog.profiles()[1].chains()[0].providers[0];
        api.runtime.strangers.insert(provider.http.as_ref().unwrap().instance);
        assert_eq!(asked(&api).0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn not_ready_from_the_moment_it_is_told_to_end() {
        let api = api();
        api.stop();
        let (status, page) = asked(&api);
        assert_eq!((status, &page["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("ending")));
    }
}
