//! The engine on a store whose commits fail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use super::support::{Place, Scripted};
use crate::deliver::Outcome;
use crate::interaction::Time;
use crate::store::{
    Batch, Committed, DedupeKey, Durability, Entry, Filter, Horizon, Key, Lease, Order, Partition, Position, Progress,
    Record, Stats, Store, StoreError, Stream, Usage, Words,
};

#[derive(Clone, Copy)]
enum Failure {
    Before,
    After,
    Full,
}

/// Fails as it is told, then works.
struct Failing {
    inner: Arc<dyn Store>,
    failures: Mutex<VecDeque<Failure>>,
}

#[tokio::test]
async fn progress_is_written_when_the_store_works_again() {
    let failing = Arc::new(Mutex::new(None));
    let place = Place::with(|inner| {
        let store = Arc::new(Failing { inner, failures: Mutex::default() });
        *failing.lock().unwrap() = Some(Arc::clone(&store));
        store
    });
    let failing = failing.lock().unwrap().take().unwrap();
    let target = Scripted::new(|seen| match seen.position.0 {
        5 => Outcome::GiveUp { why: "scripted".into() },
        _ => Outcome::Done,
    });
    place.append((0..50).map(|n| n % 7)).await;
    *failing.failures.lock().unwrap() = [Failure::Before, Failure::After, Failure::Full].into();
    let running = place.start(&target).await;
    target.until_done(49).await;
    running.stop().await;
    assert!(failing.failures.lock().unwrap().is_empty());
    let progress = place.progress().await;
    assert_eq!((progress.cursor.floor, progress.lanes.len()), (Position(50), 0));
    let dead = crate::deliver::DeadLetters::new(Arc::clone(&place.store));
    assert_eq!(dead.list(None, None, 10).await.unwrap().len(), 1, "repeated unchanged");
    assert_eq!(target.seen().len(), 50, "nothing came twice");
}

#[async_trait]
impl Store for Failing {
    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        let failure = if batch.progress.is_empty() { None } else { self.failures.lock().unwrap().pop_front() };
        match failure {
            None => self.inner.commit(batch).await,
            Some(Failure::Before) => Err(StoreError::Unavailable("scripted".into())),
            Some(Failure::Full) => Err(StoreError::Full),
            Some(Failure::After) => {
                self.inner.commit(batch).await?;
                Err(StoreError::Unknown("scripted".into()))
            }
        }
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    fn partitions(&self) -> u16 {
        self.inner.partitions()
    }

    async fn read(
        &self,
        partition: Partition,
        stream: &Stream,
        after: Position,
        limit: usize,
    ) -> Result<(Vec<Arc<Record>>, Position), StoreError> {
        self.inner.read(partition, stream, after, limit).await
    }

    async fn read_lane(
        &self,
        partition: Partition,
        stream: &Stream,
        lane: Uuid,
        from: Position,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.inner.read_lane(partition, stream, lane, from, limit).await
    }

    async fn find(&self, id: Uuid) -> Result<Option<Arc<Record>>, StoreError> {
        self.inner.find(id).await
    }

    async fn find_duplicate(&self, key: &DedupeKey) -> Result<Option<Uuid>, StoreError> {
        self.inner.find_duplicate(key).await
    }

    async fn raw(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.raw(id).await
    }

    async fn page(
        &self,
        filter: &Filter,
        after: Option<Uuid>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.inner.page(filter, after, order, limit).await
    }

    async fn search(
        &self,
        filter: &Filter,
        words: &Words,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.inner.search(filter, words, after, limit).await
    }

    fn watch(&self, partition: Partition, stream: &Stream) -> watch::Receiver<Position> {
        self.inner.watch(partition, stream)
    }

    async fn claim(&self, partition: Partition) -> Result<Option<Lease>, StoreError> {
        self.inner.claim(partition).await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), StoreError> {
        self.inner.renew(lease).await
    }

    async fn progress(&self, lease: &Lease, subscriber: &str) -> Result<Progress, StoreError> {
        self.inner.progress(lease, subscriber).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.inner.get(key).await
    }

    async fn scan(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Entry)>, StoreError> {
        self.inner.scan(prefix, after, limit).await
    }

    async fn unattributed(&self, after: Position, limit: usize) -> Result<Vec<Arc<Record>>, StoreError> {
        self.inner.unattributed(after, limit).await
    }

    async fn is_buried(&self, contact: Uuid) -> Result<bool, StoreError> {
        self.inner.is_buried(contact).await
    }

    async fn usage(&self, prefix: &str) -> Result<Usage, StoreError> {
        self.inner.usage(prefix).await
    }

    async fn trim(&self, horizon: &Horizon, dedupe_before: Time) -> Result<u64, StoreError> {
        self.inner.trim(horizon, dedupe_before).await
    }

    async fn scrub(&self, bytes_max: u64) -> Result<bool, StoreError> {
        self.inner.scrub(bytes_max).await
    }

    async fn ready(&self, timeout: Duration) -> Result<(), StoreError> {
        self.inner.ready(timeout).await
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        self.inner.stats().await
    }
}
