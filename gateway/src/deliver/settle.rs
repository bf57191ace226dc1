use std::sync::Arc;

use uuid::Uuid;

use super::lanes::{Key, Keys, Lanes};
use crate::interaction::Time;
use crate::store::{Cursor, Lane, Record};

/// A record that was given up.
#[derive(Debug)]
pub(super) struct Buried {
    pub(super) record: Arc<Record>,
    pub(super) attempts: u32,
    pub(super) why: String,
    pub(super) at: Time,
}

/// What has happened and is not written down yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Exceptions that the store has, or will have with the commit under way.
    pub(super) stored: Keys,
    keys: Keys,
    announced: Vec<Uuid>,
    dead: Vec<Buried>,
    stopped: Option<Option<String>>,
    finished: usize,
    /// In the commit under way.
    settling: usize,
}

/// What is to be written down at once.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) cursor: Option<Cursor>,
    pub(super) put: Vec<Lane>,
    pub(super) drop: Vec<(Uuid, bool)>,
    pub(super) dead: Vec<Buried>,
    /// Why the subscription stops; `Some(None)`: it goes on.
    pub(super) stopped: Option<Option<String>>,
    /// Lanes whose attempt may leave once this is written.
    pub(super) announced: Vec<Uuid>,
}

impl Pending {
    pub(super) fn change(&mut self, key: Key) {
        self.keys.insert(key);
    }

    pub(super) fn announce(&mut self, lane: Uuid) {
        self.announced.push(lane);
    }

    pub(super) fn bury(&mut self, buried: Buried) {
        self.dead.push(buried);
    }

    pub(super) fn stop(&mut self, why: Option<String>) {
        self.stopped = Some(why);
    }

    /// An attempt ended.
    pub(super) fn count(&mut self) {
        self.finished += 1;
    }

    /// Attempts that ended and would be made again after a crash.
    pub(super) fn unsettled(&self) -> usize {
        self.finished + self.settling
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.dead.is_empty() && self.stopped.is_none()
    }
}

impl Lanes {
    /// Whether there is something that should be written down.
    pub(super) fn has_changes(&self) -> bool {
        !self.pending.is_empty() || self.window.has_moved()
    }

    /// Whether there is anything that could be.
    pub(super) fn has_leftovers(&self) -> bool {
        self.has_changes() || self.window.has_skipped()
    }

    /// Everything that is to be written now, with the next commit.
    pub(super) fn take_changes(&mut self, now: Time) -> Changes {
        let cursor = Some(self.window.take());
        let (mut put, mut drop) = (Vec::new(), Vec::new());
        for key in std::mem::take(&mut self.pending.keys) {
            match self.stored(key, now) {
                Some(lane) => {
                    self.pending.stored.insert(key);
                    put.push(lane);
                }
                None if self.pending.stored.remove(&key) => drop.push(named(key)),
                None => {}
            }
        }
        let pending = &mut self.pending;
        pending.settling += std::mem::take(&mut pending.finished);
        let (dead, announced) = (std::mem::take(&mut pending.dead), std::mem::take(&mut pending.announced));
        Changes { cursor, put, drop, dead, stopped: pending.stopped.take(), announced }
    }

    /// The changes taken last are written.
    pub(super) fn settled(&mut self, announced: Vec<Uuid>) {
        self.pending.settling = 0;
        self.clear(announced);
    }

    fn stored(&self, key: Key, now: Time) -> Option<Lane> {
        match key {
            Key::Lane(id) => self.lanes.get(&id)?.stored(id, now),
            Key::Single(id) => Some(self.singles.get(&id)?.stored(id, now)),
        }
    }
}

fn named(key: Key) -> (Uuid, bool) {
    match key {
        Key::Lane(id) => (id, false),
        Key::Single(id) => (id, true),
    }
}
