//! What speaks against a channel.

/// What speaks against a channel without ruling it out; several things can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demotion(u8);

impl Demotion {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The breaker is half-open.
    pub const HALF_OPEN: Self = Self(1);
    /// The provider asked for fewer requests.
    pub const LIMITED: Self = Self(2);
    /// The node may not have the requested block yet. Does not change the tier: moves the channel back
    /// within it.
    pub const BEHIND: Self = Self(4);
    /// Attempts on the channel wait, and nothing is heard of it. Moves it back within its tier, behind those that
    /// may lack the requested block.
    pub const STALLED: Self = Self(8);
    /// The breaker is half-open and waits for as many attempts as it lets through: it will most likely refuse. The
    /// channel is still drawn in its turn, but no time is kept for it.
    pub const BUSY: Self = Self(16);

    /// Whether `other` is part of this.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of what this is made of.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (Self::HALF_OPEN, "half_open"),
            (Self::BUSY, "busy"),
            (Self::LIMITED, "limited"),
            (Self::STALLED, "stalled"),
            (Self::BEHIND, "behind"),
        ];
        all.into_iter().filter(move |(part, _)| self.contains(*part)).map(|(_, name)| name)
    }
}

/// The health group of a channel: order between groups beats the strategy's order within them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// The breaker is half-open.
    pub half_open: bool,
    /// The provider asked for fewer requests.
    pub limited: bool,
}
