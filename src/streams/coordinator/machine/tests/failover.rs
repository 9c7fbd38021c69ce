//! From one provider to the next.

use std::time::Duration;

use super::super::super::protocol::{Action, End, Input, Lease, LossReason, Note, Refusal, StreamPolicy};
use super::rig::*;

#[test]
fn streaming_11_case_31_what_came_between_two_providers_is_filled_in() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=13);
    rig.lose(LossReason::Disconnected);
    assert_eq!(rig.peers(), [A, B]);
    rig.confirm(Some((12, 'a')));
    rig.answer();
    rig.head((13, 'a'));
    assert_eq!(rig.emitted(), "11a 12a 13a");
    let filled = rig.notes.iter().find_map(|note| match note {
        Note::FailoverCompleted { to, filled, .. } => Some((*to, *filled)),
        _ => None,
    });
    assert_eq!(filled, Some((B, 2)));
}

#[test]
fn streaming_11_case_34_a_block_that_comes_while_the_gap_is_looked_for_comes_once() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=13);
    rig.lose(LossReason::Disconnected);
    rig.confirm(None);
    rig.head((13, 'a'));
    rig.answer();
    rig.head((13, 'a'));
    assert_eq!(rig.emitted(), "11a 12a 13a");
    assert!(rig.has_completed());
}

#[test]
fn streaming_11_case_35_a_provider_that_is_behind_makes_nothing_go_back() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=11);
    rig.head((11, 'a'));
    rig.lose(LossReason::Disconnected);
    rig.confirm(Some((9, 'a')));
    rig.head((10, 'a'));
    assert!(rig.has_completed());
    (10..=11).for_each(|number| rig.head((number, 'a')));
    assert_eq!(rig.emitted(), "11a");
    rig.grow('a', 12..=12);
    rig.head((12, 'a'));
    assert_eq!(rig.emitted(), "12a");
    assert!(rig.asked.is_empty());
}

#[test]
fn a_provider_that_is_behind_may_not_speak_of_another_branch() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=12);
    (11..=12).for_each(|number| rig.head((number, 'a')));
    rig.grow('b', 11..=13);
    rig.lose(LossReason::Disconnected);
    rig.confirm(Some((10, 'a')));
    rig.head((11, 'b'));
    assert_eq!(rig.emitted(), "11a 12a");
    rig.head((12, 'b'));
    assert_eq!(rig.emitted(), "11b 12b", "it has come as far");
}

#[test]
fn a_chain_that_two_say_is_shorter_is_believed() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=13);
    (11..=13).for_each(|number| rig.head((number, 'a')));
    rig.emitted();
    rig.grow('b', 11..=12);
    rig.lose(LossReason::Disconnected);
    rig.confirm(Some((12, 'b')));
    rig.pass(8_000);
    assert_eq!((rig.emitted(), rig.peers()), (String::new(), vec![A, B, C]), "others may be further");
    rig.confirm(Some((12, 'b')));
    rig.pass(8_000);
    assert_eq!(rig.emitted(), "11b 12b", "they are not");
    assert!(rig.has_completed());
}

#[test]
fn the_same_provider_fills_too_when_it_comes_back() {
    let mut rig = Rig::heads(strict()).served();
    rig.candidates = vec![];
    rig.lose(LossReason::Disconnected);
    rig.grow('a', 11..=12);
    rig.pass(3_000);
    rig.candidates = vec![A];
    rig.give(Input::Available);
    rig.pass(400);
    assert_eq!(rig.peers(), [A, A]);
    rig.confirm(Some((12, 'a')));
    rig.answer();
    assert_eq!(rig.emitted(), "11a 12a");
}

#[test]
fn streaming_11_case_42_an_outage_of_all_is_filled_afterwards() {
    let mut rig = Rig::heads(strict()).served();
    rig.candidates = vec![];
    rig.lose(LossReason::Disconnected);
    rig.grow('a', 11..=20);
    rig.pass(20_000);
    rig.candidates = vec![B];
    rig.give(Input::Available);
    rig.pass(100);
    rig.confirm(Some((20, 'a')));
    rig.answer();
    let expected: Vec<String> = (11..=20).map(|number| format!("{number}a")).collect();
    assert_eq!(rig.emitted(), expected.join(" "));
    assert_eq!(rig.end, None);
}

#[test]
fn streaming_11_case_33_two_providers_are_enough() {
    let mut rig = Rig::heads(strict()).served();
    rig.candidates = vec![A, B];
    rig.grow('a', 11..=12);
    rig.lose(LossReason::Unhealthy);
    assert_eq!(rig.peers(), [A, B]);
    rig.confirm(Some((12, 'a')));
    assert!(rig.asked[0].ends_with("Peer(Peer(1))"), "the one that goes on: {:?}", rig.asked);
    rig.answer();
    assert_eq!(rig.emitted(), "11a 12a");
}

