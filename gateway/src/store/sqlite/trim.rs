//! Removal of what is old. Readers find it, the writer removes it in small steps, so that commits get through between.

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::group::{Ran, Tx};
use super::record::{count, integer, limit as sql_limit};
use super::search;
use crate::interaction::Time;

/// Rows that one step looks at.
pub(super) const STEP_ROWS: usize = 512;

/// Some rows in the order of their key: which of them are to go, and where the next step begins.
pub(super) struct Step<K> {
    pub(super) old: Vec<K>,
    /// `None`: this was the last.
    pub(super) last: Option<K>,
}

/// The channels that records may have, with their numbers.
pub(super) fn channels(connection: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    connection
        .prepare_cached("SELECT id, name FROM names")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// A channel's records are walked from the oldest; a stretch with none that is old ends the walk, for times follow positions
/// closely.
pub(super) fn old_records(
    connection: &Connection,
    channel: i64,
    after: u64,
    before: Time,
) -> rusqlite::Result<Step<u64>> {
    let mut statement = connection.prepare_cached(
        "SELECT position, time FROM log WHERE channel = ?1 AND position > ?2 ORDER BY position LIMIT ?3",
    )?;
    let rows = statement.query_map(params![channel, integer(after), sql_limit(STEP_ROWS)], |row| {
        Ok((count(row, 0)?, row.get::<_, i64>(1)? < before.ms()))
    })?;
    let step = step(rows)?;
    Ok(if step.old.is_empty() { Step { last: None, ..step } } else { step })
}

/// Dedupe keys lie in no order of time: all are walked.
pub(super) fn old_dedupe(connection: &Connection, after: &[u8], before: Time) -> rusqlite::Result<Step<Vec<u8>>> {
    let mut statement =
        connection.prepare_cached("SELECT key, time FROM dedupe WHERE key > ?1 ORDER BY key LIMIT ?2")?;
    let rows = statement.query_map(params![after, sql_limit(STEP_ROWS)], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)? < before.ms()))
    })?;
    step(rows)
}

/// Entries that expired.
pub(super) fn expired(connection: &Connection, now: Time) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT key FROM entry WHERE expires <= ?1 LIMIT ?2")?;
    statement.query_map(params![now.ms(), sql_limit(STEP_ROWS)], |row| row.get(0))?.collect()
}

/// Returns how many records went.
pub(super) fn remove(tx: &mut Tx<'_>, positions: &[u64]) -> rusqlite::Result<u64> {
    let mut removed = 0;
    for position in positions {
        search::forget(tx.connection, *position)?;
        let position = integer(*position);
        removed += tx.connection.prepare_cached("DELETE FROM log WHERE position = ?1")?.execute([position])? as u64;
        tx.connection.prepare_cached("DELETE FROM raw WHERE position = ?1")?.execute([position])?;
    }
    tx.removed.extend_from_slice(positions);
    tx.state.counters.events = tx.state.counters.events.saturating_sub(removed);
    Ok(removed)
}

pub(super) fn remove_dedupe(tx: &mut Tx<'_>, keys: &[Vec<u8>], before: Time) -> Ran<()> {
    let mut statement = tx.connection.prepare_cached("DELETE FROM dedupe WHERE key = ?1 AND time < ?2")?;
    for key in keys {
        statement.execute(params![key, before.ms()])?;
    }
    Ok(Ok(()))
}

/// Whoever decided something about a contact before it was buried has long been answered.
pub(super) fn remove_burials(tx: &mut Tx<'_>, before: Time) -> Ran<()> {
    let mut statement = tx.connection.prepare_cached("DELETE FROM buried WHERE time < ?1 RETURNING contact")?;
    let gone = statement.query_map([before.ms()], |row| row.get(0))?.collect::<rusqlite::Result<Vec<Uuid>>>()?;
    for contact in gone {
        tx.buried |= tx.state.buried.remove(&contact);
    }
    Ok(Ok(()))
}

/// Only what is still expired: it may have been written anew since it was found.
pub(super) fn remove_expired(tx: &mut Tx<'_>, keys: &[String], now: Time) -> Ran<()> {
    let mut statement = tx.connection.prepare_cached("DELETE FROM entry WHERE key = ?1 AND expires <= ?2")?;
    for key in keys {
        statement.execute(params![key, now.ms()])?;
    }
    Ok(Ok(()))
}

fn step<K: Clone>(rows: impl Iterator<Item = rusqlite::Result<(K, bool)>>) -> rusqlite::Result<Step<K>> {
    let (mut old, mut last, mut seen) = (Vec::new(), None, 0);
    for row in rows {
        let (key, is_old) = row?;
        if is_old {
            old.push(key.clone());
        }
        last = Some(key);
        seen += 1;
    }
    Ok(Step { old, last: last.filter(|_| seen == STEP_ROWS) })
}
