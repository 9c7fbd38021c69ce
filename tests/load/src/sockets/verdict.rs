//! The table that a measurement prints, and whether its limits were kept.

use std::fmt;

use crate::Outcome;

/// Figures, each with the floor's and with a limit where there is one.
#[derive(Debug)]
pub(crate) struct Verdict {
    title: String,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    floor: Option<f64>,
    lasso: f64,
    limit: Option<Limit>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    AtMost(f64),
    Exactly(f64),
}

// === impl Verdict ===

impl Verdict {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, what: impl Into<String>, lasso: f64, limit: Option<Limit>) {
        self.rows.push(Row { what: what.into(), floor: None, lasso, limit });
    }

    /// A figure that the floor has too.
    pub(crate) fn beside_floor(
        &mut self,
        what: impl Into<String>,
        floor: f64,
        lasso: f64,
        limit: Option<Limit>,
    ) {
        self.rows.push(Row { what: what.into(), floor: Some(floor), lasso, limit });
    }

    /// Prints the table; with `check`, a limit that was missed is an error.
    pub(crate) fn conclude(&self, check: bool) -> Outcome<()> {
        print!("{self}");
        let missed: Vec<_> = self.rows.iter().filter(|row| row.missed()).map(|row| &*row.what).collect();
        if check && !missed.is_empty() {
            return Err(format!("limits missed: {}", missed.join(", ")).into());
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.what.len()).max().unwrap_or(0);
        let compared = self.rows.iter().any(|row| row.floor.is_some());
        writeln!(f, "{}", self.title)?;
        if compared {
            writeln!(f, "  {:width$}  {:>10}  {:>6}  {:>10}  limit", "", "floor", "ratio", "lasso")?;
        }
        for row in &self.rows {
            write!(f, "  {:width$}", row.what)?;
            match row.floor {
                Some(floor) => write!(f, "  {floor:>10.2}  {:>6.2}", row.lasso / floor)?,
                None if compared => write!(f, "  {:>10}  {:>6}", "", "")?,
                None => {}
            }
            write!(f, "  {:>10.2}", row.lasso)?;
            match row.limit {
                Some(Limit::AtMost(limit)) => write!(f, "  at most {limit:.1}")?,
                Some(Limit::Exactly(limit)) => write!(f, "  exactly {limit}")?,
                None => {}
            }
            writeln!(f, "{}", if row.missed() { "  MISSED" } else { "" })?;
        }
        Ok(())
    }
}

// === impl Row ===

impl Row {
    fn missed(&self) -> bool {
        // A figure that is not a number keeps no limit.
        let kept = match self.limit {
            Some(Limit::AtMost(limit)) => self.lasso <= limit,
            Some(Limit::Exactly(limit)) => self.lasso == limit,
            None => true,
        };
        !kept
    }
}

#[cfg(test)]
mod tests {
    use super::{Limit, Verdict};

    #[test]
    fn a_missed_limit_is_an_error_only_when_checked() {
        let mut verdict = Verdict::new("kept");
        verdict.beside_floor("delivery, ms", 10.0, 15.0, Some(Limit::AtMost(15.0)));
        verdict.row("upstream", 1.0, Some(Limit::Exactly(1.0)));
        verdict.row("free", f64::NAN, None);
        assert!(verdict.conclude(true).is_ok());
        verdict.row("memory", f64::NAN, Some(Limit::AtMost(1.0)));
        verdict.row("other", 0.0, Some(Limit::Exactly(1.0)));
        assert!(verdict.conclude(false).is_ok());
        assert_eq!(verdict.conclude(true).unwrap_err().to_string(), "limits missed: memory, other");
    }

    #[test]
    fn the_table_shows_the_ratio_to_the_floor_where_there_is_one() {
        let mut verdict = Verdict::new("figures");
        verdict.row("upstream", 1.0, None);
        assert_eq!(verdict.to_string(), "figures\n  upstream        1.00\n");
        verdict.beside_floor("delivery, ms", 10.0, 15.0, Some(Limit::AtMost(12.0)));
        let table = verdict.to_string();
        let last = table.lines().last().unwrap();
        assert_eq!(last, "  delivery, ms       10.00    1.50       15.00  at most 12.0  MISSED");
    }
}