#[test]
fn streaming_11_case_41_three_that_fail_are_passed_over() {
    let mut rig = Rig::heads(strict()).served();
    let d = super::super::super::protocol::Peer(3);
    rig.candidates.push(d);
    rig.grow('a', 11..=12);
    rig.lose(LossReason::Disconnected);
    rig.refuse(false);
    rig.confirm(None);
    rig.lose(LossReason::Overflow);
    assert_eq!(rig.peers(), [A, B, C, d]);
    rig.pass(4_000);
    assert_eq!(rig.peers(), [A, B, C, d], "all have failed, and five within five seconds are enough");
    rig.pass(1_500);
    rig.confirm(Some((12, 'a')));
    rig.answer();
    assert_eq!((rig.emitted(), rig.end), ("11a 12a".to_owned(), None));
}

#[test]
fn no_more_than_the_budget_are_asked_within_five_seconds() {
    let mut rig = Rig::heads(StreamPolicy { attempts: 3, ..strict() }).served();
    rig.lose(LossReason::Disconnected);
    rig.refuse(false);
    rig.refuse(false);
    rig.pass(4_900);
    assert_eq!(rig.subscribed.len(), 3);
    rig.pass(200);
    assert_eq!(rig.subscribed.len(), 4);
}

#[test]
fn attempts_count_until_the_provider_that_caught_up_has_a_new_head() {
    let mut rig = Rig::heads(StreamPolicy { attempts: 2, ..strict() }).served();
    rig.grow('a', 11..=13);
    rig.lose(LossReason::Replaced);
    rig.confirm(Some((11, 'a')));
    rig.answer();
    assert!(rig.has_completed());
    rig.lose(LossReason::Replaced);
    assert_eq!(rig.subscribed.len(), 2, "the gap was filled, but nothing new came");
    rig.pass(5_000);
    assert_eq!(rig.subscribed.len(), 3);
    rig.confirm(Some((12, 'a')));
    rig.answer();
    rig.head((13, 'a'));
    for asked in [4, 5] {
        rig.lose(LossReason::Replaced);
        assert_eq!(rig.subscribed.len(), asked);
        rig.confirm(Some((13, 'a')));
    }
    rig.lose(LossReason::Replaced);
    assert_eq!(rig.subscribed.len(), 5, "of which the last two count");
    assert_eq!(rig.emitted(), "11a 12a 13a");
}

#[test]
fn streaming_11_case_43_a_second_trigger_begins_nothing() {
    let mut rig = Rig::heads(strict()).served();
    let (old, _) = rig.subscribed[0];
    rig.lose(LossReason::Disconnected);
    let said = rig.said.len();
    rig.give(Input::Lost { lease: old, reason: LossReason::Unhealthy });
    rig.give(Input::Refused { lease: old, lasting: true });
    let header = rig.header((10, 'a'));
    rig.give(Input::Head { lease: old, header });
    assert_eq!(rig.subscribed.len(), 2);
    assert!(
        rig.said[said..].iter().all(|action| matches!(action, Action::Note(Note::Dropped("stale_provider"))))
    );
}

#[test]
fn a_silent_provider_is_left_for_another_one() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=12);
    rig.pass(30_000);
    rig.head((11, 'a'));
    rig.pass(41_000);
    rig.head((11, 'a'));
    assert_eq!(rig.peers(), [A], "heard 41 seconds ago");
    rig.pass(1_500);
    assert_eq!(rig.peers(), [A, B], "what was heard before does not count");
    assert!(rig.notes.contains(&Note::Stale { peer: A }));
    assert!(rig.said.iter().any(|action| matches!(action, Action::Release { lease: Lease(0) })));
    rig.confirm(Some((12, 'a')));
    rig.answer();
    assert_eq!(rig.emitted(), "11a 12a");
}

#[test]
fn a_silent_provider_is_asked_again_where_there_is_no_other() {
    let mut rig = Rig::heads(strict()).served();
    rig.candidates = vec![A];
    rig.pass(42_000);
    rig.pass(200);
    assert_eq!(rig.peers(), [A, A]);
    rig.confirm(Some((10, 'a')));
    rig.pass(20_000);
    assert_eq!(rig.end, None);
}

