mod outcomes;
mod reading;
mod sending;
mod timing;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::gate::{Gate, Now};
use super::lane::{Apart, Flight, Lane, Single, Tries, Turn};
use super::schedule::Schedule;
use super::settle::Pending;
use super::subscriber::Figures;
use super::target::Attempt;
use super::window::Window;
use crate::store::{self, Position, Progress, Record};

/// Records in memory of lanes apart. Beyond it such a lane has one at a time.
const APART_MAX: usize = 512;
/// A lane with more records than this goes apart, so that a long one does not take the memory of all.
const QUEUE_MAX: usize = 16;

/// The state of one subscriber in one partition: what may be sent when, and what is done. Knows neither store nor clock nor
/// target: whoever drives it tells it what happened, and does the steps that it asks for.
pub(super) struct Lanes {
    pub(super) gate: Gate,
    pub(super) pending: Pending,
    pub(super) figures: Figures,
    pub(super) schedule: Schedule,
    pub(super) window: Window,
    pub(super) lanes: HashMap<Uuid, Lane>,
    /// By id of the record.
    pub(super) singles: HashMap<Uuid, Single>,
    timers: BTreeSet<(Instant, Key)>,
    pub(super) ready: VecDeque<Uuid>,
    concurrency: usize,
    mark_uncertain: bool,
    /// Lanes whose attempt has been written down and may leave.
    cleared: VecDeque<Uuid>,
    finds: VecDeque<Uuid>,
    finding: bool,
    /// Attempts of lanes that go with the cursor, oldest first; some have ended.
    flights: VecDeque<(Instant, Uuid)>,
    busy: usize,
    fetching: usize,
    flowing: usize,
    apart: usize,
    lanes_apart: usize,
    singles_loaded: usize,
    closed: bool,
}

/// What a timer or a change belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Lane(Uuid),
    /// By id of the record.
    Single(Uuid),
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Deliver {
        lane: Uuid,
        record: Arc<Record>,
        attempt: Attempt,
    },
    /// Read the records of a lane.
    Fetch(Fetch),
    /// Read a record.
    Find(Uuid),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    pub(super) lane: Uuid,
    pub(super) from: Position,
    pub(super) limit: usize,
    /// Up to here the lane has nothing that another reading would bring.
    reach: Position,
}

impl Lanes {
    pub(super) fn load(
        progress: Progress,
        concurrency: usize,
        mark_uncertain: bool,
        schedule: Schedule,
        now: Now,
    ) -> Self {
        let mut lanes = Self {
            gate: Gate::default(),
            pending: Pending::default(),
            figures: Figures::default(),
            schedule,
            window: Window::load(progress.cursor),
            lanes: HashMap::new(),
            singles: HashMap::new(),
            timers: BTreeSet::new(),
            ready: VecDeque::new(),
            concurrency: concurrency.max(1),
            mark_uncertain,
            cleared: VecDeque::new(),
            finds: VecDeque::new(),
            finding: false,
            flights: VecDeque::new(),
            busy: 0,
            fetching: 0,
            flowing: 0,
            apart: 0,
            lanes_apart: 0,
            singles_loaded: 0,
            closed: false,
        };
        let mut stored = progress.lanes;
        stored.sort_by_key(|lane| lane.from);
        stored.into_iter().for_each(|lane| lanes.restore(lane, now));
        lanes
    }

    fn restore(&mut self, stored: store::Lane, now: Now) {
        let key = if stored.single { Key::Single(stored.lane) } else { Key::Lane(stored.lane) };
        // The wall clock may have jumped: no wait is longer than its own pause.
        let wait = stored.due.since(now.wall).min(self.schedule.pause_max(stored.attempt));
        self.pending.stored.insert(key);
        match key {
            Key::Single(id) => drop(self.singles.insert(id, Single::load(stored))),
            Key::Lane(id) => {
                let loaded = Position(stored.from.0.saturating_sub(1));
                let apart = Apart { loaded, last: self.window.reach().max(stored.from) };
                let tries = Tries::load(stored);
                self.lanes_apart += 1;
                self.lanes.insert(id, Lane { tries, waiting: true, apart: Some(apart), ..Lane::default() });
            }
        }
        match wait.is_zero() {
            true => self.wake(key),
            false => self.wait_for(key, now.mono + wait),
        }
    }

    /// Ends a pause, a hold or a stop.
    pub(super) fn resume(&mut self) {
        self.gate.resume();
        self.pending.stop(None);
    }

    /// Puts one record back, whatever became of it.
    pub(super) fn put_back(&mut self, id: Uuid, from: Position, replayed: bool) {
        if let Some(single) = self.singles.get_mut(&id) {
            single.replayed |= replayed;
        } else {
            self.singles.insert(id, Single { from, replayed, tries: Tries::default(), under_way: false });
            self.finds.push_back(id);
        }
        self.pending.change(Key::Single(id));
    }

    /// Begins nothing any more; attempts that were about to leave do not.
    pub(super) fn close(&mut self) {
        self.closed = true;
        let announced: Vec<_> = self
            .lanes
            .iter()
            .filter_map(|(id, lane)| match lane.turn {
                Turn::Announcing(flight) => Some((*id, flight)),
                _ => None,
            })
            .collect();
        for (id, flight) in announced {
            self.land(id, flight);
            self.take_back(id, flight.single);
        }
    }

