use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::{Key, Lanes};
use crate::deliver::gate::Now;
use crate::deliver::lane::{Lane, Tries};
use crate::deliver::schedule::{PAUSE_MAX, sensible};
use crate::deliver::settle::Buried;
use crate::deliver::target::{Outcome, Scope};

/// When a target at its limit asks for patience, that many times in a row it costs a record no attempt; then the record may
/// be the cause.
const COURTESIES_MAX: u8 = 5;
/// Where nobody says how long.
const REST: Duration = Duration::from_secs(5);

impl Lanes {
    /// Takes the end of an attempt.
    pub(in crate::deliver) fn finished(&mut self, id: Uuid, outcome: Outcome, now: Now) {
        let Some(flight) = self.lanes.get(&id).and_then(Lane::flight) else { return };
        self.land(id, flight);
        self.pending.count();
        match outcome {
            Outcome::Done => self.succeeded(id, flight.single),
            Outcome::Discard { why } => self.discarded(id, flight.single, &why),
            Outcome::GiveUp { why } => self.given_up(id, flight.single, why, now),
            Outcome::Hold { why } => self.held(id, flight.single, why, now),
            Outcome::Stop { why } => self.stopped(id, flight.single, why),
            Outcome::Retry { after, why, scope } => {
                self.tried(id, flight.single, &why);
                let pause = match scope {
                    Scope::Lane => self.pause_of_lane(id, flight.single, flight.probe, after, now),
                    Scope::Target => self.pause_of_target(id, flight.single, after, &why, now),
                };
                match pause {
                    Some(pause) => self.wait(id, flight.single, pause, now),
                    None => self.bury(id, flight.single, why, now),
                }
            }
        }
    }

    fn succeeded(&mut self, id: Uuid, single: bool) {
        self.figures.delivered += 1;
        self.gate.answered();
        self.complete(id, single);
    }

    fn discarded(&mut self, id: Uuid, single: bool, why: &str) {
        tracing::debug!(why, "a delivery was discarded");
        self.figures.failed += 1;
        self.gate.answered();
        self.complete(id, single);
    }

    fn given_up(&mut self, id: Uuid, single: bool, why: String, now: Now) {
        self.figures.failed += 1;
        self.gate.answered();
        self.bury(id, single, why, now);
    }

    fn held(&mut self, id: Uuid, single: bool, why: String, now: Now) {
        self.tried(id, single, &why);
        self.gate.hold(why, now.mono);
        self.take_back(id, single);
    }

    fn stopped(&mut self, id: Uuid, single: bool, why: String) {
        self.tried(id, single, &why);
        self.pending.stop(Some(why.clone()));
        self.gate.stop(why);
        self.take_back(id, single);
    }

    fn tried(&mut self, id: Uuid, single: bool, why: &str) {
        self.figures.failed += 1;
        if let Some(tries) = self.tries(id, single) {
            tries.ended(why);
        }
    }

    fn pause_of_lane(
        &mut self,
        id: Uuid,
        single: bool,
        probe: bool,
        after: Option<Duration>,
        now: Now,
    ) -> Option<Duration> {
        self.gate.failed(id, probe, now.mono);
        let tries = self.tries(id, single)?;
        tries.courtesies = 0;
        let attempts = tries.attempts;
        let scheduled = self.schedule.pause(attempts)?;
        Some(after.map_or(scheduled, sensible))
    }

    /// The whole subscriber rests. The record may go on at once after it for a while; then it follows the schedule, so that a
    /// record that is refused for ever does not delay the others for ever.
    fn pause_of_target(
        &mut self,
        id: Uuid,
        single: bool,
        after: Option<Duration>,
        why: &str,
        now: Now,
    ) -> Option<Duration> {
        let rest = after.map_or(REST, sensible).min(PAUSE_MAX);
        self.gate.pause(rest, why.to_owned(), now);
        let tries = self.tries(id, single)?;
        if tries.courtesies < COURTESIES_MAX {
            tries.courtesies += 1;
            tries.uncount();
            return Some(rest);
        }
        let attempts = tries.attempts;
        self.schedule.pause(attempts).map(|pause| pause.max(rest))
    }

    fn wait(&mut self, id: Uuid, single: bool, pause: Duration, now: Now) {
        if let Some(tries) = self.tries(id, single) {
            tries.due = Some(now.wall.plus(pause));
        }
        self.part_unless(id, single);
        self.change(id, single);
        let Some(key) = self.lay_aside(id, single) else { return };
        self.wait_for(key, now.mono + pause);
        self.turn_over(id);
    }

    /// What waits does not stay in memory.
    fn lay_aside(&mut self, id: Uuid, single: bool) -> Option<Key> {
        if single {
            return self.take_record(id, true).map(|record| Key::Single(record.id));
        }
        self.shed(id);
        self.lanes.get_mut(&id)?.waiting = true;
        Some(Key::Lane(id))
    }

    fn bury(&mut self, id: Uuid, single: bool, why: String, now: Now) {
        let attempts = self.tries(id, single).map_or(0, |tries| tries.attempts);
        let lane = self.lanes.get(&id);
        let queue = lane.map(|lane| if single { &lane.singles } else { &lane.queue });
        if let Some(record) = queue.and_then(|queue| queue.front()) {
            self.figures.dead += 1;
            self.pending.bury(Buried { record: Arc::clone(record), attempts, why, at: now.wall });
        }
        self.complete(id, single);
    }

    /// The record is settled.
    fn complete(&mut self, id: Uuid, single: bool) {
        self.change(id, single);
        let record = self.take_record(id, single);
        match self.lanes.get_mut(&id) {
            Some(lane) if !single => lane.tries = Tries::default(),
            _ => drop(record.and_then(|record| self.singles.remove(&record.id))),
        }
        self.turn_over(id);
    }
}
