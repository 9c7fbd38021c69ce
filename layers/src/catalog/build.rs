//! From descriptions to an indexed catalogue.

use std::hash::Hash;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use smol_str::{SmolStr, format_smolstr};

use super::identity;
use super::{
    Catalog, Chain, ChainSpec, Channel, ChannelKey, Endpoint, InstanceKey, Profile, ProfileSpec, Provider,
    ProviderKey, ProviderSpec, Transport,
};

/// Gives out dense keys, the same one for the same identity for as long as the process lives.
#[derive(Debug, Default)]
pub(super) struct Registry {
    instances: Interner<String>,
    channels: Interner<(InstanceKey, Transport, String)>,
    providers: Interner<(SmolStr, u64, SmolStr)>,
}

#[derive(Debug)]
struct Interner<K>(HashMap<K, u32>);

impl<K> Default for Interner<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq> Interner<K> {
    fn key(&mut self, identity: K) -> u32 {
        let next = u32::try_from(self.0.len()).expect("fewer than four billion upstreams in one process");
        *self.0.entry(identity).or_insert(next)
    }
}

impl Registry {
    /// Builds a catalogue from profiles that [`validate`](super::validate()) found no error in.
    pub(super) fn build(&mut self, specs: Vec<ProfileSpec>, generation: u64) -> Catalog {
        let mut catalog = Catalog { generation, ..Catalog::default() };
        for spec in specs {
            let profile = self.profile(spec, &mut catalog.channels);
            catalog.profiles.push(profile);
        }
        catalog.profiles.sort_by(|left, right| left.slug.cmp(&right.slug));
        catalog.by_slug = index(catalog.profiles.iter().map(|profile| profile.slug.clone()));
        catalog
    }

    fn profile(&mut self, spec: ProfileSpec, shared: &mut HashMap<ChannelKey, Arc<Channel>>) -> Profile {
        let slug = SmolStr::from(spec.slug);
        let chains: Vec<Chain> =
            spec.chains.into_iter().map(|chain| self.chain(&slug, chain, shared)).collect();
        let aliases = chains
            .iter()
            .enumerate()
            .flat_map(|(at, chain)| chain.aliases.iter().map(move |alias| (alias.clone(), position(at))));
        Profile {
            by_id: index(chains.iter().map(|chain| chain.chain_id)),
            by_alias: aliases.collect(),
            chains,
            slug,
            name: spec.name,
            limit: spec.limit,
            logo: spec.logo,
            unlisted: spec.unlisted,
            routing: spec.routing,
        }
    }

    fn chain(
        &mut self,
        profile: &SmolStr,
        spec: ChainSpec,
        shared: &mut HashMap<ChannelKey, Arc<Channel>>,
    ) -> Chain {
        let mut aliases = vec![SmolStr::from(&spec.key)];
        for alias in &spec.url_aliases {
            if !aliases.iter().any(|known| known == alias) {
                aliases.push(SmolStr::from(alias));
            }
        }
        let providers =
            spec.providers.iter().map(|provider| self.provider(profile, &spec, provider, shared)).collect();
        Chain {
            key: SmolStr::from(spec.key),
            chain_id: spec.chain_id,
            chain_id_json: format_smolstr!("\"0x{:x}\"", spec.chain_id),
            name: display_name(&spec.name, spec.chain_id),
            aliases,
            block_time: spec.block_time,
            settings: spec.settings,
            providers,
        }
    }

    fn provider(
        &mut self,
        profile: &SmolStr,
        chain: &ChainSpec,
        spec: &ProviderSpec,
        shared: &mut HashMap<ChannelKey, Arc<Channel>>,
    ) -> Provider {
        let instance_id = identity::instance_id(profile, chain.chain_id, spec);
        let instance = InstanceKey(self.instances.key(instance_id.clone()));
        let mut channel = |transport: Transport, url: &Option<String>| {
            let uri: Uri = identity::address(url.as_ref())?.parse().expect("addresses were validated");
            // One HTTP address is one channel; two WebSocket addresses are two sockets, even where the
            // HTTP side is shared.
            let address = match transport {
                Transport::Http => String::new(),
                Transport::Ws => identity::normalise(&uri),
            };
            let key = ChannelKey(self.channels.key((instance, transport, address)));
            let channel = shared.entry(key).or_insert_with(|| {
                Arc::new(Channel {
                    key,
                    instance,
                    instance_id: SmolStr::from(&instance_id),
                    known_as: SmolStr::from(&spec.id),
                    chain_id: chain.chain_id,
                    transport,
                    endpoint: Endpoint { uri, headers: headers(spec) },
                })
            });
            Some(channel.clone())
        };
        let http = channel(Transport::Http, &spec.url);
        let ws = channel(Transport::Ws, &spec.ws_url);
        let id = SmolStr::from(&spec.id);
        Provider {
            key: ProviderKey(self.providers.key((profile.clone(), chain.chain_id, id.clone()))),
            name: spec.name.clone().filter(|name| !name.trim().is_empty()).unwrap_or_else(|| spec.id.clone()),
            id,
            priority: spec.priority,
            archival: spec.archival,
            subscribe_new_heads: spec.subscribe_new_heads.unwrap_or(chain.settings.subscribe_new_heads),
            capabilities: spec.capabilities.clone(),
            http,
            ws,
        }
    }
}

/// Request headers of a provider: built-in ones, then the key, then `headers`, then `auth_headers`; a later
/// one replaces an earlier one of the same name.
fn headers(spec: &ProviderSpec) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let bearer = spec
        .api_key
        .iter()
        .filter(|key| !key.is_empty())
        .map(|key| (AUTHORIZATION.as_str().to_owned(), format!("Bearer {key}")));
    let configured = spec.headers.iter().chain(&spec.auth_headers).cloned();
    for (name, value) in bearer.chain(configured) {
        let name = HeaderName::try_from(name).expect("header names were validated");
        let mut value = HeaderValue::try_from(value).expect("header values were validated");
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers
}

/// The name people read: a blank one says nothing.
fn display_name(name: &str, chain_id: u64) -> String {
    match name.trim() {
        "" => format!("Chain {chain_id}"),
        name => name.to_owned(),
    }
}

fn index<K: Hash + Eq>(keys: impl Iterator<Item = K>) -> HashMap<K, u16> {
    keys.enumerate().map(|(at, key)| (key, position(at))).collect()
}

fn position(at: usize) -> u16 {
    u16::try_from(at).expect("a catalogue holds fewer than 65536 of anything")
}
