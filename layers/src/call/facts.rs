//! What a judgement rests on, for people to read.

use std::time::Duration;

/// Names and values that a filter or a strategy went by, in the order in which they are to be read.
///
/// Names are short and in `snake_case`; that of a time ends in `_ms`.
///
/// ```
/// use lasso_layers::call::Facts;
///
/// let facts = Facts::none().with("state", "open").with("failures", 5_u64);
/// assert_eq!(facts.iter().count(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts(Vec<(&'static str, Fact)>);

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Fact {
    /// Yes or no.
    Flag(bool),
    /// How many.
    Count(u64),
    /// How much more or less.
    Difference(i64),
    /// A share, a weight.
    Number(f64),
    /// How long.
    Time(Duration),
    /// One of a few words.
    Word(&'static str),
}

impl Facts {
    /// Nothing to say.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// And this.
    #[must_use]
    pub fn with(mut self, name: &'static str, fact: impl Into<Fact>) -> Self {
        self.0.push((name, fact.into()));
        self
    }

    /// And this, where it is known.
    #[must_use]
    pub fn with_known(self, name: &'static str, fact: Option<impl Into<Fact>>) -> Self {
        match fact {
            Some(fact) => self.with(name, fact),
            None => self,
        }
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Fact> {
        self.iter().find(|(known, _)| *known == name).map(|(_, fact)| fact)
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Fact)> {
        self.0.iter().copied()
    }
}

impl From<bool> for Fact {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Fact {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<u32> for Fact {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl From<i64> for Fact {
    fn from(difference: i64) -> Self {
        Self::Difference(difference)
    }
}

impl From<f64> for Fact {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<Duration> for Fact {
    fn from(time: Duration) -> Self {
        Self::Time(time)
    }
}

impl From<&'static str> for Fact {
    fn from(word: &'static str) -> Self {
        Self::Word(word)
    }
}
