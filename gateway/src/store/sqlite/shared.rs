use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use uuid::Uuid;

use super::group::Outcome;
use super::lock;
use super::state::State;
use super::tail::Tail;
use super::watches::Watches;
use crate::store::Position;

/// What the writer tells everybody, after each commit and before it answers.
pub(super) struct Shared {
    tail: Mutex<Tail>,
    pub(super) watches: Watches,
    buried: RwLock<HashSet<Uuid>>,
    epoch: AtomicU64,
    events: AtomicU64,
    commits: AtomicU64,
    jobs: AtomicU64,
    full: AtomicBool,
}

impl Shared {
    pub(super) fn new(state: &State) -> Self {
        Self {
            tail: Mutex::new(Tail::at(Position(state.counters.position))),
            watches: Watches::default(),
            buried: RwLock::new(state.buried.clone()),
            epoch: AtomicU64::new(state.epoch),
            events: AtomicU64::new(state.counters.events),
            commits: AtomicU64::new(0),
            jobs: AtomicU64::new(0),
            full: AtomicBool::new(false),
        }
    }

    /// A commit is durable: the records first, then the wake-up.
    pub(super) fn publish(&self, outcome: Outcome, state: &State, jobs: usize) {
        let Outcome { appended: records, removed, buried } = outcome;
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.jobs.fetch_add(jobs as u64, Ordering::Relaxed);
        self.set_figures(state);
        if buried {
            self.set_buried(state);
        }
        let mut tail = lock(&self.tail);
        tail.forget(&removed);
        tail.extend(records.clone(), Position(state.counters.position));
        drop(tail);
        self.watches.wake(&records);
    }

    /// The log was opened anew, and may hold what an unfinished commit left there.
    pub(super) fn restart(&self, state: &State) {
        let head = Position(state.counters.position);
        self.set_figures(state);
        self.set_buried(state);
        *lock(&self.tail) = Tail::at(head);
        self.watches.wake_all(head);
    }

    pub(super) fn with_tail<T>(&self, look: impl FnOnce(&Tail) -> T) -> T {
        look(&lock(&self.tail))
    }

    pub(super) fn is_buried(&self, contact: Uuid) -> bool {
        self.buried.read().unwrap_or_else(PoisonError::into_inner).contains(&contact)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(super) fn jobs(&self) -> u64 {
        self.jobs.load(Ordering::Relaxed)
    }

    /// Whether the last commit that wrote failed for want of space.
    pub(super) fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    pub(super) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    fn set_buried(&self, state: &State) {
        self.buried.write().unwrap_or_else(PoisonError::into_inner).clone_from(&state.buried);
    }

    fn set_figures(&self, state: &State) {
        self.epoch.store(state.epoch, Ordering::Release);
        self.events.store(state.counters.events, Ordering::Relaxed);
    }
}
