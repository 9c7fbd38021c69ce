//! As many histories as can be played on the way: the long run is the program's.

use lasso_model::draw;
use lasso_model::player::coordinator;
use lasso_model::tally::Tally;
use lasso_model::world::play;

#[test]
fn two_thousand_histories_keep_every_promise() {
    let mut tally = Tally::default();
    for seed in 0..2000 {
        let played = play(&draw::scenario(seed), false, coordinator);
        if let Some(violation) = played.violation {
            panic!("{violation}\ncargo run --release -p lasso-model -- --replay {seed}");
        }
        tally += played.tally;
    }
    // A machine that always gives up keeps its promises too.
    assert!((tally.ends() + tally.refused) * 10 < tally.histories, "{tally}");
    // What is tested must happen.
    let happened = [tally.failovers, tally.completed, tally.reorgs, tally.filled, tally.proofs, tally.stale];
    assert!(happened.iter().all(|&count| count > 500), "{tally}");
}
