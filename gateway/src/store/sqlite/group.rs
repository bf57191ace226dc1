use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::failure::{Fault, of_commit, without_effect};
use super::state::State;
use crate::interaction::Time;
use crate::store::{Record, StoreError};

/// What a job did: refusals are answers and concern this job alone; an error of SQLite concerns the transaction.
pub(super) type Ran<T> = rusqlite::Result<Result<T, StoreError>>;

/// The transaction that a group of jobs shares. Each job sees what those before it did.
pub(super) struct Tx<'a> {
    pub(super) connection: &'a Connection,
    pub(super) state: &'a mut State,
    pub(super) now: Time,
    /// Records of this transaction, in order.
    pub(super) appended: Vec<Arc<Record>>,
    /// Positions of records that went.
    pub(super) removed: Vec<u64>,
    /// Whether other contacts are buried than before.
    pub(super) buried: bool,
}

/// What a transaction did.
pub(super) struct Outcome {
    pub(super) appended: Vec<Arc<Record>>,
    pub(super) removed: Vec<u64>,
    pub(super) buried: bool,
}

/// Work for the writer. It may run more than once, but is finished once.
pub(super) trait Job: Send {
    /// Roughly what it adds to the transaction.
    fn bytes(&self) -> usize;
    fn run(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()>;
    /// Answers: with what `run` found if the transaction is durable, else with why it is not.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// A job made of a function and somebody who waits for its answer.
pub(super) struct Task<T, F> {
    bytes: usize,
    run: F,
    answer: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Task<T, F> {
    pub(super) fn new(bytes: usize, run: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { bytes, run, answer: None, reply }, answer)
    }
}

impl<T: Send, F: FnMut(&mut Tx<'_>) -> Ran<T> + Send> Job for Task<T, F> {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn run(&mut self, tx: &mut Tx<'_>) -> rusqlite::Result<()> {
        self.answer = Some((self.run)(tx)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self { answer, reply, .. } = *self;
        let never_ran = || Err(StoreError::Unavailable("the job did not run".to_owned()));
        // Who has stopped waiting does not want to know.
        let _ = reply.send(outcome.and_then(|()| answer.unwrap_or_else(never_ran)));
    }
}

/// Why a transaction came to nothing.
pub(super) struct Failure {
    pub(super) fault: Fault,
    /// What its jobs are told.
    pub(super) error: StoreError,
    /// The one job that is to blame.
    pub(super) culprit: Option<usize>,
}

impl Failure {
    fn before_commit(error: &rusqlite::Error) -> Self {
        Self { fault: Fault::of(error), error: without_effect(error), culprit: None }
    }

    fn in_job(index: usize, error: &rusqlite::Error) -> Self {
        let failure = Self::before_commit(error);
        let culprit = (failure.fault == Fault::Refused).then_some(index);
        Self { culprit, ..failure }
    }

    fn in_commit(error: &rusqlite::Error) -> Self {
        Self { fault: Fault::of(error), error: of_commit(error), culprit: None }
    }
}

/// Runs all jobs in one transaction; when this returns well, it is on the disk.
pub(super) fn commit(
    connection: &Connection,
    state: &mut State,
    jobs: &mut [Box<dyn Job>],
) -> Result<Outcome, Failure> {
    execute(connection, "BEGIN IMMEDIATE").map_err(|error| Failure::before_commit(&error))?;
    let mut tx = Tx { connection, state, now: Time::now(), appended: Vec::new(), removed: Vec::new(), buried: false };
    for (index, job) in jobs.iter_mut().enumerate() {
        job.run(&mut tx).map_err(|error| Failure::in_job(index, &error))?;
    }
    tx.state.store(connection).map_err(|error| Failure::before_commit(&error))?;
    execute(connection, "COMMIT").map_err(|error| Failure::in_commit(&error))?;
    let Tx { appended, removed, buried, .. } = tx;
    Ok(Outcome { appended, removed, buried })
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}
