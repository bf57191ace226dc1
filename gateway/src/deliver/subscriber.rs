use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::Target;
use crate::interaction::Time;
use crate::store::{Position, Stream};

/// Who gets what, and how.
#[derive(Clone)]
pub struct Subscriber {
    /// Unique and lasting, for its progress is kept under it: `backend:desk`, `channel:support-sms`.
    pub name: String,
    pub stream: Stream,
    /// Deliveries at once, at least 1; never two of one lane.
    pub concurrency: usize,
    /// Pauses before the second, third, ... attempt; after the last one a dead letter.
    pub retries: Vec<Duration>,
    /// Whether an attempt is written down before it leaves, so that after a crash the target learns of it. Costs a commit
    /// for each delivery.
    pub mark_uncertain: bool,
    pub target: Arc<dyn Target>,
}

/// How a subscriber is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    Running,
    /// The target asked for it, or fails all the time.
    Paused {
        until: Time,
        why: String,
    },
    /// Credentials are refused.
    Held {
        why: String,
    },
    /// The target wants nothing any more.
    Stopped {
        why: String,
    },
}

/// What metrics and the API show. Counts are since the start of the program.
#[derive(Clone, Debug, Serialize)]
pub struct SubscriberState {
    pub name: String,
    #[serde(flatten)]
    pub status: Status,
    /// Everything up to here is settled or waits in a lane of its own.
    pub position: u64,
    /// Newest position of its stream; the difference to `position` is the lag.
    pub head: u64,
    pub in_flight: usize,
    /// Lanes that failed or take long, and records put back.
    pub lanes_waiting: usize,
    pub delivered: u64,
    /// Attempts that did not succeed.
    pub failed: u64,
    /// Dead letters made.
    pub dead: u64,
}

/// Where a worker shows its state: written all the time, read now and then.
pub(super) struct Board {
    name: String,
    head: watch::Receiver<Position>,
    status: Mutex<Status>,
    position: AtomicU64,
    in_flight: AtomicUsize,
    lanes_waiting: AtomicUsize,
    delivered: AtomicU64,
    failed: AtomicU64,
    dead: AtomicU64,
}

/// The figures that change with each delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) position: Position,
    pub(super) in_flight: usize,
    pub(super) lanes_waiting: usize,
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) dead: u64,
}

impl Board {
    pub(super) fn new(name: String, head: watch::Receiver<Position>) -> Self {
        Self {
            name,
            head,
            status: Mutex::new(Status::Running),
            position: AtomicU64::default(),
            in_flight: AtomicUsize::default(),
            lanes_waiting: AtomicUsize::default(),
            delivered: AtomicU64::default(),
            failed: AtomicU64::default(),
            dead: AtomicU64::default(),
        }
    }

    pub(super) fn show(&self, figures: &Figures) {
        self.position.store(figures.position.0, Ordering::Relaxed);
        self.in_flight.store(figures.in_flight, Ordering::Relaxed);
        self.lanes_waiting.store(figures.lanes_waiting, Ordering::Relaxed);
        self.delivered.store(figures.delivered, Ordering::Relaxed);
        self.failed.store(figures.failed, Ordering::Relaxed);
        self.dead.store(figures.dead, Ordering::Relaxed);
    }

    pub(super) fn show_status(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    pub(super) fn state(&self) -> SubscriberState {
        let position = self.position.load(Ordering::Relaxed);
        SubscriberState {
            name: self.name.clone(),
            status: self.status.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            position,
            head: self.head.borrow().0.max(position),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            lanes_waiting: self.lanes_waiting.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            dead: self.dead.load(Ordering::Relaxed),
        }
    }
}
