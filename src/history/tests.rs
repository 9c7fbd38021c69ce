//! The file as a whole.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::archive::{Archive, Bounds};
use super::breakers::{BreakerPage, BreakerQuery, entry};
use super::query::{HOUR, SeriesFilter};
use super::snapshot::Snapshot;
use super::spans::Summing;
use super::testing::{Log, snapshot, tallies};
use super::{Entries, Error, HistoryQuery, Page, Tally, codec};

const HOUR_MS: u64 = HOUR * 1000;
/// A time to count from, at the beginning of an hour.
const START_MS: u64 = 500_000 * HOUR_MS;
const MINUTE_MS: u64 = 60_000;
const ROOMY: Bounds = Bounds { retention: Duration::from_secs(7 * 86_400), max_bytes: 256 << 20 };

fn archive(folder: &Path) -> Archive {
    bounded(folder, ROOMY)
}

fn bounded(folder: &Path, bounds: Bounds) -> Archive {
    Archive::new(folder.join("history.redb"), bounds)
}

fn everything(profile: &str) -> HistoryQuery {
    HistoryQuery {
        profile: profile.to_owned(),
        chain: None,
        only: SeriesFilter::default(),
        from: 0,
        to: u64::MAX,
        step: HOUR,
    }
}

fn read(archive: &Archive, profile: &str) -> Page {
    archive.read(&everything(profile)).unwrap()
}

fn append(archive: &Archive, now_ms: u64, snapshots: &[Snapshot]) {
    archive.append(now_ms, snapshots, &Entries::new()).unwrap();
}

/// Opens the file if it is not open and writes nothing.
fn touch(archive: &Archive) {
    archive.append(START_MS, &[], &Entries::new()).unwrap();
}

#[test]
fn routing_17_case_70_slugs_with_underscores_are_no_riddle() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    let row = |provider| tallies(&[(provider, "eth_call", 1, 0, 5)]);
    let snapshots = [
        snapshot("a_b", "c", row("one_1")),
        snapshot("a", "b_c", row("two")),
        snapshot("a", "b", row("three")),
    ];
    append(&archive, START_MS, &snapshots);
    let page = read(&archive, "a_b");
    assert_eq!(page.spans.len(), 1);
    assert_eq!((page.spans[0].chain.as_str(), &page.spans[0].tallies), ("c", &row("one_1")));
    let chains: Vec<String> = read(&archive, "a").spans.into_iter().map(|span| span.chain).collect();
    assert_eq!(chains, ["b", "b_c"]);
    let query = HistoryQuery { chain: Some("b_c".to_owned()), ..everything("a") };
    assert_eq!(archive.read(&query).unwrap().spans[0].tallies, row("two"));
}

#[test]
fn a_query_reads_the_hours_it_touches_whole() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    for at in [START_MS - 1, START_MS, START_MS + HOUR_MS - 1, START_MS + HOUR_MS] {
        append(&archive, at, &[snapshot("p", "c", tallies(&[("a", "m", 1, 0, 1)]))]);
    }
    let calls = |from, to| {
        let page = archive.read(&HistoryQuery { from, to, ..everything("p") }).unwrap();
        let calls = page.spans.iter().map(|span| span.tallies.values().map(|tally| tally.calls()).sum());
        calls.collect::<Vec<u64>>()
    };
    let start = START_MS / 1000;
    assert_eq!(calls(start + 600, start + 601), [2]);
    assert_eq!(calls(start, start + 3_600), [2]);
    assert!(calls(start, start).is_empty());
    assert_eq!(calls(start - 1, start + 3_601), [1, 2, 1]);
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = archive(folder.path());
    append(&first, START_MS, &[snapshot("p", "c", tallies(&[("a", "m", 7, 1, 9)]))]);
    let before = read(&first, "p");
    drop(first);
    let second = archive(folder.path());
    assert!(matches!(second.read(&everything("p")), Err(Error::Closed)));
    touch(&second);
    assert_eq!(read(&second, "p"), before);
    assert_eq!(before.spans.len(), 1);
}

