//! One backend in place of another: what a backend has not taken for a time goes to who stands in for it, as well.
//!
//! Nothing is taken from the backend that is away: its work stays open, and it gets everything when it is back. Each record is
//! handed over once, together with the note that it was.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use super::handle::{ControlError, Deliveries, Handle};
use super::story::passes_control;
use super::subscriber::SubscriberState;
use crate::accept::Accept;
use crate::customer::Standing;
use crate::interaction::Time;
use crate::routes::{self, StandIn};
use crate::store::{Batch, Cursor, Key, Lease, Position, Record, Store, StoreError, Stream, Write};

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
    pub accept: Arc<Accept>,
}

/// What was seen of a backend.
struct Seen {
    delivered: u64,
    /// When it last took something, or had nothing to take.
    well_at: Time,
    /// That is written down, since it is not well any more: a restart goes on counting.
    is_noted: bool,
    /// Conversations are to be given back, or may be.
    holds: bool,
}

/// An absence: how far its records were handed over.
struct Absence {
    /// Lanes apart from the cursor, and where each is still open; the one that opened first comes last.
    lanes: Vec<(Uuid, Position)>,
    /// Of those lanes everything up to here, and of the rest what lies beyond.
    cursor: Cursor,
    read: Position,
    next: Vec<Arc<Record>>,
}

impl Watch {
    /// Goes on until it is dropped.
    pub async fn run(self) {
        let look_every = (self.stand_in.after / 5).clamp(LOOK_MIN, LOOK_MAX);
        let mut seen = Seen { delivered: 0, well_at: Time::now(), is_noted: false, holds: true };
        let mut absence = None;
        let mut is_known = false;
        loop {
            is_known = is_known || self.recall(&mut seen).await;
            sleep(look_every).await;
            if !is_known {
                continue;
            }
            if let Err(error) = self.look(&mut seen, &mut absence).await {
                tracing::warn!(backend = self.stand_in.backend, %error, "cannot hand over to the backend that stands in; trying again");
            }
        }
    }

    async fn look(&self, seen: &mut Seen, absence: &mut Option<Absence>) -> Result<(), ControlError> {
        let StandIn { backend, stands_in, after } = &self.stand_in;
        let (Some(away), Some(stand_in)) = (self.handle(backend), self.handle(stands_in)) else { return Ok(()) };
        self.write_down(seen, &away.state()).await?;
        if Time::now().since(seen.well_at) < *after {
            if absence.take().is_some() {
                tracing::info!(backend, stands_in, "the backend is back");
            }
            if seen.holds && !seen.is_noted {
                self.give_back().await?;
                seen.holds = false;
            }
            return Ok(());
        }
        seen.holds = true;
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

    /// What is open at its beginning: lanes apart from the cursor, and what lies beyond the cursor.
    async fn begin(&self, away: &Handle) -> Result<Absence, StoreError> {
        let progress = self.store.progress(&self.lease, away.name()).await?;
        let lanes = progress.lanes.into_iter().filter(|lane| !lane.single);
        let mut lanes: Vec<_> = lanes.map(|lane| (lane.lane, lane.from)).collect();
        lanes.sort_by_key(|(_, from)| Reverse(*from));
        Ok(Absence { lanes, read: progress.cursor.floor, cursor: progress.cursor, next: Vec::new() })
    }

    async fn hand_over(&self, absence: &mut Absence, stand_in: &Handle) -> Result<(), ControlError> {
        loop {
            if absence.next.is_empty() {
                if !self.read_on(absence).await? {
                    return Ok(());
                }
                continue;
            }
            let page: Vec<_> = absence.next.iter().take(PAGE).cloned().collect();
            let mut fresh = Vec::with_capacity(page.len());
            for record in &page {
                if self.store.get(&self.key(record.id)).await?.is_none() {
                    fresh.push((record.id, record.position));
                }
            }
            let expires = Time::now().plus(self.retention);
            let conversations: BTreeSet<Uuid> = page
                .iter()
                .filter(|record| fresh.iter().any(|(id, _)| *id == record.id))
                .filter_map(|record| record.conversation)
                .collect();
            let notes = fresh.iter().map(|(id, _)| Write::put(self.key(*id), "1").expiring(expires));
            let held = conversations.iter().map(|id| Write::put(self.held_key(*id), "1").expiring(expires));
            let notes = notes.chain(held).collect();
            stand_in.put_back(fresh, false, notes).await?;
            self.take(&conversations).await?;
            absence.next.drain(..page.len());
        }
    }

    /// The next portion. Tells whether there was anything to read.
    async fn read_on(&self, absence: &mut Absence) -> Result<bool, StoreError> {
        match absence.lanes.last().copied() {
            Some((lane, from)) => self.read_lane(absence, lane, from).await.map(|()| true),
            None => self.read_beyond(absence).await,
        }
    }

    /// Of a lane, what the cursor has behind it.
    async fn read_lane(&self, absence: &mut Absence, lane: Uuid, from: Position) -> Result<(), StoreError> {
        let page = self.store.read_lane(self.lease.partition, &Stream::All, lane, from, PAGE).await?;
        absence.lanes.pop();
        let last = page.last().filter(|last| page.len() == PAGE && last.position < absence.reach());
        absence.lanes.extend(last.map(|last| (lane, Position(last.position.0 + 1))));
        let is_open = |record: &Arc<Record>| absence.has_passed(record.position) && self.concerns(record);
        absence.next = page.into_iter().filter(is_open).collect();
        Ok(())
    }

    async fn read_beyond(&self, absence: &mut Absence) -> Result<bool, StoreError> {
        let (records, read) = self.store.read(self.lease.partition, &Stream::All, absence.read, PAGE).await?;
        let moved = read > absence.read;
        absence.read = read;
        let is_open = |record: &Arc<Record>| !absence.has_passed(record.position) && self.concerns(record);
        absence.next = records.into_iter().filter(is_open).collect();
        Ok(moved)
    }

    fn concerns(&self, record: &Record) -> bool {
        let is_told_anyway = passes_control(record, &self.stand_in.stands_in);
        !is_told_anyway && routes::taken(record).is_some_and(|route| self.stand_in.concerns(&route))
    }

    /// Who gets what a person says is to answer it, too.
    async fn take(&self, conversations: &BTreeSet<Uuid>) -> Result<(), StoreError> {
        let StandIn { backend, stands_in, .. } = &self.stand_in;
        let takes = Standing::Takes { from: backend.clone(), to: stands_in.clone() };
        for conversation in conversations {
            self.accept.stand_in(*conversation, &takes, None).await?;
        }
        Ok(())
    }

    /// What it took over goes back, where nobody passed it on meanwhile.
    async fn give_back(&self) -> Result<(), StoreError> {
        let gives = Standing::Gives { back_to: self.stand_in.backend.clone() };
        loop {
            let page = self.store.scan(&self.held_prefix(), None, PAGE).await?;
            let mut writes = Vec::with_capacity(page.len());
            for (key, _) in &page {
                if let Some(conversation) = key.0.rsplit('/').next().and_then(|id| id.parse().ok()) {
                    self.accept.stand_in(conversation, &gives, None).await?;
                }
                writes.push(Write::delete(key.clone()));
            }
            if writes.is_empty() {
                return Ok(());
            }
            self.store.commit(Batch { writes, ..Batch::default() }).await?;
        }
    }

    /// Since when the backend is away, if it was when the gateway ended. Tells whether the store could be asked.
    async fn recall(&self, seen: &mut Seen) -> bool {
        match self.store.get(&self.away_key()).await {
            Ok(entry) => {
                let since = entry.and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse().ok());
                seen.is_noted = since.is_some();
                seen.well_at = since.map_or(seen.well_at, Time::from_ms);
                true
            }
            Err(error) => {
                tracing::warn!(backend = self.stand_in.backend, %error, "cannot read since when the backend is away; trying again");
                false
            }
        }
    }

