use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Key, Lanes};
use crate::deliver::gate::Opening;
use crate::deliver::lane::Lane;

/// An attempt that takes longer does not hold the cursor any more.
const SLOW: Duration = Duration::from_secs(1);

impl Lanes {
    /// Does what is due.
    pub(in crate::deliver) fn tick(&mut self, now: Instant) {
        while self.timers.first().is_some_and(|(due, _)| *due <= now) {
            let Some((_, key)) = self.timers.pop_first() else { break };
            self.wake(key);
        }
        while let Some((_, id)) = self.oldest_flight().filter(|(since, _)| *since + SLOW <= now) {
            self.part(id);
            self.shed(id);
        }
    }

    /// When `tick` or `next` will have something to do without anything else happening.
    pub(in crate::deliver) fn wake_at(&mut self, now: Instant) -> Option<Instant> {
        let slow = self.oldest_flight().map(|(since, _)| since + SLOW);
        let timer = self.timers.first().map(|(due, _)| *due);
        let gate = match self.gate.opening(now) {
            Opening::Shut(until) => until,
            _ => None,
        };
        [slow, timer, gate].into_iter().flatten().min()
    }

    pub(in crate::deliver) fn wait_for(&mut self, key: Key, due: Instant) {
        self.timers.insert((due, key));
    }

    pub(in crate::deliver) fn wake(&mut self, key: Key) {
        match key {
            Key::Single(id) => self.finds.push_back(id),
            Key::Lane(id) => {
                if let Some(lane) = self.lanes.get_mut(&id) {
                    lane.waiting = false;
                    self.turn_over(id);
                }
            }
        }
    }

    /// The oldest attempt of a lane that goes with the cursor.
    fn oldest_flight(&mut self) -> Option<(Instant, Uuid)> {
        while let Some((since, id)) = self.flights.front().copied() {
            let lane = self.lanes.get(&id).filter(|lane| lane.apart.is_none());
            let flying = lane.and_then(Lane::flight).filter(|flight| flight.since == since && !flight.single);
            if flying.is_some() {
                return Some((since, id));
            }
            self.flights.pop_front();
        }
        None
    }
}
