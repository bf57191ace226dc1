use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{self, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::engine::{Done, Engine};
use super::failure::{Fault, without_effect};
use super::group::{Failure, Job, Ran, Task, Tx};
use super::shared::Shared;
use crate::store::StoreError;

const QUEUE_JOBS: usize = 1024;
const GROUP_JOBS_MAX: usize = 512;
const GROUP_BYTES_MAX: usize = 8 << 20;

/// So many records wait for the index of words until the writer is idle; more of them are taken between commits.
const UNINDEXED_MAX: u64 = 512;
/// Records taken into the index between two commits: about a millisecond.
const INDEX_ROWS_BUSY: u64 = 64;
/// The same while nobody is there.
const INDEX_ROWS_IDLE: u64 = 256;
/// Between commits the index gets one part of the time, and whoever commits so many.
const INDEX_REST: u32 = 19;

/// So long without work, and the writer uses the time for a checkpoint.
const IDLE: Duration = Duration::from_millis(200);

/// What the writer is asked for.
enum Order {
    Job(Box<dyn Job>),
    /// Alone, outside of any transaction: nothing removed is to be left in the files. `rewrite`: also not between rows.
    Scrub {
        rewrite: bool,
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
}

/// The one thread that writes, seen from outside.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(database: PathBuf, engine: Engine, shared: Arc<Shared>) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE_JOBS);
        let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
        let work = Work { database, engine: Some(engine), shared, index_next: Instant::now() };
        let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(move || work.run(jobs, &runtime))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs a function in the writer's next transaction and returns when that is durable.
    ///
    /// The function may run more than once; what it did before the last time was rolled back.
    pub(super) async fn submit<T, F>(&self, bytes: usize, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Ran<T> + Send + 'static,
    {
        let (task, answer) = Task::new(bytes, run);
        self.order(Order::Job(Box::new(task))).await?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Unknown("the writer was interrupted".to_owned())))
    }

    /// Leaves nothing that was removed in the log of writes, and with `rewrite` nowhere in the file.
    pub(super) async fn scrub(&self, rewrite: bool) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Scrub { rewrite, reply }).await?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Unknown("the writer was interrupted".to_owned())))
    }

    async fn order(&self, order: Order) -> Result<(), StoreError> {
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.send(order).await.map_err(|_| closed())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic has been told where it happened.
            let _ = thread.join();
        }
    }
}

/// The one thread that writes, seen from inside.
struct Work {
    database: PathBuf,
    /// Absent after a failure, until it can be opened again.
    engine: Option<Engine>,
    shared: Arc<Shared>,
    /// Not before then is anything indexed between commits.
    index_next: Instant,
}

impl Work {
    fn run(mut self, mut queue: mpsc::Receiver<Order>, runtime: &Runtime) {
        while let Some(first) = self.next(&mut queue, runtime) {
            if catch_unwind(AssertUnwindSafe(|| self.fulfil(first, &mut queue))).is_err() {
                tracing::error!("the store's writer was interrupted by a bug and starts anew");
                self.restart();
            }
        }
    }

    fn fulfil(&mut self, first: Order, queue: &mut mpsc::Receiver<Order>) {
        let mut next = Some(first);
        while let Some(order) = next.take() {
            match order {
                Order::Job(job) => {
                    let (jobs, interrupted) = gather(job, queue);
                    self.serve(jobs);
                    next = interrupted;
                }
                Order::Scrub { rewrite, reply } => {
                    // Who has stopped waiting does not want to know.
                    let _ = reply.send(self.scrub(rewrite));
                }
            }
        }
    }

    /// A failure has changed nothing: the database is what it was.
    fn scrub(&mut self, rewrite: bool) -> Result<(), StoreError> {
        let engine = self.engine().map_err(|failure| failure.error)?;
        let scrubbed = if rewrite { engine.rewrite() } else { engine.cut() };
        scrubbed.map_err(|error| {
            if Fault::of(&error).needs_reopening() {
                self.restart();
            }
            without_effect(&error)
        })
    }