#[test]
fn a_file_of_the_first_version_is_read_and_written_on() {
    let folder = tempfile::tempdir().unwrap();
    let database = redb::Database::create(folder.path().join("history.redb")).unwrap();
    let table = redb::TableDefinition::<(u64, &str, &str), &[u8]>::new("snapshots");
    let transaction = database.begin_write().unwrap();
    transaction.open_table(table).unwrap().insert((START_MS, "p", "c"), codec::VERSION_1).unwrap();
    transaction.commit().unwrap();
    drop(database);

    let archive = archive(folder.path());
    let mut more = tallies(&[("ankr", "other", 1, 0, 80_000)]);
    more.values_mut().next().unwrap().latencies.count(31, 1).unwrap();
    append(&archive, START_MS + 1, &[snapshot("p", "c", more)]);
    let page = read(&archive, "p");
    assert_eq!(page.spans.len(), 1);
    let found: Vec<_> = page.spans[0]
        .tallies
        .iter()
        .map(|(name, tally)| (name.provider.as_str(), tally.calls(), tally.latencies.buckets().count()))
        .collect();
    assert_eq!(found, [("alchemy", 1_000_300, 0), ("ankr", 1, 0), ("ankr", 3, 1)]);
}

#[test]
fn a_step_is_read_whole_and_only_what_is_wanted_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    for second in [0, 14, 15, 29, 30] {
        let rows = tallies(&[
            ("a", "eth_call", 1, 0, 1),
            ("a", "eth_gasPrice", 1, 0, 1),
            ("b", "eth_call", 1, 0, 1),
        ]);
        append(&archive, START_MS + second * 1000, &[snapshot("p", "c", rows)]);
    }
    // A chain without any of it is no empty span.
    append(&archive, START_MS, &[snapshot("p", "d", tallies(&[("b", "eth_call", 1, 0, 1)]))]);
    let only = SeriesFilter { provider: Some("a".to_owned()), ..SeriesFilter::default() };
    let from = START_MS / 1000 + 20;
    let query = HistoryQuery { only, from, to: from + 1, step: 15, ..everything("p") };
    let page = archive.read(&query).unwrap();
    let found: Vec<_> = page
        .spans
        .iter()
        .map(|span| (span.start, span.tallies.len(), span.tallies.values().map(Tally::calls).sum::<u64>()))
        .collect();
    assert_eq!(found, [(from - 5, 2, 4)]);
    let all = archive.read(&HistoryQuery { from: 0, to: u64::MAX, step: 0, ..query }).unwrap();
    assert_eq!(all.spans.len(), 5, "a step of nothing is one second");
    assert!(all.spans.iter().all(|span| span.chain == "c"));
}

#[test]
fn a_clock_that_was_set_back_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path());
    for at in [START_MS + 5, START_MS, START_MS + 5] {
        append(&archive, at, &[snapshot("p", "c", tallies(&[("a", "m", 1, 1, 10)]))]);
    }
    assert_eq!(read(&archive, "p").spans[0].tallies, tallies(&[("a", "m", 3, 3, 30)]));
}

#[test]
fn snapshots_go_when_they_are_too_old() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { retention: Duration::from_millis(3 * HOUR_MS), ..ROOMY };
    let archive = bounded(folder.path(), bounds);
    for hour in 0..10 {
        let at = START_MS + hour * HOUR_MS;
        append(&archive, at, &[snapshot("p", "c", tallies(&[("a", "m", 1, 0, 1)]))]);
    }
    let starts = || -> Vec<u64> {
        read(&archive, "p").spans.iter().map(|span| (span.start * 1000 - START_MS) / HOUR_MS).collect()
    };
    assert_eq!(starts(), [6, 7, 8, 9]);
    // Without calls they go too.
    append(&archive, START_MS + 12 * HOUR_MS, &[]);
    assert_eq!(starts(), [9]);
    append(&archive, START_MS + 12 * HOUR_MS + 1, &[]);
    assert!(starts().is_empty());
}

/// Many series, in snapshots of different sizes.
fn large(minute: u64, chains: u64) -> Vec<Snapshot> {
    let chain = |chain: u64| {
        let providers = 1 + (minute * 7 + chain * 3) % 20;
        let rows: Vec<(String, u64)> = (0..providers).map(|at| (format!("provider-{at}"), at)).collect();
        let methods = ["eth_call", "eth_getBalance", "eth_getLogs", "eth_blockNumber"];
        let rows: Vec<_> = rows
            .iter()
            .flat_map(|(id, at)| methods.map(|method| (id.as_str(), method, 1_000 + at, *at, 90_000 * at)))
            .collect();
        snapshot("default", &format!("chain-{chain}"), tallies(&rows))
    };
    (0..chains).map(chain).collect()
}

