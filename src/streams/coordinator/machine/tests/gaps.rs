//! Gaps that are too wide, and reorganisations that are too deep.

use super::super::super::protocol::{End, Input, LossReason, Note, StreamPolicy};
use super::rig::*;

fn narrow(policy: StreamPolicy) -> StreamPolicy {
    StreamPolicy { window: 10, max_backfill: 4, ..policy }
}

#[test]
fn streaming_11_case_37_a_gap_that_is_too_wide_ends_a_strict_stream() {
    let mut rig = Rig::heads(narrow(strict())).served();
    rig.grow('a', 11..=40);
    rig.lose(LossReason::Disconnected);
    rig.confirm(Some((40, 'a')));
    assert_eq!(rig.end, None, "anybody can say that he is far ahead");
    rig.answer();
    assert_eq!((rig.emitted(), rig.end), (String::new(), Some(End::GapTooWide)));
}

#[test]
fn a_gap_as_wide_as_the_window_is_filled() {
    let mut rig = Rig::heads(narrow(strict())).served();
    rig.grow('a', 11..=21);
    rig.lose(LossReason::Disconnected);
    rig.confirm(Some((21, 'a')));
    rig.answer();
    assert!(rig.emitted().ends_with("20a 21a"));
    assert_eq!(rig.end, None);
}

#[test]
fn streaming_11_case_38_with_best_effort_the_oldest_of_a_wide_gap_is_filled() {
    let mut rig = Rig::heads(narrow(best_effort())).served();
    rig.grow('a', 11..=41);
    rig.lose(LossReason::Disconnected);
    rig.confirm(Some((40, 'a')));
    rig.answer();
    assert_eq!(rig.emitted(), "11a 12a 13a 14a 40a");
    assert!(rig.notes.contains(&Note::GapLeft { blocks: 25 }));
    rig.head((41, 'a'));
    assert_eq!(rig.emitted(), "41a");
    assert!(rig.has_completed());
}

#[test]
fn a_reorganisation_deeper_than_remembered_ends_a_strict_stream() {
    let mut rig = Rig::heads(StreamPolicy { history: 3, ..strict() }).served();
    rig.grow('a', 11..=15);
    (11..=15).for_each(|number| rig.head((number, 'a')));
    rig.grow('b', 11..=16);
    rig.head((16, 'b'));
    rig.answer();
    assert_eq!(rig.end, Some(End::TooDeep));
}

#[test]
fn a_reorganisation_deeper_than_remembered_leaves_a_gap_with_best_effort() {
    let mut rig = Rig::heads(StreamPolicy { history: 3, ..best_effort() }).served();
    rig.grow('a', 11..=15);
    (11..=15).for_each(|number| rig.head((number, 'a')));
    rig.emitted();
    rig.grow('b', 11..=16);
    rig.head((16, 'b'));
    rig.answer();
    assert_eq!(rig.emitted(), "16b");
    assert!(rig.notes.iter().any(|note| matches!(note, Note::GapLeft { .. })));
}

#[test]
fn heads_that_wait_are_bounded() {
    let mut rig = Rig::heads(StreamPolicy { live_buffer: 3, ..strict() }).served();
    rig.grow('a', 11..=17);
    rig.mute = vec![A, B, C];
    (12..=17).for_each(|number| rig.head((number, 'a')));
    assert_eq!(rig.notes.iter().filter(|note| **note == Note::Dropped("live_buffer")).count(), 3);
    rig.mute.clear();
    rig.answer();
    assert_eq!(rig.emitted(), "11a 12a 13a 14a 15a 16a 17a");
}

#[test]
fn heads_that_are_made_up_leave_nothing_behind() {
    let mut rig = Rig::heads(StreamPolicy { live_buffer: 4, ..strict() }).served();
    rig.grow('a', 11..=11);
    for number in 0..500 {
        // Nobody has its parent.
        let mut made_up = rig.header((11, 'a'));
        let name = |salt: u8| {
            let mut hash = [salt; 32];
            hash[..8].copy_from_slice(&u64::to_be_bytes(number));
            crate::streams::block::BlockHash(hash)
        };
        (made_up.number, made_up.hash, made_up.parent) = (20, name(1), name(2));
        let (lease, _) = *rig.subscribed.last().unwrap();
        rig.give(Input::Head { lease, header: made_up });
        rig.answer();
        rig.pass(50);
    }
    assert!(rig.machine().failures() <= 16, "{} are remembered", rig.machine().failures());
    rig.head((11, 'a'));
    assert_eq!(rig.emitted(), "11a");
}
