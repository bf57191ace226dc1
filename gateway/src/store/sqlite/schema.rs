use std::fmt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::failure::Fault;
use super::search;

/// "OMNI": tells our file from any other database.
const APPLICATION_ID: i64 = 0x4f4d_4e49;
/// Raised by one with each change of the tables.
const VERSION: i64 = 1;

/// Larger files would keep the start waiting; there, damage shows when it is read.
const FULL_CHECK_BYTES_MAX: u64 = 64 << 20;
/// Not more: in a transaction that splits pages of an index, `SQLite` walks this whole cache once when it commits.
const WRITER_CACHE_KIB: i64 = 16 << 10;
const READER_CACHE_KIB: i64 = 2 << 10;
/// What the log of writes keeps of its length when it starts anew: room that need not be allocated again.
const WAL_BYTES_KEPT: i64 = 64 << 20;
/// Patience with another program that looks into the file.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(5);
const STATEMENTS_CACHED: usize = 64;

const TABLES: &str = "
CREATE TABLE counters (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    position INTEGER NOT NULL,
    version INTEGER NOT NULL,
    events INTEGER NOT NULL
) STRICT;
INSERT INTO counters VALUES (1, 0, 0, 0);

CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE log (
    position INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    target INTEGER,
    time INTEGER NOT NULL,
    lane BLOB NOT NULL,
    conversation BLOB,
    contact BLOB,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX log_id ON log (id);
CREATE INDEX log_lane ON log (lane);
-- Whatever a timeline is filtered by is here, so that only what it shows is read from the log itself.
CREATE INDEX log_contact ON log (contact, position, kind, channel, time) WHERE contact IS NOT NULL;
CREATE INDEX log_target ON log (target) WHERE target IS NOT NULL;
CREATE INDEX log_channel ON log (channel);
CREATE INDEX log_kind ON log (kind);
-- Receipts of unknown messages (3) and what was not understood (14): they may speak of somebody all the same.
CREATE INDEX log_unattributed ON log (position) WHERE contact IS NULL AND kind IN (3, 14);

CREATE TABLE raw (position INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;

CREATE TABLE dedupe (key BLOB PRIMARY KEY, id BLOB NOT NULL, time INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE entry (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    version INTEGER NOT NULL,
    expires INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_expires ON entry (expires) WHERE expires IS NOT NULL;

CREATE TABLE lease (partition INTEGER PRIMARY KEY, epoch INTEGER NOT NULL) STRICT;

CREATE TABLE cursor (
    partition INTEGER NOT NULL,
    subscriber TEXT NOT NULL,
    floor INTEGER NOT NULL,
    done BLOB NOT NULL,
    PRIMARY KEY (partition, subscriber)
) STRICT, WITHOUT ROWID;

CREATE TABLE lane (
    partition INTEGER NOT NULL,
    subscriber TEXT NOT NULL,
    lane BLOB NOT NULL,
    single INTEGER NOT NULL,
    position INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    due INTEGER NOT NULL,
    why TEXT NOT NULL,
    uncertain INTEGER NOT NULL,
    PRIMARY KEY (partition, subscriber, lane, single)
) STRICT, WITHOUT ROWID;

CREATE TABLE buried (contact BLOB PRIMARY KEY, time INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE probe (one INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
";

/// Why a file cannot be used.
#[derive(Debug)]
pub(super) enum Refusal {
    Engine(rusqlite::Error),
    File(String),
}

impl Refusal {
    /// No space for what SQLite needs beside the file.
    pub(super) fn is_full(&self) -> bool {
        matches!(self, Self::Engine(error) if Fault::of(error) == Fault::Full)
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(error) if Fault::of(error) == Fault::Damaged => write!(f, "the file is damaged: {error}"),
            Self::Engine(error) if Fault::of(error) == Fault::Full => write!(f, "the disk is full"),
            Self::Engine(error) => error.fmt(f),
            Self::File(why) => f.write_str(why),
        }
    }
}

/// The connection that writes, on a file that is ours, whole and of a version that we know.
pub(super) fn open(database: &Path) -> Result<Connection, Refusal> {
    let connection = writer(database)?;
    identify(&connection)?;
    check(&connection, database)?;
    // Made when it is missing: an index is not worth a version of its own.
    connection.execute_batch(search::TABLES)?;
    Ok(connection)
}

/// A connection that writes. Checkpoints are the writer's own decision.
pub(super) fn writer(database: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(database, WRITER_CACHE_KIB)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::InvalidParameterName(format!("journal_mode is {mode}, not wal")));
    }
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update_and_check(None, "journal_size_limit", WAL_BYTES_KEPT, |_| Ok(()))?;
    Ok(connection)
}

/// A connection that cannot write.
pub(super) fn reader(database: &Path) -> rusqlite::Result<Connection> {
    let connection = connect(database, READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn connect(database: &Path, cache_kib: i64) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    Ok(connection)
}

/// Makes the tables in an empty file, and refuses a file that is not ours or too new.
fn identify(connection: &Connection) -> Result<(), Refusal> {
    let version = number(connection, "PRAGMA user_version")?;
    let application = number(connection, "PRAGMA application_id")?;
    let tables = number(connection, "SELECT count(*) FROM sqlite_schema")?;
    match (application, version) {
        (0, 0) if tables == 0 => Ok(create(connection)?),
        (APPLICATION_ID, VERSION) => Ok(()),
        (APPLICATION_ID, newer) if newer > VERSION => {
            let why = format!("it has schema version {newer}, this program knows up to {VERSION}: use a newer program");
            Err(Refusal::File(why))
        }
        _ => Err(Refusal::File("the file is a database, but not one of Omnigate".to_owned())),
    }
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

fn check(connection: &Connection, database: &Path) -> Result<(), Refusal> {
    if super::files::size(database) > FULL_CHECK_BYTES_MAX {
        return Ok(());
    }
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(Refusal::File(format!("the file is damaged: {verdict}"))) }
}

fn number(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    connection.query_row(sql, [], |row| row.get(0))
}