#[test]
fn the_file_stays_below_its_size_and_the_oldest_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.redb");
    let bounds = Bounds { max_bytes: 1 << 20, ..ROOMY };
    let archive = bounded(folder.path(), bounds);
    let mut largest = 0;
    for minute in 0..400 {
        append(&archive, START_MS + minute * MINUTE_MS, &large(minute, 4));
        largest = largest.max(fs::metadata(&path).unwrap().len());
    }
    assert!(largest <= bounds.max_bytes, "{largest} bytes");
    let hours = read(&archive, "default").spans;
    let newest = START_MS / 1000 + 399 * 60;
    assert_eq!(hours.last().unwrap().taken_ms, newest * 1000);
    // A quarter of the bound is kept, and at some 20 bytes a series that is far from all.
    assert!(hours[0].start > START_MS / 1000, "the oldest are gone");
    assert!(hours.len() > 4, "and no more than need be: {} are left", hours.len());
}

#[test]
fn a_bound_that_was_lowered_makes_the_file_smaller() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.redb");
    let roomy = archive(folder.path());
    for minute in 0..400 {
        append(&roomy, START_MS + minute * MINUTE_MS, &large(minute, 4));
    }
    drop(roomy);
    let before = fs::metadata(&path).unwrap().len();
    let bounds = Bounds { max_bytes: 1 << 20, ..ROOMY };
    assert!(before > bounds.max_bytes);
    let archive = bounded(folder.path(), bounds);
    append(&archive, START_MS + 400 * MINUTE_MS, &large(400, 1));
    let after = fs::metadata(&path).unwrap().len();
    assert!(after <= bounds.max_bytes, "{after} bytes");
    let newest = read(&archive, "default").spans.into_iter().map(|span| span.taken_ms).max();
    assert_eq!(newest, Some(START_MS + 400 * MINUTE_MS));
}

// === Changes of breakers ===

fn changes(archive: &Archive) -> BreakerPage {
    let query = BreakerQuery { profile: "p".to_owned(), chain: None, from: 0, to: u64::MAX };
    BreakerPage::of(&query, archive.read_changes(&query).unwrap(), Entries::new())
}

fn change(at_ms: u64) -> Entries {
    Entries::from([((at_ms, 0), entry(&[("p", "c", "a"), ("q", "c", "a")]))])
}

#[test]
fn changes_of_breakers_are_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = archive(folder.path());
    touch(&first);
    assert_eq!(changes(&first), BreakerPage::default(), "there is no table yet");
    for at in [START_MS, START_MS + 1] {
        first.append(at, &[], &change(at)).unwrap();
    }
    drop(first);
    let second = archive(folder.path());
    touch(&second);
    let mine = entry(&[("p", "c", "a")]);
    assert_eq!(changes(&second).entries, [(START_MS, mine.clone()), (START_MS + 1, mine)]);
}

#[test]
fn changes_of_breakers_go_when_they_are_too_old() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { retention: Duration::from_millis(2 * HOUR_MS), ..ROOMY };
    let archive = bounded(folder.path(), bounds);
    for hour in 0..5 {
        let at = START_MS + hour * HOUR_MS;
        let row = snapshot("p", "c", tallies(&[("a", "m", 1, 0, 1)]));
        archive.append(at, &[row], &change(at)).unwrap();
    }
    let times: Vec<u64> =
        changes(&archive).entries.iter().map(|(ts_ms, _)| (ts_ms - START_MS) / HOUR_MS).collect();
    assert_eq!(times, [2, 3, 4]);
    assert_eq!(read(&archive, "p").spans.len(), 3);
}

#[test]
fn many_changes_of_breakers_do_not_make_the_file_larger_than_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let bounds = Bounds { max_bytes: 1 << 20, ..ROOMY };
    let archive = bounded(folder.path(), bounds);
    for minute in 0..40 {
        let at = START_MS + minute * MINUTE_MS;
        let many = (0..200).map(|number| ((at, number), entry(&[("p", "c", "a")]))).collect();
        archive.append(at, &[], &many).unwrap();
    }
    let size = fs::metadata(folder.path().join("history.redb")).unwrap().len();
    assert!(size <= bounds.max_bytes, "{size} bytes");
    let kept = changes(&archive).entries;
    assert_eq!(kept.last().unwrap().0, START_MS + 39 * MINUTE_MS);
    assert!(kept[0].0 > START_MS, "the oldest are gone");
}