    /// Waits for work, and uses the time.
    fn next(&mut self, queue: &mut mpsc::Receiver<Order>, runtime: &Runtime) -> Option<Order> {
        self.index_a_little(queue);
        if let Some(engine) = self.engine.as_mut().filter(|engine| engine.has_pending()) {
            match runtime.block_on(async { timeout(IDLE, queue.recv()).await }) {
                Ok(job) => return job,
                Err(_) => engine.tidy(),
            }
            while engine.unindexed() > 0 && queue.is_empty() && !queue.is_closed() {
                engine.index(INDEX_ROWS_IDLE);
            }
        }
        queue.blocking_recv()
    }

    /// Brings the index of words nearer to the log when nobody waits, in a small share of the time.
    fn index_a_little(&mut self, queue: &mpsc::Receiver<Order>) {
        let begun = Instant::now();
        let Some(engine) = self.engine.as_mut().filter(|engine| engine.unindexed() > UNINDEXED_MAX) else { return };
        if queue.is_empty() && begun >= self.index_next {
            engine.index(INDEX_ROWS_BUSY);
            self.index_next = Instant::now() + begun.elapsed() * INDEX_REST;
        }
    }

    /// Commits the jobs as one group; a job that cannot be done at all is taken out and the others tried again.
    fn serve(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        while !jobs.is_empty() {
            match self.attempt(&mut jobs) {
                Ok(()) => return finish(jobs, &Ok(())),
                Err(Failure { culprit: Some(index), error, .. }) => jobs.remove(index).finish(Err(error)),
                Err(Failure { error, .. }) => return finish(jobs, &Err(error)),
            }
        }
    }

    fn attempt(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        let engine = self.engine()?;
        match engine.commit(jobs) {
            Ok(done) => {
                self.publish(done, jobs.len());
                Ok(())
            }
            Err(failure) => {
                self.recover(&failure);
                Err(failure)
            }
        }
    }

    fn publish(&mut self, done: Done, jobs: usize) {
        let Some(engine) = self.engine.as_mut() else { return };
        self.shared.publish(done.outcome, &engine.state, jobs);
        if done.wrote {
            self.shared.set_full(false);
        }
        engine.checkpoint_if_long();
    }

    /// The engine, opened again if it was given up.
    fn engine(&mut self) -> Result<&mut Engine, Failure> {
        if self.engine.is_none() {
            let engine = Engine::reopen(&self.database).map_err(|error| Failure {
                fault: Fault::of(&error),
                error: without_effect(&error),
                culprit: None,
            })?;
            self.shared.restart(&engine.state);
            self.engine = Some(engine);
        }
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        self.engine.as_mut().ok_or_else(|| Failure { fault: Fault::Broken, error: closed(), culprit: None })
    }

    /// Begins again from what the file says; if that cannot be read now, the next group tries it again.
    fn restart(&mut self) {
        self.engine = None;
        if let Err(failure) = self.engine() {
            tracing::error!(error = %failure.error, "the store cannot be opened again");
        }
    }

    /// Undoes what a failed group left, so that the next one starts from what the file says.
    fn recover(&mut self, failure: &Failure) {
        if failure.culprit.is_none() {
            tracing::error!(error = %failure.error, "a commit to the store failed");
        }
        let Some(engine) = self.engine.as_mut() else { return };
        if failure.fault.needs_reopening() || engine.roll_back().is_err() {
            self.restart();
        } else if failure.fault == Fault::Full {
            self.shared.set_full(true);
            // What the log of writes takes may be what is missing.
            engine.give_space_back();
        }
    }
}

/// Whatever waits, up to the bounds of a group; and what came in between and is no job.
fn gather(first: Box<dyn Job>, queue: &mut mpsc::Receiver<Order>) -> (Vec<Box<dyn Job>>, Option<Order>) {
    let mut bytes = first.bytes();
    let mut jobs = vec![first];
    while jobs.len() < GROUP_JOBS_MAX && bytes < GROUP_BYTES_MAX {
        match queue.try_recv() {
            Ok(Order::Job(job)) => {
                bytes += job.bytes();
                jobs.push(job);
            }
            Ok(other) => return (jobs, Some(other)),
            Err(_) => break,
        }
    }
    (jobs, None)
}

fn finish(jobs: Vec<Box<dyn Job>>, outcome: &Result<(), StoreError>) {
    for job in jobs {
        job.finish(outcome.clone());
    }
}
