//! Heads that have no place in the branch yet, and the headers that may lead from them to it.

use std::collections::{BTreeMap, HashSet};

use tokio::time::Instant;

use crate::streams::block::{BlockHash, Header};

use super::branch::Branch;

/// A block by number and hash.
pub(super) type Key = (u64, BlockHash);

/// Every header that is at hand but not in the branch, by number.
#[derive(Debug, Default)]
pub(super) struct Headers {
    by_number: BTreeMap<Key, Entry>,
    announced: usize,
}

/// A header at hand.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) header: Header,
    /// It is a head that the stream is to come to. Others are only on the way to one.
    pub(super) announced: Option<Announced>,
    /// It came by itself, and its logs with it.
    pub(super) live: bool,
    /// It was asked for by its number or hash and answered.
    pub(super) fetched: bool,
}

/// When a head came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    /// Its place among all heads; later ones have higher places.
    pub(super) order: u64,
    pub(super) at: Instant,
}

/// Where the parents of a header lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// To a block of the branch; or not above its root, so that another block takes the root's place.
    Linked,
    /// Below the oldest block that is remembered.
    TooDeep,
    /// To a block that is not at hand.
    Missing(Key),
}

/// What is known of the heads that wait, all together.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The one to go to: the highest that links, of several the newest.
    pub(super) linked: Option<Key>,
    /// The newest one whose parents lead below what is remembered.
    pub(super) too_deep: Option<Key>,
    /// What the others lack, the newest head first: the head's place, the head, the missing block.
    pub(super) missing: Vec<(u64, Key, Key)>,
    /// Heads that can never link.
    pub(super) hopeless: Vec<Key>,
}

impl Headers {
    pub(super) fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    /// Whether heads wait.
    pub(super) const fn are_awaited(&self) -> bool {
        self.announced > 0
    }

    /// Keeps a head that has to be linked. A head that is known already is not taken again, and that is said.
    pub(super) fn announce(&mut self, header: Header, announced: Announced, live: bool) -> bool {
        let key = (header.number, header.hash);
        let entry =
            self.by_number.entry(key).or_insert(Entry { header, announced: None, live, fetched: false });
        if entry.announced.is_some() {
            entry.live |= live;
            return false;
        }
        entry.announced = Some(announced);
        entry.live = live;
        self.announced += 1;
        true
    }

    /// Keeps a header that was asked for.
    pub(super) fn add_fetched(&mut self, header: Header) {
        let key = (header.number, header.hash);
        let fetched = Entry { header, announced: None, live: false, fetched: true };
        self.by_number.entry(key).or_insert(fetched).fetched = true;
    }

    /// Whether this head waits.
    pub(super) fn is_announced(&self, key: Key) -> bool {
        self.by_number.get(&key).is_some_and(|entry| entry.announced.is_some())
    }

    /// Whether parents at hand lead from a header to this block, or it is itself this block.
    pub(super) fn leads(&self, from: &Header, to: Key) -> bool {
        let mut key = (from.number, from.hash);
        let mut parent = from.parent;
        while key.0 > to.0 {
            key = (key.0 - 1, parent);
            match self.by_number.get(&key) {
                Some(entry) => parent = entry.header.parent,
                None => break,
            }
        }
        key == to
    }

    /// Whether another header at hand names this one as its parent.
    pub(super) fn is_parent(&self, (number, hash): Key) -> bool {
        self.at(number.saturating_add(1)).any(|entry| entry.header.parent == hash)
    }

    /// Any header of this number.
    pub(super) fn has_number(&self, number: u64) -> bool {
        self.at(number).next().is_some()
    }

    /// The headers of this number that were asked for.
    pub(super) fn fetched_at(&self, number: u64) -> impl Iterator<Item = &Header> {
        self.at(number).filter(|entry| entry.fetched).map(|entry| &entry.header)
    }

    fn at(&self, number: u64) -> impl Iterator<Item = &Entry> {
        let all = (number, BlockHash([0; 32]))..=(number, BlockHash([0xff; 32]));
        self.by_number.range(all).map(|(_, entry)| entry)
    }

    /// The head that came last, of those that have at least this number.
    pub(super) fn newest(&self, least: u64) -> Option<Key> {
        let awaited = self.by_number.range((least, BlockHash([0; 32]))..);
        let newest = awaited.filter_map(|(key, entry)| Some((entry.announced?.order, *key)));
        newest.max_by_key(|(order, _)| *order).map(|(_, key)| key)
    }

    /// The head that has waited longest.
    pub(super) fn oldest(&self) -> Option<(Key, Announced)> {
        let awaited = self.by_number.iter().filter_map(|(key, entry)| Some((*key, entry.announced?)));
        awaited.min_by_key(|(_, announced)| announced.order)
    }

    /// The heads that wait, the lowest first.
    pub(super) fn awaited(&self) -> impl Iterator<Item = &Entry> {
        self.by_number.values().filter(|entry| entry.announced.is_some())
    }

