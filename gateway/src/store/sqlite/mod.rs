//! The embedded engine: one SQLite file, one thread that writes, a few that read.
//!
//! Whatever waits for the writer becomes one transaction and one fsync. Readers near the head are served from memory.
//! An acknowledged commit survives a power cut; after any failure the writer begins again from what the file says.

mod commit;
mod engine;
mod erase;
mod failure;
mod files;
mod group;
mod page;
mod progress;
mod readers;
mod reads;
mod record;
mod schema;
mod search;
mod shared;
mod state;
mod store;
mod tail;
#[cfg(test)]
mod tests;
mod trim;
mod watches;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::params;

use self::engine::Engine;
use self::files::Home;
use self::readers::Readers;
use self::schema::Refusal;
use self::shared::Shared;
use self::writer::Writer;
use super::{Horizon, Lease, Partition, StoreError};
use crate::interaction::Time;

/// There is one.
const PARTITION: Partition = Partition(0);
/// Threads for what deliveries and channels wait for.
const QUICK_READERS: usize = 2;
/// Threads for what may walk far: pages of the log, and the search for what is old.
const SLOW_READERS: usize = 1;
/// What a disk must have room for to be called well again.
const PROBE_BYTES: i64 = 64 << 10;

/// A store in one directory on this machine.
///
/// Dropping it waits for the commits that are under way.
pub struct SqliteStore {
    writer: Writer,
    quick: Readers,
    slow: Readers,
    shared: Arc<Shared>,
    // Last, so that the directory is given free when all connections are closed.
    home: Home,
}

impl SqliteStore {
    /// Opens the store in a directory, making both if they are missing (modes 0700 and 0600).
    ///
    /// # Errors
    /// [`StoreError::Open`] if the directory cannot be used, another process works with it, or the file is damaged, not
    /// ours, or written by a newer program.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        Self::start(directory)
            .map_err(|why| StoreError::Open { path: directory.display().to_string(), why: why.into() })
    }

    fn start(directory: &Path) -> Result<Self, String> {
        let told = |error: std::io::Error| error.to_string();
        let home = Home::open(directory).map_err(told)?;
        let engine = Self::engine(&home).map_err(|refusal| refusal.to_string())?;
        let shared = Arc::new(Shared::new(&engine.state));
        let quick = Readers::start(&home.database, "store-reader", QUICK_READERS).map_err(told)?;
        let slow = Readers::start(&home.database, "store-pager", SLOW_READERS).map_err(told)?;
        let writer = Writer::start(home.database.clone(), engine, Arc::clone(&shared)).map_err(told)?;
        Ok(Self { writer, quick, slow, shared, home })
    }

    /// Reads must go on when the disk is full, also after a restart: then the reserve is used.
    fn engine(home: &Home) -> Result<Engine, Refusal> {
        let open = || -> Result<Engine, Refusal> { Ok(Engine::new(schema::open(&home.database)?)?) };
        let engine = match open() {
            Err(refusal) if refusal.is_full() && home.release_reserve() => open(),
            opened => opened,
        }?;
        home.keep_reserve();
        Ok(engine)
    }

    async fn trim_records(&self, horizon: &Horizon) -> Result<u64, StoreError> {
        let mut removed = 0;
        for (channel, name) in self.slow.ask(trim::channels).await? {
            removed += self.trim_channel(channel, horizon.before(&name)).await?;
        }
        Ok(removed)
    }

    async fn trim_channel(&self, channel: i64, before: Time) -> Result<u64, StoreError> {
        let (mut removed, mut after) = (0, 0);
        loop {
            let step = self.slow.ask(move |connection| trim::old_records(connection, channel, after, before)).await?;
            if !step.old.is_empty() {
                removed += self.writer.submit(0, move |tx| trim::remove(tx, &step.old).map(Ok)).await?;
            }
            let Some(last) = step.last else { return Ok(removed) };
            after = last;
        }
    }

    async fn trim_dedupe(&self, before: Time) -> Result<(), StoreError> {
        let mut after = Vec::new();
        loop {
            let step = self.slow.ask(move |connection| trim::old_dedupe(connection, &after, before)).await?;
            if !step.old.is_empty() {
                self.writer.submit(0, move |tx| trim::remove_dedupe(tx, &step.old, before)).await?;
            }
            let Some(last) = step.last else { return Ok(()) };
            after = last;
        }
    }

    async fn trim_expired(&self) -> Result<(), StoreError> {
        let now = Time::now();
        loop {
            let keys = self.slow.ask(move |connection| trim::expired(connection, now)).await?;
            let last = keys.len() < trim::STEP_ROWS;
            if !keys.is_empty() {
                self.writer.submit(0, move |tx| trim::remove_expired(tx, &keys, now)).await?;
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Whether the writer answers; after a full disk, whether it can write.
    async fn probe(&self) -> Result<(), StoreError> {
        if !self.shared.is_full() {
            return self.writer.submit(0, |_| Ok(Ok(()))).await;
        }
        let fill = "INSERT OR REPLACE INTO probe (one, filler) VALUES (1, zeroblob(?1))";
        self.writer.submit(0, move |tx| tx.connection.execute(fill, params![PROBE_BYTES]).map(|_| Ok(()))).await?;
        self.writer.submit(0, |tx| tx.connection.execute("DELETE FROM probe", []).map(|_| Ok(()))).await
    }

    async fn within<T>(timeout: Duration, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let late = |_| Err(StoreError::Unavailable(format!("no answer within {timeout:?}")));
        tokio::time::timeout(timeout, work).await.unwrap_or_else(late)
    }
}

/// Refuses a partition that is not there.
fn known(partition: Partition) -> Result<(), StoreError> {
    if partition == PARTITION {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!("there is no partition {}", partition.0)))
}

/// Refuses a lease that was lost.
fn fenced(lease: &Lease, current: u64) -> Result<(), StoreError> {
    known(lease.partition)?;
    if lease.epoch == current {
        return Ok(());
    }
    Err(StoreError::Fenced { partition: lease.partition.0, held: lease.epoch, current })
}

/// What a panic left behind a lock is whole here: all is changed in single steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
