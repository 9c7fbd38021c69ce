//! The scripts that come with the program.
//!
//! None is tuned to suit a strategy. Each part says what it is meant to show.

use crate::script::{Actor, Condition, Script};
use crate::traffic::Method;

const RATE: u32 = 50;

/// Every script, the default one first.
#[must_use]
pub fn all() -> Vec<Script> {
    vec![day(), steady(), shifts(), deaths(), errors(), limits(), lag(), strangers()]
}

/// The script of this name.
#[must_use]
pub fn named(name: &str) -> Option<Script> {
    all().into_iter().find(|script| script.name == name)
}

/// A thousand seconds with everything in them.
fn day() -> Script {
    // Up to 100: a plain spread, from cold. ash is best for most methods, but slow at eth_call, where birch is:
    // only measuring by method finds both.
    let ash = Actor::new("ash", Condition::fine(25.0))
        .factor(Method::Call, 4.0)
        // The best becomes slow without failing.
        .from(100, Condition::fine(180.0))
        // It comes back as if nothing had been, while birch, which took over, is still there.
        .from(220, Condition::fine(25.0))
        // It dies with refused connections while it is the best for two methods of three.
        .from(300, Condition::refused())
        .from(360, Condition::fine(25.0))
        // For the rest it is middling: the quickest is somebody else.
        .from(500, Condition::fine(60.0));
    let birch = Actor::new("birch", Condition::fine(38.0))
        // The best from 500 on, and then it stops answering while it is: every request has to wait for its time limit.
        .from(500, Condition::fine(28.0))
        .from(540, Condition::silent())
        .from(600, Condition::fine(40.0));
    let cedar = Actor::new("cedar", Condition::fine(70.0))
        // Somebody who was slow becomes the best: nobody notices who does not look.
        .from(400, Condition::fine(20.0))
        .from(480, Condition::fine(70.0));
    let elm = Actor::new("elm", Condition::fine(55.0))
        // Quicker than all others, with 30 % errors: a hundred seconds of temptation.
        .from(640, Condition::fine(22.0).failing(0.3))
        .from(740, Condition::fine(55.0));
    let fir = Actor::new("fir", Condition::fine(90.0))
        // Quicker than all others, and good for less than half of the traffic; it says when to come back.
        .from(760, Condition::fine(20.0).limited(20, Some(2)))
        .from(840, Condition::fine(90.0));
    let oak = Actor::new("oak", Condition::fine(110.0))
        // Quicker than all others, from old state.
        .from(860, Condition::fine(15.0).behind(40))
        // Now it has caught up, and is the right choice.
        .from(920, Condition::fine(15.0))
        // Dies as the best, for good.
        .from(970, Condition::refused());
    Script {
        name: "day",
        about: "everything: drift, deaths, errors, limits and lag over six providers",
        seconds: 1000,
        rate: RATE,
        max_lag_blocks: Some(5),
        actors: vec![ash, birch, cedar, elm, fir, oak],
    }
}

/// Nothing happens: how soon is the best found, and what does it cost to keep looking?
fn steady() -> Script {
    script(
        "steady",
        "a spread of latencies that never changes",
        300,
        vec![
            Actor::new("ash", Condition::fine(60.0)),
            Actor::new("birch", Condition::fine(30.0)),
            Actor::new("cedar", Condition::fine(45.0)),
            // Within a tenth of the best: either is right.
            Actor::new("elm", Condition::fine(32.0)),
            Actor::new("fir", Condition::fine(120.0)),
            Actor::new("oak", Condition::fine(250.0)),
        ],
    )
}

/// The best becomes slow, and others become the best at other times.
fn shifts() -> Script {
    script(
        "shifts",
        "the best becomes slow, and another becomes the best",
        400,
        vec![
            // Gets slow in one step: what was measured before misleads.
            Actor::new("ash", Condition::fine(25.0)).from(100, Condition::fine(150.0)),
            Actor::new("birch", Condition::fine(45.0)),
            // Gets quick in one step, half a minute after ash was lost, and slow again later.
            Actor::new("cedar", Condition::fine(90.0))
                .from(130, Condition::fine(25.0))
                .from(300, Condition::fine(90.0)),
            Actor::new("elm", Condition::fine(70.0)),
        ],
    )
}

/// The best dies: loudly, silently, and loudly with another right after.
fn deaths() -> Script {
    script(
        "deaths",
        "providers die by refused connections and by silence, and come back",
        400,
        vec![
            // The best dies loudly and comes back after a minute.
            Actor::new("ash", Condition::fine(25.0))
                .from(60, Condition::refused())
                .from(120, Condition::fine(25.0))
                // Now silently, for long enough that it is tried again while it is dead.
                .from(160, Condition::silent())
                .from(260, Condition::fine(25.0))
                // And once more, together with the next best.
                .from(320, Condition::refused())
                .from(350, Condition::fine(25.0)),
            Actor::new("birch", Condition::fine(40.0))
                .from(320, Condition::refused())
                .from(350, Condition::fine(40.0)),
            Actor::new("cedar", Condition::fine(60.0)),
        ],
    )
}

/// The best answers three of ten requests with an error.
fn errors() -> Script {
    script(
        "errors",
        "the best fails with 30 % of the calls for a hundred seconds",
        240,
        vec![
            Actor::new("ash", Condition::fine(25.0))
                .from(60, Condition::fine(25.0).failing(0.3))
                .from(160, Condition::fine(25.0)),
            Actor::new("birch", Condition::fine(40.0)),
            Actor::new("cedar", Condition::fine(60.0)),
        ],
    )
}

/// The best puts up with less than there is to do.
fn limits() -> Script {
    script(
        "limits",
        "quick providers with room for some of the traffic, with and without Retry-After",
        240,
        vec![
            // Says when to come back.
            Actor::new("ash", Condition::fine(25.0).limited(20, Some(1))),
            // Does not.
            Actor::new("birch", Condition::fine(35.0).limited(20, None)),
            Actor::new("cedar", Condition::fine(60.0)),
        ],
    )
}

/// The best falls behind, and catches up.
fn lag() -> Script {
    script(
        "lag",
        "the best is forty blocks behind for a minute",
        180,
        vec![
            Actor::new("ash", Condition::fine(25.0))
                .from(60, Condition::fine(25.0).behind(40))
                .from(120, Condition::fine(25.0)),
            Actor::new("birch", Condition::fine(40.0)),
            Actor::new("cedar", Condition::fine(60.0)),
            Actor::new("elm", Condition::fine(80.0)),
        ],
    )
}

/// The best is suddenly a node of another chain, as when a name points elsewhere.
fn strangers() -> Script {
    script(
        "strangers",
        "the best answers for another chain for a minute",
        180,
        vec![
            Actor::new("ash", Condition::fine(25.0))
                .from(60, Condition::fine(25.0).on_another_chain())
                .from(120, Condition::fine(25.0)),
            Actor::new("birch", Condition::fine(40.0)),
            Actor::new("cedar", Condition::fine(60.0)),
        ],
    )
}

fn script(name: &'static str, about: &'static str, seconds: u64, actors: Vec<Actor>) -> Script {
    Script { name, about, seconds, rate: RATE, max_lag_blocks: Some(5), actors }
}