    /// Whether anything here was asked for and answered.
    pub(super) fn has_fetched(&self) -> bool {
        self.by_number.values().any(|entry| entry.fetched)
    }

    /// Walks from a header over its parents towards the branch.
    pub(super) fn walk(&self, from: Key, branch: &Branch) -> Walk {
        self.walk_unless(from, branch, &mut |_| false).expect("nothing stops it")
    }

    /// The same; `None` as soon as `stop` says so of a header on the way.
    fn walk_unless(&self, from: Key, branch: &Branch, stop: &mut impl FnMut(Key) -> bool) -> Option<Walk> {
        let mut key = from;
        loop {
            if stop(key) {
                return None;
            }
            let Some(entry) = self.by_number.get(&key) else { return Some(Walk::Missing(key)) };
            if key.0 <= branch.first() {
                return Some(match entry.fetched {
                    // No parent speaks for it, so its provider has to show it once more.
                    false => Walk::Missing(key),
                    true if branch.is_trimmed() => Walk::TooDeep,
                    true => Walk::Linked,
                });
            }
            let below = (key.0 - 1, entry.header.parent);
            if branch.contains(below.0, below.1) {
                return Some(Walk::Linked);
            }
            key = below;
        }
    }

    /// Looks where each head that waits leads. `tip_order` is the place of the head that the tip came with: a head that
    /// is no higher than the tip and older than that head is history and not gone to.
    pub(super) fn survey(&self, branch: &Branch, tip: u64, tip_order: u64) -> Survey {
        let mut survey = Survey::default();
        let mut seen = HashSet::new();
        let mut linked_order = 0;
        for (key, entry) in self.by_number.iter().rev() {
            let Some(Announced { order, .. }) = entry.announced else { continue };
            // A head on the way from a higher one shares its fate.
            match self.walk_unless(*key, branch, &mut |key| !seen.insert(key)) {
                None => {}
                Some(Walk::Linked) if key.0 <= tip && order < tip_order => survey.hopeless.push(*key),
                Some(Walk::Linked) => match survey.linked {
                    Some(best) if best.0 > key.0 || linked_order > order => {}
                    _ => (survey.linked, linked_order) = (Some(*key), order),
                },
                Some(Walk::TooDeep) if order > tip_order => survey.too_deep = survey.too_deep.or(Some(*key)),
                Some(Walk::TooDeep) => survey.hopeless.push(*key),
                Some(Walk::Missing(missing)) => survey.missing.push((order, *key, missing)),
            }
        }
        survey.missing.sort_unstable_by_key(|(order, ..)| std::cmp::Reverse(*order));
        survey
    }

