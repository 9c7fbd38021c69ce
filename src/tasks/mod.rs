//! What runs beside the requests.

mod ask;
mod background;
mod flights;
mod heads;
mod outcome;
mod probe;
mod reload;
mod sweep;
mod targets;
mod tick;
mod upkeep;

pub(crate) use self::ask::Asker;
pub(crate) use self::background::Background;
pub(crate) use self::heads::HeadsPolicy;
pub(crate) use self::probe::ProbePolicy;
pub use self::reload::{Reload, ReloadPolicy};
pub use self::sweep::{expire_benchmarks, sweep_limits};
pub use self::tick::keep_timers_near;

use self::heads::HeadPoller;
use self::probe::Prober;
use self::upkeep::Upkeep;
