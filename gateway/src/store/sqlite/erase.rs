//! Removal of what must not be read again.

use rusqlite::{OptionalExtension as _, params};
use uuid::Uuid;

use super::group::Tx;
use super::record::count;
use super::trim;

/// Whether what is deleted from now on is overwritten with zeros.
pub(super) fn overwrite(tx: &Tx<'_>, on: bool) -> rusqlite::Result<()> {
    tx.connection.pragma_update_and_check(None, "secure_delete", on, |_| Ok(()))
}

/// Removes records by their ids; gives how many were there.
pub(super) fn remove(tx: &mut Tx<'_>, ids: &[Uuid]) -> rusqlite::Result<u64> {
    let mut positions = Vec::with_capacity(ids.len());
    {
        let mut statement = tx.connection.prepare_cached("SELECT position FROM log WHERE id = ?1")?;
        for id in ids {
            positions.extend(statement.query_row([id], |row| count(row, 0)).optional()?);
        }
    }
    trim::remove(tx, &positions)
}

/// Notes contacts of whom nothing is taken any more.
pub(super) fn bury(tx: &mut Tx<'_>, contacts: &[Uuid]) -> rusqlite::Result<()> {
    for contact in contacts {
        tx.connection
            .prepare_cached("INSERT OR REPLACE INTO buried (contact, time) VALUES (?1, ?2)")?
            .execute(params![contact, tx.now.ms()])?;
        tx.buried |= tx.state.buried.insert(*contact);
    }
    Ok(())
}
