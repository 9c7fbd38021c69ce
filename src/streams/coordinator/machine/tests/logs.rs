//! Streams of logs.

use super::super::super::protocol::{End, Input, LossReason, Note, StreamPolicy, Unavailable};
use super::rig::*;

/// A stream that has come to block 11 of branch a, with two logs.
fn streaming() -> Rig {
    streaming_with(strict())
}

fn streaming_with(policy: StreamPolicy) -> Rig {
    let mut rig = Rig::logs(policy).served();
    rig.grow('a', 11..=11);
    rig.put_logs((11, 'a'), &[0, 4]);
    rig.block((11, 'a'));
    assert_eq!(rig.emitted(), "11a/0 11a/4");
    rig.asked.clear();
    rig
}

#[test]
fn the_first_block_is_asked_about_since_its_logs_may_have_come_too_soon() {
    let mut rig = Rig::logs(strict()).served();
    rig.grow('a', 11..=11);
    rig.put_logs((11, 'a'), &[0, 4]);
    rig.live_log((11, 'a'), 4);
    rig.head((11, 'a'));
    rig.answer();
    assert_eq!(rig.emitted(), "11a/0 11a/4");
}

#[test]
fn logs_come_together_in_their_order_once_it_is_quiet() {
    let mut rig = streaming();
    rig.grow('a', 12..=12);
    rig.put_logs((12, 'a'), &[1, 2, 3]);
    rig.live_log((12, 'a'), 3);
    rig.head((12, 'a'));
    rig.pass(15);
    rig.live_log((12, 'a'), 1);
    rig.pass(15);
    rig.live_log((12, 'a'), 2);
    rig.live_log((12, 'a'), 2);
    assert_eq!(rig.emitted(), "");
    rig.pass(20);
    assert_eq!(rig.emitted(), "12a/1 12a/2 12a/3");
    assert!(rig.asked.is_empty());
}

#[test]
fn a_block_that_cannot_have_logs_costs_nothing() {
    let mut rig = streaming();
    rig.grow('a', 12..=13);
    rig.head((12, 'a'));
    rig.head((13, 'a'));
    rig.pass(1000);
    assert_eq!((rig.emitted(), rig.asked.len()), (String::new(), 0));
}

#[test]
fn logs_that_were_lost_altogether_are_found_through_the_bloom() {
    let mut rig = streaming();
    rig.grow('a', 12..=13);
    rig.put_logs((12, 'a'), &[0]);
    rig.put_logs((13, 'a'), &[0]);
    rig.head((12, 'a'));
    rig.live_log((13, 'a'), 0);
    rig.head((13, 'a'));
    rig.now += std::time::Duration::from_millis(20);
    rig.give(Input::Tick);
    assert_eq!(rig.emitted(), "", "blocks keep their order");
    assert_eq!(rig.asked, ["logs 12a false Peer(Peer(0))"]);
    rig.answer();
    assert_eq!(rig.emitted(), "12a/0 13a/0");
}

#[test]
fn none_where_the_bloom_admits_some_has_to_be_proven() {
    let mut rig = streaming();
    rig.grow('a', 12..=12);
    rig.put_logs((12, 'a'), &[7]);
    rig.head((12, 'a'));
    rig.now += std::time::Duration::from_millis(20);
    rig.give(Input::Tick);
    let none = |rig: &mut Rig, complete| {
        let fetch = rig.next_fetch().unwrap();
        rig.open.clear();
        rig.give(Input::Logs { fetch, outcome: Ok(vec![]), complete });
    };
    none(&mut rig, false);
    assert_eq!(rig.asked, ["logs 12a false Peer(Peer(0))", "logs 12a true Peer(Peer(0))"]);
    none(&mut rig, false);
    assert_eq!(rig.next_fetch(), None, "not yet: again in a while");
    rig.now += std::time::Duration::from_millis(50);
    rig.give(Input::Tick);
    assert_eq!(rig.asked[2], "logs 12a true AnyBut(Peer(0))");
    none(&mut rig, true);
    rig.pass(10_000);
    assert_eq!((rig.emitted(), rig.asked.len()), (String::new(), 3), "proven");
}

