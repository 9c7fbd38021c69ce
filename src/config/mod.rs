//! Configuration: files and environment variables in, [`Settings`] and
//! [`ProfileSpec`](lasso_layers::catalog::ProfileSpec)s out.
//!
//! Nothing is half accepted. Reading goes on after a problem, so that one look shows all of them, each with
//! file, line and key path; then everything is used, or nothing.

mod check;
mod document;
mod environment;
mod field;
mod load;
mod problem;
mod profile;
pub mod settings;
mod suggest;

pub use self::check::{check, refusal};
pub use self::environment::Environment;
pub use self::load::{Loaded, load};
pub use self::problem::Located;
pub use self::settings::{Settings, SettingsFile};
