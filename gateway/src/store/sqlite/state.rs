use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use super::PARTITION;
use super::record::{count, integer};

/// What the writer knows by heart. After a failed transaction it is read again.
pub(super) struct State {
    pub(super) counters: Counters,
    written: Counters,
    pub(super) epoch: u64,
    /// Contacts that were erased lately.
    pub(super) buried: HashSet<Uuid>,
    names: HashMap<String, i64>,
}

/// Numbers that never go back, also when what they counted is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Counters {
    /// Last position given.
    pub(super) position: u64,
    /// Last version given to an entry.
    pub(super) version: u64,
    /// Records in the log.
    pub(super) events: u64,
}

impl State {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let counters = Counters::load(connection)?;
        let (epoch, buried, names) = (epoch(connection)?, buried(connection)?, names(connection)?);
        Ok(Self { counters, written: counters, epoch, buried, names })
    }

    /// Writes the counters if they have changed: once for each transaction.
    pub(super) fn store(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.counters == self.written {
            return Ok(());
        }
        let Counters { position, version, events } = self.counters;
        connection.prepare_cached("UPDATE counters SET position = ?1, version = ?2, events = ?3")?.execute(params![
            integer(position),
            integer(version),
            integer(events)
        ])?;
        self.written = self.counters;
        Ok(())
    }

    /// The number that stands for a name in the log.
    pub(super) fn name(&mut self, connection: &Connection, name: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.names.get(name) {
            return Ok(*id);
        }
        connection.prepare_cached("INSERT INTO names (name) VALUES (?1)")?.execute([name])?;
        let id = connection.last_insert_rowid();
        self.names.insert(name.to_owned(), id);
        Ok(id)
    }

    pub(super) fn next_position(&mut self) -> u64 {
        self.counters.position += 1;
        self.counters.position
    }

    pub(super) fn next_version(&mut self) -> u64 {
        self.counters.version += 1;
        self.counters.version
    }
}

impl Counters {
    fn load(connection: &Connection) -> rusqlite::Result<Self> {
        connection.query_row("SELECT position, version, events FROM counters", [], |row| {
            Ok(Self { position: count(row, 0)?, version: count(row, 1)?, events: count(row, 2)? })
        })
    }
}

fn epoch(connection: &Connection) -> rusqlite::Result<u64> {
    let epoch = connection
        .query_row("SELECT epoch FROM lease WHERE partition = ?1", [PARTITION.0], |row| count(row, 0))
        .optional()?;
    Ok(epoch.unwrap_or(0))
}

fn buried(connection: &Connection) -> rusqlite::Result<HashSet<Uuid>> {
    connection.prepare("SELECT contact FROM buried")?.query_map([], |row| row.get(0))?.collect()
}

fn names(connection: &Connection) -> rusqlite::Result<HashMap<String, i64>> {
    let mut statement = connection.prepare("SELECT name, id FROM names")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
