//! Single rules of the state machine, with a clock in hand.

use std::time::Duration;

use super::support::{lane, record, retry};
use crate::deliver::gate::Now;
use crate::deliver::lanes::{Lanes, Step};
use crate::deliver::schedule::Schedule;
use crate::deliver::subscriber::Status;
use crate::deliver::target::{Outcome, Scope};
use crate::store::{Cursor, Lane, Position, Progress};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct Bench {
    lanes: Lanes,
    now: Now,
    fed: u64,
}

impl Bench {
    fn new(progress: Progress) -> Self {
        let now = Now::read();
        let schedule = Schedule::seeded(vec![seconds(10), seconds(100)], 1);
        Self { lanes: Lanes::load(progress, 100, false, schedule, now), now, fed: 0 }
    }

    fn feed(&mut self, lanes: impl IntoIterator<Item = usize>) {
        let first = self.fed + 1;
        let records: Vec<_> = (first..).zip(lanes).map(|(position, number)| record(position, lane(number))).collect();
        self.fed += records.len() as u64;
        self.lanes.feed(records, Position(self.fed), |_| true);
    }

    fn pass(&mut self, by: Duration) {
        self.now = Now { mono: self.now.mono + by, wall: self.now.wall.plus(by) };
        self.lanes.tick(self.now.mono);
    }

    /// What leaves now: number of the lane and of the attempt.
    fn leaving(&mut self) -> Vec<(usize, u32)> {
        let mut leaving = Vec::new();
        while let Some(step) = self.lanes.next(self.now) {
            match step {
                Step::Deliver { lane, attempt, .. } => leaving.push((lane.as_u128() as usize, attempt.number)),
                Step::Fetch(fetch) => {
                    let found = vec![record(fetch.from.0, fetch.lane)];
                    self.lanes.fetched(fetch, found, |_| true);
                }
                Step::Find(_) => unreachable!("nothing is put back here"),
            }
        }
        leaving
    }

    fn end(&mut self, number: usize, outcome: Outcome) {
        self.lanes.finished(lane(number), outcome, self.now);
    }
}

fn rest(after: u64) -> Outcome {
    Outcome::Retry { after: Some(seconds(after)), why: "limit".into(), scope: Scope::Target }
}

#[test]
fn eight_lanes_that_fail_open_the_breaker_and_one_success_closes_it() {
    let mut bench = Bench::new(Progress::default());
    bench.feed(0..8);
    assert_eq!(bench.leaving().len(), 8);
    bench.feed(8..20);
    (0..8).for_each(|number| bench.end(number, retry()));
    assert!(bench.leaving().is_empty());
    assert_eq!(bench.lanes.read_next(bench.now.mono), None, "an outage does not fill the memory");
    assert!(matches!(bench.lanes.gate.status(bench.now), Status::Paused { .. }));
    bench.pass(seconds(1));
    assert_eq!(bench.leaving(), [(8, 1)], "one probe");
    bench.end(8, retry());
    bench.pass(seconds(1));
    assert!(bench.leaving().is_empty(), "the pause has grown");
    bench.pass(seconds(1));
    assert_eq!(bench.leaving(), [(9, 1)]);
    bench.end(9, Outcome::Done);
    assert_eq!(bench.leaving(), (10..20).map(|number| (number, 1)).collect::<Vec<_>>());
    assert!(bench.lanes.read_next(bench.now.mono).is_some());
}

#[test]
fn a_limit_of_the_target_pauses_all_lanes_and_costs_no_attempt() {
    let mut bench = Bench::new(Progress::default());
    bench.feed([0, 1]);
    assert_eq!(bench.leaving(), [(0, 1), (1, 1)]);
    bench.end(0, rest(30));
    bench.end(1, Outcome::Done);
    bench.feed([1, 2]);
    bench.pass(seconds(29));
    assert!(bench.leaving().is_empty());
    bench.pass(seconds(1));
    let mut leaving = bench.leaving();
    leaving.sort_unstable();
    assert_eq!(leaving, [(0, 1), (1, 1), (2, 1)]);
}

