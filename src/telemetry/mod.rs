//! Where log lines go.

mod json;
mod sink;
mod text;

use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use self::json::NestedJson;
pub use self::sink::{LogGuard, dropped_lines};
pub use self::text::PlainText;
use crate::config::settings::{Log, LogFormat, LogLevel};

/// Sends log lines of this level and above to standard output for the rest of the process.
///
/// Lines are written by a thread of their own: a reader that stalls delays no request. Lines that find its
/// buffer full are dropped and counted. The guard writes what is left when it is dropped.
///
/// # Errors
///
/// If the process has a subscriber already, or the system has no thread to give.
pub fn init(log: &Log) -> io::Result<LogGuard> {
    let (writer, guard) = sink::start(io::stdout())?;
    let registry = tracing_subscriber::registry().with(targets(log));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match log.format {
        LogFormat::Text => {
            registry.with(lines.event_format(PlainText)).try_init().map_err(io::Error::other)?
        }
        LogFormat::Json => {
            registry.with(lines.event_format(NestedJson)).try_init().map_err(io::Error::other)?
        }
    }
    Ok(guard)
}

/// The events that are written.
fn targets(log: &Log) -> Targets {
    let level = level(log.level);
    // Libraries underneath speak up from warnings on: their debug output may name addresses.
    let mut targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("lasso_rpc", level)
        .with_target("lasso_layers", level);
    // What is switched off is so where the events are made: it costs nothing.
    for (is_on, events) in [
        (log.log_failovers, lasso_layers::call::failover::EVENTS),
        (log.log_circuit_breaker, lasso_layers::attempt::breaker::EVENTS),
    ] {
        if !(log.enabled && is_on) {
            targets = targets.with_target(events, LevelFilter::OFF);
        }
    }
    targets
}

const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn groups_are_switched_off_by_themselves_and_together() {
        let is_written = |log: &Log| {
            [
                "lasso_layers::call::failover::events",
                "lasso_layers::attempt::breaker::event",
                "lasso_rpc::tasks",
            ]
            .map(|target| targets(log).would_enable(target, &Level::WARN))
        };
        assert_eq!(is_written(&Log::default()), [true, true, true]);
        assert_eq!(is_written(&Log { log_failovers: false, ..Log::default() }), [false, true, true]);
        assert_eq!(is_written(&Log { log_circuit_breaker: false, ..Log::default() }), [true, false, true]);
        assert_eq!(is_written(&Log { enabled: false, ..Log::default() }), [false, false, true]);
        assert!(!targets(&Log::default()).would_enable("hyper::client", &Level::INFO));
    }
}
