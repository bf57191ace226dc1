use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::gate::Now;
use super::handle::{Control, ControlError, Done, Handle};
use super::lanes::{Fetch, Lanes, Step};
use super::record_keeping::{self, Settled, patiently};
use super::schedule::Schedule;
use super::subscriber::{Board, Status, Subscriber};
use super::target::{Attempt, Outcome, Scope, Target};
use crate::store::{Lease, Position, Record, Store, StoreError, Write};

/// Wishes of operators that wait.
const CONTROLS_MAX: usize = 16;
/// Ends of deliveries that are taken together; the stop and operators wait for no more.
const READY_MAX: usize = 64;
/// Records that may wait as put back.
pub(super) const PUT_BACK_MAX: usize = 65_536;
/// What the last commit gets, after the grace for deliveries.
const LAST_SETTLE: Duration = Duration::from_secs(5);

/// How a worker ends.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// Cancelled: nothing new begins.
    pub stop: CancellationToken,
    /// How long deliveries under way may take after that; then they are cut off, and made again at the next start.
    pub grace: Duration,
}

/// Starts a subscriber on a partition. The task ends with `Ok` after a shutdown, and with [`StoreError::Fenced`] as soon as
/// the lease is lost.
pub fn start(
    store: Arc<dyn Store>,
    lease: Lease,
    subscriber: Subscriber,
    shutdown: Shutdown,
) -> (Handle, JoinHandle<Result<(), StoreError>>) {
    let head = store.watch(lease.partition, &subscriber.stream);
    let board = Arc::new(Board::new(subscriber.name.clone(), head.clone()));
    let (sender, controls) = mpsc::channel(CONTROLS_MAX);
    let handle = Handle {
        store: Arc::clone(&store),
        partition: lease.partition,
        subscriber: subscriber.clone(),
        board: Arc::clone(&board),
        controls: sender,
    };
    let task = tokio::spawn(run(store, lease, subscriber, shutdown, head, board, controls));
    (handle, task)
}

async fn run(
    store: Arc<dyn Store>,
    lease: Lease,
    subscriber: Subscriber,
    shutdown: Shutdown,
    head: watch::Receiver<Position>,
    board: Arc<Board>,
    controls: mpsc::Receiver<Control>,
) -> Result<(), StoreError> {
    let loading = load(&*store, &lease, &subscriber);
    let lanes = tokio::select! {
        () = shutdown.stop.cancelled() => return Ok(()),
        lanes = loading => lanes?,
    };
    let worker = Worker {
        store,
        lease,
        subscriber: Arc::new(subscriber),
        lanes,
        running: FuturesUnordered::new(),
        settle: None,
        reading: false,
        head,
        board,
        shown: Status::Running,
        controls,
        writes: Vec::new(),
        asked: Vec::new(),
    };
    worker.run(shutdown).await
}

async fn load(store: &dyn Store, lease: &Lease, subscriber: &Subscriber) -> Result<Lanes, StoreError> {
    let progress = patiently("read progress", || store.progress(lease, &subscriber.name)).await?;
    let stopped = record_keeping::stopped(store, &subscriber.name).await?;
    let schedule = Schedule::new(subscriber.retries.clone());
    let mut lanes = Lanes::load(progress, subscriber.concurrency, subscriber.mark_uncertain, schedule, Now::read());
    if let Some(why) = stopped {
        lanes.gate.stop(why);
    }
    Ok(lanes)
}

/// One subscriber on one partition: does what [`Lanes`] asks for.
struct Worker {
    store: Arc<dyn Store>,
    lease: Lease,
    subscriber: Arc<Subscriber>,
    lanes: Lanes,
    /// Deliveries and readings under way.
    running: FuturesUnordered<BoxFuture<'static, Event>>,
    /// The commit under way: one at a time, so that what happens meanwhile goes together.
    settle: Option<BoxFuture<'static, Result<Settled, StoreError>>>,
    reading: bool,
    head: watch::Receiver<Position>,
    board: Arc<Board>,
    shown: Status,
    controls: mpsc::Receiver<Control>,
    /// For the next commit, and whom to tell of it.
    writes: Vec<Write>,
    asked: Vec<Done>,
}

