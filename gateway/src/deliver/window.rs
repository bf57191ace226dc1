use std::collections::VecDeque;

use uuid::Uuid;

use crate::store::{Cursor, Position};

/// How many positions a cursor may hold beyond its floor.
pub(super) const POSITIONS_MAX: usize = 4096;
/// A cursor that moved over nothing but records for others is not worth a write of its own before this.
const SKIPPED_MAX: usize = 1024;

/// The cursor while it moves: where reading is, and what of that is not settled yet.
#[derive(Debug)]
pub(super) struct Window {
    floor: Position,
    seen: Position,
    /// Positions beyond the floor that were read, ascending; the first one is not settled.
    slots: VecDeque<Slot>,
    /// Settled before a restart and not read again yet, ascending.
    resumed: VecDeque<Position>,
    moved: bool,
    skipped: usize,
}

#[derive(Debug)]
struct Slot {
    position: Position,
    lane: Uuid,
    settled: bool,
}

impl Window {
    pub(super) fn load(cursor: Cursor) -> Self {
        let Cursor { floor, done } = cursor;
        Self { floor, seen: floor, slots: VecDeque::new(), resumed: done.into(), moved: false, skipped: 0 }
    }

    pub(super) fn floor(&self) -> Position {
        self.floor
    }

    /// Everything up to here has been read.
    pub(super) fn seen(&self) -> Position {
        self.seen
    }

    /// How far reading ever went, as far as it is known: records of an exceptional lane up to here are the lane's.
    pub(super) fn reach(&self) -> Position {
        self.resumed.back().copied().map_or(self.seen, |last| last.max(self.seen))
    }

    /// How many more positions may be read.
    pub(super) fn room(&self) -> usize {
        POSITIONS_MAX.saturating_sub(self.slots.len())
    }

    /// The lane that keeps the floor where it is.
    pub(super) fn blocker(&self) -> Option<Uuid> {
        self.slots.front().map(|slot| slot.lane)
    }

    /// Takes the next position; false if it was settled before a restart.
    pub(super) fn push(&mut self, position: Position, lane: Uuid) -> bool {
        self.forget_before(position);
        let settled = self.resumed.pop_front_if(|resumed| *resumed == position).is_some();
        self.slots.push_back(Slot { position, lane, settled });
        self.seen = self.seen.max(position);
        self.rise();
        !settled
    }

    /// Reading went up to here.
    pub(super) fn saw(&mut self, position: Position) {
        self.forget_before(Position(position.0 + 1));
        self.seen = self.seen.max(position);
        self.rise();
    }

    pub(super) fn settle(&mut self, position: Position) {
        self.moved |= self.mark(position);
    }

    /// Settles what was not for this subscriber.
    pub(super) fn skip(&mut self, position: Position) {
        self.mark(position);
        self.skipped += 1;
    }

    pub(super) fn has_moved(&self) -> bool {
        self.moved || self.skipped >= SKIPPED_MAX
    }

    pub(super) fn has_skipped(&self) -> bool {
        self.skipped > 0
    }

    /// The cursor to write.
    pub(super) fn take(&mut self) -> Cursor {
        (self.moved, self.skipped) = (false, 0);
        let read = self.slots.iter().filter(|slot| slot.settled).map(|slot| slot.position);
        Cursor { floor: self.floor, done: read.chain(self.resumed.iter().copied()).collect() }
    }

    fn mark(&mut self, position: Position) -> bool {
        let index = self.slots.partition_point(|slot| slot.position < position);
        let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.position == position) else { return false };
        slot.settled = true;
        self.rise();
        true
    }

    /// What was settled and is not in the log any more will not be read again.
    fn forget_before(&mut self, position: Position) {
        while self.resumed.pop_front_if(|resumed| *resumed < position).is_some() {}
    }

    fn rise(&mut self) {
        while let Some(slot) = self.slots.pop_front_if(|slot| slot.settled) {
            self.floor = slot.position;
        }
        if self.slots.is_empty() {
            self.floor = self.seen;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(positions: &[u64]) -> Window {
        let mut window = Window::load(Cursor::default());
        for position in positions {
            assert!(window.push(Position(*position), Uuid::nil()));
        }
        window
    }

    fn cursor(floor: u64, done: &[u64]) -> Cursor {
        Cursor { floor: Position(floor), done: done.iter().copied().map(Position).collect() }
    }

    #[test]
    fn the_floor_waits_for_the_first_open_position() {
        let mut window = filled(&[2, 5, 9]);
        window.settle(Position(5));
        assert_eq!(window.take(), cursor(0, &[5]));
        window.settle(Position(2));
        assert_eq!(window.take(), cursor(5, &[]));
        window.settle(Position(9));
        assert_eq!(window.take(), cursor(9, &[]));
        window.saw(Position(20));
        assert_eq!(window.take(), cursor(20, &[]));
    }

    #[test]
    fn what_was_settled_before_a_restart_is_not_taken_again() {
        let mut window = Window::load(cursor(4, &[6, 7, 9]));
        assert_eq!(window.reach(), Position(9));
        assert!(window.push(Position(5), Uuid::nil()));
        assert!(!window.push(Position(6), Uuid::nil()));
        assert_eq!(window.take(), cursor(4, &[6, 7, 9]));
        window.settle(Position(5));
        assert_eq!(window.take(), cursor(6, &[7, 9]));
        assert!(!window.push(Position(9), Uuid::nil()), "7 has been trimmed");
        assert_eq!(window.take(), cursor(9, &[]));
    }
}
