use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::watch;
use uuid::Uuid;

use super::{PARTITION, SqliteStore, commit, fenced, files, known, page, progress, reads, search, trim};
use crate::interaction::Time;
use crate::store::{
    Batch, Committed, DedupeKey, Durability, Entry, Filter, Horizon, Key, Lease, Order, Partition, Position, Progress,
    Record, Stats, Store, StoreError, Stream, Usage, Words,
};

#[async_trait]
impl Store for SqliteStore {
    fn durability(&self) -> Durability {
        Durability::PowerSafe
    }

    fn partitions(&self) -> u16 {
        1
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        self.writer.submit(commit::bytes(&batch), move |tx| commit::apply(tx, &batch)).await
    }

    async fn read(
        &self,
        partition: Partition,
        stream: &Stream,
        after: Position,
        limit: usize,
    ) -> Result<(Vec<Arc<Record>>, Position), StoreError> {
        known(partition)?;
        let (near, head) = self.shared.with_tail(|tail| (tail.read(stream, after, limit), tail.head()));
        if let Some(found) = near {
            return Ok(found);
        }
        let stream = stream.clone();
        self.quick.ask(move |connection| reads::stream(connection, &stream, after, head, limit)).await
    }

    async fn read_lane(
        &self,
        partition: Partition,
        stream: &Stream,
        lane: Uuid,
        from: Position,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        known(partition)?;
        let (near, head) = self.shared.with_tail(|tail| (tail.lane(stream, lane, from, limit), tail.head()));
        if let Some(found) = near {
            return Ok(found);
        }
        let stream = stream.clone();
        self.quick.ask(move |connection| reads::lane(connection, &stream, lane, from, head, limit)).await
    }

    async fn find(&self, id: Uuid) -> Result<Option<Arc<Record>>, StoreError> {
        self.quick.ask(move |connection| reads::find(connection, id)).await
    }

    async fn find_duplicate(&self, key: &DedupeKey) -> Result<Option<Uuid>, StoreError> {
        let key = *key;
        self.quick.ask(move |connection| reads::duplicate(connection, &key)).await
    }

    async fn raw(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError> {
        self.quick.ask(move |connection| reads::raw(connection, id)).await
    }

    async fn unattributed(&self, after: Position, limit: usize) -> Result<Vec<Arc<Record>>, StoreError> {
        self.slow.ask(move |connection| reads::unattributed(connection, after, limit)).await
    }

    async fn is_buried(&self, contact: Uuid) -> Result<bool, StoreError> {
        Ok(self.shared.is_buried(contact))
    }

    async fn page(
        &self,
        filter: &Filter,
        after: Option<Uuid>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        let filter = filter.clone();
        let page = self.slow.ask(move |connection| page::page(connection, &filter, after, order, limit)).await?;
        page.ok_or_else(|| StoreError::NotFound(after.unwrap_or_default()))
    }

    async fn search(
        &self,
        filter: &Filter,
        words: &Words,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        let (filter, words) = (filter.clone(), words.clone());
        let ask = move |connection: &Connection| search::search(connection, &filter, &words, after, limit);
        let found = self.slow.ask(ask).await?;
        found.ok_or_else(|| StoreError::NotFound(after.unwrap_or_default()))
    }

    fn watch(&self, partition: Partition, stream: &Stream) -> watch::Receiver<Position> {
        if partition != PARTITION {
            return watch::Sender::new(Position::START).subscribe();
        }
        self.shared.watches.watch(stream, || self.shared.with_tail(|tail| tail.head()))
    }

    async fn claim(&self, partition: Partition) -> Result<Option<Lease>, StoreError> {
        known(partition)?;
        self.writer.submit(0, move |tx| progress::claim(tx, partition)).await.map(Some)
    }

    async fn renew(&self, lease: &Lease) -> Result<(), StoreError> {
        fenced(lease, self.shared.epoch())
    }

    async fn progress(&self, lease: &Lease, subscriber: &str) -> Result<Progress, StoreError> {
        fenced(lease, self.shared.epoch())?;
        let (lease, subscriber) = (*lease, subscriber.to_owned());
        self.quick.ask(move |connection| progress::read(connection, &lease, &subscriber)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let key = key.clone();
        self.quick.ask(move |connection| reads::entry(connection, &key, Time::now())).await
    }

    async fn scan(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Entry)>, StoreError> {
        let (prefix, after) = (prefix.to_owned(), after.cloned());
        self.quick.ask(move |connection| reads::scan(connection, &prefix, after.as_ref(), limit, Time::now())).await
    }

    async fn usage(&self, prefix: &str) -> Result<Usage, StoreError> {
        let prefix = prefix.to_owned();
        self.slow.ask(move |connection| reads::usage(connection, &prefix, Time::now())).await
    }

    async fn trim(&self, horizon: &Horizon, dedupe_before: Time) -> Result<u64, StoreError> {
        let removed = self.trim_records(horizon).await?;
        self.trim_dedupe(dedupe_before).await?;
        self.writer.submit(0, move |tx| trim::remove_burials(tx, dedupe_before)).await?;
        self.trim_expired().await?;
        Ok(removed)
    }

    async fn scrub(&self, bytes_max: u64) -> Result<bool, StoreError> {
        let database = self.home.database.clone();
        let small = self.slow.ask(move |_| Ok(files::size(&database))).await? <= bytes_max;
        self.writer.scrub(small).await?;
        Ok(small)
    }

    async fn ready(&self, timeout: Duration) -> Result<(), StoreError> {
        Self::within(timeout, self.probe()).await
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        let database = self.home.database.clone();
        let bytes = self.slow.ask(move |_| Ok(files::size(&database))).await?;
        let shared = &self.shared;
        Ok(Stats { events: shared.events(), bytes, commits: shared.commits(), jobs: shared.jobs() })
    }
}
