//! A made-up world for the router: providers whose latency, errors, lag and limits follow a script, clients that do
//! not wait for each other, and a judge that knows the script.
//!
//! Everything under the router's own roof is real: the stack of layers, the probes, the polls of heights, the
//! breakers. Only what is sent over a network in production ends in [`Upstream`], which looks the answer up in the
//! [`Script`]. Time is tokio's paused clock, which jumps to whatever is due next, so a thousand seconds pass in a few;
//! and every random number comes from one seed, so that a run can be repeated to the byte.
//!
//! **Fairness.** How long a provider takes to answer a call is drawn from the seed, the provider and the call's
//! number. Whoever sends call 4711 to a provider finds it equally slow, strategies and [`oracle`] alike: what differs
//! between their means is choice, not luck.
//!
//! 1. [`script`] says what providers do and when; [`scripts`] are the ones that come with the program.
//! 2. [`traffic`] makes calls out of a seed.
//! 3. [`play`] lets the router serve them and writes a [`Log`].
//! 4. [`Report`] holds the log against the script.

mod draw;
mod log;
pub mod oracle;
mod play;
mod quota;
mod report;
pub mod script;
pub mod scripts;
mod table;
pub mod traffic;
mod upstream;

pub use self::log::{Ended, Entry, Log, Sent};
pub use self::play::play;
pub use self::report::{Death, Part, Report, Row};
pub use self::script::Script;
pub use self::upstream::Upstream;
