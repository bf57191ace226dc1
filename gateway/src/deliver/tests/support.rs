use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::deliver::{Attempt, Handle, Outcome, Scope, Shutdown, Subscriber, SubscriberState, Target, start};
use crate::interaction::{Kind, Time};
use crate::store::sqlite::SqliteStore;
use crate::store::{Batch, NewEvent, Partition, Position, Progress, Record, Store, StoreError, Stream};

pub(super) const NAME: &str = "backend:desk";

pub(super) fn record(position: u64, lane: Uuid) -> Arc<Record> {
    Arc::new(Record {
        partition: Partition(0),
        position: Position(position),
        id: Uuid::from_u128(u128::from(position) << 64),
        kind: Kind::MessageReceived,
        lane,
        conversation: None,
        contact: None,
        channel: "sms".to_owned(),
        target: None,
        time: Time::from_ms(0),
        body: Bytes::new(),
    })
}

/// A lane by number.
pub(super) fn lane(number: usize) -> Uuid {
    Uuid::from_u128(number as u128)
}

pub(super) fn retry() -> Outcome {
    Outcome::Retry { after: None, why: "scripted".into(), scope: Scope::Lane }
}

/// A store in a directory of its own, and what runs on it.
pub(super) struct Place {
    pub(super) store: Arc<dyn Store>,
    _directory: TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        Self::with(|store| store)
    }

    pub(super) fn with(wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        let directory = TempDir::new().unwrap();
        let store = Arc::new(SqliteStore::open(directory.path()).unwrap());
        Self { store: wrap(store), _directory: directory }
    }

    /// One record for each lane named, in this order; their ids.
    pub(super) async fn append(&self, lanes: impl IntoIterator<Item = usize>) -> Vec<Uuid> {
        let events: Vec<_> = lanes.into_iter().map(event).collect();
        let ids = events.iter().map(|event| event.id).collect();
        self.store.commit(Batch { events, ..Batch::default() }).await.unwrap();
        ids
    }

    pub(super) async fn start(&self, target: &Arc<Scripted>) -> Running {
        self.start_as(self.subscriber(target)).await
    }

    pub(super) fn subscriber(&self, target: &Arc<Scripted>) -> Subscriber {
        Subscriber {
            name: NAME.to_owned(),
            stream: Stream::All,
            concurrency: 4,
            retries: vec![Duration::from_millis(1); 3],
            mark_uncertain: false,
            target: Arc::clone(target) as Arc<dyn Target>,
        }
    }

    pub(super) async fn start_as(&self, subscriber: Subscriber) -> Running {
        self.start_with(subscriber, Duration::from_secs(10)).await
    }

    pub(super) async fn start_with(&self, subscriber: Subscriber, grace: Duration) -> Running {
        let lease = self.store.claim(Partition(0)).await.unwrap().unwrap();
        let shutdown = Shutdown { stop: CancellationToken::new(), grace };
        let (handle, task) = start(Arc::clone(&self.store), lease, subscriber, shutdown.clone());
        Running { handle, task, stop: shutdown.stop }
    }

    /// What is written down.
    pub(super) async fn progress(&self) -> Progress {
        let lease = self.store.claim(Partition(0)).await.unwrap().unwrap();
        self.store.progress(&lease, NAME).await.unwrap()
    }
}

fn event(number: usize) -> NewEvent {
    NewEvent {
        id: Uuid::now_v7(),
        kind: Kind::MessageReceived,
        lane: lane(number),
        conversation: None,
        contact: None,
        channel: "sms".to_owned(),
        target: None,
        time: Time::now(),
        dedupe: None,
        body: Bytes::from_static(b"{}"),
        raw: None,
    }
}

/// A started subscriber.
pub(super) struct Running {
    pub(super) handle: Handle,
    pub(super) task: JoinHandle<Result<(), StoreError>>,
    pub(super) stop: CancellationToken,
}

impl Running {
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    pub(super) async fn kill(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }

