//! The settings file: every timer, threshold and limit of the router.

mod keys;
mod maps;
mod network;
mod operation;
mod overrides;
mod section;
mod setting;
mod words;

use std::path::Path;
use std::time::Duration;

use super::document::{self, Node};
use super::environment::Environment;
use super::field::Field;
use super::load;
use super::problem::{Located, Report};
use setting::Setting;

pub use self::keys::{
    Batch, Benchmarks, BlockSync, CircuitBreaker, Failover, Fastest, LatencyWeighted, Methods, Probe,
    Routing, Server, Settings, Stall, Subscriptions, UpstreamHttp, UpstreamRateLimit, UpstreamWebsocket,
    Websocket,
};
pub use self::maps::{CategoryThresholds, MethodTimeouts};
pub use self::operation::{Admin, Cluster, Dashboard, History, Log, Metrics, Observability, Reload, Traces};
pub use self::setting::Secret;
pub use self::words::{LogFormat, LogLevel, ProbeRecovery, TierOrder, VerifyLogs};

/// How two settings that limit each other have to compare, and the words for it.
type Relation = (fn(&Duration, &Duration) -> bool, &'static str);

const AT_MOST: Relation = (Duration::le, "at most");
const LESS_THAN: Relation = (Duration::lt, "less than");

/// Where the settings file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettingsFile<'a> {
    /// Its path.
    pub path: &'a Path,
    /// Who said so, such as `--config`: a file that somebody named has to exist. Without, it may be missing.
    pub named_by: Option<&'a str>,
}

impl Settings {
    /// Reads the settings file and what environment variables say over it. A file that is missing says nothing if it
    /// may be.
    ///
    /// `LASSO__SECTION__KEY` overrides one key. Before it come variables with a name of their own, such as
    /// `PORT` and `LW_BETA`; `LASSO_LISTEN` has the last word on the address.
    ///
    /// # Errors
    ///
    /// Every problem of the file and of all variables; a file that cannot be read is the only one.
    pub fn load(file: SettingsFile<'_>, environment: &Environment) -> Result<Self, Vec<Located>> {
        let shown = file.path.display().to_string();
        let is_missing = || matches!(file.path.try_exists(), Ok(false));
        let text = match (load::text(file.path), file.named_by) {
            (Ok(text), _) => text,
            (Err(_), None) if is_missing() => String::new(),
            (Err(_), Some(name)) if is_missing() => {
                let message = format!("there is no such file, and {name} names it");
                return Err(vec![Located::error(&shown, 0, "", "settings_file_missing", message)]);
            }
            (Err(problem), _) => return Err(vec![problem]),
        };
        Self::parse(&shown, &text, environment)
    }

    /// Like [`load`](Self::load), with the text of the file.
    ///
    /// # Errors
    ///
    /// Every problem of the text and of all variables.
    pub fn parse(file: &str, text: &str, environment: &Environment) -> Result<Self, Vec<Located>> {
        let mut settings = Self::default();
        let mut report = Report::new(file, environment);
        let root = document::parse(text, 1, &mut report).unwrap_or_else(|| Node::null(1));
        settings.read(&Field::root(&root), &(), &mut report);
        let readable = report.problems.is_empty();
        report.problems.sort_by_key(|problem| problem.line);
        report.problems.extend(overrides::apply(&mut settings, environment));
        if readable {
            settings.check_pairs(&root, &mut report);
        }
        if report.problems.is_empty() { Ok(settings) } else { Err(report.problems) }
    }

    /// The text of a settings file with every key at its default, documented in place.
    #[must_use]
    pub fn reference() -> String {
        let mut text = String::new();
        keys::write_reference(&Self::default(), &mut text);
        text
    }

    /// Checks settings that limit each other.
    fn check_pairs(&self, root: &Node, report: &mut Report<'_>) {
        let breaker = &self.circuit_breaker;
        let limit = &self.upstream_rate_limit;
        let stall = &self.stall;
        let log = &self.log;
        let pairs = [
            (
                ("circuit_breaker.recovery_timeout_ms", breaker.recovery_timeout),
                AT_MOST,
                ("circuit_breaker.max_recovery_timeout_ms", breaker.max_recovery_timeout),
            ),
            (
                ("upstream_rate_limit.default_ms", limit.default),
                AT_MOST,
                ("upstream_rate_limit.max_ms", limit.max),
            ),
            // Silence that is forgotten when it begins to count never counts.
            (("stall.after_ms", stall.after), LESS_THAN, ("stall.expires_ms", stall.expires)),
            (("log.slow_info_ms", log.slow_info), AT_MOST, ("log.slow_warn_ms", log.slow_warn)),
            (("log.slow_warn_ms", log.slow_warn), AT_MOST, ("log.very_slow_ms", log.very_slow)),
        ];
        for ((lesser, less), (holds, allowed), (greater, more)) in pairs {
            if !holds(&less, &more) {
                let (less, more) = (less.as_millis(), more.as_millis());
                report.error(
                    root.line_of(lesser),
                    lesser,
                    "invalid_value",
                    format!("found {less}; allowed is {allowed} {more}, the value of `{greater}`"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
