use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::{APART_MAX, Fetch, Lanes, QUEUE_MAX, Step};
use crate::deliver::gate::{Now, Opening};
use crate::deliver::lane::{Flight, Turn, Want};
use crate::store::Position;

/// Records put back that are in memory at once.
const SINGLES_LOADED_MAX: usize = 64;
/// Attempts whose end is not written down yet; beyond it nothing is sent.
const UNSETTLED_MAX: usize = 1024;

impl Lanes {
    /// The next thing to do; `None` if there is nothing now.
    pub(in crate::deliver) fn next(&mut self, now: Now) -> Option<Step> {
        while let Some(lane) = self.cleared.pop_front() {
            if let Some(step) = self.launch(lane, now) {
                return Some(step);
            }
        }
        while self.may_begin(now.mono) {
            if let Some(id) = self.next_find() {
                return Some(Step::Find(id));
            }
            let lane = self.take_ready(now.mono)?;
            if let Some(step) = self.begin(lane, now) {
                return Some(step);
            }
        }
        None
    }

    fn may_begin(&self, now: Instant) -> bool {
        !self.closed
            && self.busy + self.fetching < self.concurrency
            && self.pending.unsettled() < UNSETTLED_MAX
            && !matches!(self.gate.opening(now), Opening::Shut(_))
    }

    /// One at a time, so that they come in their order.
    fn next_find(&mut self) -> Option<Uuid> {
        if self.finding || self.singles_loaded >= SINGLES_LOADED_MAX {
            return None;
        }
        let id = self.finds.pop_front()?;
        self.finding = true;
        Some(id)
    }

    /// In turn; a probe after an outage goes with what has failed before, so that it does not break lane after lane.
    fn take_ready(&mut self, now: Instant) -> Option<Uuid> {
        if self.gate.opening(now) == Opening::Probe && !self.gate.is_held() {
            let failed = |id: &Uuid| self.lanes.get(id).is_some_and(|lane| lane.apart.is_some());
            let index = self.ready.iter().position(failed).unwrap_or(0);
            return self.ready.remove(index);
        }
        self.ready.pop_front()
    }

    fn begin(&mut self, id: Uuid, now: Now) -> Option<Step> {
        let lane = self.lanes.get_mut(&id)?;
        lane.turn = Turn::Idle;
        match lane.wants()? {
            Want::Fetch => self.fetch(id).map(Step::Fetch),
            want => {
                let single = want == Want::Single;
                let flight = Flight { since: now.mono, single, probe: self.gate.enter(now.mono) };
                lane.turn = Turn::Announcing(flight);
                self.busy += 1;
                self.count_attempt(id, single);
                if self.mark_uncertain { self.announce(id, single) } else { self.launch(id, now) }
            }
        }
    }

    fn fetch(&mut self, id: Uuid) -> Option<Fetch> {
        let lane = self.lanes.get_mut(&id)?;
        let apart = lane.apart?;
        lane.turn = Turn::Fetching;
        self.fetching += 1;
        let limit = if self.apart < APART_MAX { QUEUE_MAX } else { 1 };
        let reach = apart.last.max(self.window.seen());
        Some(Fetch { lane: id, from: Position(apart.loaded.0 + 1), limit, reach })
    }

    /// The attempt leaves when it has been written down; until then there is nothing to do.
    fn announce(&mut self, id: Uuid, single: bool) -> Option<Step> {
        self.part_unless(id, single);
        self.change(id, single);
        self.pending.announce(id);
        None
    }

    /// Attempts that have been written down.
    pub(in crate::deliver) fn clear(&mut self, announced: Vec<Uuid>) {
        self.cleared.extend(announced);
    }

    fn launch(&mut self, id: Uuid, now: Now) -> Option<Step> {
        let lane = self.lanes.get_mut(&id)?;
        let Turn::Announcing(flight) = lane.turn else { return None };
        lane.turn = Turn::Flying(Flight { since: now.mono, ..flight });
        if flight.single {
            let record = Arc::clone(lane.singles.front()?);
            let attempt = self.singles.get(&record.id)?.attempt();
            return Some(Step::Deliver { lane: id, record, attempt });
        }
        if lane.apart.is_none() {
            self.flights.push_back((now.mono, id));
        }
        let record = Arc::clone(lane.queue.front()?);
        Some(Step::Deliver { lane: id, record, attempt: lane.tries.attempt(false) })
    }

    fn count_attempt(&mut self, id: Uuid, single: bool) {
        if let Some(tries) = self.tries(id, single) {
            tries.attempts += 1;
        }
        if single && let Some(single) = self.single_of(id) {
            single.under_way = true;
        }
    }
}
