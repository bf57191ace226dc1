use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::wal::CheckpointMode;

use super::group::{self, Failure, Job, Outcome};
use super::state::State;
use super::{schema, search};

/// 64 MiB of pages: beyond it, the log of writes is carried over into the database even under load.
const WAL_PAGES_MAX: usize = 16 << 10;
/// While a reader keeps the log from starting anew, it is tried again after so much more.
const WAL_PAGES_STEP: usize = 2 << 10;

/// The connection that writes and what is known about its file.
pub(super) struct Engine {
    connection: Connection,
    pub(super) state: State,
    wal: Wal,
    /// Up to here the words of the log are in the index.
    indexed: u64,
    /// It could not be brought up to date: not tried again before the next start.
    index_broken: bool,
}

/// How long the log of writes is, in pages.
struct Wal {
    pages: Arc<AtomicUsize>,
    /// Length at which a checkpoint is due.
    due: usize,
    /// Whether there is something that the database does not have yet.
    pending: bool,
}

/// What became of a group.
pub(super) struct Done {
    pub(super) outcome: Outcome,
    /// False if the group had nothing to write: then it proves nothing about the disk.
    pub(super) wrote: bool,
}

impl Engine {
    pub(super) fn new(mut connection: Connection) -> rusqlite::Result<Self> {
        let state = State::load(&connection)?;
        let wal = Wal::attach(&mut connection)?;
        let indexed = search::indexed(&connection)?;
        Ok(Self { connection, state, wal, indexed, index_broken: false })
    }

    /// On a file that was opened before.
    pub(super) fn reopen(database: &Path) -> rusqlite::Result<Self> {
        Self::new(schema::writer(database)?)
    }

    pub(super) fn commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<Done, Failure> {
        let before = self.connection.total_changes();
        let outcome = group::commit(&self.connection, &mut self.state, jobs)?;
        let wrote = self.connection.total_changes() != before;
        self.wal.pending |= wrote;
        Ok(Done { outcome, wrote })
    }

    /// Back to what the file says.
    pub(super) fn roll_back(&mut self) -> rusqlite::Result<()> {
        // SQLite has done it itself after some errors.
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        self.state = State::load(&self.connection)?;
        Ok(())
    }

    /// Records that the index of words does not have yet, at most.
    pub(super) fn unindexed(&self) -> u64 {
        if self.index_broken { 0 } else { self.state.counters.position.saturating_sub(self.indexed) }
    }

    /// Takes some more of the log into the index of words. Nothing waits for it, and it can be made again: so it need not be on
    /// the disk before the next commit is.
    pub(super) fn index(&mut self, rows: u64) {
        let step = |connection: &Connection| -> rusqlite::Result<u64> {
            connection.pragma_update(None, "synchronous", "normal")?;
            let transaction = connection.unchecked_transaction()?;
            let indexed = search::step(&transaction, rows)?;
            transaction.commit()?;
            Ok(indexed)
        };
        let stepped = step(&self.connection);
        let durable = self.connection.pragma_update(None, "synchronous", "full");
        match stepped.and_then(|indexed| durable.map(|()| indexed)) {
            // Where nothing more is in the log, the last positions were of what has gone.
            Ok(indexed) if indexed == self.indexed => self.indexed = self.state.counters.position,
            Ok(indexed) => self.indexed = indexed,
            Err(error) => {
                tracing::warn!(%error, "the index of words is not brought up to date until the next start");
                self.index_broken = true;
            }
        }
        self.wal.pending = true;
    }

    /// Whether the log has something to carry over.
    pub(super) fn has_pending(&self) -> bool {
        self.wal.pending
    }

    /// Carries the log over, while nobody waits.
    pub(super) fn tidy(&mut self) {
        self.checkpoint(CheckpointMode::PASSIVE);
    }

    /// Carries the log over when it has become long.
    pub(super) fn checkpoint_if_long(&mut self) {
        let pages = self.wal.pages.load(Ordering::Relaxed);
        if pages < WAL_PAGES_MAX {
            self.wal.due = WAL_PAGES_MAX;
        } else if pages >= self.wal.due {
            self.wal.due = pages + WAL_PAGES_STEP;
            self.checkpoint(CheckpointMode::PASSIVE);
        }
    }

    /// Gives the space of the log of writes back to a full disk, unless a reader needs it just now.
    pub(super) fn give_space_back(&mut self) {
        if self.connection.busy_timeout(Duration::ZERO).is_ok() {
            self.checkpoint(CheckpointMode::TRUNCATE);
        }
        if let Err(error) = self.connection.busy_timeout(schema::BUSY_WAIT) {
            tracing::warn!(%error, "the store does not wait for locks");
        }
    }

    /// Writes the file anew and empties the log of writes: what was deleted is in neither.
    pub(super) fn rewrite(&mut self) -> rusqlite::Result<()> {
        self.connection.execute_batch("VACUUM")?;
        self.cut()
    }

    /// Empties the log of writes; a reader that needs it just now is waited for.
    pub(super) fn cut(&mut self) -> rusqlite::Result<()> {
        self.connection.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE).map(drop)
    }

    /// Carries the log over into the database. A failure costs nothing but time: the log still has everything.
    fn checkpoint(&mut self, mode: CheckpointMode) {
        self.wal.pending = false;
        if let Err(error) = self.connection.wal_checkpoint_v2(None::<&str>, mode) {
            tracing::warn!(%error, "checkpoint of the store failed");
        }
    }
}

impl Wal {
    /// Starts as pending: a crash may have left a log behind.
    fn attach(connection: &mut Connection) -> rusqlite::Result<Self> {
        let pages = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&pages);
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, length: i32| {
            counter.store(usize::try_from(length).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self { pages, due: WAL_PAGES_MAX, pending: true })
    }
}
