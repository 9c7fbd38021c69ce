//! Heads of one provider.

use super::super::super::protocol::{Action, Input, Note};
use super::rig::*;

#[test]
fn the_next_head_is_handed_out_at_once_and_nothing_is_asked() {
    let mut rig = Rig::heads(strict()).served();
    assert!(rig.said.iter().any(|action| matches!(action, Action::Established)));
    rig.grow('a', 11..=12);
    rig.head((11, 'a'));
    rig.head((12, 'a'));
    assert_eq!(rig.emitted(), "11a 12a");
    assert!(rig.asked.is_empty());
    assert_eq!(rig.machine().tip(), Some((12, hash((12, 'a')))));
    assert_eq!(rig.machine().peer(), Some(A));
}

#[test]
fn streaming_11_case_29_a_repeated_head_is_handed_out_once() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=12);
    rig.head((11, 'a'));
    rig.head((11, 'a'));
    rig.head((12, 'a'));
    rig.pass(31_000);
    rig.head((11, 'a'));
    assert_eq!(rig.emitted(), "11a 12a");
    assert_eq!(rig.notes, [Note::Dropped("duplicate"); 2]);
}

#[test]
fn streaming_11_case_39_heads_that_pass_each_other_come_in_order() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=13);
    rig.head((11, 'a'));
    rig.head((13, 'a'));
    assert_eq!(rig.emitted(), "11a");
    rig.head((12, 'a'));
    assert_eq!(rig.emitted(), "12a 13a");
}

#[test]
fn streaming_11_case_32_exactly_one_missing_head_is_filled_in() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=12);
    rig.head((12, 'a'));
    assert_eq!(rig.asked, ["11a Peer(Peer(0))"]);
    rig.answer();
    assert_eq!(rig.emitted(), "11a 12a");
}

#[test]
fn a_hole_is_filled_by_several_questions_at_once() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=30);
    rig.head((30, 'a'));
    assert_eq!(rig.asked.len(), 8, "{:?}", rig.asked);
    rig.answer();
    let expected: Vec<String> = (11..=30).map(|number| format!("{number}a")).collect();
    assert_eq!(rig.emitted(), expected.join(" "));
    assert_eq!(rig.asked.len(), 19, "each once");
}

#[test]
fn streaming_11_case_36_a_block_that_is_not_there_yet_is_asked_for_again() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=12);
    rig.head((12, 'a'));
    for _ in 0..4 {
        let fetch = rig.next_fetch().unwrap();
        rig.open.clear();
        rig.give(Input::Block { fetch, outcome: Ok(None) });
        assert_eq!(rig.next_fetch(), None, "not at once");
        rig.now += std::time::Duration::from_secs(1);
        rig.give(Input::Tick);
    }
    assert_eq!(rig.asked[..2], ["11a Peer(Peer(0))", "11a AnyBut(Peer(0))"]);
    rig.answer();
    assert_eq!(rig.emitted(), "11a 12a");
}

#[test]
fn streaming_11_case_40_a_head_of_another_branch_brings_its_parents_with_it() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=11);
    rig.head((11, 'a'));
    rig.grow('b', 11..=12);
    rig.head((12, 'b'));
    rig.answer();
    assert_eq!(rig.emitted(), "11a 11b 12b");
    assert!(rig.notes.contains(&Note::Reorg { depth: 1 }));
}

#[test]
fn a_reorganisation_of_six_blocks_is_repaired() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=17);
    (11..=17).for_each(|number| rig.head((number, 'a')));
    rig.grow('b', 12..=18);
    rig.emitted();
    rig.head((18, 'b'));
    rig.answer();
    assert_eq!(rig.emitted(), "12b 13b 14b 15b 16b 17b 18b");
    assert!(rig.notes.contains(&Note::Reorg { depth: 6 }));
}

#[test]
fn a_shorter_branch_is_followed_block_by_block() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=13);
    (11..=13).for_each(|number| rig.head((number, 'a')));
    rig.grow('b', 12..=14);
    (12..=14).for_each(|number| rig.head((number, 'b')));
    assert_eq!(rig.emitted(), "11a 12a 13a 12b 13b 14b");
    assert!(rig.asked.is_empty());
}

