//! The state machine alone, driven by chance: appends, readings, ends of attempts, commits and crashes in any order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::support::record;
use crate::deliver::gate::Now;
use crate::deliver::lanes::{Fetch, Lanes, Step};
use crate::deliver::schedule::Schedule;
use crate::deliver::settle::Changes;
use crate::deliver::target::{Outcome, Scope};
use crate::store::{Position, Progress, Record};

const CONCURRENCY: usize = 4;

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}

/// How rough the world is.
#[derive(Clone, Copy, Debug)]
struct World {
    seed: u64,
    records: usize,
    lanes: usize,
    failures: usize,
    crashes: usize,
    mark_uncertain: bool,
}

struct Simulation {
    world: World,
    dice: Dice,
    log: Vec<Arc<Record>>,
    lanes: Lanes,
    now: Now,
    stored: Progress,
    settling: Option<(Changes, BTreeSet<Position>)>,
    flights: Vec<(Uuid, Arc<Record>, bool)>,
    finds: Vec<Uuid>,
    fetches: Vec<Fetch>,
    reads: Option<(Position, usize)>,
    /// Ends by lane, in the order in which they came.
    ended: BTreeMap<Uuid, Vec<Position>>,
    /// Ended, and not written down yet.
    loose: BTreeSet<Position>,
    /// May come again, because a crash came before the commit.
    again: HashMap<Position, usize>,
    dead: Vec<Position>,
    stored_dead: Vec<Position>,
    /// Written down as put back, and ended as such.
    put_back: BTreeSet<Position>,
    ended_again: BTreeSet<Position>,
}

impl Simulation {
    fn new(world: World) -> Self {
        let now = Now::read();
        Self {
            world,
            dice: Dice(world.seed | 1),
            log: Vec::new(),
            lanes: Self::load(world, Progress::default(), now),
            now,
            stored: Progress::default(),
            settling: None,
            flights: Vec::new(),
            finds: Vec::new(),
            fetches: Vec::new(),
            reads: None,
            ended: BTreeMap::new(),
            loose: BTreeSet::new(),
            again: HashMap::new(),
            dead: Vec::new(),
            stored_dead: Vec::new(),
            put_back: BTreeSet::new(),
            ended_again: BTreeSet::new(),
        }
    }

    fn load(world: World, stored: Progress, now: Now) -> Lanes {
        let schedule = Schedule::seeded(vec![Duration::from_secs(5), Duration::from_secs(30)], world.seed);
        Lanes::load(stored, CONCURRENCY, world.mark_uncertain, schedule, now)
    }

    fn run(mut self) {
        while self.log.len() < self.world.records {
            self.step();
        }
        self.world.crashes = 0;
        for _ in 0..200_000 {
            if self.is_done() {
                return self.check();
            }
            self.step();
        }
        panic!("it does not come to an end: {:?} {:?}", self.lanes.figures(), self.stored);
    }

    fn head(&self) -> Position {
        self.log.last().map_or(Position::START, |record| record.position)
    }

    fn is_done(&self) -> bool {
        self.stored.cursor.floor == self.head() && self.stored.lanes.is_empty() && !self.lanes.has_changes()
    }

    fn step(&mut self) {
        match self.dice.below(10) {
            0 => self.append(),
            1 => self.read(),
            2 | 3 => self.end_one(),
            4 => self.fetch(),
            5 => self.settle(),
            6 => self.pass_time(),
            7 => self.find(),
            8 if self.dice.percent(5) => self.replay(),
            _ if self.dice.below(1000) < self.world.crashes => self.crash(),
            _ => {}
        }
        self.begin();
    }

    fn append(&mut self) {
        for _ in 0..self.dice.below(60) {
            if self.log.len() >= self.world.records {
                return;
            }
            let position = self.head().0 + 1 + self.dice.below(3) as u64;
            // Half of everything in one lane.
            let lane = if self.dice.percent(50) { 0 } else { self.dice.below(self.world.lanes) };
            self.log.push(record(position, Uuid::from_u128(lane as u128)));
        }
    }

    fn read(&mut self) {
        let Some((after, limit)) = self.reads.take() else {
            self.reads = self.lanes.read_next(self.now.mono);
            return;
        };
        let all = self.log.iter().filter(|record| record.position > after);
        let records: Vec<_> = all.take(limit).cloned().collect();
        let seen = if records.len() == limit { records[limit - 1].position } else { self.head().max(after) };
        self.lanes.feed(records, seen, wanted);
    }

    fn fetch(&mut self) {
        if self.fetches.is_empty() {
            return;
        }
        let fetch = self.fetches.swap_remove(self.dice.below(self.fetches.len()));
        let all = self.log.iter().filter(|record| record.lane == fetch.lane && record.position >= fetch.from);
        let records = all.take(fetch.limit).cloned().collect();
        self.lanes.fetched(fetch, records, wanted);
    }

    fn begin(&mut self) {
        self.lanes.tick(self.now.mono);
        while let Some(step) = self.lanes.next(self.now) {
            match step {
                Step::Deliver { lane, record, attempt } => {
                    assert!(self.flights.iter().all(|(other, ..)| *other != lane), "two of one lane");
                    assert!(wanted(&record));
                    self.flights.push((lane, record, attempt.replayed));
                }
                Step::Fetch(fetch) => self.fetches.push(fetch),
                Step::Find(id) => self.finds.push(id),
            }
        }
        assert!(self.flights.len() <= CONCURRENCY);
    }

