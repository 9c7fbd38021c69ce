//! The one status of a provider that people are shown, and that of a chain.
//!
//! A pure table: [`ProviderStatus::of`] is told what is known and goes down the list; the first line that fits is the
//! status. Where several nodes know a provider, the [worst](ProviderStatus::worst) of what they say is shown.

use lasso_layers::attempt::breaker::BreakerState;
use lasso_layers::state::health::{Availability, Status as Health};
use serde::{Serialize, Serializer};

use crate::upstream::ws::LinkState;

/// Consecutive failures from which a provider that is not known to be well counts as degraded.
const FAILING: u32 = 3;

/// How a provider is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProviderStatus {
    /// A breaker lets nothing through.
    CircuitOpen,
    /// It asked for fewer requests.
    RateLimited,
    /// It fails, or its connection is lost.
    Degraded,
    /// A breaker lets a few calls through, to see whether it is back.
    TestingRecovery,
    /// Its connection is being made again.
    Recovering,
    /// It does what it should, on blocks that others have left behind.
    Lagging,
    /// It does what it should.
    Healthy,
    /// Nothing is known about it.
    Unknown,
}

impl ProviderStatus {
    /// The name on pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CircuitOpen => "circuit_open",
            Self::RateLimited => "rate_limited",
            Self::Degraded => "degraded",
            Self::TestingRecovery => "testing_recovery",
            Self::Recovering => "recovering",
            Self::Lagging => "lagging",
            Self::Healthy => "healthy",
            Self::Unknown => "unknown",
        }
    }

    /// Its place in lists: 1 is the worst, 8 the least worrying.
    #[must_use]
    pub const fn rank(self) -> u8 {
        self as u8 + 1
    }

    /// The worst of several; unknown where there are none.
    #[must_use]
    pub fn worst(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().min_by_key(|status| status.rank()).unwrap_or(Self::Unknown)
    }

    /// The status that these figures make: the first line that fits.
    #[must_use]
    pub fn of(figures: &Figures) -> Self {
        let breaker = |state| figures.breakers.iter().flatten().any(|breaker| *breaker == state);
        let is_apart = matches!(figures.link, Some(LinkState::Disconnected | LinkState::Reconnecting));
        if breaker(BreakerState::Open) {
            return Self::CircuitOpen;
        }
        if figures.is_limited {
            return Self::RateLimited;
        }
        if breaker(BreakerState::HalfOpen) {
            return Self::TestingRecovery;
        }
        if figures.reconnect_attempts > 0 && is_apart || figures.health == Some(Health::Connecting) {
            return Self::Recovering;
        }
        match figures.health {
            Some(Health::Healthy) if figures.is_lagging() => Self::Lagging,
            Some(Health::Healthy) => Self::Healthy,
            Some(_) => Self::Degraded,
            None if figures.failures >= FAILING || figures.link == Some(LinkState::Disconnected) => {
                Self::Degraded
            }
            None => Self::Unknown,
        }
    }
}

impl Serialize for ProviderStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What the status of a provider is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The breakers of its channels, HTTP first.
    pub breakers: [Option<BreakerState>; 2],
    /// Whether it asked for fewer requests over any channel.
    pub is_limited: bool,
    /// How it is, as far as anybody knows.
    pub health: Option<Health>,
    /// Its WebSocket connection, where one is kept.
    pub link: Option<LinkState>,
    /// Attempts to connect since that connection was last stable.
    pub reconnect_attempts: u32,
    /// Blocks that it is behind the others, with credit for those that it made since it was asked.
    pub lag: Option<u64>,
    /// Blocks that it may be behind; 0 is any number.
    pub lag_threshold: u64,
    /// Consecutive failures, by whoever counted the most.
    pub failures: u32,
}

impl Figures {
    /// Whether it is further behind than it may be. Who does not tell its height is not.
    #[must_use]
    pub fn is_lagging(&self) -> bool {
        self.lag_threshold > 0 && self.lag.is_some_and(|lag| lag > self.lag_threshold)
    }
}

/// How a chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChainStatus {
    /// Every provider can be had.
    Healthy,
    /// Some can be had.
    Degraded,
    /// None can.
    Down,
}

impl ChainStatus {
    /// The name on pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }

    /// The status of a chain with these providers.
    #[must_use]
    pub fn of(providers: impl IntoIterator<Item = (ProviderStatus, Availability)>) -> Self {
        let (mut usable, mut troubled) = (0, false);
        for (status, availability) in providers {
            usable += usize::from(availability != Availability::Down);
            troubled |=
                availability == Availability::Down || status.rank() <= ProviderStatus::Degraded.rank();
        }
        match usable {
            0 => Self::Down,
            _ if troubled => Self::Degraded,
            _ => Self::Healthy,
        }
    }
}