/// What came to an end.
enum Event {
    Delivered { lane: Uuid, outcome: Outcome },
    Read(Result<(Vec<Arc<Record>>, Position), StoreError>),
    Fetched(Fetch, Result<Vec<Arc<Record>>, StoreError>),
    Found(Uuid, Result<Option<Arc<Record>>, StoreError>),
}

/// What a worker was waiting for.
enum Wake {
    Event(Event),
    Settled(Result<Settled, StoreError>),
    Control(Control),
    /// There is something to read, or something is due.
    Look,
    Stop,
}

impl Worker {
    async fn run(mut self, shutdown: Shutdown) -> Result<(), StoreError> {
        loop {
            self.advance();
            match self.wait(&shutdown.stop).await {
                Wake::Stop => return self.end(Instant::now() + shutdown.grace).await,
                wake => self.handle(wake)?,
            }
            self.handle_ready()?;
        }
    }

    /// What has ended besides goes together: looking at everything costs as much after one as after many.
    fn handle_ready(&mut self) -> Result<(), StoreError> {
        for _ in 0..READY_MAX {
            match self.running.next().now_or_never() {
                Some(Some(event)) => self.happened(event)?,
                Some(None) | None => break,
            }
        }
        Ok(())
    }

    /// Begins whatever can begin.
    fn advance(&mut self) {
        let now = Now::read();
        self.lanes.tick(now.mono);
        self.read_on(now.mono);
        while let Some(step) = self.lanes.next(now) {
            self.running.push(self.step(step));
        }
        if self.lanes.has_changes() || !self.asked.is_empty() {
            self.settle(now);
        }
        self.show(now);
    }

    async fn wait(&mut self, stop: &CancellationToken) -> Wake {
        let due = self.lanes.wake_at(Instant::now());
        tokio::select! {
            biased;
            () = stop.cancelled() => Wake::Stop,
            settled = finish(&mut self.settle) => Wake::Settled(settled),
            Some(control) = self.controls.recv() => Wake::Control(control),
            Some(event) = self.running.next() => Wake::Event(event),
            Ok(()) = self.head.changed() => Wake::Look,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Wake::Look,
            else => pending().await,
        }
    }

    fn handle(&mut self, wake: Wake) -> Result<(), StoreError> {
        match wake {
            Wake::Event(event) => self.happened(event)?,
            Wake::Settled(settled) => self.settled(settled?),
            Wake::Control(control) => self.control(control),
            Wake::Look | Wake::Stop => {}
        }
        Ok(())
    }

    fn happened(&mut self, event: Event) -> Result<(), StoreError> {
        let wants = |record: &Record| self.subscriber.target.wants(record);
        match event {
            Event::Delivered { lane, outcome } => self.lanes.finished(lane, outcome, Now::read()),
            Event::Fetched(fetch, records) => self.lanes.fetched(fetch, records?, wants),
            Event::Found(id, record) => self.lanes.found(id, record?),
            Event::Read(read) => {
                let (records, seen) = read?;
                self.reading = false;
                self.lanes.feed(records, seen, wants);
            }
        }
        Ok(())
    }

    // ---- reading and sending

    fn read_on(&mut self, now: Instant) {
        let head = *self.head.borrow_and_update();
        if self.reading || head <= self.lanes.seen() {
            return;
        }
        let Some((after, limit)) = self.lanes.read_next(now) else { return };
        self.reading = true;
        let (store, subscriber, partition) =
            (Arc::clone(&self.store), Arc::clone(&self.subscriber), self.lease.partition);
        let read =
            async move { patiently("read the log", || store.read(partition, &subscriber.stream, after, limit)).await };
        self.running.push(read.map(Event::Read).boxed());
    }

