use rusqlite::{Connection, OptionalExtension as _, Row, params};
use uuid::Uuid;

use super::failure::damaged;
use super::group::{Ran, Tx};
use super::record::{count, integer, time};
use crate::store::{Cursor, Lane, Lease, Partition, Position, Progress, ProgressWrite};

/// The lease that a change names.
pub(super) fn lease(change: &ProgressWrite) -> &Lease {
    match change {
        ProgressWrite::Cursor { lease, .. }
        | ProgressWrite::PutLane { lease, .. }
        | ProgressWrite::DropLane { lease, .. } => lease,
    }
}

/// Takes the partition from whoever has it.
pub(super) fn claim(tx: &mut Tx<'_>, partition: Partition) -> Ran<Lease> {
    tx.state.epoch += 1;
    tx.connection
        .prepare_cached("INSERT OR REPLACE INTO lease (partition, epoch) VALUES (?1, ?2)")?
        .execute(params![partition.0, integer(tx.state.epoch)])?;
    Ok(Ok(Lease { partition, epoch: tx.state.epoch }))
}

/// One change; the lease has been checked.
pub(super) fn write(tx: &Tx<'_>, change: &ProgressWrite) -> rusqlite::Result<()> {
    match change {
        ProgressWrite::Cursor { lease, subscriber, cursor } => put_cursor(tx, lease, subscriber, cursor),
        ProgressWrite::PutLane { lease, subscriber, lane } => put_lane(tx, lease, subscriber, lane),
        ProgressWrite::DropLane { lease, subscriber, lane, single } => drop_lane(tx, lease, subscriber, *lane, *single),
    }
}

/// Cursor and lanes as of one moment.
pub(super) fn read(connection: &Connection, lease: &Lease, subscriber: &str) -> rusqlite::Result<Progress> {
    let moment = connection.unchecked_transaction()?;
    let cursor = moment
        .prepare_cached("SELECT floor, done FROM cursor WHERE partition = ?1 AND subscriber = ?2")?
        .query_row(params![lease.partition.0, subscriber], decode_cursor)
        .optional()?
        .unwrap_or_default();
    let lanes = moment
        .prepare_cached(
            "SELECT lane, position, single, attempt, due, why, uncertain FROM lane \
             WHERE partition = ?1 AND subscriber = ?2",
        )?
        .query_map(params![lease.partition.0, subscriber], decode_lane)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Progress { cursor, lanes })
}

fn put_cursor(tx: &Tx<'_>, lease: &Lease, subscriber: &str, cursor: &Cursor) -> rusqlite::Result<()> {
    tx.connection
        .prepare_cached("INSERT OR REPLACE INTO cursor (partition, subscriber, floor, done) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![lease.partition.0, subscriber, integer(cursor.floor.0), pack(cursor)])
        .map(drop)
}

fn put_lane(tx: &Tx<'_>, lease: &Lease, subscriber: &str, lane: &Lane) -> rusqlite::Result<()> {
    tx.connection
        .prepare_cached(
            "INSERT OR REPLACE INTO lane (partition, subscriber, lane, single, position, attempt, due, why, uncertain) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            lease.partition.0,
            subscriber,
            lane.lane,
            lane.single,
            integer(lane.from.0),
            lane.attempt,
            lane.due.ms(),
            lane.why,
            lane.uncertain,
        ])
        .map(drop)
}

fn drop_lane(tx: &Tx<'_>, lease: &Lease, subscriber: &str, lane: Uuid, single: bool) -> rusqlite::Result<()> {
    tx.connection
        .prepare_cached("DELETE FROM lane WHERE partition = ?1 AND subscriber = ?2 AND lane = ?3 AND single = ?4")?
        .execute(params![lease.partition.0, subscriber, lane, single])
        .map(drop)
}

fn decode_cursor(row: &Row<'_>) -> rusqlite::Result<Cursor> {
    let floor = Position(count(row, 0)?);
    let packed: Vec<u8> = row.get(1)?;
    let done = unpack(floor, &packed).ok_or_else(|| damaged(1, "no list of positions"))?;
    Ok(Cursor { floor, done })
}

fn decode_lane(row: &Row<'_>) -> rusqlite::Result<Lane> {
    Ok(Lane {
        lane: row.get(0)?,
        from: Position(count(row, 1)?),
        single: row.get(2)?,
        attempt: row.get(3)?,
        due: time(row, 4)?,
        why: row.get(5)?,
        uncertain: row.get(6)?,
    })
}

/// The settled positions as steps from one to the next, seven bits to a byte: they lie close together, and a cursor is
/// written often.
fn pack(cursor: &Cursor) -> Vec<u8> {
    let mut packed = Vec::with_capacity(cursor.done.len() * 2);
    let mut last = cursor.floor.0;
    for position in &cursor.done {
        let mut step = position.0.saturating_sub(last);
        last = last.max(position.0);
        while step >= 0x80 {
            packed.push(step as u8 | 0x80);
            step >>= 7;
        }
        packed.push(step as u8);
    }
    packed
}

/// `None` if the bytes break off or exceed 64 bits.
fn unpack(floor: Position, packed: &[u8]) -> Option<Vec<Position>> {
    let (mut done, mut last, mut step, mut shift) = (Vec::new(), floor.0, 0u64, 0u32);
    for byte in packed {
        let bits = u64::from(byte & 0x7f);
        step |= bits.checked_shl(shift).filter(|moved| moved >> shift == bits)?;
        shift += 7;
        if byte & 0x80 == 0 {
            last = last.checked_add(step)?;
            done.push(Position(last));
            (step, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_packing() {
        let done = vec![Position(8), Position(9), Position(200), Position(1 << 40), Position(i64::MAX as u64)];
        let cursor = Cursor { floor: Position(7), done };
        assert_eq!(unpack(cursor.floor, &pack(&cursor)), Some(cursor.done));
    }

    #[test]
    fn damaged_positions_are_told() {
        assert_eq!(unpack(Position(0), &[0x80]), None, "breaks off");
        assert_eq!(unpack(Position(0), &[0xff; 11]), None, "too long");
        assert_eq!(unpack(Position(u64::MAX), &[1]), None, "too far");
    }
}
