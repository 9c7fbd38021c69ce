//! What the simulation is there to show, over three seeds. All of it is virtual time: nothing here depends on how
//! busy the machine is.

use std::sync::LazyLock;

use lasso_layers::catalog::Strategy;
use lasso_simulation::{Death, Report, Script, scripts};

const SEEDS: [u64; 3] = [1, 2, 3];

/// A thousand seconds: `fastest` with each seed, the others with the first one.
static DAYS: LazyLock<Vec<Report>> = LazyLock::new(|| {
    let day = script("day");
    let fastest = SEEDS.map(|seed| Report::new(&day, seed, &[Strategy::Fastest]));
    let others = [Strategy::LoadBalanced, Strategy::Priority, Strategy::LatencyWeighted];
    fastest.into_iter().chain([Report::new(&day, SEEDS[0], &others)]).collect()
});

/// The script of deaths alone, with each seed and every strategy.
static DEATHS: LazyLock<Vec<Report>> =
    LazyLock::new(|| SEEDS.map(|seed| Report::new(&script("deaths"), seed, &Strategy::ALL)).into());

fn script(name: &str) -> Script {
    scripts::named(name).expect("there is such a script")
}

/// One death as one strategy met it.
struct Met {
    /// Where and by whom.
    name: String,
    death: &'static Death,
    /// Whether the provider came back before the end.
    is_back: bool,
}

/// Every death that any strategy met with any seed.
fn deaths(kind: &str) -> Vec<Met> {
    let mut all = Vec::new();
    for report in DAYS.iter().chain(&*DEATHS) {
        for row in &report.rows {
            let name = format!("{} with seed {} in {}", row.strategy, report.seed, report.script);
            let deaths = row.deaths.iter().filter(|death| death.kind == kind);
            all.extend(deaths.map(|death| Met {
                name: name.clone(),
                death,
                is_back: death.until < report.seconds,
            }));
        }
    }
    assert!(all.iter().any(|met| met.death.seen > 0), "somebody uses a provider that dies so");
    all
}

#[test]
fn the_same_seed_gives_the_same_report_to_the_byte() {
    let report = |seed| {
        let report = Report::new(&script("deaths"), seed, &[Strategy::Fastest, Strategy::LatencyWeighted]);
        format!("{report}{}", serde_json::to_string(&report).unwrap())
    };
    assert_eq!(report(1), report(1));
    assert_ne!(report(1), report(2));
}

#[test]
fn fastest_is_within_a_tenth_of_the_oracle() {
    for report in &DAYS[..SEEDS.len()] {
        let row = &report.rows[0];
        assert!(row.total.ratio <= 1.1, "{report}{}", row.by_part());
    }
}

#[test]
fn no_client_hears_of_a_failure_while_a_provider_is_well() {
    for report in DAYS.iter().chain(&*DEATHS) {
        for row in &report.rows {
            assert_eq!(row.total.failed, 0, "{} with seed {}: {:?}", row.strategy, report.seed, row.failures);
        }
    }
}

#[test]
fn at_most_five_requests_see_a_provider_that_refuses_before_its_breaker_opens() {
    for Met { name, death, .. } in deaths("refused") {
        assert!(death.seen <= 5, "{name}: {death:?}");
        assert!(death.opened_after_ms.is_some(), "{name}: {death:?}");
    }
}

/// What is sent before the first requests had time to be answered is sent in good faith. Then several wait, and the
/// channel is used last; the breaker has to wait for timeouts, of which the first comes 0.6 s after the death at best.
#[test]
fn a_provider_that_falls_silent_gets_no_requests_after_two_seconds() {
    for Met { name, death, .. } in deaths("silent") {
        assert!(death.opened_after_ms.is_some(), "{name}: {death:?}");
        assert!(death.traffic_for_ms.is_none_or(|traffic| traffic < 2_000), "{name}: {death:?}");
    }
}

#[test]
fn a_provider_that_comes_back_is_let_in_again() {
    for Met { name, death, is_back } in deaths("refused").into_iter().chain(deaths("silent")) {
        assert_eq!(death.closed_after_ms.is_some(), is_back, "{name}: {death:?}");
    }
}

/// Heights are asked for every twelve seconds: for so long nobody can know.
#[test]
fn a_provider_that_falls_behind_is_left_within_a_poll() {
    const POLL: u64 = 12;
    let report = Report::new(&script("lag"), SEEDS[0], &Strategy::ALL);
    for row in &report.rows {
        let behind =
            row.parts.iter().find(|part| part.stale > 0).expect("the best is used before it is known");
        let share = behind.stale as f64 / behind.calls as f64;
        assert!(share <= POLL as f64 / (behind.until - behind.from) as f64, "{}: {behind:?}", row.strategy);
    }
}
