use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::target::Attempt;
use crate::interaction::Time;
use crate::store::{self, Position, Record};

/// How `why` begins for a record that an operator asked for again: the store's lanes have no field of their own for it.
const REPLAYED: &str = "replayed";
const WHY_CHARS_MAX: usize = 500;

/// Records of one conversation that wait or are under way.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// The next records in their order.
    pub(super) queue: VecDeque<Arc<Record>>,
    /// Records put back, loaded; they go before the others, being older.
    pub(super) singles: VecDeque<Arc<Record>>,
    /// Of the first record in `queue`.
    pub(super) tries: Tries,
    /// The first record in `queue` does not leave before `tries.due`.
    pub(super) waiting: bool,
    pub(super) turn: Turn,
    /// It does not go with the cursor.
    pub(super) apart: Option<Apart>,
}

/// What is happening with a lane. At most one attempt at a time: there is one turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Turn {
    #[default]
    Idle,
    /// Stands in the queue of lanes that have something to do.
    Ready,
    /// Its next records are being read.
    Fetching,
    /// The attempt is being written down before it leaves.
    Announcing(Flight),
    Flying(Flight),
}

/// One attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    pub(super) since: Instant,
    /// A record put back, not the first in the queue.
    pub(super) single: bool,
    /// It shows whether the target is well again.
    pub(super) probe: bool,
}

/// A lane apart from the cursor: from its first open record on, everything that was read counts as handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Apart {
    /// Its records up to here are delivered or in `queue`.
    pub(super) loaded: Position,
    /// Its newest record that was read.
    pub(super) last: Position,
}

/// What has been tried with one record.
#[derive(Clone, Debug, Default)]
pub(super) struct Tries {
    /// Attempts made, with the one under way.
    pub(super) attempts: u32,
    /// Pauses asked for by the target in a row that did not count as attempts.
    pub(super) courtesies: u8,
    /// An attempt was cut off by a crash.
    pub(super) uncertain: bool,
    pub(super) due: Option<Time>,
    pub(super) why: String,
}

/// A record put back.
#[derive(Debug)]
pub(super) struct Single {
    pub(super) from: Position,
    pub(super) replayed: bool,
    pub(super) tries: Tries,
    pub(super) under_way: bool,
}

/// What a lane can do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Single,
    Head,
    Fetch,
}

impl Lane {
    pub(super) fn wants(&self) -> Option<Want> {
        match self {
            lane if !lane.singles.is_empty() => Some(Want::Single),
            lane if lane.waiting => None,
            lane if !lane.queue.is_empty() => Some(Want::Head),
            lane => (!lane.is_loaded()).then_some(Want::Fetch),
        }
    }

    /// Whether all its records that were read are delivered or in memory.
    pub(super) fn is_loaded(&self) -> bool {
        self.apart.is_none_or(|apart| apart.loaded >= apart.last)
    }

    pub(super) fn is_finished(&self) -> bool {
        self.turn == Turn::Idle && !self.waiting && self.queue.is_empty() && self.singles.is_empty() && self.is_loaded()
    }

    pub(super) fn flight(&self) -> Option<Flight> {
        match self.turn {
            Turn::Announcing(flight) | Turn::Flying(flight) => Some(flight),
            _ => None,
        }
    }

    /// How it is written down; `None` if it goes with the cursor.
    pub(super) fn stored(&self, lane: Uuid, now: Time) -> Option<store::Lane> {
        let apart = self.apart?;
        let under_way = self.flight().is_some_and(|flight| !flight.single);
        let from = self.queue.front().map_or(Position(apart.loaded.0 + 1), |record| record.position);
        Some(self.tries.stored(lane, from, false, under_way, now))
    }
}

impl Single {
    pub(super) fn attempt(&self) -> Attempt {
        self.tries.attempt(self.replayed)
    }

    pub(super) fn stored(&self, id: Uuid, now: Time) -> store::Lane {
        let mut lane = self.tries.stored(id, self.from, true, self.under_way, now);
        if self.replayed {
            lane.why = format!("{REPLAYED}; {}", lane.why);
        }
        lane
    }

    pub(super) fn load(lane: store::Lane) -> Self {
        let replayed = lane.why.starts_with(REPLAYED);
        let why = lane.why.strip_prefix(REPLAYED).map_or(&*lane.why, |rest| rest.trim_start_matches("; ")).to_owned();
        let from = lane.from;
        Self { from, replayed, under_way: false, tries: Tries::load(store::Lane { why, ..lane }) }
    }
}

impl Tries {
    pub(super) fn load(lane: store::Lane) -> Self {
        Self { attempts: lane.attempt, courtesies: 0, uncertain: lane.uncertain, due: Some(lane.due), why: lane.why }
    }

    /// The attempt that begins now.
    pub(super) fn attempt(&self, replayed: bool) -> Attempt {
        Attempt { number: self.attempts, uncertain: self.uncertain, replayed }
    }

    /// An attempt ended, nobody is in doubt how.
    pub(super) fn ended(&mut self, why: &str) {
        self.uncertain = false;
        self.why = why.chars().take(WHY_CHARS_MAX).collect();
    }

    /// The last attempt is not held against the record.
    pub(super) fn uncount(&mut self) {
        self.attempts = self.attempts.saturating_sub(1);
    }

    fn stored(&self, lane: Uuid, from: Position, single: bool, under_way: bool, now: Time) -> store::Lane {
        store::Lane {
            lane,
            from,
            single,
            attempt: self.attempts,
            due: self.due.unwrap_or(now),
            why: self.why.clone(),
            uncertain: self.uncertain || under_way,
        }
    }
}
