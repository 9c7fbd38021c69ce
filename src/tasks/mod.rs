//! What runs beside the requests.

mod reload;
mod sweep;
mod tick;

pub use self::reload::{Reload, ReloadPolicy};
pub use self::sweep::sweep_limits;
pub use self::tick::keep_timers_near;
