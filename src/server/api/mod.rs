//! The small JSON pages beside the RPC, one file each.

mod chains;
mod explain;
mod health;

use lasso_layers::catalog::Live;
use tokio::time::Instant;

pub(super) use self::explain::{call_of, explain};

/// What the pages are made of.
#[derive(Clone, Debug)]
pub struct Api {
    /// The catalogue in force.
    pub live: Live,
    /// When the process began to serve.
    pub started: Instant,
}
