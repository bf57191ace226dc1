//! Where things are kept: a log of interactions, a table of keys with versions, and leases on the log's partitions.
//!
//! Nothing above this room knows the engine. Domain rules do not live here.

#[cfg(test)]
mod conformance;
mod error;
mod horizon;
mod layer;
mod log;
mod progress;
mod quota;
pub mod sqlite;
mod table;
mod words;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use uuid::Uuid;

pub use error::StoreError;
pub use horizon::{Horizon, Retention};
pub use layer::Layer;
pub use log::{Appended, DedupeKey, Filter, NewEvent, Order, Partition, Position, Record, Stream};
pub use progress::{Cursor, Lane, Lease, Progress, ProgressWrite};
pub use quota::{Full, Quota, Reservation};
pub use table::{Entry, Expect, Key, Usage, Write};
pub use words::{NoWords, Word, Words};

use crate::interaction::Time;

/// Everything that becomes true at once.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Appended in this order.
    pub events: Vec<NewEvent>,
    /// What they expect is what is there before the batch.
    pub writes: Vec<Write>,
    pub progress: Vec<ProgressWrite>,
    /// Ids of records that go, with what was kept of their requests; one that is not there is no error.
    pub removals: Vec<Uuid>,
    /// Contacts of whom the log takes nothing from now on: an event of one of them is a [`StoreError::Conflict`].
    pub burials: Vec<Uuid>,
}

/// What a commit did: one answer for each event and each write, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    pub events: Vec<Appended>,
    /// New version of each key written; 0 where it was deleted.
    pub versions: Vec<u64>,
    /// Records that were there and went.
    pub removed: u64,
}

/// What an acknowledged commit survives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Durability {
    /// A power cut.
    PowerSafe,
    /// A crash of the process, but not of the machine.
    CrashSafe { why: String },
}

/// Figures for metrics and health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub events: u64,
    pub bytes: u64,
    /// Commits since start, and the jobs that they carried: their ratio is the size of a group.
    pub commits: u64,
    pub jobs: u64,
}

/// A log, a table and leases.
///
/// `commit` is the only call that changes anything; it is atomic, and durable when it returns. Repeating a commit after
/// [`StoreError::Unknown`] does no harm: events are known by their id, writes by the version that they expect.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What an acknowledgement is worth here.
    fn durability(&self) -> Durability;

    /// Number of partitions. Positions are ordered inside a partition only; a lane lies in one partition.
    fn partitions(&self) -> u16;

    /// Makes all of the batch true, or nothing.
    ///
    /// An event whose id or dedupe key is in the log already is not appended again, and is told as [`Appended::Duplicate`].
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a write expected another version, [`StoreError::Fenced`] if progress names a lost lease,
    /// [`StoreError::Full`] if the disk is; nothing happened then. After [`StoreError::Unknown`] it may have happened.
    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError>;

    // ---- log

    /// The next records of a stream, oldest first, and how far that reading went: everything up to the returned position
    /// has been seen, matching or not.
    async fn read(
        &self,
        partition: Partition,
        stream: &Stream,
        after: Position,
        limit: usize,
    ) -> Result<(Vec<Arc<Record>>, Position), StoreError>;

    /// The records of one lane of a stream from a position on (inclusive), oldest first.
    async fn read_lane(
        &self,
        partition: Partition,
        stream: &Stream,
        lane: Uuid,
        from: Position,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError>;

    /// One record by its id.
    async fn find(&self, id: Uuid) -> Result<Option<Arc<Record>>, StoreError>;

    /// The id under which an event with this dedupe key was appended.
    async fn find_duplicate(&self, key: &DedupeKey) -> Result<Option<Uuid>, StoreError>;

    /// The raw request that was kept with a record.
    async fn raw(&self, id: Uuid) -> Result<Option<Vec<u8>>, StoreError>;

    /// Records of no contact that may speak of one, oldest first, after a position (exclusive): receipts of messages that are
    /// not known here, and what an adapter did not understand.
    async fn unattributed(&self, after: Position, limit: usize) -> Result<Vec<Arc<Record>>, StoreError>;

    /// Whether the log takes nothing of a contact any more.
    async fn is_buried(&self, contact: Uuid) -> Result<bool, StoreError>;

    /// Records by filter, from a record on (exclusive). `after` that is not in the log: [`StoreError::NotFound`].
    async fn page(
        &self,
        filter: &Filter,
        after: Option<Uuid>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError>;

    /// Messages with all these words, of the filter's contacts (of everybody if it names none), newest first, from a record on
    /// (exclusive). Words are compared without case and diacritics. `after` that is not in the log: [`StoreError::NotFound`].
    async fn search(
        &self,
        filter: &Filter,
        words: &Words,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Arc<Record>>, StoreError>;

    /// Position of the newest record of a stream; changes wake its readers. It may begin beyond that, never before it.
    fn watch(&self, partition: Partition, stream: &Stream) -> watch::Receiver<Position>;

    // ---- leases and progress

    /// Takes a partition: `None` while somebody else holds it. The embedded store always grants.
    async fn claim(&self, partition: Partition) -> Result<Option<Lease>, StoreError>;

    /// Keeps a partition. [`StoreError::Fenced`]: it is lost, stop at once.
    async fn renew(&self, lease: &Lease) -> Result<(), StoreError>;

    /// How far a subscriber is in a partition; the default for a new one is the beginning.
    async fn progress(&self, lease: &Lease, subscriber: &str) -> Result<Progress, StoreError>;

    // ---- table

    /// One entry.
    async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError>;

    /// Entries whose key begins with `prefix`, in order of key, after a key (exclusive). Fewer than `limit` may come although there
    /// are more, since large values are read in portions: only an empty answer is the end.
    async fn scan(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Entry)>, StoreError>;

    /// How much lies under `prefix`, without reading it.
    async fn usage(&self, prefix: &str) -> Result<Usage, StoreError>;

    // ---- operations

    /// Removes records beyond their horizon, dedupe keys and burials older than `dedupe_before`, and expired entries; in small
    /// steps that let others through. Returns how many records went.
    async fn trim(&self, horizon: &Horizon, dedupe_before: Time) -> Result<u64, StoreError>;

    /// Writes the files anew, so that nothing that was removed can be read from them. Meanwhile commits wait: about ten seconds
    /// for each GiB. With more than `bytes_max` of data that is not done, and told as `false`; what was removed by
    /// [`Batch::removals`] is overwritten even so, but copies that an earlier move of rows left behind stay until something
    /// else takes their place.
    async fn scrub(&self, bytes_max: u64) -> Result<bool, StoreError>;

    /// Whether a commit would succeed now, within `timeout`.
    async fn ready(&self, timeout: Duration) -> Result<(), StoreError>;

    /// Figures.
    async fn stats(&self) -> Result<Stats, StoreError>;
}
