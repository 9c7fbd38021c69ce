//! The whole router over loopback: real sockets on both sides, simulated nodes behind it.
//!
//! Tests are named after the edge case they hold, where there is one. Nothing here sleeps to wait for a condition
//! and nothing asserts how long something took: order, counters and the state of the stores say it all.

mod breaker;
mod breakers;
mod cli;
mod embedded;
mod explain;
mod failover;
mod faults;
mod health;
mod history;
mod limits;
mod links;
mod live;
mod logs;
mod measure;
mod metrics;
mod observed;
mod pace;
mod passthrough;
mod probe;
mod profiles;
mod reload;
mod requests;
mod secrets;
mod series;
mod sockets;
mod stop;
mod streams;
mod support;
#[cfg(feature = "otlp")]
mod traces;