#[test]
fn a_record_that_is_at_the_limit_for_ever_follows_the_schedule_in_the_end() {
    let mut bench = Bench::new(Progress::default());
    bench.feed([0]);
    for number in [1, 1, 1, 1, 1, 1, 2, 3] {
        assert_eq!(bench.leaving(), [(0, number)]);
        bench.end(0, rest(1));
        bench.pass(seconds(130));
    }
    assert_eq!(bench.lanes.figures().dead, 1);
    assert!(bench.leaving().is_empty());
}

#[test]
fn a_pause_asked_for_wins_over_the_schedule() {
    let mut bench = Bench::new(Progress::default());
    bench.feed([0]);
    bench.leaving();
    bench.end(0, Outcome::Retry { after: Some(seconds(40)), why: String::new(), scope: Scope::Lane });
    bench.pass(seconds(39));
    assert!(bench.leaving().is_empty());
    bench.pass(seconds(1));
    assert_eq!(bench.leaving(), [(0, 2)]);
}

#[test]
fn a_clock_that_jumped_does_not_prolong_a_wait() {
    let stored = |number: usize, due| Lane {
        lane: lane(number),
        from: Position(number as u64),
        single: false,
        attempt: 1,
        due,
        why: String::new(),
        uncertain: false,
    };
    let wall = Now::read().wall;
    let lanes = vec![stored(1, wall.plus(seconds(86_400 * 365))), stored(2, wall.minus(seconds(86_400)))];
    let mut bench = Bench::new(Progress { cursor: Cursor { floor: Position(2), done: Vec::new() }, lanes });
    assert_eq!(bench.leaving(), [(2, 2)], "what is overdue goes at once");
    bench.pass(seconds(3600));
    assert_eq!(bench.leaving(), [(1, 2)], "no pause is longer than an hour but for the schedule's own");
}

#[test]
fn lanes_take_turns() {
    let mut bench = Bench::new(Progress::default());
    bench.feed([0, 0, 0, 1, 2]);
    assert_eq!(bench.leaving(), [(0, 1), (1, 1), (2, 1)]);
    bench.feed([1]);
    bench.end(1, Outcome::Done);
    bench.end(0, Outcome::Done);
    assert_eq!(bench.leaving(), [(1, 1), (0, 1)]);
}

#[test]
fn nothing_leaves_while_too_much_is_not_written_down() {
    let mut bench = Bench::new(Progress::default());
    let mut ended = 0;
    loop {
        bench.feed(ended..ended + 100);
        let leaving = bench.leaving();
        if leaving.is_empty() {
            break;
        }
        ended += leaving.len();
        leaving.into_iter().for_each(|(number, _)| bench.end(number, Outcome::Done));
    }
    assert!((1024..1200).contains(&ended), "{ended}");
    let changes = bench.lanes.take_changes(bench.now.wall);
    assert!(bench.leaving().is_empty(), "under way is not written");
    bench.lanes.settled(changes.announced);
    assert!(!bench.leaving().is_empty());
}

#[test]
fn a_slow_lane_stops_the_reader_at_no_point() {
    let mut bench = Bench::new(Progress::default());
    bench.feed([0]);
    assert_eq!(bench.leaving(), [(0, 1)]);
    for ended in 0..10_000 {
        assert!(bench.lanes.read_next(bench.now.mono).is_some(), "after {ended}");
        bench.feed([1]);
        assert_eq!(bench.leaving(), [(1, 1)]);
        bench.end(1, Outcome::Done);
        let changes = bench.lanes.take_changes(bench.now.wall);
        bench.lanes.settled(changes.announced);
    }
    assert_eq!(bench.lanes.figures().lanes_waiting, 1, "it went apart");
}