    /// Only what changes: a backend that is well costs no write.
    async fn write_down(&self, seen: &mut Seen, state: &SubscriberState) -> Result<(), StoreError> {
        let is_well = seen.note(state);
        if is_well != seen.is_noted {
            return Ok(());
        }
        let write = match is_well {
            true => Write::delete(self.away_key()),
            false => Write::put(self.away_key(), seen.well_at.ms().to_string()),
        };
        self.store.commit(Batch { writes: vec![write], ..Batch::default() }).await?;
        seen.is_noted = !is_well;
        Ok(())
    }

    fn away_key(&self) -> Key {
        Key::of(&["away", &self.stand_in.backend, &self.stand_in.stands_in])
    }

    fn held_prefix(&self) -> String {
        Key::prefix(&["stands-in", &self.stand_in.backend, &self.stand_in.stands_in])
    }

    fn held_key(&self, conversation: Uuid) -> Key {
        Key::of(&["stands-in", &self.stand_in.backend, &self.stand_in.stands_in, &conversation.to_string()])
    }

    fn key(&self, record: Uuid) -> Key {
        let StandIn { backend, stands_in, .. } = &self.stand_in;
        Key::of(&["handed-over", backend, stands_in, &record.to_string()])
    }
}

impl Absence {
    /// Whether the backend's cursor had a position behind it when the absence began.
    fn has_passed(&self, position: Position) -> bool {
        position <= self.cursor.floor || self.cursor.done.binary_search(&position).is_ok()
    }

    /// Beyond it, it had nothing behind it.
    fn reach(&self) -> Position {
        self.cursor.done.last().copied().unwrap_or_default().max(self.cursor.floor)
    }
}

impl Seen {
    /// Tells whether it is well.
    fn note(&mut self, state: &SubscriberState) -> bool {
        let has_work = state.head > state.position || state.in_flight > 0 || state.lanes_waiting > 0;
        let is_well = state.delivered != self.delivered || !has_work;
        if is_well {
            self.well_at = Time::now();
        }
        self.delivered = state.delivered;
        is_well
    }
}
