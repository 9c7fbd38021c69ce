//! When a breaker opens and how it recovers.

use std::time::Duration;

use crate::catalog::Category;

/// When a breaker opens and how it recovers. Plain data; counts are kept in 8 bits, so 255 is the most that
/// any of them means, and 0 means 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// Consecutive failures that open a closed breaker, for categories without a threshold of their own.
    pub failure_threshold: u32,
    /// Thresholds of single categories.
    pub category_thresholds: CategoryThresholds,
    /// Successes that close a half-open breaker.
    pub success_threshold: u32,
    /// How long a breaker stays open the first time. Each time it opens again without having closed doubles
    /// this, four times at most.
    pub recovery_timeout: Duration,
    /// The longest a breaker stays open at a time, before up to 5 % of jitter.
    pub max_recovery_timeout: Duration,
    /// How many calls a half-open breaker lets through at the same time.
    pub half_open_max_inflight: u32,
    /// When a successful probe moves an open breaker.
    pub probe_recovery: ProbeRecovery,
}

impl BreakerPolicy {
    /// How many consecutive failures, the last of this category, open a closed breaker.
    #[must_use]
    pub fn threshold(&self, category: Category) -> u32 {
        self.category_thresholds.of(category).unwrap_or(self.failure_threshold)
    }
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            category_thresholds: CategoryThresholds::default(),
            success_threshold: 2,
            recovery_timeout: Duration::from_secs(60),
            max_recovery_timeout: Duration::from_secs(600),
            half_open_max_inflight: 3,
            probe_recovery: ProbeRecovery::default(),
        }
    }
}

/// When a successful probe moves an open breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProbeRecovery {
    /// At once. A provider that answers probes and fails everything else flaps under this rule.
    #[default]
    Immediate,
    /// Once the recovery timeout is over.
    AfterDeadline,
}

/// Failure thresholds by category.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CategoryThresholds([u8; Category::ALL.len()]);

impl CategoryThresholds {
    /// No category has a threshold of its own.
    pub const NONE: Self = Self([0; Category::ALL.len()]);

    /// Gives a category its own threshold, from 1 to 255; 0 takes it away.
    #[must_use]
    pub fn with(mut self, category: Category, threshold: u32) -> Self {
        self.0[category as usize] = u8::try_from(threshold).unwrap_or(u8::MAX);
        self
    }

    /// The category's own threshold.
    #[must_use]
    pub fn of(&self, category: Category) -> Option<u32> {
        match self.0[category as usize] {
            0 => None,
            threshold => Some(threshold.into()),
        }
    }
}

impl Default for CategoryThresholds {
    /// The built-in thresholds: 5 server errors, 3 network errors, 2 timeouts, 2 refused credentials.
    fn default() -> Self {
        Self::NONE
            .with(Category::ServerError, 5)
            .with(Category::NetworkError, 3)
            .with(Category::Timeout, 2)
            .with(Category::AuthError, 2)
    }
}

impl std::fmt::Debug for CategoryThresholds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let own = Category::ALL.into_iter().filter_map(|category| Some((category, self.of(category)?)));
        f.debug_map().entries(own).finish()
    }
}
