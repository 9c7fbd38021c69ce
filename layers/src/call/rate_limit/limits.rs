//! The buckets of all clients.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use smol_str::SmolStr;
use tokio::time::Instant;

use super::bucket::{self, Quota};
use crate::call::ClientId;
use crate::catalog::ClientLimit;
use crate::state::Shared;

/// New buckets are swept for when as many have been added as there were after the last sweep, and at least this
/// many: so the sweeps cost a constant share of the additions.
const SWEEP_AFTER: usize = 1024;

/// The token buckets of all clients of all profiles, as a cloneable handle. Profiles never share a bucket.
#[derive(Clone)]
pub struct Limits {
    store: Shared<Store>,
}

struct Store {
    epoch: Instant,
    buckets: papaya::HashMap<Key, Bucket, foldhash::fast::RandomState>,
    /// How many more buckets may come before the next sweep.
    until_sweep: AtomicUsize,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    profile: SmolStr,
    client: ClientId,
}

struct Bucket {
    quota: Quota,
    /// When the bucket will be full. Relaxed everywhere: the word says everything by itself.
    full_at: AtomicU64,
}

impl Limits {
    /// No bucket yet; every client starts with a full one.
    #[must_use]
    pub fn new() -> Self {
        let store = Store {
            epoch: Instant::now(),
            buckets: papaya::HashMap::default(),
            until_sweep: AtomicUsize::new(SWEEP_AFTER),
        };
        Self { store: Shared::new(store) }
    }

    /// Takes a token from a client's bucket. A limit other than that of the last call applies at once: the bucket
    /// keeps its tokens, as far as the new capacity holds them.
    ///
    /// # Errors
    ///
    /// The time until there is a token.
    pub fn take(
        &self,
        profile: &SmolStr,
        client: ClientId,
        limit: ClientLimit,
        now: Instant,
    ) -> Result<(), Duration> {
        let instant = now;
        let now = self.nanos(now);
        let quota = Quota::of(limit);
        let key = Key { profile: profile.clone(), client };
        let buckets = self.store.buckets.pin();
        let bucket = match buckets.get(&key) {
            Some(bucket) => bucket,
            None => {
                self.count_new(instant);
                buckets.get_or_insert_with(key.clone(), || Bucket { quota, full_at: AtomicU64::new(0) })
            }
        };
        if bucket.quota == quota {
            return bucket.take(now);
        }
        // Tokens that others take from the old bucket meanwhile are not counted: once per client and reload.
        let carried = buckets.update(key, |bucket| bucket.carry(quota, now));
        carried.map_or(Ok(()), |bucket| bucket.take(now))
    }

    /// Drops the buckets that are full at `now`: they are no different from new ones. To be called once in a while
    /// by a background task; it also happens by itself when many new clients come.
    pub fn sweep(&self, now: Instant) {
        let now = self.nanos(now);
        let buckets = self.store.buckets.pin();
        // A token that is taken between the look and the removal is given back: once per bucket and sweep.
        buckets.retain(|_, bucket| !bucket::is_full(bucket.full_at.load(Ordering::Relaxed), now));
        self.store.until_sweep.store(buckets.len().max(SWEEP_AFTER), Ordering::Relaxed);
    }

    /// How many buckets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.buckets.len()
    }

    /// Whether there is no bucket.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.store.buckets.is_empty()
    }

    fn count_new(&self, now: Instant) {
        let left = |left: usize| left.checked_sub(1);
        if self.store.until_sweep.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_err() {
            self.sweep(now);
        }
    }

    fn nanos(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.store.epoch);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Bucket {
    fn take(&self, now: u64) -> Result<(), Duration> {
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let after = self.quota.take(full_at, now)?;
            match self.full_at.compare_exchange_weak(full_at, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(current) => full_at = current,
            }
        }
    }

    /// The same tokens under another quota.
    fn carry(&self, quota: Quota, now: u64) -> Self {
        let full_at = self.quota.carry(self.full_at.load(Ordering::Relaxed), now, quota);
        Self { quota, full_at: AtomicU64::new(full_at) }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("buckets", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn client(number: u32) -> ClientId {
        ClientId::Address(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    const LIMIT: ClientLimit = ClientLimit { rps: 1, burst: 2 };

    #[test]
    fn profiles_and_clients_do_not_share_buckets() {
        let (limits, now) = (Limits::new(), Instant::now());
        let take = |profile: &'static str, number| {
            limits.take(&SmolStr::new_static(profile), client(number), LIMIT, now).is_ok()
        };
        assert_eq!([take("a", 1), take("a", 1), take("a", 1)], [true, true, false]);
        assert!(take("a", 2));
        assert!(take("b", 1));
    }

    #[test]
    fn a_sweep_drops_full_buckets_only() {
        let (limits, now) = (Limits::new(), Instant::now());
        let profile = SmolStr::new_static("a");
        for number in 0..10 {
            limits.take(&profile, client(number), LIMIT, now).unwrap();
        }
        limits.take(&profile, client(0), LIMIT, now).unwrap();
        limits.sweep(now + Duration::from_millis(1500));
        assert_eq!(limits.len(), 1);
        limits.sweep(now + Duration::from_millis(2000));
        assert!(limits.is_empty());
    }

    #[test]
    fn clients_that_never_come_back_do_not_pile_up() {
        let (limits, mut now) = (Limits::new(), Instant::now());
        let profile = SmolStr::new_static("a");
        for number in 0..20_000 {
            limits.take(&profile, client(number), LIMIT, now).unwrap();
            now += Duration::from_millis(10);
        }
        assert!(limits.len() <= 2 * SWEEP_AFTER, "{}", limits.len());
    }

    #[test]
    fn threads_take_no_more_than_there_is() {
        let (limits, now) = (Limits::new(), Instant::now());
        let limit = ClientLimit { rps: 1, burst: 100 };
        let profile = SmolStr::new_static("a");
        let taken: usize = std::thread::scope(|scope| {
            let take = || (0..100).filter(|_| limits.take(&profile, client(1), limit, now).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 100);
    }
}
