//! The rules of a node at work: which faults a call meets.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::fault::{Fault, NOTIFICATION, OPENED, Rule, When};
use super::ledger::Transport;

/// The rules in force with their counters.
#[derive(Debug, Default)]
pub(crate) struct Script {
    rules: Mutex<Vec<Active>>,
}

#[derive(Debug)]
struct Active {
    rule: Rule,
    matched: u64,
    rng: fastrand::Rng,
}

/// What happens to one call, message or exchange.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) delay: Duration,
    pub(crate) lag: u64,
    pub(crate) chain_id: Option<u64>,
    pub(crate) answer: Option<Fault>,
    pub(crate) delivery: Option<Fault>,
}

// === impl Script ===

impl Script {
    pub(crate) fn replace(&self, rules: impl IntoIterator<Item = Rule>) {
        *self.rules() = rules.into_iter().map(Active::new).collect();
    }

    pub(crate) fn add(&self, rule: Rule) {
        self.rules().push(Active::new(rule));
    }

    /// Counts a call against the rules and says what it meets.
    pub(crate) fn plan(&self, transport: Transport, method: &str, params: Option<&str>) -> Plan {
        let mut plan = Plan::default();
        for active in self.rules().iter_mut().filter(|active| active.rule.matches(transport, method, params))
        {
            if active.strikes() {
                plan.meet(&active.rule.fault, &mut active.rng);
            }
        }
        plan
    }

    /// How far subscriptions are behind.
    pub(crate) fn standing_lag(&self) -> u64 {
        let rules = self.rules();
        let standing = rules.iter().map(|active| &active.rule).filter(|rule| {
            rule.when == When::Always
                && rule.method.as_deref().is_none_or(|method| method == NOTIFICATION)
                && rule.params_contain.is_empty()
                && rule.transport.is_none_or(|transport| transport == Transport::WebSocket)
        });
        let lags =
            standing.filter_map(|rule| if let Fault::Lag(blocks) = rule.fault { Some(blocks) } else { None });
        lags.max().unwrap_or(0)
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Active>> {
        self.rules.lock().expect("no code panics while it holds the rules")
    }
}

// === impl Active ===

impl Active {
    fn new(rule: Rule) -> Self {
        let rng = fastrand::Rng::with_seed(rule.seed);
        Self { rule, matched: 0, rng }
    }

    /// Counts a match and says whether it meets the fault.
    fn strikes(&mut self) -> bool {
        self.matched += 1;
        match self.rule.when {
            When::Always => true,
            When::First(calls) => self.matched <= calls,
            When::After(calls) => self.matched > calls,
            When::Every(nth) => self.matched.is_multiple_of(nth),
            When::Chance(probability) => self.rng.f64() < probability,
        }
    }
}

impl Rule {
    fn matches(&self, transport: Transport, method: &str, params: Option<&str>) -> bool {
        let wants_transport = match self.transport {
            None => transport != Transport::Handshake,
            Some(wanted) => wanted == transport,
        };
        let wants_method = match &self.method {
            None => method != NOTIFICATION && method != OPENED,
            Some(wanted) => wanted == method,
        };
        let wants_params = self
            .params_contain
            .iter()
            .all(|text| params.is_some_and(|params| params.contains(text.as_str())));
        wants_transport && wants_method && wants_params
    }
}

// === impl Plan ===

impl Plan {
    /// Takes over what one item of a batch means for the whole exchange.
    pub(crate) fn join(&mut self, item: &Self) {
        self.delay = self.delay.max(item.delay);
        if self.delivery.is_none() {
            self.delivery.clone_from(&item.delivery);
        }
    }