#[test]
fn logs_of_another_block_are_no_answer() {
    let mut rig = streaming();
    rig.grow('a', 12..=12);
    rig.put_logs((12, 'a'), &[7]);
    rig.head((12, 'a'));
    rig.now += std::time::Duration::from_millis(20);
    rig.give(Input::Tick);
    let fetch = rig.next_fetch().unwrap();
    rig.open.clear();
    let wrong = rig.log((11, 'a'), 0);
    rig.give(Input::Logs { fetch, outcome: Ok(vec![wrong]), complete: true });
    assert_eq!(rig.emitted(), "");
    rig.pass(50);
    assert_eq!(rig.emitted(), "12a/7");
}

#[test]
fn streaming_11_case_30_a_log_whose_block_leaves_is_taken_back_once_and_newest_first() {
    let mut rig = streaming();
    rig.grow('a', 12..=12);
    rig.put_logs((12, 'a'), &[0]);
    rig.block((12, 'a'));
    rig.grow('b', 11..=13);
    rig.put_logs((11, 'b'), &[2]);
    // The provider takes them back too, before the head and after it.
    let (lease, _) = rig.subscribed[0];
    let withdrawn = |rig: &mut Rig, name, index| {
        let log = rig.log(name, index).withdrawn();
        rig.give(Input::Log { lease, log });
    };
    withdrawn(&mut rig, (12, 'a'), 0);
    withdrawn(&mut rig, (11, 'a'), 0);
    assert_eq!(rig.emitted(), "12a/0");
    rig.open.clear();
    rig.live_log((11, 'b'), 2);
    rig.head((13, 'b'));
    rig.answer();
    withdrawn(&mut rig, (11, 'a'), 4);
    rig.pass(20);
    assert_eq!(rig.emitted(), "-12a/0 -11a/4 -11a/0 11b/2");
}

#[test]
fn a_log_that_is_taken_back_without_a_new_head_makes_the_chain_be_looked_at() {
    let mut rig = streaming();
    rig.grow('b', 11..=11);
    rig.canonical = 'b';
    let (lease, _) = rig.subscribed[0];
    let log = rig.log((11, 'a'), 4).withdrawn();
    rig.give(Input::Log { lease, log });
    rig.answer();
    assert_eq!(rig.emitted(), "-11a/4 -11a/0");
    assert_eq!(rig.asked, ["Latest Peer(Peer(0))"]);
}

#[test]
fn a_block_that_leaves_before_its_logs_are_there_leaves_no_trace() {
    let mut rig = streaming();
    rig.grow('a', 12..=12);
    rig.put_logs((12, 'a'), &[0, 1]);
    rig.live_log((12, 'a'), 0);
    rig.head((12, 'a'));
    rig.grow('b', 12..=12);
    rig.head((12, 'b'));
    rig.pass(100);
    assert_eq!(rig.emitted(), "");
}

#[test]
fn logs_of_a_branch_that_comes_back_are_handed_out_again() {
    let mut rig = streaming();
    rig.grow('b', 11..=11);
    rig.put_logs((11, 'b'), &[1]);
    rig.block((11, 'b'));
    rig.block((11, 'a'));
    assert_eq!(rig.emitted(), "-11a/4 -11a/0 11b/1 -11b/1 11a/0 11a/4");
}

#[test]
fn a_log_that_comes_late_is_not_lost() {
    let mut rig = streaming();
    rig.live_log((11, 'a'), 2);
    rig.live_log((11, 'a'), 2);
    assert_eq!(rig.emitted(), "11a/2");
    assert!(rig.notes.contains(&Note::LateLog));
    rig.grow('b', 11..=11);
    rig.head((11, 'b'));
    assert_eq!(rig.emitted(), "-11a/4 -11a/2 -11a/0", "and is taken back like the others");
}

#[test]
fn logs_before_the_stream_are_not_its_concern() {
    let mut rig = streaming();
    rig.live_log((10, 'a'), 0);
    rig.live_log((3, 'a'), 0);
    assert_eq!(rig.emitted(), "");
}

