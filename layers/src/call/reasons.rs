//! Why the channels of a call stand where they stand.
//!
//! Collected for calls of which somebody [wants to know](super::Call::wants_reasons); all others pay nothing for it.

use super::{Facts, Hints, Stage, Verdict};

/// Everything that was said about one channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reasons {
    /// What each stage said, in the order in which they were asked. All of them, also those after the one that ruled
    /// the channel out.
    pub findings: Vec<Finding>,
    /// The health group the channel was put into, 1 for the best. Nothing for what is ruled out, and without a
    /// strategy layer.
    pub tier: Option<u8>,
    /// What the strategy went by. Empty for what it did not rank: a channel that is ruled out or pinned.
    pub score: Facts,
}

/// What one filter said about one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// When it was asked.
    pub stage: Stage,
    /// What it said.
    pub opinion: Opinion,
    /// What that rests on.
    pub facts: Facts,
}

/// What came of asking a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// It judged.
    Verdict(Verdict),
    /// It was not asked: the provider was chosen by name, which makes the stage pointless.
    Skipped,
    /// It would have ruled the channel out for this reason, and does not: the provider was chosen by name, or no channel
    /// would be left.
    Overruled(&'static str),
}

/// What a selection went by besides the state of the channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Premises {
    /// What the call's parameters ask for.
    pub hints: Hints,
    /// The consensus height of the chain, if known.
    pub head: Option<u64>,
}
