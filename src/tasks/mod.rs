//! What runs beside the requests.

mod ask;
mod flights;
mod heads;
mod outcome;
mod probe;
mod reload;
mod strangers;
mod sweep;
mod targets;
mod tick;
mod upkeep;

pub(crate) use self::ask::Asker;
pub(crate) use self::heads::{HeadPoller, HeadsPolicy};
pub(crate) use self::probe::{ProbePolicy, Prober};
pub use self::reload::{Reload, ReloadPolicy};
pub(crate) use self::strangers::Strangers;
pub use self::sweep::{expire_benchmarks, sweep_limits};
pub use self::tick::keep_timers_near;
pub(crate) use self::upkeep::Upkeep;
