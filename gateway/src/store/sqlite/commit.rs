use std::sync::Arc;

use rusqlite::{OptionalExtension as _, params};
use uuid::Uuid;

use super::group::{Ran, Tx};
use super::record::{count, integer, of_event};
use super::{erase, progress};
use crate::store::{Appended, Batch, Committed, DedupeKey, Expect, Key, NewEvent, Position, StoreError, Write};

/// Makes a batch true within the transaction, or refuses it before anything is written.
pub(super) fn apply(tx: &mut Tx<'_>, batch: &Batch) -> Ran<Committed> {
    if let Some(refusal) = refusal(tx, batch)? {
        return Ok(Err(refusal));
    }
    let erases = !batch.removals.is_empty() || !batch.burials.is_empty();
    if erases {
        erase::overwrite(tx, true)?;
    }
    let mut committed = Committed { removed: erase::remove(tx, &batch.removals)?, ..Committed::default() };
    erase::bury(tx, &batch.burials)?;
    for event in &batch.events {
        committed.events.push(append(tx, event)?);
    }
    for write in &batch.writes {
        committed.versions.push(put(tx, write)?);
    }
    for change in &batch.progress {
        progress::write(tx, change)?;
    }
    if erases {
        erase::overwrite(tx, false)?;
    }
    Ok(Ok(committed))
}

/// Roughly what a batch adds to the log of writes.
pub(super) fn bytes(batch: &Batch) -> usize {
    const ROW: usize = 256;
    let events =
        batch.events.iter().map(|event| ROW + event.body.len() + event.raw.as_ref().map_or(0, |raw| raw.len()));
    let writes = batch.writes.iter().map(|write| ROW + write.value.as_ref().map_or(0, |value| value.len()));
    events.chain(writes).sum::<usize>() + (batch.progress.len() + batch.removals.len()) * ROW
}

fn refusal(tx: &Tx<'_>, batch: &Batch) -> rusqlite::Result<Option<StoreError>> {
    for change in &batch.progress {
        if let Err(lost) = super::fenced(progress::lease(change), tx.state.epoch) {
            return Ok(Some(lost));
        }
    }
    let of_buried = |event: &&NewEvent| event.contact.is_some_and(|contact| tx.state.buried.contains(&contact));
    if batch.events.iter().any(|event| of_buried(&event)) {
        return Ok(Some(StoreError::Conflict("contact".to_owned())));
    }
    for write in &batch.writes {
        if !expected(tx, write)? {
            return Ok(Some(StoreError::Conflict(write.key.0.clone())));
        }
    }
    Ok(None)
}

fn expected(tx: &Tx<'_>, write: &Write) -> rusqlite::Result<bool> {
    Ok(match write.expect {
        Expect::Anything => true,
        Expect::Absent => version(tx, &write.key)?.is_none(),
        Expect::Version(expected) => version(tx, &write.key)? == Some(expected),
    })
}

fn version(tx: &Tx<'_>, key: &Key) -> rusqlite::Result<Option<u64>> {
    tx.connection
        .prepare_cached("SELECT version FROM entry WHERE key = ?1 AND (expires IS NULL OR expires > ?2)")?
        .query_row(params![key.0, tx.now.ms()], |row| count(row, 0))
        .optional()
}

fn append(tx: &mut Tx<'_>, event: &NewEvent) -> rusqlite::Result<Appended> {
    if let Some(key) = &event.dedupe
        && let Some(id) = claim(tx, key, event)?
    {
        return Ok(Appended::Duplicate { id });
    }
    let position = Position(tx.state.next_position());
    if !insert(tx, event, position)? {
        return Ok(Appended::Duplicate { id: event.id });
    }
    if let Some(raw) = &event.raw {
        let sql = "INSERT INTO raw (position, body) VALUES (?1, ?2)";
        tx.connection.prepare_cached(sql)?.execute(params![integer(position.0), &raw[..]])?;
    }
    tx.state.counters.events += 1;
    tx.appended.push(Arc::new(of_event(event, position)));
    Ok(Appended::New { position })
}

/// Takes a dedupe key for an event: `Some` if another one, or this very one, had it before.
fn claim(tx: &Tx<'_>, key: &DedupeKey, event: &NewEvent) -> rusqlite::Result<Option<Uuid>> {
    let taken = tx
        .connection
        .prepare_cached("INSERT INTO dedupe (key, id, time) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![key.bytes(), event.id, event.time.ms()])?;
    if taken == 1 {
        return Ok(None);
    }
    tx.connection
        .prepare_cached("SELECT id FROM dedupe WHERE key = ?1")?
        .query_row([key.bytes()], |row| row.get(0))
        .map(Some)
}

/// False if the id is in the log already.
fn insert(tx: &mut Tx<'_>, event: &NewEvent, position: Position) -> rusqlite::Result<bool> {
    let channel = tx.state.name(tx.connection, &event.channel)?;
    let target = event.target.as_ref().map(|target| tx.state.name(tx.connection, target)).transpose()?;
    let inserted = tx
        .connection
        .prepare_cached(
            "INSERT INTO log (position, id, kind, channel, target, time, lane, conversation, contact, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            integer(position.0),
            event.id,
            event.kind.code(),
            channel,
            target,
            event.time.ms(),
            event.lane,
            event.conversation,
            event.contact,
            &event.body[..],
        ])?;
    Ok(inserted == 1)
}

fn put(tx: &mut Tx<'_>, write: &Write) -> rusqlite::Result<u64> {
    let Some(value) = &write.value else {
        tx.connection.prepare_cached("DELETE FROM entry WHERE key = ?1")?.execute([&write.key.0])?;
        return Ok(0);
    };
    let version = tx.state.next_version();
    tx.connection
        .prepare_cached("INSERT OR REPLACE INTO entry (key, value, version, expires) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![write.key.0, &value[..], integer(version), write.expires.map(|time| time.ms())])?;
    Ok(version)
}
