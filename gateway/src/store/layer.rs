use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    Batch, Committed, DedupeKey, Durability, Entry, Filter, Horizon, Key, Lease, Order, Partition, Position, Progress,
    Record, Stats, Store, StoreError, Stream, Usage, Words,
};
use crate::interaction::Time;

/// A store around another that has a say in what is committed; everything else is the inner one's own.
#[async_trait]
pub trait Layer: Send + Sync + 'static {
    /// The store inside.
    fn inner(&self) -> &dyn Store;

    /// As [`Store::commit`].
    ///
    /// # Errors
    /// As [`Store::commit`].
    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError>;
}

#[async_trait]
impl<L: Layer> Store for L {
    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        Layer::commit(self, batch).await
    }

    fn durability(&self) -> Durability {
        self.inner().durability()
    }

    fn partitions(&self) -> u16 {
        self.inner().partitions()
    }

    async fn read(
        &self,
        partition: Partition,
        stream: &Stream,
        after: Position,
        limit: usize,
    ) -> Result<(Vec<Arc<Record>>, Position), StoreError> {
        self.inner().read(partition, stream, after, limit).await
    }

    async fn read_lane(
        &self,
        partition: Partition,
        stream: &Stream,
        lane: Uuid,
        from: Position,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.inner().read_lane(partition, stream, lane, from, limit).await
    }

    async fn find(&self, id: Uuid) -> Result<Option<Arc<Record>>, StoreError> {
        self.inner().find(id).await
    }

    async fn find_duplicate(&self, key: &DedupeKey) -> Result<Option<Uuid>, StoreError> {
        self.inner().find_duplicate(key).await
    }

    async fn raw(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner().raw(id).await
    }

    async fn unattributed(&self, after: Position, limit: usize) -> Result<Vec<Arc<Record>>, StoreError> {
        self.inner().unattributed(after, limit).await
    }

    async fn is_buried(&self, contact: Uuid) -> Result<bool, StoreError> {
        self.inner().is_buried(contact).await
    }

    async fn page(
        &self,
        filter: &Filter,
        after: Option<Uuid>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.inner().page(filter, after, order, limit).await
    }

    async fn search(
        &self,
        filter: &Filter,
        words: &Words,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        self.inner().search(filter, words, after, limit).await
    }

    fn watch(&self, partition: Partition, stream: &Stream) -> watch::Receiver<Position> {
        self.inner().watch(partition, stream)
    }

    async fn claim(&self, partition: Partition) -> Result<Option<Lease>, StoreError> {
        self.inner().claim(partition).await
    }

    async fn renew(&self, lease: &Lease) -> Result<(), StoreError> {
        self.inner().renew(lease).await
    }

    async fn progress(&self, lease: &Lease, subscriber: &str) -> Result<Progress, StoreError> {
        self.inner().progress(lease, subscriber).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        self.inner().get(key).await
    }

    async fn scan(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Entry)>, StoreError> {
        self.inner().scan(prefix, after, limit).await
    }

    async fn usage(&self, prefix: &str) -> Result<Usage, StoreError> {
        self.inner().usage(prefix).await
    }

    async fn trim(&self, horizon: &Horizon, dedupe_before: Time) -> Result<u64, StoreError> {
        self.inner().trim(horizon, dedupe_before).await
    }

    async fn scrub(&self, bytes_max: u64) -> Result<bool, StoreError> {
        self.inner().scrub(bytes_max).await
    }

    async fn ready(&self, timeout: Duration) -> Result<(), StoreError> {
        self.inner().ready(timeout).await
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        self.inner().stats().await
    }
}
