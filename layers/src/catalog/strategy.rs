//! Routing strategies by name.

use std::fmt;

/// How candidates are ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// A uniform shuffle for each request.
    #[default]
    LoadBalanced,
    /// The configured order.
    Priority,
    /// The lowest measured latency first.
    Fastest,
    /// A random order that prefers low latency.
    LatencyWeighted,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 4] = [Self::LoadBalanced, Self::Priority, Self::Fastest, Self::LatencyWeighted];

    /// The canonical name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoadBalanced => "load_balanced",
            Self::Priority => "priority",
            Self::Fastest => "fastest",
            Self::LatencyWeighted => "latency_weighted",
        }
    }

    /// Reads any accepted spelling: canonical, with hyphens, or the old `round_robin`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "load_balanced" | "load-balanced" | "round_robin" | "round-robin" => Self::LoadBalanced,
            "priority" => Self::Priority,
            "fastest" => Self::Fastest,
            "latency_weighted" | "latency-weighted" => Self::LatencyWeighted,
            _ => return None,
        })
    }

    /// A dense number below 4.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
