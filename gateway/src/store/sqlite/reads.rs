use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Row, Rows, ToSql, params};
use uuid::Uuid;

use super::record::{COLUMNS, count, decode, integer, limit as sql_limit};
use crate::interaction::Time;
use crate::store::{DedupeKey, Entry, Key, Position, Record, Stream, Usage};

/// A long backlog of large bodies is read in portions.
const PORTION_BYTES: usize = 8 << 20;

/// The next records of a stream up to the head, and how far the reading went.
pub(super) fn stream(
    connection: &Connection,
    stream: &Stream,
    after: Position,
    head: Position,
    limit: usize,
) -> rusqlite::Result<(Vec<Arc<Record>>, Position)> {
    let sql = format!(
        "SELECT {COLUMNS} FROM log WHERE {} AND position > ?2 AND position <= ?3 ORDER BY position LIMIT ?4",
        in_stream(stream, "target")
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![name(stream), integer(after.0), integer(head.0), sql_limit(limit)])?;
    let (records, exhausted) = portion(&mut rows)?;
    let seen = match records.last() {
        Some(last) if !exhausted || records.len() == limit => last.position,
        _ if limit == 0 => after,
        _ => head.max(after),
    };
    Ok((records, seen))
}

/// The records of a lane from a position on, up to the head.
pub(super) fn lane(
    connection: &Connection,
    stream: &Stream,
    lane: Uuid,
    from: Position,
    head: Position,
    limit: usize,
) -> rusqlite::Result<Vec<Arc<Record>>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM log WHERE {} AND lane = ?2 AND position >= ?3 AND position <= ?4 ORDER BY position LIMIT ?5",
        in_stream(stream, "+target")
    );
    let from = integer(from.0);
    let values = params![name(stream), lane, from, integer(head.0), sql_limit(limit)];
    records(connection, &sql, values)
}

/// All records that a statement over [`COLUMNS`] gives.
pub(super) fn records(connection: &Connection, sql: &str, values: &[&dyn ToSql]) -> rusqlite::Result<Vec<Arc<Record>>> {
    connection.prepare_cached(sql)?.query_map(values, |row| decode(row).map(Arc::new))?.collect()
}

pub(super) fn find(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<Arc<Record>>> {
    let sql = format!("SELECT {COLUMNS} FROM log WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([id], |row| decode(row).map(Arc::new)).optional()
}

pub(super) fn unattributed(
    connection: &Connection,
    after: Position,
    limit: usize,
) -> rusqlite::Result<Vec<Arc<Record>>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM log WHERE contact IS NULL AND kind IN (3, 14) AND position > ?1 ORDER BY position LIMIT ?2"
    );
    records(connection, &sql, params![integer(after.0), sql_limit(limit)])
}

pub(super) fn at(connection: &Connection, position: Position) -> rusqlite::Result<Option<Arc<Record>>> {
    let sql = format!("SELECT {COLUMNS} FROM log WHERE position = ?1");
    let decoded = |row: &Row<'_>| decode(row).map(Arc::new);
    connection.prepare_cached(&sql)?.query_row([integer(position.0)], decoded).optional()
}

pub(super) fn position(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<Position>> {
    connection
        .prepare_cached("SELECT position FROM log WHERE id = ?1")?
        .query_row([id], |row| count(row, 0).map(Position))
        .optional()
}

pub(super) fn duplicate(connection: &Connection, key: &DedupeKey) -> rusqlite::Result<Option<Uuid>> {
    connection
        .prepare_cached("SELECT id FROM dedupe WHERE key = ?1")?
        .query_row([key.bytes()], |row| row.get(0))
        .optional()
}

pub(super) fn raw(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT body FROM raw WHERE position = (SELECT position FROM log WHERE id = ?1)")?
        .query_row([id], |row| row.get(0))
        .optional()
}

pub(super) fn entry(connection: &Connection, key: &Key, now: Time) -> rusqlite::Result<Option<Entry>> {
    connection
        .prepare_cached("SELECT value, version FROM entry WHERE key = ?1 AND (expires IS NULL OR expires > ?2)")?
        .query_row(params![key.0, now.ms()], |row| decode_entry(row, 0))
        .optional()
}

/// Entries with a prefix, up to the size of a portion. The end of the prefix is seen when a key without it comes, so that no upper bound has to be
/// made up.
pub(super) fn scan(
    connection: &Connection,
    prefix: &str,
    after: Option<&Key>,
    limit: usize,
    now: Time,
) -> rusqlite::Result<Vec<(Key, Entry)>> {
    let after = after.map(|key| key.0.as_str()).filter(|key| *key >= prefix);
    let sql = format!(
        "SELECT key, value, version FROM entry WHERE key {} ?1 AND (expires IS NULL OR expires > ?2) ORDER BY key",
        if after.is_some() { ">" } else { ">=" }
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![after.unwrap_or(prefix), now.ms()])?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while entries.len() < limit
        && bytes < PORTION_BYTES
        && let Some(row) = rows.next()?
    {
        let key: String = row.get(0)?;
        if !key.starts_with(prefix) {
            break;
        }
        let entry = decode_entry(row, 1)?;
        bytes += entry.value.len();
        entries.push((Key(key), entry));
    }
    Ok(entries)
}

/// Entries and bytes under a prefix; of a value its length alone is read.
pub(super) fn usage(connection: &Connection, prefix: &str, now: Time) -> rusqlite::Result<Usage> {
    let mut statement = connection.prepare_cached(
        "SELECT key, length(value) FROM entry WHERE key >= ?1 AND (expires IS NULL OR expires > ?2) ORDER BY key",
    )?;
    let mut rows = statement.query(params![prefix, now.ms()])?;
    let mut usage = Usage::default();
    while let Some(row) = rows.next()? {
        if !row.get_ref(0)?.as_str()?.starts_with(prefix) {
            break;
        }
        usage = usage.and(Usage { entries: 1, bytes: count(row, 1)? });
    }
    Ok(usage)
}

fn decode_entry(row: &Row<'_>, first: usize) -> rusqlite::Result<Entry> {
    Ok(Entry { value: Bytes::from(row.get::<_, Vec<u8>>(first)?), version: count(row, first + 1)? })
}

/// The condition with `?1` for a stream; `target` is how to spell the column.
fn in_stream(stream: &Stream, target: &str) -> String {
    match stream {
        Stream::All => "?1 IS NULL".to_owned(),
        Stream::Target(_) => format!("{target} = (SELECT id FROM names WHERE name = ?1)"),
    }
}

fn name(stream: &Stream) -> Option<&str> {
    match stream {
        Stream::All => None,
        Stream::Target(name) => Some(name),
    }
}

/// Rows up to the size of a portion, and whether these were all.
fn portion(rows: &mut Rows<'_>) -> rusqlite::Result<(Vec<Arc<Record>>, bool)> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let record = decode(row)?;
        bytes += record.body.len();
        records.push(Arc::new(record));
        if bytes >= PORTION_BYTES {
            return Ok((records, false));
        }
    }
    Ok((records, true))
}