#[test]
fn a_reorganisation_below_the_root_begins_at_its_height() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=11);
    rig.head((11, 'a'));
    rig.grow('b', 8..=12);
    rig.canonical = 'b';
    rig.head((12, 'b'));
    rig.answer();
    assert_eq!(rig.emitted(), "11a 10b 11b 12b");
}

#[test]
fn a_branch_that_comes_back_is_handed_out_again() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=13);
    rig.grow('b', 11..=12);
    rig.head((11, 'a'));
    rig.head((11, 'b'));
    rig.head((11, 'a'));
    rig.head((11, 'a'));
    rig.head((12, 'a'));
    assert_eq!(rig.emitted(), "11a 11b 11a 12a");
}

#[test]
fn a_head_far_ahead_that_nobody_has_does_not_hold_up_the_others() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('z', 5000..=5000);
    rig.head((5000, 'z'));
    rig.answer();
    rig.grow('a', 11..=12);
    rig.head((11, 'a'));
    rig.pass(10_000);
    rig.head((12, 'a'));
    assert_eq!(rig.emitted(), "11a 12a");
    rig.pass(25_000);
    assert_eq!((rig.end, rig.peers()), (None, vec![A]));
    assert!(rig.notes.contains(&Note::Dropped("unlinked")));
}

#[test]
fn a_head_of_whose_parents_nothing_is_ever_heard_makes_the_provider_be_left() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('z', 13..=13);
    rig.head((13, 'z'));
    rig.pass(29_000);
    assert_eq!(rig.peers(), [A]);
    rig.pass(1_500);
    assert_eq!(rig.peers(), [A, B]);
}

#[test]
fn a_head_at_the_height_of_the_root_is_believed_when_it_can_be_had_twice() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=11);
    rig.head((11, 'a'));
    rig.grow('z', 10..=10);
    rig.head((10, 'z'));
    assert_eq!(rig.emitted(), "11a");
    rig.answer();
    assert_eq!(rig.emitted(), "10z");
}

#[test]
fn without_a_head_at_the_beginning_the_newest_block_is_the_root() {
    let mut rig = Rig::heads(strict());
    rig.grow('a', 1..=12);
    rig.confirm(None);
    assert_eq!(rig.asked, ["Latest Peer(Peer(0))"]);
    rig.answer();
    assert_eq!(rig.machine().tip(), Some((12, hash((12, 'a')))));
    rig.head((12, 'a'));
    assert_eq!(rig.emitted(), "12a", "it came after the subscription");
}

#[test]
fn a_head_that_overtakes_the_first_answer_is_handed_out() {
    let mut rig = Rig::heads(strict());
    rig.grow('a', 1..=12);
    rig.confirm(None);
    rig.head((12, 'a'));
    assert_eq!(rig.emitted(), "");
    rig.answer();
    assert_eq!(rig.emitted(), "12a");
}

#[test]
fn a_head_is_the_root_where_the_provider_cannot_say() {
    let mut rig = Rig::heads(strict());
    rig.grow('a', 1..=12);
    rig.mute = vec![A];
    rig.confirm(None);
    rig.answer();
    rig.head((12, 'a'));
    assert_eq!(rig.emitted(), "", "anybody can say so");
    rig.answer();
    rig.pass(50);
    assert_eq!(rig.emitted(), "12a", "another one has it");
}

#[test]
fn a_made_up_head_is_not_the_beginning() {
    let mut rig = Rig::heads(strict());
    rig.grow('a', 1..=12);
    rig.mute = vec![A];
    rig.confirm(None);
    rig.made_up_head((12, 'z'));
    rig.head((12, 'a'));
    rig.answer();
    rig.pass(1_000);
    assert_eq!(rig.emitted(), "12a");
}

#[test]
fn a_tick_before_its_time_changes_nothing() {
    let mut rig = Rig::heads(strict()).served();
    let deadline = rig.machine().deadline();
    let said = rig.said.len();
    rig.give(Input::Tick);
    assert_eq!((rig.machine().deadline(), rig.said.len()), (deadline, said));
}
