//! What runs beside the requests.

mod reload;
mod sweep;

pub use self::reload::{Reload, ReloadPolicy};
pub use self::sweep::sweep_limits;
