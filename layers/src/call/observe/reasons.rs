//! Reasons as JSON.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::call::{Candidate, Candidates, Demotion, Fact, Facts, Finding, Opinion, Progress, Verdict};

/// The candidates of a call in the order in which they were to be tried, each with its number in it; the ones that were
/// not to be tried come last and have none.
pub(super) fn in_order(candidates: &Candidates) -> Vec<(Option<usize>, &Candidate)> {
    let planned = candidates.planned();
    let others = (0..candidates.all().len()).filter(|at| !planned.contains(at)).map(|at| (None, at));
    let numbered = (1..).zip(&planned).map(|(order, at)| (Some(order), *at));
    numbered.chain(others).map(|(order, at)| (order, &candidates.all()[at])).collect()
}

/// The members of an object.
impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl Serialize for Fact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Flag(flag) => serializer.serialize_bool(flag),
            Self::Count(count) => serializer.serialize_u64(count),
            Self::Difference(difference) => serializer.serialize_i64(difference),
            // Shares and weights are kept as single floats; more digits than those have would be noise.
            Self::Number(number) => serializer.serialize_f32(number as f32),
            Self::Time(time) => serializer.serialize_f64(fractional_millis(time)),
            Self::Word(word) => serializer.serialize_str(word),
        }
    }
}

/// `{"stage":…,"verdict":…}` with a reason where there is one, and the facts.
impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("stage", self.stage.as_str())?;
        match self.opinion {
            Opinion::Skipped => map.serialize_entry("verdict", "skipped")?,
            Opinion::Overruled(reason) => {
                map.serialize_entry("verdict", "overruled")?;
                map.serialize_entry("reason", reason)?;
            }
            Opinion::Verdict(Verdict::Keep) => map.serialize_entry("verdict", "pass")?,
            Opinion::Verdict(Verdict::Demote(demotion)) => {
                map.serialize_entry("verdict", "demote")?;
                map.serialize_entry("reason", &Names(demotion))?;
            }
            Opinion::Verdict(Verdict::Limit(reason)) => {
                map.serialize_entry("verdict", "limit")?;
                map.serialize_entry("reason", reason)?;
            }
            Opinion::Verdict(Verdict::Exclude { reason, retry_after }) => {
                map.serialize_entry("verdict", "exclude")?;
                map.serialize_entry("reason", reason)?;
                if let Some(wait) = retry_after {
                    map.serialize_entry("retry_after_ms", &whole_millis(wait))?;
                }
            }
        }
        for (name, fact) in self.facts.iter() {
            map.serialize_entry(name, &fact)?;
        }
        map.end()
    }
}

/// The names of demotions as a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demotions(pub(super) Demotion);

impl Demotions {
    pub(super) fn are_none(&self) -> bool {
        self.0 == Demotion::NONE
    }
}

impl Serialize for Demotions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.names())
    }
}

/// The names of demotions in one text.
struct Names(Demotion);

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&fmt::from_fn(|f| {
            for (at, name) in self.0.names().enumerate() {
                f.write_str(if at > 0 { "," } else { "" })?;
                f.write_str(name)?;
            }
            Ok(())
        }))
    }
}

/// What became of a channel: one word, with the category of what went wrong after a colon.
#[derive(Clone, Copy)]
pub(super) struct Outcome(pub(super) Progress);

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Progress::Untried => serializer.serialize_str("untried"),
            Progress::Dropped => serializer.serialize_str("dropped"),
            Progress::Taken => serializer.serialize_str("in_flight"),
            Progress::Answered => serializer.serialize_str("answered"),
            Progress::Skipped(category) => serializer.collect_str(&format_args!("skipped:{category}")),
            Progress::Failed(category) => serializer.collect_str(&format_args!("failed:{category}")),
        }
    }
}

/// Milliseconds, rounded up, so that nobody comes back too early.
pub(super) fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Milliseconds with three decimals.
fn fractional_millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::Stage;

    #[test]
    fn findings_say_verdict_reason_and_facts() {
        let found =
            |opinion, facts| serde_json::to_value(Finding { stage: Stage::Circuit, opinion, facts }).unwrap();
        let wait = Some(Duration::from_micros(1_500));
        let exclude = Verdict::Exclude { reason: "circuit_open", retry_after: wait };
        assert_eq!(
            found(Opinion::Verdict(exclude), Facts::none().with("state", "open").with("failures", 5_u64)),
            json!({"stage": "circuit", "verdict": "exclude", "reason": "circuit_open", "retry_after_ms": 2,
                "state": "open", "failures": 5}),
        );
        let both = Verdict::Demote(Demotion::HALF_OPEN.and(Demotion::LIMITED));
        for (opinion, verdict, reason) in [
            (Opinion::Verdict(Verdict::Keep), "pass", None),
            (Opinion::Verdict(both), "demote", Some("half_open,limited")),
            (Opinion::Verdict(Verdict::Limit("param_limit")), "limit", Some("param_limit")),
            (Opinion::Skipped, "skipped", None),
            (Opinion::Overruled("method_unsupported"), "overruled", Some("method_unsupported")),
        ] {
            let finding = found(opinion, Facts::none());
            assert_eq!(finding["verdict"], verdict);
            assert_eq!(finding.get("reason").and_then(|it| it.as_str()), reason);
        }
    }

    #[test]
    fn facts_are_members() {
        let facts = Facts::none()
            .with("flag", true)
            .with("lag", -3_i64)
            .with("weight", 0.25)
            .with("latency_ms", Duration::from_micros(20_125))
            .with_known("unknown", None::<u64>);
        assert_eq!(
            serde_json::to_string(&facts).unwrap(),
            r#"{"flag":true,"lag":-3,"weight":0.25,"latency_ms":20.125}"#
        );
    }
}