    fn end_one(&mut self) {
        if self.flights.is_empty() {
            return;
        }
        let (lane, record, replayed) = self.flights.swap_remove(self.dice.below(self.flights.len()));
        let outcome = self.outcome();
        let before = self.lanes.figures().dead;
        let done = matches!(outcome, Outcome::Done | Outcome::Discard { .. } | Outcome::GiveUp { .. });
        self.lanes.finished(lane, outcome, self.now);
        let died = self.lanes.figures().dead > before;
        if died {
            self.dead.push(record.position);
        }
        if (done || died) && replayed {
            self.ended_again.insert(record.position);
        } else if done || died {
            self.ended(lane, record.position);
        }
    }

    fn find(&mut self) {
        let Some(id) = self.finds.pop() else { return };
        self.lanes.found(id, self.log.iter().find(|record| record.id == id).cloned());
    }

    /// Something that has ended is wanted again.
    fn replay(&mut self) {
        let ended: Vec<_> = self.ended.values().flatten().copied().collect();
        if self.log.len() == self.world.records || ended.is_empty() {
            return;
        }
        let position = ended[self.dice.below(ended.len())];
        let id = self.log.iter().find(|record| record.position == position).map(|record| record.id);
        self.lanes.put_back(id.unwrap(), position, true);
    }

    fn outcome(&mut self) -> Outcome {
        let why = String::new();
        if !self.dice.percent(self.world.failures) {
            return Outcome::Done;
        }
        match self.dice.below(20) {
            0 => Outcome::GiveUp { why },
            1 => Outcome::Discard { why },
            2 => Outcome::Hold { why },
            3 => Outcome::Retry { after: Some(Duration::from_secs(3)), why, scope: Scope::Target },
            4 => Outcome::Retry { after: Some(Duration::from_secs(9)), why, scope: Scope::Lane },
            _ => Outcome::Retry { after: None, why, scope: Scope::Lane },
        }
    }

    fn ended(&mut self, lane: Uuid, position: Position) {
        let ended = self.ended.entry(lane).or_default();
        if ended.contains(&position) {
            let left = self.again.get_mut(&position).expect("a double that no crash explains");
            assert!(*left > 0, "a double that no crash explains");
            *left -= 1;
        } else {
            assert!(ended.last().is_none_or(|last| *last < position) || !self.again.is_empty(), "out of order");
            ended.push(position);
        }
        self.loose.insert(position);
    }

    fn settle(&mut self) {
        if let Some((changes, written)) = self.settling.take() {
            self.write(&changes);
            self.loose.retain(|position| !written.contains(position));
            self.lanes.settled(changes.announced);
        } else if self.lanes.has_leftovers() {
            self.settling = Some((self.lanes.take_changes(self.now.wall), self.loose.clone()));
        }
    }

    fn write(&mut self, changes: &Changes) {
        self.stored_dead.extend(changes.dead.iter().map(|buried| buried.record.position));
        if let Some(cursor) = &changes.cursor {
            assert!(cursor.done.is_sorted() && cursor.done.iter().all(|position| *position > cursor.floor));
            self.stored.cursor = cursor.clone();
        }
        let named = |lane: &crate::store::Lane, id: Uuid, single: bool| lane.lane == id && lane.single == single;
        for lane in &changes.put {
            if lane.single {
                self.put_back.insert(lane.from);
            }
            self.stored.lanes.retain(|stored| !named(stored, lane.lane, lane.single));
            self.stored.lanes.push(lane.clone());
        }
        for (id, single) in &changes.drop {
            self.stored.lanes.retain(|stored| !named(stored, *id, *single));
        }
    }

    fn pass_time(&mut self) {
        let by = match self.dice.below(3) {
            0 => Duration::from_millis(300),
            1 => Duration::from_secs(2),
            _ => self
                .lanes
                .wake_at(self.now.mono)
                .map_or(Duration::ZERO, |due| due.saturating_duration_since(self.now.mono)),
        };
        self.now = Now { mono: self.now.mono + by, wall: self.now.wall.plus(by) };
    }

    /// A commit under way may have come through or not.
    fn crash(&mut self) {
        if let Some((changes, written)) = self.settling.take().filter(|_| self.dice.percent(50)) {
            self.write(&changes);
            self.loose.retain(|position| !written.contains(position));
        }
        for position in std::mem::take(&mut self.loose) {
            *self.again.entry(position).or_default() += 1;
        }
        (self.flights, self.fetches, self.finds, self.reads) = (Vec::new(), Vec::new(), Vec::new(), None);
        self.dead.clone_from(&self.stored_dead);
        self.lanes = Self::load(self.world, self.stored.clone(), self.now);
    }

    fn check(self) {
        let mut expected: BTreeMap<Uuid, Vec<Position>> = BTreeMap::new();
        for record in self.log.iter().filter(|record| wanted(record)) {
            expected.entry(record.lane).or_default().push(record.position);
        }
        assert_eq!(self.ended, expected, "each once, in order");
        assert!(self.put_back.is_subset(&self.ended_again), "what was put back ends again");
        assert_eq!(self.dead, self.stored_dead);
        assert_eq!(self.lanes.figures().lanes_waiting, 0);
        assert!(self.lanes.is_empty(), "nothing is left in memory");
    }
}

/// Some records are not for this subscriber.
fn wanted(record: &Record) -> bool {
    !record.position.0.is_multiple_of(7)
}

fn worlds() -> impl Strategy<Value = World> {
    let crashes = prop_oneof![Just(0), Just(20), Just(100)];
    (any::<u64>(), 1..1500usize, 1..40usize, 0..60usize, crashes, any::<bool>()).prop_map(
        |(seed, records, lanes, failures, crashes, mark_uncertain)| World {
            seed,
            records,
            lanes,
            failures,
            crashes,
            mark_uncertain,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_record_ends_once_and_in_order(world in worlds()) {
        Simulation::new(world).run();
    }
}
