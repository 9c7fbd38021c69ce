//! What providers do, and when.
//!
//! All times are whole milliseconds of virtual time since the start: the clock of the simulation has no smaller step.

use std::time::Duration;

use crate::draw;
use crate::traffic::Method;

/// A play: its length, its traffic and its actors.
#[derive(Clone, Debug)]
pub struct Script {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is meant to show.
    pub about: &'static str,
    /// How long it takes, in seconds.
    pub seconds: u64,
    /// Calls that arrive in a second, on average.
    pub rate: u32,
    /// The chain's `max_lag_blocks`.
    pub max_lag_blocks: Option<u64>,
    /// The providers, in configured order.
    pub actors: Vec<Actor>,
}

/// A provider: its conditions, one after the other.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The provider's id.
    pub id: &'static str,
    /// How much longer each method takes here than the condition says, in the order of [`Method::ALL`].
    factors: [f64; Method::ALL.len()],
    /// Each with its beginning; the first begins at 0.
    phases: Vec<(u64, Condition)>,
}

/// How a provider is for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// The mean time to answer the cheapest method, in milliseconds.
    pub latency: f64,
    /// What is wrong with its answers.
    pub trouble: Trouble,
    /// How many blocks it is behind the chain.
    pub lag: u64,
    /// How much it puts up with.
    pub limit: Option<Limit>,
}

/// What is wrong with a provider.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// It is dead: connections are refused at once, and those that were open break.
    Refused,
    /// It is dead: nothing comes back, ever, not even for what it had already begun.
    Silent,
    /// This share of its answers is HTTP 500.
    Errors(f64),
    /// It answers for another chain.
    WrongChain,
}

/// More requests than this get HTTP 429.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Requests that are answered in each second.
    pub rate: u32,
    /// What `Retry-After` says, if it is sent.
    pub retry_after: Option<Duration>,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// The right answer.
    Answered,
    /// An answer from another chain.
    Wrong,
    /// HTTP 500.
    Failed,
    /// HTTP 429.
    Limited(Option<Duration>),
    /// The connection is refused.
    Refused,
    /// The connection breaks while the answer is waited for.
    Broken,
    /// Nothing.
    Silent,
}

/// A time in which a provider was dead.
#[derive(Clone, Copy, Debug)]
pub struct Grave {
    /// The position of the provider in the script.
    pub actor: usize,
    /// In which way.
    pub trouble: Trouble,
    /// When it died.
    pub from: u64,
    /// When it came back, or the end of the script.
    pub until: u64,
}

/// A refusal takes a round trip and no work.
const REFUSAL: u64 = 8;

