//! A route with every name looked up.

use std::sync::Arc;

use crate::catalog::{Catalog, Chain, ChannelKey, Profile, Provider, Strategy, Transport};

/// A resolved route: one snapshot of the catalogue and positions in it.
///
/// The snapshot is the only reference count a call takes on the catalogue, so the whole call sees one state
/// of the configuration.
#[derive(Clone, Debug)]
pub struct Plan {
    snapshot: Arc<Catalog>,
    profile: u16,
    chain: u16,
    /// How candidates are ranked.
    pub strategy: Strategy,
    /// Who says so.
    pub strategy_source: StrategySource,
    /// The provider that goes first, or alone.
    pub pin: Option<Pin>,
    /// The only upstream transport to use.
    pub transport: Option<Transport>,
}

/// Who chose the strategy of a call, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StrategySource {
    /// The client.
    Route,
    /// An entry of the profile for the method.
    MethodOverride,
    /// The default of the profile.
    Profile,
    /// The default of the process.
    Default,
}

impl StrategySource {
    /// A short name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::MethodOverride => "method_override",
            Self::Profile => "profile",
            Self::Default => "default",
        }
    }
}

/// A provider that was chosen by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its position in the chain.
    pub provider: u16,
    /// Whether the others may be tried after it.
    pub failover: bool,
}

impl Plan {
    /// Looks a chain up in a profile.
    ///
    /// # Errors
    ///
    /// Which of the two names the snapshot does not have.
    pub fn new(snapshot: Arc<Catalog>, profile: &str, chain: &str) -> Result<Self, Unknown> {
        let (profile_at, found) = snapshot.profile(profile).ok_or(Unknown::Profile)?;
        let (chain_at, _) = found.chain(chain).ok_or(Unknown::Chain)?;
        let (strategy, strategy_source) = match found.routing.default_strategy {
            Some(strategy) => (strategy, StrategySource::Profile),
            None => (Strategy::default(), StrategySource::Default),
        };
        Ok(Self {
            snapshot,
            profile: profile_at,
            chain: chain_at,
            strategy,
            strategy_source,
            pin: None,
            transport: None,
        })
    }

    /// The catalogue the call is routed by.
    #[must_use]
    pub const fn snapshot(&self) -> &Arc<Catalog> {
        &self.snapshot
    }

    /// The profile.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.snapshot.profiles()[usize::from(self.profile)]
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.profile().chains()[usize::from(self.chain)]
    }

    /// A provider of the chain, by position.
    ///
    /// # Panics
    ///
    /// If `index` does not come from this plan.
    #[must_use]
    pub fn provider(&self, index: u16) -> &Provider {
        &self.chain().providers[usize::from(index)]
    }

    /// Whether a newer catalogue is in force by now.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.snapshot.is_replaced()
    }

    /// The same route in the catalogue that is in force now: the same profile, chain and pin. Nothing if one of
    /// them is gone. A provider that only a batch wanted to go first is not missed.
    #[must_use]
    pub fn renewed(&self) -> Option<Self> {
        let Some(current) = self.snapshot.successor() else { return Some(self.clone()) };
        let chain_id = self.chain().chain_id.to_string();
        let mut plan = Self::new(current, &self.profile().slug, &chain_id).ok()?;
        (plan.strategy, plan.strategy_source) = (self.strategy, self.strategy_source);
        plan.transport = self.transport;
        plan.pin = match self.pin {
            None => None,
            Some(pin) => match plan.chain().provider(&self.provider(pin.provider).id) {
                Some((provider, _)) => Some(Pin { provider, ..pin }),
                None if pin.failover => None,
                None => return None,
            },
        };
        Some(plan)
    }

    /// Whether a channel of the chain is one still: a newer catalogue may have dropped it since the call began.
    #[must_use]
    pub fn still_has(&self, channel: ChannelKey) -> bool {
        let Some(current) = self.snapshot.successor() else { return true };
        let chain_id = self.chain().chain_id;
        current
            .profile(&self.profile().slug)
            .and_then(|(_, profile)| profile.chains().iter().find(|chain| chain.chain_id == chain_id))
            .is_some_and(|chain| {
                chain.providers.iter().flat_map(Provider::channels).any(|it| it.key == channel)
            })
    }
}

/// Which name of a route the catalogue does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The profile.
    Profile,
    /// The chain.
    Chain,
}