#[test]
fn a_provider_that_does_not_answer_is_released_in_time() {
    let mut rig = Rig::heads(strict()).served();
    rig.lose(LossReason::Disconnected);
    rig.pass(4_000);
    assert_eq!(rig.peers(), [A, B, C]);
    let (late, _) = rig.subscribed[1];
    assert!(rig.said.iter().any(|action| matches!(action, Action::Release { lease } if *lease == late)));
    rig.give(Input::Confirmed { lease: late, head: None });
    assert_eq!(rig.machine().peer(), None, "too late");
}

#[test]
fn a_provider_that_gets_nowhere_is_left_while_there_is_time() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('z', 13..=13);
    rig.grow('a', 11..=12);
    rig.lose(LossReason::Disconnected);
    rig.confirm(Some((13, 'z')));
    rig.pass(8_000);
    assert_eq!(rig.peers(), [A, B, C], "it has told of a head that cannot be had");
    rig.confirm(Some((12, 'a')));
    rig.answer();
    assert_eq!(rig.emitted(), "11a 12a");
    assert!(rig.has_completed());
}

#[test]
fn a_source_that_cannot_answer_is_not_the_only_one() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=12);
    rig.mute = vec![A, B];
    rig.lose(LossReason::Disconnected);
    rig.confirm(Some((12, 'a')));
    rig.answer();
    assert_eq!(rig.emitted(), "");
    rig.pass(50);
    assert_eq!(rig.emitted(), "11a 12a");
}

#[test]
fn after_the_deadline_a_strict_stream_ends_and_says_no_more() {
    let mut rig = Rig::heads(strict()).served();
    rig.candidates = vec![];
    rig.lose(LossReason::Disconnected);
    rig.pass(29_999);
    assert_eq!(rig.end, None);
    rig.pass(1);
    assert_eq!(rig.end, Some(End::OutOfTime));
    assert_eq!(rig.machine().deadline(), None);
    rig.give(Input::Available);
    rig.give(Input::Tick);
}

#[test]
fn what_comes_with_the_deadline_is_in_time() {
    let mut rig = Rig::heads(strict()).served();
    rig.grow('a', 11..=12);
    rig.candidates = vec![];
    rig.lose(LossReason::Disconnected);
    rig.candidates = vec![B];
    rig.pass(28_000);
    rig.confirm(Some((12, 'a')));
    rig.now += Duration::from_secs(2);
    let question = rig.next_fetch().unwrap();
    let header = rig.header((11, 'a'));
    rig.give(Input::Block { fetch: question, outcome: Ok(Some(header)) });
    assert_eq!((rig.emitted(), rig.end), ("11a 12a".to_owned(), None));
}

#[test]
fn with_best_effort_the_first_that_comes_is_joined_where_it_is() {
    let mut rig = Rig::heads(best_effort()).served();
    rig.candidates = vec![];
    rig.lose(LossReason::Disconnected);
    rig.pass(31_000);
    assert!(rig.notes.contains(&Note::Degraded));
    assert_eq!(rig.end, None);
    rig.grow('a', 11..=51);
    rig.candidates = vec![B];
    rig.pass(60_000);
    rig.confirm(Some((50, 'a')));
    assert_eq!(rig.emitted(), "50a");
    assert!(rig.notes.contains(&Note::GapLeft { blocks: 39 }));
    assert!(rig.has_completed());
    rig.head((51, 'a'));
    assert_eq!(rig.emitted(), "51a");
}

#[test]
fn three_that_refuse_for_good_refuse_the_stream() {
    let mut rig = Rig::heads(strict());
    rig.refuse(true);
    rig.refuse(true);
    assert_eq!(rig.peers(), [A, B, C]);
    rig.refuse(true);
    assert!(matches!(rig.said.last(), Some(Action::Refuse(Refusal::Rejected))));
    assert_eq!(rig.machine().deadline(), None);
}

#[test]
fn one_that_refuses_for_good_is_not_asked_again() {
    let mut rig = Rig::heads(strict());
    rig.candidates = vec![A, B];
    rig.refuse(true);
    rig.refuse(false);
    rig.pass(100);
    assert_eq!(rig.peers(), [A, B, B]);
    rig.grow('a', 1..=10);
    rig.confirm(Some((10, 'a')));
    assert_eq!(rig.said.iter().filter(|action| matches!(action, Action::Established)).count(), 1);
}

#[test]
fn the_only_one_that_refuses_for_good_refuses_the_stream_after_a_moment() {
    let mut rig = Rig::heads(strict());
    rig.candidates = vec![A];
    rig.refuse(true);
    rig.pass(2_000);
    assert_eq!(rig.peers(), [A]);
    assert!(matches!(rig.said.last(), Some(Action::Refuse(Refusal::Rejected))));
}