#[test]
fn streaming_11_case_44_the_logs_of_a_gap_are_asked_block_by_block() {
    let mut rig = streaming();
    rig.grow('a', 12..=15);
    rig.put_logs((12, 'a'), &[0, 1]);
    rig.put_logs((14, 'a'), &[3]);
    rig.lose(LossReason::Disconnected);
    rig.confirm(Some((15, 'a')));
    rig.answer();
    assert_eq!(rig.emitted(), "12a/0 12a/1 14a/3");
    assert!(rig.has_completed());
    let logs: Vec<&String> = rig.asked.iter().filter(|asked| asked.starts_with("logs")).collect();
    assert_eq!(logs, ["logs 12a false Peer(Peer(1))", "logs 14a false Peer(Peer(1))"]);
}

#[test]
fn a_stream_of_logs_that_had_none_yet_is_filled_as_well() {
    let mut rig = Rig::logs(strict()).served();
    rig.grow('a', 11..=12);
    rig.put_logs((11, 'a'), &[0]);
    rig.lose(LossReason::Disconnected);
    rig.confirm(Some((12, 'a')));
    rig.answer();
    assert_eq!(rig.emitted(), "11a/0");
}

#[test]
fn a_block_that_was_cut_off_in_the_middle_is_completed_by_the_next_provider() {
    let mut rig = streaming();
    rig.grow('a', 12..=13);
    rig.put_logs((12, 'a'), &[0, 1, 2]);
    rig.put_logs((13, 'a'), &[0, 1]);
    // Of both blocks only the first log comes; the first one seems to be quiet.
    rig.live_log((12, 'a'), 0);
    rig.head((12, 'a'));
    rig.pass(20);
    rig.live_log((13, 'a'), 0);
    rig.head((13, 'a'));
    assert_eq!(rig.emitted(), "12a/0");
    rig.lose(LossReason::Disconnected);
    rig.confirm(Some((13, 'a')));
    rig.answer();
    assert_eq!(rig.emitted(), "12a/1 12a/2 13a/0 13a/1");
    assert!(rig.has_completed());
}

#[test]
fn with_verification_every_block_is_asked_about() {
    let mut rig = streaming_with(StreamPolicy { verify_all_logs: true, ..strict() });
    rig.grow('a', 12..=12);
    rig.put_logs((12, 'a'), &[0, 1]);
    rig.live_log((12, 'a'), 1);
    rig.head((12, 'a'));
    rig.answer();
    assert_eq!(rig.emitted(), "12a/0 12a/1");
}

#[test]
fn more_logs_than_can_wait_are_asked_for() {
    let mut rig = streaming_with(StreamPolicy { live_buffer: 2, ..strict() });
    rig.grow('a', 12..=12);
    rig.put_logs((12, 'a'), &[0, 1, 2]);
    (0..3).for_each(|index| rig.live_log((12, 'a'), index));
    assert!(rig.notes.contains(&Note::Dropped("live_buffer")));
    rig.head((12, 'a'));
    rig.answer();
    assert_eq!(rig.emitted(), "12a/0 12a/1 12a/2");
}

#[test]
fn logs_that_nobody_can_say_make_the_stream_end_in_time() {
    let mut rig = streaming();
    rig.grow('a', 12..=12);
    rig.put_logs((12, 'a'), &[0]);
    rig.head((12, 'a'));
    let unavailable = |rig: &mut Rig, seconds: u64| {
        for _ in 0..seconds * 20 {
            rig.now += std::time::Duration::from_millis(50);
            if rig.end.is_none() {
                rig.give(Input::Tick);
            }
            while let Some(fetch) = rig.next_fetch() {
                rig.open.clear();
                rig.give(Input::Logs { fetch, outcome: Err(Unavailable), complete: false });
            }
        }
    };
    unavailable(&mut rig, 31);
    assert_eq!(rig.peers(), [A, B], "another one may know");
    assert_eq!(rig.end, None);
    unavailable(&mut rig, 31);
    assert_eq!((rig.emitted(), rig.end), (String::new(), Some(End::OutOfTime)));
}
