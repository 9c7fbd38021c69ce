//! Reports as text.

use std::fmt;

use crate::report::{Death, Part, Report, Row};

/// One line for each strategy, then the deaths as each strategy met them.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "script {}, seed {}, {} virtual seconds\n", self.script, self.seed, self.seconds)?;
        head(f, "strategy")?;
        for row in &self.rows {
            part(f, row.strategy, &row.total)?;
        }
        deaths(f, &self.rows)?;
        for row in &self.rows {
            for failure in &row.failures {
                writeln!(f, "{}: {failure}", row.strategy)?;
            }
        }
        Ok(())
    }
}

impl Row {
    /// The same figures for every part of the script.
    #[must_use]
    pub fn by_part(&self) -> impl fmt::Display + '_ {
        ByPart(self)
    }
}

struct ByPart<'a>(&'a Row);

impl fmt::Display for ByPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{} between the changes of the script\n", self.0.strategy)?;
        head(f, "seconds")?;
        for one in &self.0.parts {
            part(f, &format!("{}..{}", one.from, one.until), one)?;
        }
        Ok(())
    }
}

fn head(f: &mut fmt::Formatter<'_>, first: &str) -> fmt::Result {
    writeln!(
        f,
        "{first:<17}{:>7}{:>8}{:>7}{:>7}{:>9}{:>8}{:>6}{:>6}{:>9}{:>7}{:>8}",
        "calls", "failed", "stale", "wrong", "requests", "mean", "p50", "p95", "oracle", "ratio", "right"
    )
}

fn part(f: &mut fmt::Formatter<'_>, first: &str, part: &Part) -> fmt::Result {
    writeln!(
        f,
        "{first:<17}{:>7}{:>8}{:>7}{:>7}{:>9.3}{:>8.2}{:>6}{:>6}{:>9.2}{:>7.3}{:>6.1} %",
        part.calls,
        part.failed,
        part.stale,
        part.wrong,
        part.requests_per_call,
        part.mean_ms,
        part.p50_ms,
        part.p95_ms,
        part.oracle_ms,
        part.ratio,
        part.right * 100.0,
    )
}

fn deaths(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
    if rows.iter().all(|row| row.deaths.is_empty()) {
        return Ok(());
    }
    writeln!(
        f,
        "\n{:<17}{:<9}{:<8}{:>5}{:>6}{:>11}{:>6}{:>8}{:>13}{:>10}{:>10}{:>11}",
        "deaths",
        "provider",
        "kind",
        "from",
        "until",
        "in flight",
        "seen",
        "trials",
        "traffic for",
        "opened",
        "closed",
        "used"
    )?;
    for row in rows {
        for death in &row.deaths {
            one_death(f, row.strategy, death)?;
        }
    }
    Ok(())
}

fn one_death(f: &mut fmt::Formatter<'_>, strategy: &str, death: &Death) -> fmt::Result {
    let millis = |time: Option<u64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time} ms"));
    writeln!(
        f,
        "{strategy:<17}{:<9}{:<8}{:>5}{:>6}{:>11}{:>6}{:>8}{:>13}{:>10}{:>10}{:>11}",
        death.provider,
        death.kind,
        death.from,
        death.until,
        death.in_flight,
        death.seen,
        death.trials,
        millis(death.traffic_for_ms),
        millis(death.opened_after_ms),
        millis(death.closed_after_ms),
        millis(death.used_after_ms),
    )
}
