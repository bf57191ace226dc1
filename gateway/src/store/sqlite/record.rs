use bytes::Bytes;
use rusqlite::Row;

use super::PARTITION;
use super::failure::damaged;
use crate::interaction::{Kind, Time};
use crate::store::{NewEvent, Position, Record};

/// The columns that [`decode`] wants. Names are looked up in place, so that a missing one is seen and not joined away.
pub(super) const COLUMNS: &str = "position, id, kind, target, time, lane, conversation, contact, body, \
    (SELECT name FROM names WHERE names.id = log.channel), (SELECT name FROM names WHERE names.id = log.target)";

/// A row of [`COLUMNS`].
pub(super) fn decode(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        partition: PARTITION,
        position: Position(count(row, 0)?),
        id: row.get(1)?,
        kind: Kind::from_code(row.get(2)?).ok_or_else(|| damaged(2, "no kind has this number"))?,
        lane: row.get(5)?,
        conversation: row.get(6)?,
        contact: row.get(7)?,
        channel: row.get(9)?,
        target: target(row)?,
        time: time(row, 4)?,
        body: Bytes::from(row.get::<_, Vec<u8>>(8)?),
    })
}

/// The record that an event becomes.
pub(super) fn of_event(event: &NewEvent, position: Position) -> Record {
    Record {
        partition: PARTITION,
        position,
        id: event.id,
        kind: event.kind,
        lane: event.lane,
        conversation: event.conversation,
        contact: event.contact,
        channel: event.channel.clone(),
        target: event.target.clone(),
        time: event.time,
        body: event.body.clone(),
    }
}

fn target(row: &Row<'_>) -> rusqlite::Result<Option<String>> {
    match row.get::<_, Option<i64>>(3)? {
        Some(_) => row.get(10).map(Some),
        None => Ok(None),
    }
}

/// For SQLite, whose integers are signed; no counter of ours reaches the sign.
pub(super) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A limit for SQLite.
pub(super) fn limit(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A column that is never negative.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| damaged(column, "a negative number"))
}

/// A column of milliseconds.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Time> {
    row.get(column).map(Time::from_ms)
}
