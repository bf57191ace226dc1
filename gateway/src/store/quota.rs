use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{RwLock, RwLockReadGuard};

use super::{Store, StoreError, Usage};

/// How long a count is believed: others write and remove under the same prefix.
const RECOUNT_AFTER: Duration = Duration::from_secs(10);

/// What may lie under a prefix of the table, entries and bytes; for each prefix by itself. At the bound nothing gives way:
/// whoever comes next is refused.
pub struct Quota {
    store: Arc<dyn Store>,
    max: Usage,
    counts: Mutex<HashMap<String, Count>>,
    /// Shared by those whose entries are on their way: nothing is counted meanwhile, for it would be counted twice or not at all.
    on_the_way: RwLock<()>,
}

#[derive(Default)]
struct Count {
    kept: Usage,
    /// `None`: to be counted before the next decision.
    counted: Option<Instant>,
    /// Reserved, and not in the store yet.
    reserved: Usage,
}

/// There is no room under the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} are kept already, with {} bytes", .0.entries, .0.bytes)]
pub struct Full(pub Usage);

/// Room for an entry that is on its way into the store.
#[must_use = "it is given back at once otherwise"]
pub struct Reservation<'a> {
    quota: &'a Quota,
    prefix: String,
    bytes: u64,
    _on_the_way: RwLockReadGuard<'a, ()>,
}

impl Quota {
    /// `max`: an entry is taken as long as there are fewer entries and fewer bytes; so the one that reaches the bytes is the last,
    /// and an entry larger than all of them finds room where nothing else lies.
    pub fn new(store: Arc<dyn Store>, max: Usage) -> Self {
        Self { store, max, counts: Mutex::default(), on_the_way: RwLock::default() }
    }

    /// What lies there, as it was counted at most some seconds ago.
    ///
    /// # Errors
    /// As [`Store::usage`].
    pub async fn usage(&self, prefix: &str) -> Result<Usage, StoreError> {
        match self.known(prefix) {
            Some(usage) => Ok(usage),
            None => self.recounted(prefix).await,
        }
    }

    fn known(&self, prefix: &str) -> Option<Usage> {
        self.counts().get(prefix).filter(|count| count.is_fresh()).map(Count::all)
    }

    async fn recounted(&self, prefix: &str) -> Result<Usage, StoreError> {
        let _alone = self.on_the_way.write().await;
        if let Some(usage) = self.known(prefix) {
            return Ok(usage);
        }
        let kept = self.store.usage(prefix).await?;
        let mut counts = self.counts();
        let count = counts.entry(prefix.to_owned()).or_default();
        (count.kept, count.counted) = (kept, Some(Instant::now()));
        Ok(count.all())
    }

    /// Whether another entry would be refused.
    pub fn is_full(&self, usage: Usage) -> bool {
        usage.entries >= self.max.entries || usage.bytes >= self.max.bytes
    }

    /// Room for one entry, taken before it is written: many may come at once, and the last place is given once. Whoever holds a
    /// reservation must not ask for anything else here.
    ///
    /// # Errors
    /// [`Full`] where there is none; outside of it as [`Store::usage`].
    pub async fn reserve(&self, prefix: String, bytes: usize) -> Result<Result<Reservation<'_>, Full>, StoreError> {
        loop {
            let on_the_way = self.on_the_way.read().await;
            if self.known(&prefix).is_some() {
                return Ok(self.take(prefix, bytes as u64, on_the_way));
            }
            drop(on_the_way);
            self.recounted(&prefix).await?;
        }
    }

    fn take<'a>(
        &'a self,
        prefix: String,
        bytes: u64,
        on_the_way: RwLockReadGuard<'a, ()>,
    ) -> Result<Reservation<'a>, Full> {
        let mut counts = self.counts();
        let count = counts.entry(prefix.clone()).or_default();
        if self.is_full(count.all()) {
            return Err(Full(count.all()));
        }
        count.reserved = count.reserved.and(Usage { entries: 1, bytes });
        Ok(Reservation { quota: self, prefix, bytes, _on_the_way: on_the_way })
    }

    /// Something went: it is counted anew before the next decision.
    pub fn forget(&self, prefix: &str) {
        if let Some(count) = self.counts().get_mut(prefix) {
            count.counted = None;
        }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<String, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Count {
    fn is_fresh(&self) -> bool {
        self.counted.is_some_and(|counted| counted.elapsed() < RECOUNT_AFTER)
    }

    fn all(&self) -> Usage {
        self.kept.and(self.reserved)
    }
}

impl Reservation<'_> {
    /// The entry is in the store.
    pub fn fill(self) {
        if let Some(count) = self.quota.counts().get_mut(&self.prefix) {
            count.kept = count.kept.and(self.usage());
        }
    }

    fn usage(&self) -> Usage {
        Usage { entries: 1, bytes: self.bytes }
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let usage = self.usage();
        if let Some(count) = self.quota.counts().get_mut(&self.prefix) {
            count.reserved = count.reserved.without(usage);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{Batch, Key, Write};

    const MAX: Usage = Usage { entries: 3, bytes: 100 };

    async fn put(store: &dyn Store, key: &str, bytes: usize) {
        let writes = vec![Write::put(Key(key.into()), vec![0; bytes])];
        store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_at_once_as_many_get_in_as_there_is_room() {
        let place = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(place.path()).unwrap());
        let quota = Arc::new(Quota::new(store.clone(), Usage { entries: 4, bytes: 1 << 20 }));
        for round in 0..20 {
            let tries = (0..400).map(|n| {
                let (store, quota) = (store.clone(), quota.clone());
                tokio::spawn(async move {
                    let Ok(place) = quota.reserve(format!("{round}/"), 1).await.unwrap() else { return 0 };
                    put(&*store, &format!("{round}/{n}"), 1).await;
                    place.fill();
                    1
                })
            });
            let taken: usize = futures_util::future::join_all(tries).await.into_iter().map(Result::unwrap).sum();
            assert_eq!(taken, 4, "round {round}");
        }
    }

    #[tokio::test]
    async fn room_is_given_once_and_comes_back() {
        let place = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(place.path()).unwrap());
        put(&*store, "a/1", 60).await;
        let quota = Quota::new(store.clone(), MAX);
        let reserve = || quota.reserve("a/".into(), 30);
        let (second, third) = (reserve().await.unwrap().unwrap(), reserve().await.unwrap().unwrap());
        let full = reserve().await.unwrap().err().unwrap();
        assert_eq!(full, Full(Usage { entries: 3, bytes: 120 }));
        drop(third);
        put(&*store, "a/2", 30).await;
        second.fill();
        assert_eq!(quota.usage("a/").await.unwrap(), Usage { entries: 2, bytes: 90 });
        reserve().await.unwrap().unwrap().fill();
        assert!(reserve().await.unwrap().is_err(), "counted, though it is not in the store");
        quota.forget("a/");
        assert!(reserve().await.unwrap().is_ok(), "counted anew");
        assert!(quota.reserve("b/".into(), 1000).await.unwrap().is_ok(), "alone, anything has room");
    }
}