    /// Takes out the headers from just above the branch up to a linked one, in ascending order.
    pub(super) fn take_path(&mut self, to: Key, branch: &Branch) -> Vec<Entry> {
        let mut path = Vec::new();
        let mut key = to;
        while !branch.contains(key.0, key.1) {
            let Some(entry) = self.remove(key) else { break };
            key = (key.0.saturating_sub(1), entry.header.parent);
            path.push(entry);
            if path.last().is_some_and(|lowest| lowest.header.number <= branch.first()) {
                break;
            }
        }
        path.reverse();
        path
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Entry> {
        let entry = self.by_number.remove(&key)?;
        self.announced -= usize::from(entry.announced.is_some());
        Some(entry)
    }

    /// After the branch has got a new tip: heads that are no higher and came before are history. Where no head waits,
    /// nothing leads anywhere.
    pub(super) fn prune(&mut self, tip: u64, tip_order: u64) {
        self.by_number.retain(|key, entry| {
            entry.announced.is_none_or(|announced| key.0 > tip || announced.order > tip_order)
        });
        self.recount();
        if self.announced == 0 {
            self.by_number.clear();
        }
    }

    /// Forgets everything below this number.
    pub(super) fn drop_below(&mut self, number: u64) {
        if self.by_number.first_key_value().is_some_and(|(key, _)| key.0 < number) {
            self.by_number.retain(|key, _| key.0 >= number);
            self.recount();
        }
    }

    /// The provider whose heads these were is left: they may still be on the way to a head of the next one.
    pub(super) fn forget_announcements(&mut self) {
        self.by_number.values_mut().for_each(|entry| (entry.announced, entry.live) = (None, false));
        self.announced = 0;
    }

    /// Keeps no more than `heads` of the heads that wait, and no more than `others` beside them. Says how many heads
    /// fell out.
    pub(super) fn bound(&mut self, heads: usize, others: usize) -> usize {
        let mut dropped = 0;
        while self.announced > heads.max(1)
            && let Some((key, _)) = self.oldest()
        {
            self.remove(key);
            dropped += 1;
        }
        if self.by_number.len() - self.announced > others {
            self.by_number.retain(|_, entry| entry.announced.is_some());
        }
        dropped
    }

    fn recount(&mut self) {
        self.announced = self.by_number.values().filter(|entry| entry.announced.is_some()).count();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn hash(number: u64, fork: u8) -> BlockHash {
        let mut hash = [fork; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        BlockHash(hash)
    }

    fn header(number: u64, fork: u8, parent: u8) -> Header {
        let (hash, parent) = (hash(number, fork), hash(number - 1, parent));
        Header { number, hash, parent, bloom: None, payload: Bytes::new() }
    }

    fn branch(numbers: std::ops::RangeInclusive<u64>) -> Branch {
        let mut branch = Branch::default();
        branch.start(*numbers.start(), hash(*numbers.start(), 0));
        numbers.skip(1).for_each(|number| branch.push(hash(number, 0), 5));
        branch
    }

    fn announce(headers: &mut Headers, header: Header, order: u64) {
        assert!(headers.announce(header, Announced { order, at: Instant::now() }, true));
    }

    #[test]
    fn the_topmost_missing_block_is_named() {
        let mut headers = Headers::default();
        announce(&mut headers, header(15, 0, 0), 1);
        assert_eq!(headers.walk((15, hash(15, 0)), &branch(8..=10)), Walk::Missing((14, hash(14, 0))));
        (11..=13).for_each(|number| headers.add_fetched(header(number, 0, 0)));
        headers.add_fetched(header(14, 0, 0));
        assert_eq!(headers.walk((15, hash(15, 0)), &branch(8..=10)), Walk::Linked);
        let path = headers.take_path((15, hash(15, 0)), &branch(8..=10));
        assert_eq!(path.iter().map(|entry| entry.header.number).collect::<Vec<_>>(), [11, 12, 13, 14, 15]);
        assert!(headers.is_empty() && !headers.are_awaited());
    }

    #[test]
    fn a_walk_ends_at_the_height_of_the_root_but_not_at_what_was_forgotten() {
        let mut headers = Headers::default();
        (8..=11).for_each(|number| announce(&mut headers, header(number, 1, 1), number));
        let top = (11, hash(11, 1));
        assert_eq!(headers.walk(top, &branch(8..=10)), Walk::Missing((8, hash(8, 1))), "anybody can say so");
        headers.add_fetched(header(8, 1, 1));
        assert_eq!(headers.walk(top, &branch(8..=10)), Walk::Linked);
        assert_eq!(headers.walk(top, &branch(4..=10)), Walk::Missing((7, hash(7, 1))));
        assert_eq!(headers.walk(top, &branch(2..=12)), Walk::TooDeep, "8 is the oldest that is remembered");
        assert_eq!(headers.walk((8, hash(8, 1)), &branch(9..=10)), Walk::Linked, "it takes the root's place");
        let path = headers.take_path(top, &branch(8..=10));
        assert_eq!(path.iter().map(|entry| entry.header.number).collect::<Vec<_>>(), [8, 9, 10, 11]);
    }

    #[test]
    fn the_highest_linked_head_wins_and_history_is_left() {
        let mut headers = Headers::default();
        announce(&mut headers, header(11, 2, 0), 1);
        announce(&mut headers, header(12, 0, 0), 2);
        announce(&mut headers, header(90, 9, 9), 3);
        headers.add_fetched(header(11, 0, 0));
        let survey = headers.survey(&branch(8..=10), 10, 0);
        assert_eq!(survey.linked, Some((12, hash(12, 0))));
        assert_eq!(survey.missing, [(3, (90, hash(90, 9)), (89, hash(89, 9)))]);
        let survey = headers.survey(&branch(8..=11), 11, 2);
        assert_eq!(survey.hopeless, [(11, hash(11, 2))]);
        headers.prune(12, 2);
        assert_eq!(headers.awaited().next().map(|entry| entry.header.number), Some(90));
    }

    #[test]
    fn of_two_linked_heads_of_one_height_the_newer_wins() {
        for (first, second) in [(1, 2), (2, 1)] {
            let mut headers = Headers::default();
            announce(&mut headers, header(11, 1, 0), first);
            announce(&mut headers, header(11, 2, 0), second);
            let newer = if first > second { 1 } else { 2 };
            assert_eq!(headers.survey(&branch(8..=10), 10, 0).linked, Some((11, hash(11, newer))));
        }
    }

    #[test]
    fn what_waits_is_bounded_oldest_out_first() {
        let mut headers = Headers::default();
        (20..30).for_each(|number| announce(&mut headers, header(number, 0, 0), number));
        (40..50).for_each(|number| headers.add_fetched(header(number, 0, 0)));
        assert_eq!(headers.bound(4, 10), 6);
        assert_eq!(headers.awaited().next().map(|entry| entry.header.number), Some(26));
        assert!(headers.has_number(40));
        assert_eq!(headers.bound(4, 9), 0);
        assert!(!headers.has_number(40));
    }
}
