//! Where log lines go.

mod json;

use std::io;
use std::str::FromStr;

use tracing::Level;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

pub use self::json::NestedJson;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line; dots in field names become nesting.
    Json,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// Sends log lines of this level and above to standard output for the rest of the process.
///
/// Lines are written by a thread of their own: a reader that stalls delays no request. Lines that find its
/// queue full are dropped. The guard writes what is left when it is dropped.
///
/// # Errors
///
/// If the process has a subscriber already.
pub fn init(level: Level, format: LogFormat) -> Result<WorkerGuard, TryInitError> {
    let (writer, guard) = tracing_appender::non_blocking(io::stdout());
    // Libraries underneath speak up from warnings on: their debug output may name addresses.
    let targets = Targets::new()
        .with_default(level.min(Level::WARN))
        .with_target("lasso_rpc", level)
        .with_target("lasso_layers", level);
    let registry = tracing_subscriber::registry().with(targets);
    match format {
        LogFormat::Text => registry.with(text(writer)).try_init()?,
        LogFormat::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .event_format(NestedJson)
                    .fmt_fields(tracing_subscriber::fmt::format::DefaultFields::new())
                    .with_writer(writer),
            )
            .try_init()?,
    }
    Ok(guard)
}

fn text<S>(writer: NonBlocking) -> impl tracing_subscriber::Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer().with_ansi(false).with_target(false).with_writer(writer)
}