impl Serialize for ChainStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WELL: Figures = Figures {
        breakers: [Some(BreakerState::Closed); 2],
        is_limited: false,
        health: Some(Health::Healthy),
        link: Some(LinkState::Connected),
        reconnect_attempts: 0,
        lag: Some(0),
        lag_threshold: 2,
        failures: 0,
    };

    const ALL: [ProviderStatus; 8] = [
        ProviderStatus::CircuitOpen,
        ProviderStatus::RateLimited,
        ProviderStatus::Degraded,
        ProviderStatus::TestingRecovery,
        ProviderStatus::Recovering,
        ProviderStatus::Lagging,
        ProviderStatus::Healthy,
        ProviderStatus::Unknown,
    ];

    #[test]
    fn each_line_of_the_table() {
        let with_breaker = |http| Figures { breakers: [Some(http), Some(BreakerState::Closed)], ..WELL };
        let cases = [
            (with_breaker(BreakerState::Open), ProviderStatus::CircuitOpen),
            (Figures { is_limited: true, ..WELL }, ProviderStatus::RateLimited),
            (with_breaker(BreakerState::HalfOpen), ProviderStatus::TestingRecovery),
            (
                Figures { link: Some(LinkState::Reconnecting), reconnect_attempts: 1, ..WELL },
                ProviderStatus::Recovering,
            ),
            (Figures { health: Some(Health::Connecting), ..WELL }, ProviderStatus::Recovering),
            (Figures { lag: Some(3), ..WELL }, ProviderStatus::Lagging),
            (WELL, ProviderStatus::Healthy),
            (Figures { health: Some(Health::Misconfigured), ..WELL }, ProviderStatus::Degraded),
            (Figures { health: Some(Health::Disconnected), ..WELL }, ProviderStatus::Degraded),
            (Figures { health: None, link: None, failures: 3, ..WELL }, ProviderStatus::Degraded),
            (Figures { health: None, link: None, failures: 2, ..WELL }, ProviderStatus::Unknown),
            (Figures::default(), ProviderStatus::Unknown),
        ];
        for (figures, expected) in cases {
            assert_eq!(ProviderStatus::of(&figures), expected, "{figures:?}");
        }
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let everything = Figures {
            breakers: [Some(BreakerState::Open), Some(BreakerState::HalfOpen)],
            is_limited: true,
            health: Some(Health::Unhealthy),
            link: Some(LinkState::Reconnecting),
            reconnect_attempts: 4,
            lag: Some(90),
            lag_threshold: 2,
            failures: 9,
        };
        let steps: [(fn(&mut Figures), _); 6] = [
            (|_| {}, ProviderStatus::CircuitOpen),
            (|it| it.breakers[0] = None, ProviderStatus::RateLimited),
            (|it| it.is_limited = false, ProviderStatus::TestingRecovery),
            (|it| it.breakers[1] = None, ProviderStatus::Recovering),
            (|it| it.reconnect_attempts = 0, ProviderStatus::Degraded),
            (|it| it.health = Some(Health::Healthy), ProviderStatus::Lagging),
        ];
        let mut figures = everything;
        for (step, expected) in steps {
            step(&mut figures);
            assert_eq!(ProviderStatus::of(&figures), expected, "{figures:?}");
        }
    }

    #[test]
    fn lag_counts_beyond_the_threshold_and_not_at_all_without_one() {
        let is_lagging = |lag, lag_threshold| Figures { lag, lag_threshold, ..WELL }.is_lagging();
        assert!(is_lagging(Some(3), 2) && !is_lagging(Some(2), 2));
        assert!(!is_lagging(None, 2) && !is_lagging(Some(1_000), 0));
    }

    #[test]
    fn ranks_are_those_of_the_list_and_the_worst_is_shown() {
        assert_eq!(ALL.map(ProviderStatus::rank), [1, 2, 3, 4, 5, 6, 7, 8]);
        let some = [ProviderStatus::Healthy, ProviderStatus::Lagging, ProviderStatus::Unknown];
        assert_eq!(ProviderStatus::worst(some), ProviderStatus::Lagging);
        assert_eq!(ProviderStatus::worst([]), ProviderStatus::Unknown);
    }

    #[test]
    fn a_chain_is_down_without_a_provider_that_can_be_had() {
        use Availability::{Down, Limited, Up};
        use ProviderStatus::{CircuitOpen, Healthy, Lagging};
        let cases = [
            (vec![], ChainStatus::Down),
            (vec![(CircuitOpen, Down)], ChainStatus::Down),
            (vec![(CircuitOpen, Down), (Healthy, Up)], ChainStatus::Degraded),
            (vec![(CircuitOpen, Limited), (Healthy, Up)], ChainStatus::Degraded),
            (vec![(Lagging, Up), (Healthy, Up)], ChainStatus::Healthy),
        ];
        for (providers, expected) in cases {
            assert_eq!(ChainStatus::of(providers.clone()), expected, "{providers:?}");
        }
    }

    proptest! {
        #[test]
        fn an_open_breaker_is_never_hidden(
            limited: bool, attempts in 0_u32..3, lag in proptest::option::of(0_u64..20), failures in 0_u32..12,
        ) {
            let breakers = [Some(BreakerState::Closed), Some(BreakerState::Open)];
            let figures = Figures { breakers, is_limited: limited, reconnect_attempts: attempts, lag, failures, ..WELL };
            prop_assert_eq!(ProviderStatus::of(&figures), ProviderStatus::CircuitOpen);
        }
    }
}
