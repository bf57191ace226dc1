use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::{APART_MAX, Fetch, Key, Lanes, QUEUE_MAX};
use crate::deliver::gate::Opening;
use crate::deliver::lane::Turn;
use crate::store::{Position, Record};

/// Records in memory that go with the cursor.
const FLOWING_MAX: usize = 512;
/// Records read at once.
const READ_MAX: usize = 256;
/// For fewer it is not worth it: better to wait until there is more room.
const READ_MIN: usize = 64;
/// With so many lanes apart no more is read: the target is in no state to take it.
const LANES_MAX: usize = 65_536;

impl Lanes {
    /// After which position to read on, and how many records at most; `None` while there is no room or no sense in it.
    pub(in crate::deliver) fn read_next(&mut self, now: Instant) -> Option<(Position, usize)> {
        let useful = match self.gate.opening(now) {
            Opening::Open => true,
            Opening::Probe => self.ready.is_empty() && self.busy + self.fetching == 0,
            Opening::Shut(_) => false,
        };
        if !useful || self.closed || self.lanes_apart >= LANES_MAX {
            return None;
        }
        if self.window.room() < READ_MIN
            && let Some(lane) = self.window.blocker()
        {
            self.part(lane);
        }
        let room = self.window.room().min(FLOWING_MAX - self.flowing.min(FLOWING_MAX)).min(READ_MAX);
        (room >= READ_MIN).then_some((self.window.seen(), room))
    }

    /// Takes the next records of the stream; reading went up to `seen`.
    pub(in crate::deliver) fn feed(
        &mut self,
        records: Vec<Arc<Record>>,
        seen: Position,
        wants: impl Fn(&Record) -> bool,
    ) {
        for record in records {
            if !self.window.push(record.position, record.lane) {
                continue;
            }
            if wants(&record) { self.arrive(record) } else { self.window.skip(record.position) }
        }
        self.window.saw(seen);
    }

    fn arrive(&mut self, record: Arc<Record>) {
        let (id, position) = (record.lane, record.position);
        let lane = self.lanes.entry(id).or_default();
        let loaded = lane.is_loaded();
        let Some(apart) = &mut lane.apart else {
            lane.queue.push_back(record);
            self.flowing += 1;
            if lane.queue.len() > QUEUE_MAX {
                self.part(id);
            }
            return self.turn_over(id);
        };
        self.window.settle(position);
        // It came by a fetch before the reader came to it.
        if position <= apart.loaded {
            return;
        }
        apart.last = position;
        if loaded && !lane.waiting && lane.queue.len() < QUEUE_MAX && self.apart < APART_MAX {
            apart.loaded = position;
            lane.queue.push_back(record);
            self.apart += 1;
        }
        self.turn_over(id);
    }

    /// Takes what a fetch found.
    pub(in crate::deliver) fn fetched(
        &mut self,
        fetch: Fetch,
        records: Vec<Arc<Record>>,
        wants: impl Fn(&Record) -> bool,
    ) {
        self.fetching -= 1;
        let Some(lane) = self.lanes.get_mut(&fetch.lane) else { return };
        lane.turn = Turn::Idle;
        let Some(apart) = &mut lane.apart else { return };
        let reach = apart.last.max(self.window.seen());
        let full = records.len() >= fetch.limit;
        let complete = !full || records.last().is_some_and(|record| record.position > reach);
        // What lies beyond comes by the reader, and must not come twice.
        for record in records.into_iter().take_while(|record| record.position <= reach) {
            apart.loaded = record.position;
            if wants(&record) {
                lane.queue.push_back(record);
                self.apart += 1;
            }
        }
        if complete {
            apart.loaded = apart.loaded.max(fetch.reach);
        }
        self.turn_over(fetch.lane);
    }

    /// Takes a record that was put back; `None` if it is not in the log any more.
    pub(in crate::deliver) fn found(&mut self, id: Uuid, record: Option<Arc<Record>>) {
        self.finding = false;
        if let Some(record) = record {
            let lane = record.lane;
            self.lanes.entry(lane).or_default().singles.push_back(record);
            self.singles_loaded += 1;
            self.turn_over(lane);
        } else {
            self.singles.remove(&id);
            self.pending.change(Key::Single(id));
        }
    }
}
