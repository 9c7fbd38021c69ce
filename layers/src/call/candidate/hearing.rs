//! Hearing what the stages say about one channel.

use crate::call::{Candidate, Facts, Filter, Finding, Opinion, Reasons, Stage, Subject, Verdict};

/// The first exclusion counts, and the stages after it are not asked, unless somebody wants to know all reasons: then
/// they are asked too, and change nothing. Which of the two it is, is known when this is compiled, so that a call
/// nobody asks about does not pay for notes.
pub(super) struct Hearing<'a, const ALL: bool> {
    pub(super) subject: &'a Subject<'a>,
    pub(super) candidate: &'a mut Candidate,
}

impl<const ALL: bool> Hearing<'_, ALL> {
    /// Hears a filter.
    pub(super) fn filter(&mut self, stage: Stage, filter: &dyn Filter) {
        if self.is_over() {
            return;
        }
        if ALL {
            let (verdict, facts) = filter.explain(self.subject);
            self.note(stage, Opinion::Verdict(verdict), facts);
            self.apply(verdict);
        } else {
            self.apply(filter.check(self.subject));
        }
    }

    /// Hears a filter that can demote and cannot rule out.
    pub(super) fn advice(&mut self, stage: Stage, filter: &dyn Filter) {
        if self.is_over() {
            return;
        }
        let (verdict, facts) =
            if ALL { filter.explain(self.subject) } else { (filter.check(self.subject), Facts::none()) };
        match verdict {
            Verdict::Exclude { reason, .. } => self.note(stage, Opinion::Overruled(reason), facts),
            verdict => {
                self.note(stage, Opinion::Verdict(verdict), facts);
                self.apply(verdict);
            }
        }
    }

    /// Hears a rule that is built in.
    #[inline]
    pub(super) fn rule(&mut self, stage: Stage, rule: impl FnOnce(&Subject<'_>) -> Verdict) {
        if !self.is_over() {
            let verdict = rule(self.subject);
            self.note(stage, Opinion::Verdict(verdict), Facts::none());
            self.apply(verdict);
        }
    }

    /// Notes a declared limit, if the call exceeds one. It stands also where the channel is ruled out, because not
    /// every exclusion is final.
    #[inline]
    pub(super) fn limit(&mut self, exceeded: Option<&'static str>, declared: impl FnOnce() -> Facts) {
        self.candidate.limit = self.candidate.limit.or(exceeded);
        if ALL {
            let verdict = exceeded.map_or(Verdict::Keep, Verdict::Limit);
            self.note(Stage::Limits, Opinion::Verdict(verdict), declared());
        }
    }

    /// Passes a stage by.
    #[inline]
    pub(super) fn skip(&mut self, stage: Stage) {
        self.note(stage, Opinion::Skipped, Facts::none());
    }

    const fn is_over(&self) -> bool {
        !ALL && self.candidate.excluded.is_some()
    }

    #[inline]
    fn note(&mut self, stage: Stage, opinion: Opinion, facts: Facts) {
        if ALL {
            let reasons = self.candidate.reasons.get_or_insert_default();
            reasons.findings.push(Finding { stage, opinion, facts });
        }
    }

    fn apply(&mut self, verdict: Verdict) {
        let candidate = &mut *self.candidate;
        if candidate.excluded.is_some() {
            return;
        }
        match verdict {
            Verdict::Keep => {}
            Verdict::Demote(demotion) => candidate.demotion = candidate.demotion.and(demotion),
            Verdict::Limit(reason) => candidate.limit = candidate.limit.or(Some(reason)),
            Verdict::Exclude { reason, retry_after } => {
                candidate.excluded = Some(reason);
                candidate.retry_after = retry_after;
            }
        }
    }
}

/// Notes that what a stage said against a channel is not believed.
pub(super) fn overrule(reasons: &mut Reasons, stage: Stage) {
    for finding in reasons.findings.iter_mut().filter(|finding| finding.stage == stage) {
        if let Opinion::Verdict(Verdict::Exclude { reason, .. }) = finding.opinion {
            finding.opinion = Opinion::Overruled(reason);
        }
    }
}