    /// Everything up to here has been read.
    pub(super) fn seen(&self) -> Position {
        self.window.seen()
    }

    pub(super) fn busy(&self) -> usize {
        self.busy
    }

    pub(super) fn singles_len(&self) -> usize {
        self.singles.len()
    }

    /// Whether nothing is in memory.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let counts = [self.busy, self.fetching, self.flowing, self.apart, self.lanes_apart, self.singles_loaded];
        self.lanes.is_empty() && self.singles.is_empty() && self.timers.is_empty() && counts == [0; 6]
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            position: self.window.floor(),
            in_flight: self.busy,
            lanes_waiting: self.lanes_apart + self.singles.len(),
            ..self.figures
        }
    }

    /// An attempt is over.
    pub(super) fn land(&mut self, id: Uuid, flight: Flight) {
        self.busy -= 1;
        self.gate.leave(flight.probe);
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.turn = Turn::Idle;
        }
        if flight.single
            && let Some(single) = self.single_of(id)
        {
            single.under_way = false;
        }
    }

    /// What was tried with a lane's first record, or with the first one put back in it.
    pub(super) fn tries(&mut self, id: Uuid, single: bool) -> Option<&mut Tries> {
        if single {
            return self.single_of(id).map(|single| &mut single.tries);
        }
        self.lanes.get_mut(&id).map(|lane| &mut lane.tries)
    }

    fn single_of(&mut self, id: Uuid) -> Option<&mut Single> {
        let record = self.lanes.get(&id)?.singles.front()?;
        self.singles.get_mut(&record.id)
    }

    /// The attempt that ended, or did not leave, is not held against the record, which stays the next one.
    pub(super) fn take_back(&mut self, id: Uuid, single: bool) {
        if let Some(tries) = self.tries(id, single) {
            tries.uncount();
        }
        self.change(id, single);
        if let Some(lane) = self.lanes.get_mut(&id) {
            lane.turn = Turn::Ready;
            self.ready.push_front(id);
        }
    }

    /// The state of a lane, or of the record put back in it, is to be written.
    pub(super) fn change(&mut self, id: Uuid, single: bool) {
        let Some(lane) = self.lanes.get(&id) else { return };
        match lane.singles.front().filter(|_| single) {
            Some(record) => self.pending.change(Key::Single(record.id)),
            None if lane.apart.is_some() => self.pending.change(Key::Lane(id)),
            None => {}
        }
    }

    /// Takes the record whose turn it was out of its lane.
    pub(super) fn take_record(&mut self, id: Uuid, single: bool) -> Option<Arc<Record>> {
        let lane = self.lanes.get_mut(&id)?;
        if single {
            self.singles_loaded -= 1;
            return lane.singles.pop_front();
        }
        let record = lane.queue.pop_front()?;
        if lane.apart.is_some() {
            self.apart -= 1;
        } else {
            self.flowing -= 1;
            self.window.settle(record.position);
        }
        Some(record)
    }

    /// What a lane does when its turn is over: queues again, waits, or is no more.
    pub(super) fn turn_over(&mut self, id: Uuid) {
        let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.turn == Turn::Idle) else { return };
        if lane.wants().is_some() {
            lane.turn = Turn::Ready;
            self.ready.push_back(id);
        } else if lane.is_finished() {
            let was_apart = lane.apart.is_some();
            self.lanes.remove(&id);
            if was_apart {
                self.lanes_apart -= 1;
                self.pending.change(Key::Lane(id));
            }
        }
    }

    pub(super) fn part_unless(&mut self, id: Uuid, single: bool) {
        if !single {
            self.part(id);
        }
    }

    /// Takes a lane out of the cursor.
    pub(super) fn part(&mut self, id: Uuid) {
        let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.apart.is_none()) else { return };
        let Some(last) = lane.queue.back().map(|record| record.position) else { return };
        lane.apart = Some(Apart { loaded: last, last });
        for record in &lane.queue {
            self.window.settle(record.position);
        }
        self.flowing -= lane.queue.len();
        self.apart += lane.queue.len();
        self.lanes_apart += 1;
        self.pending.change(Key::Lane(id));
        if self.apart > APART_MAX {
            self.shed(id);
        }
    }

    /// Gives the memory of a lane apart free, but for a record under way.
    pub(super) fn shed(&mut self, id: Uuid) {
        let Some(lane) = self.lanes.get_mut(&id) else { return };
        let (Some(apart), Some(first)) = (&mut lane.apart, lane.queue.front()) else { return };
        let keep = usize::from(matches!(lane.turn, Turn::Flying(flight) | Turn::Announcing(flight) if !flight.single));
        let before = Position(first.position.0 - 1);
        apart.loaded = if keep == 1 { first.position } else { before };
        self.apart -= lane.queue.len() - keep;
        lane.queue.truncate(keep);
    }
}

/// Keys whose state is to be written.
pub(super) type Keys = HashSet<Key>;
