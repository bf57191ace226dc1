//! One backend in place of another: what a backend has not taken for a time goes to who stands in for it, as well.
//!
//! Nothing is taken from the backend that is away: its work stays open, and it gets everything when it is back. Each record is
//! handed over once, together with the note that it was.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::handle::{ControlError, Deliveries, Handle};
use super::subscriber::SubscriberState;
use crate::interaction::Time;
use crate::routes::{self, StandIn};
use crate::store::{Key, Lease, Position, Record, Store, StoreError, Stream, Write};

/// Records read, and handed over, at once.
const PAGE: usize = 200;
/// How often a backend is looked at, at most and at least.
const LOOK_MIN: Duration = Duration::from_millis(50);
const LOOK_MAX: Duration = Duration::from_secs(5);

/// Watches one backend for one that stands in.
pub struct Watch {
    pub stand_in: StandIn,
    pub deliveries: Arc<Deliveries>,
    pub store: Arc<dyn Store>,
    pub lease: Lease,
    /// As long as the log keeps what was handed over.
    pub retention: Duration,
}

/// What was seen of a backend.
struct Seen {
    delivered: u64,
    /// When it last took something, or had nothing to take.
    well_at: Instant,
}

/// An absence: how far its records were handed over.
struct Absence {
    next: Vec<Arc<Record>>,
    read: Position,
    /// Beyond the beginning of the absence these were taken already.
    done: Vec<Position>,
}

impl Watch {
    /// Goes on until it is dropped.
    pub async fn run(self) {
        let look_every = (self.stand_in.after / 5).clamp(LOOK_MIN, LOOK_MAX);
        let mut seen = Seen { delivered: 0, well_at: Instant::now() };
        let mut absence = None;
        loop {
            sleep(look_every).await;
            if let Err(error) = self.look(&mut seen, &mut absence).await {
                tracing::warn!(backend = self.stand_in.backend, %error, "cannot hand over to the backend that stands in; trying again");
            }
        }
    }

    async fn look(&self, seen: &mut Seen, absence: &mut Option<Absence>) -> Result<(), ControlError> {
        let StandIn { backend, stands_in, after } = &self.stand_in;
        let (Some(away), Some(stand_in)) = (self.handle(backend), self.handle(stands_in)) else { return Ok(()) };
        seen.note(&away.state());
        if seen.well_at.elapsed() < *after {
            if absence.take().is_some() {
                tracing::info!(backend, stands_in, "the backend is back");
            }
            return Ok(());
        }
        if absence.is_none() {
            tracing::error!(backend, stands_in, "the backend has taken nothing for too long: another one stands in");
            *absence = Some(self.begin(&away).await?);
        }
        match absence {
            Some(absence) => self.hand_over(absence, &stand_in).await,
            None => Ok(()),
        }
    }

    fn handle(&self, backend: &str) -> Option<Handle> {
        self.deliveries.get(&format!("backend:{backend}"))
    }

    /// What is open at its beginning: lanes apart from the cursor, oldest first, then what lies beyond the cursor.
    async fn begin(&self, away: &Handle) -> Result<Absence, StoreError> {
        let progress = self.store.progress(&self.lease, away.name()).await?;
        let mut lanes: Vec<_> = progress.lanes.into_iter().filter(|lane| !lane.single).collect();
        lanes.sort_by_key(|lane| lane.from);
        let mut next = Vec::new();
        for lane in lanes {
            next.extend(self.lane(lane.lane, lane.from, &progress.cursor).await?);
        }
        next.sort_by_key(|record| record.position);
        Ok(Absence { next, read: progress.cursor.floor, done: progress.cursor.done })
    }

    /// The records of a lane that the cursor has behind it.
    async fn lane(
        &self,
        lane: Uuid,
        mut from: Position,
        cursor: &crate::store::Cursor,
    ) -> Result<Vec<Arc<Record>>, StoreError> {
        let mut open = Vec::new();
        loop {
            let page = self.store.read_lane(self.lease.partition, &Stream::All, lane, from, PAGE).await?;
            let full = page.len() == PAGE;
            from = page.last().map_or(from, |record| Position(record.position.0 + 1));
            let passed = |position| position <= cursor.floor || cursor.done.binary_search(&position).is_ok();
            open.extend(page.into_iter().filter(|record| passed(record.position) && self.concerns(record)));
            if !full {
                return Ok(open);
            }
        }
    }

    async fn hand_over(&self, absence: &mut Absence, stand_in: &Handle) -> Result<(), ControlError> {
        loop {
            if absence.next.is_empty() && !self.read_on(absence).await? {
                return Ok(());
            }
            let page: Vec<_> = absence.next.iter().take(PAGE).cloned().collect();
            let mut fresh = Vec::with_capacity(page.len());
            for record in &page {
                if self.store.get(&self.key(record.id)).await?.is_none() {
                    fresh.push((record.id, record.position));
                }
            }
            let expires = Time::now().plus(self.retention);
            let notes = fresh.iter().map(|(id, _)| Write::put(self.key(*id), "1").expiring(expires));
            let notes = notes.collect();
            stand_in.put_back(fresh, false, notes).await?;
            absence.next.drain(..page.len());
        }
    }

    /// Tells whether there was anything to read.
    async fn read_on(&self, absence: &mut Absence) -> Result<bool, StoreError> {
        let (records, read) = self.store.read(self.lease.partition, &Stream::All, absence.read, PAGE).await?;
        let moved = read > absence.read;
        absence.read = read;
        let is_open =
            |record: &Arc<Record>| absence.done.binary_search(&record.position).is_err() && self.concerns(record);
        let open: Vec<_> = records.into_iter().filter(is_open).collect();
        absence.next = open;
        Ok(moved)
    }

    fn concerns(&self, record: &Record) -> bool {
        routes::taken(record).is_some_and(|route| self.stand_in.concerns(&route))
    }

    fn key(&self, record: Uuid) -> Key {
        let StandIn { backend, stands_in, .. } = &self.stand_in;
        Key::of(&["handed-over", backend, stands_in, &record.to_string()])
    }
}

impl Seen {
    fn note(&mut self, state: &SubscriberState) {
        let has_work = state.head > state.position || state.in_flight > 0 || state.lanes_waiting > 0;
        if state.delivered != self.delivered || !has_work {
            self.well_at = Instant::now();
        }
        self.delivered = state.delivered;
    }
}