    fn meet(&mut self, fault: &Fault, rng: &mut fastrand::Rng) {
        match fault {
            Fault::Latency { base, jitter } => {
                let more = base.saturating_add(jitter.mul_f64(rng.f64()));
                self.delay = self.delay.saturating_add(more);
            }
            Fault::Lag(blocks) => self.lag = self.lag.max(*blocks),
            Fault::WrongChain(id) => {
                self.chain_id.get_or_insert(*id);
            }
            Fault::RpcError { .. }
            | Fault::Result(_)
            | Fault::NullResult
            | Fault::WrongId
            | Fault::EmptyObject
            | Fault::ResultAndError
            | Fault::Omit
            | Fault::Repeat
            | Fault::Overtaken => {
                self.answer.get_or_insert_with(|| fault.clone());
            }
            Fault::Hang
            | Fault::Freeze
            | Fault::HangAfterHeaders
            | Fault::Reset
            | Fault::Close
            | Fault::CloseFrame { .. }
            | Fault::HalfBody
            | Fault::TornFrame
            | Fault::SlowBody { .. }
            | Fault::ReverseBatch
            | Fault::LargeHeaders(_)
            | Fault::Garbage
            | Fault::Raw(_)
            | Fault::Html(_)
            | Fault::Status { .. }
            | Fault::RateLimited { .. }
            | Fault::Redirect(_)
            | Fault::Stream(_) => {
                self.delivery.get_or_insert_with(|| fault.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Plan, Script};
    use crate::sim::{Fault, NOTIFICATION, Rule, Transport};

    fn script(rules: impl IntoIterator<Item = Rule>) -> Script {
        let script = Script::default();
        script.replace(rules);
        script
    }

    /// Which of `calls` calls meet the rule.
    fn strikes(rule: Rule, calls: u64) -> Vec<u64> {
        let script = script([rule]);
        (1..=calls).filter(|_| script.plan(Transport::Http, "m", None).delivery.is_some()).collect()
    }

    #[test]
    fn conditions_count_matching_calls() {
        let rule = || Rule::any(Fault::Hang);
        assert_eq!(strikes(rule(), 3), [1, 2, 3]);
        assert_eq!(strikes(rule().first(2), 4), [1, 2]);
        assert_eq!(strikes(rule().after(2), 4), [3, 4]);
        assert_eq!(strikes(rule().every(3), 7), [3, 6]);
        assert_eq!(strikes(rule().every(0), 3), [0; 0]);
        assert_eq!(strikes(rule().chance(1.0, 7), 3), [1, 2, 3]);
        assert_eq!(strikes(rule().chance(0.0, 7), 3), [0; 0]);
    }

    #[test]
    fn chance_repeats_with_its_seed() {
        let rule = |seed| strikes(Rule::any(Fault::Hang).chance(0.5, seed), 64);
        assert_eq!(rule(1), rule(1));
        assert_ne!(rule(1), rule(2));
    }

    #[test]
    fn a_rule_meets_what_it_names() {
        let meets =
            |rule: Rule, transport, method| script([rule]).plan(transport, method, None).delivery.is_some();
        let any = || Rule::any(Fault::Hang);
        assert!(meets(any(), Transport::Http, "m") && meets(any(), Transport::WebSocket, "m"));
        assert!(!meets(any(), Transport::Handshake, "") && !meets(any(), Transport::WebSocket, NOTIFICATION));
        assert!(meets(Rule::handshake(Fault::Hang), Transport::Handshake, ""));
        assert!(!meets(Rule::handshake(Fault::Hang), Transport::Http, "m"));
        assert!(meets(Rule::method("m", Fault::Hang), Transport::Http, "m"));
        assert!(!meets(Rule::method("m", Fault::Hang), Transport::Http, "n"));
        assert!(!meets(any().over(Transport::Http), Transport::WebSocket, "m"));
        assert!(meets(Rule::method(NOTIFICATION, Fault::Hang), Transport::WebSocket, NOTIFICATION));
    }

    #[test]
    fn parameters_are_matched_as_sent() {
        let script = script([Rule::any(Fault::Hang).params_contain("0xab")]);
        let meets = |text| script.plan(Transport::Http, "m", Some(text)).delivery.is_some();
        assert!(meets(r#"["0xabcd"]"#));
        assert!(!meets(r#"["0xAB"]"#));
    }

    #[test]
    fn kinds_of_faults_combine_and_the_first_of_a_kind_wins() {
        let second = Duration::from_secs(1);
        let script = script([
            Rule::any(Fault::latency(second)),
            Rule::any(Fault::latency(second)),
            Rule::any(Fault::Lag(2)),
            Rule::any(Fault::NullResult),
            Rule::any(Fault::WrongId),
            Rule::any(Fault::Reset),
            Rule::any(Fault::Hang),
        ]);
        let plan = script.plan(Transport::Http, "m", None);
        assert_eq!((plan.delay, plan.lag), (2 * second, 2));
        assert!(matches!(plan.answer, Some(Fault::NullResult)));
        assert!(matches!(plan.delivery, Some(Fault::Reset)));
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_varies() {
        let (base, jitter) = (Duration::from_millis(10), Duration::from_millis(5));
        let script = script([Rule::any(Fault::Latency { base, jitter })]);
        let delays: Vec<_> = (0..32).map(|_| script.plan(Transport::Http, "m", None).delay).collect();
        assert!(delays.iter().all(|delay| (base..=base + jitter).contains(delay)));
        assert!(delays.iter().any(|delay| delay != &delays[0]));
    }

    #[test]
    fn the_slowest_item_and_the_first_delivery_decide_for_a_batch() {
        let second = Duration::from_secs(1);
        let mut batch = Plan::default();
        batch.join(&Plan { delay: 2 * second, ..Plan::default() });
        batch.join(&Plan { delay: second, delivery: Some(Fault::Close), ..Plan::default() });
        batch.join(&Plan { delivery: Some(Fault::Reset), ..Plan::default() });
        assert_eq!(batch.delay, 2 * second);
        assert!(matches!(batch.delivery, Some(Fault::Close)));
    }

    #[test]
    fn only_unconditional_lag_holds_subscriptions_back() {
        assert_eq!(script([Rule::any(Fault::Lag(3)), Rule::method("m", Fault::Lag(9))]).standing_lag(), 3);
        assert_eq!(script([Rule::any(Fault::Lag(3)).first(1)]).standing_lag(), 0);
        assert_eq!(script([Rule::any(Fault::Lag(3)).over(Transport::Http)]).standing_lag(), 0);
        assert_eq!(script([Rule::method(NOTIFICATION, Fault::Lag(4))]).standing_lag(), 4);
    }
}
