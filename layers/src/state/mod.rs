//! Data structures that outlive a request and know no layer.

mod entropy;
pub mod heights;
mod table;

pub use self::entropy::Entropy;
pub use self::table::Table;