impl Script {
    /// How long it takes, in milliseconds.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.seconds * 1000
    }

    /// Whether an actor that is so far behind should get no traffic.
    #[must_use]
    pub fn is_too_far_behind(&self, condition: &Condition) -> bool {
        self.max_lag_blocks.is_some_and(|max| condition.lag > max)
    }

    /// Every time at which a provider changes, and both ends.
    #[must_use]
    pub fn boundaries(&self) -> Vec<u64> {
        let changes = self.actors.iter().flat_map(|actor| actor.phases.iter().map(|(from, _)| *from));
        let mut all: Vec<u64> = changes.chain([0, self.length()]).filter(|at| *at <= self.length()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Every death, in the order of time.
    #[must_use]
    pub fn graves(&self) -> Vec<Grave> {
        let mut graves = Vec::new();
        for (actor, Actor { phases, .. }) in self.actors.iter().enumerate() {
            for (at, (from, condition)) in phases.iter().enumerate() {
                let was_dead = at > 0 && phases[at - 1].1.is_dead();
                if condition.is_dead() && !was_dead && *from < self.length() {
                    let back = phases[at..].iter().find(|(_, later)| !later.is_dead());
                    let until = back.map_or_else(|| self.length(), |(until, _)| *until);
                    graves.push(Grave { actor, trouble: condition.trouble, from: *from, until });
                }
            }
        }
        graves.sort_by_key(|grave| grave.from);
        graves
    }
}

impl Actor {
    /// A provider that begins like this.
    #[must_use]
    pub fn new(id: &'static str, condition: Condition) -> Self {
        Self { id, factors: Method::ALL.map(Method::factor), phases: vec![(0, condition)] }
    }

    /// How it is from this second on.
    ///
    /// # Panics
    ///
    /// If it is told out of order.
    #[must_use]
    pub fn from(mut self, second: u64, condition: Condition) -> Self {
        assert!(self.phases.last().is_some_and(|(last, _)| *last < second * 1000), "scripts go forward");
        self.phases.push((second * 1000, condition));
        self
    }

    /// How much longer a method takes than the condition says.
    #[must_use]
    pub fn factor(mut self, method: Method, factor: f64) -> Self {
        self.factors[method as usize] = factor;
        self
    }

    /// How it is at a time.
    #[must_use]
    pub fn at(&self, time: u64) -> &Condition {
        let next = self.phases.partition_point(|(from, _)| *from <= time);
        &self.phases[next - 1].1
    }

    /// The mean time to answer a method at a time, in milliseconds.
    #[must_use]
    pub fn expected(&self, method: Method, time: u64) -> f64 {
        self.at(time).latency * self.factors[method as usize]
    }

    /// What becomes of a request that is within the limit, and how many milliseconds later. `luck` is what the
    /// request draws here, whoever sends it.
    pub(crate) fn fate(&self, method: Method, time: u64, mut luck: draw::Luck) -> (Fate, u64) {
        let condition = self.at(time);
        let took = luck.latency(self.expected(method, time));
        match condition.trouble {
            Trouble::Refused => (Fate::Refused, REFUSAL),
            Trouble::Silent => (Fate::Silent, 0),
            trouble => match self.death_between(time, time + took) {
                Some((at, Trouble::Refused)) => (Fate::Broken, at - time),
                Some(_) => (Fate::Silent, 0),
                None => match trouble {
                    Trouble::Errors(share) if luck.hits(share) => (Fate::Failed, took),
                    Trouble::WrongChain => (Fate::Wrong, took),
                    _ => (Fate::Answered, took),
                },
            },
        }
    }

    /// The time that a refusal takes.
    pub(crate) const fn refusal() -> u64 {
        REFUSAL
    }

    fn death_between(&self, start: u64, end: u64) -> Option<(u64, Trouble)> {
        let mut later = self.phases.iter().filter(|(from, _)| start < *from && *from <= end);
        later.find(|(_, condition)| condition.is_dead()).map(|(from, condition)| (*from, condition.trouble))
    }
}

impl Condition {
    /// Nothing is wrong, and the cheapest method takes so many milliseconds on average.
    #[must_use]
    pub const fn fine(latency: f64) -> Self {
        Self { latency, trouble: Trouble::None, lag: 0, limit: None }
    }

    /// Dead, with refused connections.
    #[must_use]
    pub const fn refused() -> Self {
        Self { trouble: Trouble::Refused, ..Self::fine(0.0) }
    }

    /// Dead, without a word.
    #[must_use]
    pub const fn silent() -> Self {
        Self { trouble: Trouble::Silent, ..Self::fine(0.0) }
    }

    /// With this share of errors.
    #[must_use]
    pub const fn failing(mut self, share: f64) -> Self {
        self.trouble = Trouble::Errors(share);
        self
    }

    /// On another chain.
    #[must_use]
    pub const fn on_another_chain(mut self) -> Self {
        self.trouble = Trouble::WrongChain;
        self
    }

    /// So many blocks behind.
    #[must_use]
    pub const fn behind(mut self, blocks: u64) -> Self {
        self.lag = blocks;
        self
    }

    /// With a limit, and `Retry-After` in seconds if it is sent.
    #[must_use]
    pub const fn limited(mut self, rate: u32, retry_after: Option<u64>) -> Self {
        let retry_after = match retry_after {
            Some(seconds) => Some(Duration::from_secs(seconds)),
            None => None,
        };
        self.limit = Some(Limit { rate, retry_after });
        self
    }

    const fn is_dead(&self) -> bool {
        matches!(self.trouble, Trouble::Refused | Trouble::Silent)
    }
}

impl Trouble {
    /// A word for reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Refused => "refused",
            Self::Silent => "silent",
            Self::Errors(_) => "errors",
            Self::WrongChain => "wrong chain",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(actor: &Actor, time: u64) -> (Fate, u64) {
        actor.fate(Method::BlockNumber, time, draw::Luck::of(1, 0, 1))
    }

    #[test]
    fn a_condition_lasts_until_the_next_one() {
        let actor = Actor::new("a", Condition::fine(10.0)).from(5, Condition::fine(20.0));
        let at = |time| actor.expected(Method::BlockNumber, time);
        assert_eq!([at(0), at(4_999), at(5_000), at(9_999_999)], [10.0, 10.0, 20.0, 20.0]);
    }

    #[test]
    fn a_death_takes_along_what_is_in_flight() {
        let refused = Actor::new("a", Condition::fine(100.0)).from(5, Condition::refused());
        assert_eq!(fate(&refused, 4_990), (Fate::Broken, 10));
        assert_eq!(fate(&refused, 5_000), (Fate::Refused, REFUSAL));
        assert_eq!(fate(&refused, 1_000).0, Fate::Answered);
        let silent = Actor::new("a", Condition::fine(100.0)).from(5, Condition::silent());
        assert_eq!(fate(&silent, 4_990).0, Fate::Silent);
    }

    #[test]
    fn a_death_lasts_until_the_provider_is_back() {
        let actor = Actor::new("a", Condition::fine(10.0))
            .from(5, Condition::refused())
            .from(6, Condition::silent())
            .from(8, Condition::fine(10.0))
            .from(9, Condition::refused());
        let script =
            Script { name: "", about: "", seconds: 10, rate: 1, max_lag_blocks: None, actors: vec![actor] };
        let graves: Vec<_> = script.graves().iter().map(|grave| (grave.from, grave.until)).collect();
        assert_eq!(graves, [(5_000, 8_000), (9_000, 10_000)]);
        assert_eq!(script.boundaries(), [0, 5_000, 6_000, 8_000, 9_000, 10_000]);
    }
}
