use uuid::Uuid;

use super::{Partition, Position};
use crate::interaction::Time;

/// The right to deliver from a partition. Every write of progress names the epoch, so that who lost it cannot write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub partition: Partition,
    pub epoch: u64,
}

/// How far a subscriber is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    pub cursor: Cursor,
    /// Exceptions, in no order.
    pub lanes: Vec<Lane>,
}

/// Everything up to `floor` is settled (delivered, given up or a matter of a [`Lane`]); beyond it, what `done` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub floor: Position,
    /// Positions beyond the floor that are settled, ascending.
    pub done: Vec<Position>,
}

/// A lane that does not go with the cursor: it failed and waits, or takes long.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    pub lane: Uuid,
    /// Its first unsettled record; unsettled are this one and, unless `single`, all later ones of the lane.
    pub from: Position,
    /// This one record alone: work put back by a retry or a replay.
    pub single: bool,
    /// Attempts made at `from`.
    pub attempt: u32,
    /// Not before.
    pub due: Time,
    /// What happened at the last attempt.
    pub why: String,
    /// An attempt was under way when this was written: after a crash nobody knows how it ended.
    pub uncertain: bool,
}

/// A change of progress; `lane` and `single` together name a lane.
#[derive(Clone, Debug, PartialEq)]
pub enum ProgressWrite {
    Cursor { lease: Lease, subscriber: String, cursor: Cursor },
    PutLane { lease: Lease, subscriber: String, lane: Lane },
    DropLane { lease: Lease, subscriber: String, lane: Uuid, single: bool },
}
