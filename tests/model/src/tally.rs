//! What happened how often, so that it can be seen that what is tested happens at all.

use std::fmt;
use std::ops::AddAssign;

use lasso_rpc::streams::coordinator::{End, Note};

macro_rules! tally {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts, all of them.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Tally {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl AddAssign for Tally {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }

        impl fmt::Display for Tally {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let all = [$((stringify!($name), self.$name)),*];
                let lines: Vec<String> = all
                    .chunks(6)
                    .map(|some| {
                        let some: Vec<String> =
                            some.iter().map(|(name, count)| format!("{} {count}", name.replace('_', " "))).collect();
                        format!("  {}", some.join(", "))
                    })
                    .collect();
                f.write_str(&lines.join("\n"))
            }
        }
    };
}

tally! {
    /// Scenarios played.
    histories,
    /// Streams that were established.
    established,
    /// Streams that were refused.
    refused,
    /// Streams that ended because of time.
    ended_out_of_time,
    /// Streams that ended because of a wide gap.
    ended_wide,
    /// Streams that ended because of a deep reorganisation.
    ended_deep,
    /// Everything that players were told.
    inputs,
    /// Payloads emitted.
    emitted,
    /// Of these, those that filled gaps.
    filled,
    /// Subscriptions asked for.
    subscribed,
    /// Recoveries begun.
    failovers,
    /// And completed.
    completed,
    /// Reorganisations followed.
    reorgs,
    /// Blocks that left.
    left,
    /// Providers left because of silence.
    stale,
    /// Streams that nobody could continue for a while.
    degraded,
    /// Gaps left.
    gaps,
    /// Blocks missing in them.
    missing,
    /// Events left out.
    dropped,
    /// Blocks asked for.
    fetched_blocks,
    /// Logs asked for.
    fetched_logs,
    /// Of these, those that were to be proven.
    proofs,
    /// Heads made up.
    lies,
}

impl Tally {
    pub(crate) const fn noted(&mut self, note: Note) {
        match note {
            Note::FailoverInitiated { .. } => self.failovers += 1,
            Note::FailoverCompleted { .. } => self.completed += 1,
            Note::Degraded => self.degraded += 1,
            Note::Stale { .. } => self.stale += 1,
            Note::Reorg { depth } => {
                self.reorgs += 1;
                self.left += depth;
            }
            Note::Dropped(_) => self.dropped += 1,
            Note::GapLeft { blocks } => {
                self.gaps += 1;
                self.missing += blocks;
            }
            _ => {}
        }
    }

    pub(crate) const fn ended(&mut self, end: End) {
        match end {
            End::OutOfTime => self.ended_out_of_time += 1,
            End::GapTooWide => self.ended_wide += 1,
            End::TooDeep => self.ended_deep += 1,
            _ => {}
        }
    }

    /// Streams that were ended visibly.
    #[must_use]
    pub const fn ends(&self) -> u64 {
        self.ended_out_of_time + self.ended_wide + self.ended_deep
    }
}
