use std::sync::Arc;

/// Why the store did not do it. Each variant is a different thing to do for the caller.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Nothing happened; later it may work.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// Whoever stands before the log does not let it in: nothing happened; later it may work.
    #[error("not let into the log: {0}")]
    Refused(String),
    /// It may have happened: repeat it unchanged.
    #[error("the outcome of the commit is unknown: {0}")]
    Unknown(String),
    /// Somebody else was faster: read again, decide again.
    #[error("key {0:?} has changed")]
    Conflict(String),
    /// The lease is lost: stop work on that partition.
    #[error("the lease on partition {partition} is lost: epoch {held} is not {current}")]
    Fenced { partition: u16, held: u64, current: u64 },
    /// No space: nothing happened.
    #[error("the disk is full")]
    Full,
    /// The record that a page was to follow is not there.
    #[error("no record {0}")]
    NotFound(uuid::Uuid),
    /// What is stored cannot be read.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
    /// The store could not be opened.
    #[error("cannot open the store at {path}: {why}")]
    Open { path: String, why: Arc<str> },
}