// === Files that cannot be had ===

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_of_another_process_is_left_to_it_until_it_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let first = archive(folder.path());
    touch(&first);
    let second = archive(folder.path());
    let refused = second.append(START_MS, &[], &Entries::new()).unwrap_err();
    assert!(matches!(refused, Error::Locked), "{refused}");
    assert_eq!(names(folder.path()), ["history.redb"]);
    first.close();
    touch(&second);
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = archive(&file.join("below")).append(START_MS, &[], &Entries::new()).unwrap_err();
    assert!(matches!(refused, Error::Folder(_)), "{refused}");
}

#[test]
fn a_damaged_file_is_renamed_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.redb");
    let written = archive(folder.path());
    for minute in 0..20 {
        append(&written, START_MS + minute * MINUTE_MS, &large(minute, 4));
    }
    drop(written);
    let good = fs::read(&path).unwrap();
    let mut flipped = good.clone();
    flipped.iter_mut().skip(8_192).for_each(|byte| *byte ^= 0x55);
    let damages =
        [b"no database at all".to_vec(), vec![0; 100_000], good[..good.len() / 2].to_vec(), flipped];
    let mut aside = Vec::new();
    for (number, damaged) in (1..).zip(damages) {
        fs::write(&path, &damaged).unwrap();
        let archive = archive(folder.path());
        let log = Log::default();
        let listening = log.listen();
        touch(&archive);
        drop(listening);
        assert_eq!(read(&archive, "default").spans, [], "damage {number}");
        aside.push(format!("history.damaged-{number}.redb"));
        for name in [&path, &folder.path().join(&aside[number - 1])] {
            assert!(
                log.text().contains(name.to_str().unwrap()),
                "{} is not in {}",
                name.display(),
                log.text()
            );
        }
        let mut expected = aside.clone();
        expected.push("history.redb".to_owned());
        assert_eq!(names(folder.path()), expected);
        assert_eq!(fs::metadata(folder.path().join(&aside[number - 1])).unwrap().len(), damaged.len() as u64);
    }
}

// === Killed processes ===

/// Set for a process that only writes.
const FOLDER: &str = "LASSO_TEST_HISTORY_FOLDER";
const CHAINS: u64 = 3;

/// Says which snapshots are committed, until it is killed. Nothing where no folder is given.
#[test]
fn writes_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let archive = archive(Path::new(&folder));
    touch(&archive);
    let first = read(&archive, "default").spans.last().map_or(START_MS, |span| span.taken_ms + MINUTE_MS);
    for at in (first..).step_by(MINUTE_MS as usize) {
        append(&archive, at, &large((at - START_MS) / MINUTE_MS, CHAINS));
        println!("committed {at}");
    }
}

#[test]
fn a_kill_at_any_moment_leaves_whole_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let mut committed = 0;
    for round in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "history::tests::writes_until_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut commits = lines.by_ref().filter_map(|line| {
            line.unwrap().split_once("committed ").map(|(_, at)| at.parse::<u64>().unwrap())
        });
        // Another number each time, and nobody knows how far the next commit has come by then.
        committed = commits.by_ref().nth(round % 7).expect("it writes");
        child.kill().unwrap();
        child.wait().unwrap();
        committed = commits.last().unwrap_or(committed);
        let archive = archive(folder.path());
        touch(&archive);
        // Each minute is there with every chain, up to the one that was committed last or the one after.
        let minutes = (committed - START_MS) / MINUTE_MS + 1;
        let found = read(&archive, "default").spans;
        let last = (found.last().unwrap().taken_ms - START_MS) / MINUTE_MS + 1;
        assert!(last == minutes || last == minutes + 1, "{last} minutes of {minutes}");
        let mut expected = Summing::new(HOUR, usize::MAX);
        for minute in 0..last {
            let at = START_MS + minute * MINUTE_MS;
            assert!(expected.has_room(at));
            for snapshot in large(minute, CHAINS) {
                expected.add(at, &snapshot.chain, snapshot.tallies);
            }
        }
        assert_eq!(found, expected.finish().spans, "round {round}");
        assert_eq!(names(folder.path()), ["history.redb"]);
    }
    assert!(committed > START_MS);
}
