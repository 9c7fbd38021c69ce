//! Data structures that outlive a request and know no layer.

mod entropy;
pub mod health;
pub mod heights;
mod histogram;
mod origin;
mod recent;
mod shared;
mod sums;
mod table;
mod trend;
mod window;

pub use self::entropy::Entropy;
pub use self::histogram::{BUCKETS as LATENCY_BUCKETS, Histogram, LatencyCounts, LatencyReading};
pub use self::origin::{Origin, millis};
pub use self::recent::{Percentiles, RecentLatencies};
pub use self::shared::Shared;
pub use self::sums::SumWindow;
pub use self::table::Table;
pub use self::trend::{AtomicTrend, Trend};
pub use self::window::{CallWindow, WindowCount};