    /// Waits until its state is as wished. The state is made for looking at now and then, so that is what happens here.
    pub(super) async fn until(&self, wished: impl Fn(&SubscriberState) -> bool) {
        let look = async {
            while !wished(&self.handle.state()) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(20), look).await;
        assert!(seen.is_ok(), "not in time: {:?}", self.handle.state());
    }
}

/// One attempt as the target saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) id: Uuid,
    pub(super) lane: Uuid,
    pub(super) position: Position,
    pub(super) attempt: Attempt,
}

type Script = dyn Fn(&Seen) -> Outcome + Send + Sync;

/// A target that answers as a function says, remembers everything, and keeps lanes waiting that a test has closed.
pub(super) struct Scripted {
    script: Box<Script>,
    seen: watch::Sender<Vec<Seen>>,
    ended: watch::Sender<Vec<(Seen, Outcome)>>,
    closed: watch::Sender<Vec<Uuid>>,
    under_way: Mutex<HashMap<Uuid, usize>>,
}

impl Scripted {
    pub(super) fn new(script: impl Fn(&Seen) -> Outcome + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            seen: watch::Sender::default(),
            ended: watch::Sender::default(),
            closed: watch::Sender::default(),
            under_way: Mutex::default(),
        })
    }

    /// Takes everything.
    pub(super) fn willing() -> Arc<Self> {
        Self::new(|_| Outcome::Done)
    }

    /// Keeps attempts of these lanes, and of no others, from ending.
    pub(super) fn close(&self, lanes: &[usize]) {
        self.closed.send_replace(lanes.iter().map(|number| lane(*number)).collect());
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// Ids that were taken, in order.
    pub(super) fn done(&self) -> Vec<Uuid> {
        let ended = self.ended.borrow();
        ended.iter().filter(|(_, outcome)| *outcome == Outcome::Done).map(|(seen, _)| seen.id).collect()
    }

    pub(super) fn ended(&self) -> Vec<(Seen, Outcome)> {
        self.ended.borrow().clone()
    }

    pub(super) async fn until_seen(&self, wished: impl Fn(&[Seen]) -> bool) {
        self.until_seen_within(Duration::from_secs(20), wished).await;
    }

    pub(super) async fn until_seen_within(&self, longest: Duration, wished: impl Fn(&[Seen]) -> bool) {
        let mut seen = self.seen.subscribe();
        let waiting = seen.wait_for(|seen| wished(seen));
        let waited = tokio::time::timeout(longest, waiting).await;
        assert!(waited.is_ok(), "not in time");
    }

    pub(super) async fn until_done(&self, count: usize) {
        let mut ended = self.ended.subscribe();
        let done = |ended: &Vec<(Seen, Outcome)>| ended.iter().filter(|(_, o)| *o == Outcome::Done).count() >= count;
        let waited = tokio::time::timeout(Duration::from_secs(20), ended.wait_for(done)).await;
        assert!(waited.is_ok(), "not in time: {} of {count}", self.done().len());
    }
}

#[async_trait]
impl Target for Scripted {
    async fn deliver(&self, record: &Record, attempt: Attempt) -> Outcome {
        let seen = Seen { id: record.id, lane: record.lane, position: record.position, attempt };
        let _one = One::begin(&self.under_way, record.lane);
        self.seen.send_modify(|all| all.push(seen));
        let mut closed = self.closed.subscribe();
        closed.wait_for(|closed| !closed.contains(&record.lane)).await.unwrap();
        let outcome = (self.script)(&seen);
        self.ended.send_modify(|all| all.push((seen, outcome.clone())));
        outcome
    }

    fn wants(&self, _: &Record) -> bool {
        true
    }
}

/// Proves that a lane has no second attempt at the same time.
struct One<'a>(&'a Mutex<HashMap<Uuid, usize>>, Uuid);

impl<'a> One<'a> {
    fn begin(lanes: &'a Mutex<HashMap<Uuid, usize>>, lane: Uuid) -> Self {
        *lanes.lock().unwrap().entry(lane).or_default() += 1;
        assert_eq!(lanes.lock().unwrap()[&lane], 1, "two attempts of one lane at once");
        Self(lanes, lane)
    }
}

impl Drop for One<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap().entry(self.1).or_default() -= 1;
    }
}