    fn step(&self, step: Step) -> BoxFuture<'static, Event> {
        match step {
            Step::Deliver { lane, record, attempt } => {
                deliver(Arc::clone(&self.subscriber.target), lane, record, attempt).boxed()
            }
            Step::Fetch(fetch) => self.fetch(fetch),
            Step::Find(id) => self.find(id),
        }
    }

    fn fetch(&self, fetch: Fetch) -> BoxFuture<'static, Event> {
        let (store, subscriber, partition) =
            (Arc::clone(&self.store), Arc::clone(&self.subscriber), self.lease.partition);
        let read = async move {
            let read = || store.read_lane(partition, &subscriber.stream, fetch.lane, fetch.from, fetch.limit);
            patiently("read a lane", read).await
        };
        read.map(move |records| Event::Fetched(fetch, records)).boxed()
    }

    fn find(&self, id: Uuid) -> BoxFuture<'static, Event> {
        let store = Arc::clone(&self.store);
        let find = async move { patiently("find a record", || store.find(id)).await };
        find.map(move |record| Event::Found(id, record)).boxed()
    }

    // ---- writing down

    fn settle(&mut self, now: Now) {
        if self.settle.is_some() {
            return;
        }
        let changes = self.lanes.take_changes(now.wall);
        let (writes, asked) = (std::mem::take(&mut self.writes), std::mem::take(&mut self.asked));
        let settle = record_keeping::settle(&self.store, self.lease, &self.subscriber.name, changes, writes, asked);
        self.settle = Some(settle.boxed());
    }

    fn settled(&mut self, settled: Settled) {
        self.settle = None;
        self.lanes.settled(settled.announced);
        for done in settled.asked {
            // Who asked may have gone.
            let _ = done.send(Ok(()));
        }
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::PutBack { records, replayed, writes, done } => {
                if self.lanes.singles_len() + records.len() > PUT_BACK_MAX {
                    let _ = done.send(Err(ControlError::Busy));
                    return;
                }
                for (id, position) in records {
                    self.lanes.put_back(id, position, replayed);
                }
                self.writes.extend(writes);
                self.asked.push(done);
            }
            Control::Resume { done } => {
                self.lanes.resume();
                self.asked.push(done);
            }
        }
    }

    // ---- showing and ending

    fn show(&mut self, now: Now) {
        self.board.show(&self.lanes.figures());
        let status = self.lanes.gate.status(now);
        if status != self.shown {
            // Whoever reads the log and looks finds what it says.
            self.board.show_status(status.clone());
            self.tell(&status);
            self.shown = status;
        }
    }

    fn tell(&self, status: &Status) {
        let subscriber = &*self.subscriber.name;
        match (status, &self.shown) {
            (Status::Paused { .. }, Status::Paused { .. }) => {}
            (Status::Running, _) => tracing::info!(subscriber, "deliveries go on"),
            (Status::Paused { why, .. }, _) => tracing::warn!(subscriber, why, "deliveries pause"),
            (Status::Held { why }, _) => tracing::error!(subscriber, why, "credentials are refused: deliveries wait"),
            (Status::Stopped { why }, _) => tracing::error!(subscriber, why, "deliveries are stopped"),
        }
    }

    /// Lets what is under way end, and writes down what has ended.
    async fn end(mut self, deadline: Instant) -> Result<(), StoreError> {
        self.lanes.close();
        while self.lanes.busy() > 0 {
            self.advance();
            let wake = tokio::select! {
                Some(event) = self.running.next() => Wake::Event(event),
                settled = finish(&mut self.settle) => Wake::Settled(settled),
                () = sleep_until(deadline) => break,
            };
            self.handle(wake)?;
        }
        self.running.clear();
        match timeout(LAST_SETTLE, self.settle_all()).await {
            Ok(settled) => settled,
            Err(_) => Err(StoreError::Unavailable("the last progress could not be written".to_owned())),
        }
    }

    async fn settle_all(&mut self) -> Result<(), StoreError> {
        loop {
            if self.lanes.has_leftovers() || !self.asked.is_empty() {
                self.settle(Now::read());
            }
            if self.settle.is_none() {
                return Ok(());
            }
            let settled = finish(&mut self.settle).await?;
            self.settled(settled);
        }
    }
}

async fn deliver(target: Arc<dyn Target>, lane: Uuid, record: Arc<Record>, attempt: Attempt) -> Event {
    let attempt = AssertUnwindSafe(target.deliver(&record, attempt)).catch_unwind().await;
    let outcome = attempt.unwrap_or_else(|_| Outcome::Retry {
        after: None,
        why: "the delivery panicked".to_owned(),
        scope: Scope::Lane,
    });
    Event::Delivered { lane, outcome }
}

async fn finish(settle: &mut Option<BoxFuture<'static, Result<Settled, StoreError>>>) -> Result<Settled, StoreError> {
    match settle {
        Some(settle) => settle.await,
        None => pending().await,
    }
}
