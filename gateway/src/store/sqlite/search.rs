//! Words in messages. The index lies beside the log in the same file and follows it: the writer brings it up to date when
//! it has nothing else to do, and under load in a small share of its time: taking a message into the index costs twice what
//! taking it into the log does. What the index does not have yet of a contact is searched as it is. Both go by the same rules,
//! those of FTS5.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};
use uuid::Uuid;

use super::record::{count, integer};
use super::{page, reads};
use crate::store::{Filter, Position, Record, Words};

/// Of one contact, records that are looked through without the index.
const TAIL_MAX: usize = 10_000;

/// What of a record is searched: subject and text of messages and of their edits, nothing for what is no JSON. A record never changes, so what was indexed can be computed
/// again when it goes; whoever changes this view must rebuild the index.
pub(super) const TABLES: &str = "
CREATE VIEW IF NOT EXISTS searchable AS
    SELECT position, hex(contact) AS contact,
        concat_ws(' ', CAST(body AS TEXT) ->> '$.data.message.subject', CAST(body AS TEXT) ->> '$.data.message.text') AS text
    FROM log WHERE kind IN (0, 1, 2, 4) AND contact IS NOT NULL AND json_valid(CAST(body AS TEXT));
CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5 (
    contact, text, content = 'searchable', content_rowid = 'position', columnsize = 0,
    tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TABLE IF NOT EXISTS indexed (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL) STRICT;
INSERT OR IGNORE INTO indexed VALUES (1, 0);
-- What is removed leaves no word behind.
INSERT INTO search (search, rank) VALUES ('secure-delete', 1);
";

/// Of the words that are searched for without the index.
const BESIDE: &str = "CREATE VIRTUAL TABLE temporary USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2')";

/// How far the index is.
pub(super) fn indexed(connection: &Connection) -> rusqlite::Result<u64> {
    connection.prepare_cached("SELECT position FROM indexed")?.query_row([], |row| count(row, 0))
}

/// Takes the next records into the index, at most `rows`; gives how far it is then. Inside a transaction.
pub(super) fn step(connection: &Connection, rows: u64) -> rusqlite::Result<u64> {
    let from = indexed(connection)?;
    let to = "SELECT max(position) FROM (SELECT position FROM log WHERE position > ?1 ORDER BY position LIMIT ?2)";
    let to: Option<i64> =
        connection.prepare_cached(to)?.query_row(params![integer(from), integer(rows)], |row| row.get(0))?;
    let Some(to) = to else { return Ok(from) };
    let add = "INSERT INTO search (rowid, contact, text) SELECT position, contact, text FROM searchable \
         WHERE position > ?1 AND position <= ?2";
    connection.prepare_cached(add)?.execute(params![integer(from), to])?;
    connection.prepare_cached("UPDATE indexed SET position = ?1")?.execute([to])?;
    indexed(connection)
}

/// Takes a record out of the index. To be called while the record is still in the log.
pub(super) fn forget(connection: &Connection, position: u64) -> rusqlite::Result<()> {
    let there = "SELECT 1 FROM searchable WHERE position = ?1 AND position <= (SELECT position FROM indexed)";
    if connection.prepare_cached(there)?.exists([integer(position)])? {
        connection.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([integer(position)])?;
    }
    Ok(())
}

/// Records of contacts with all these words, newest first; `None` if the record that they were to follow is not there.
pub(super) fn search(
    connection: &Connection,
    filter: &Filter,
    words: &Words,
    after: Option<Uuid>,
    limit: usize,
) -> rusqlite::Result<Option<Vec<Arc<Record>>>> {
    let moment = connection.unchecked_transaction()?;
    let mut before = Position(u64::MAX);
    if let Some(id) = after {
        let Some(position) = reads::position(&moment, id)? else { return Ok(None) };
        before = position;
    }
    let edge = Position(indexed(&moment)?);
    let mut found = beside_index(&moment, filter, words, edge, before)?;
    found.truncate(limit);
    let rest = limit - found.len();
    found.extend(by_index(&moment, filter, words, before, rest)?);
    Ok(Some(found))
}

/// The newest matches before a position. Matches are looked up one by one, newest first, until there are enough.
fn by_index(
    connection: &Connection,
    filter: &Filter,
    words: &Words,
    before: Position,
    limit: usize,
) -> rusqlite::Result<Vec<Arc<Record>>> {
    let mut found = Vec::new();
    let sql = "SELECT rowid FROM search WHERE search MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![of_contacts(filter, words), integer(before.0)])?;
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let record = reads::at(connection, Position(count(row, 0)?))?;
        found.extend(record.filter(|record| filter.matches(record)));
    }
    Ok(found)
}

/// Matches beyond the index, newest first.
fn beside_index(
    connection: &Connection,
    filter: &Filter,
    words: &Words,
    edge: Position,
    before: Position,
) -> rusqlite::Result<Vec<Arc<Record>>> {
    let records = page::newer(connection, filter, edge, TAIL_MAX)?;
    let records: Vec<_> = records.into_iter().filter(|record| record.position < before).collect();
    if records.is_empty() {
        return Ok(records);
    }
    let mut texts = connection.prepare_cached("SELECT text FROM searchable WHERE position = ?1")?;
    let beside = Connection::open_in_memory()?;
    beside.execute_batch(BESIDE)?;
    for record in &records {
        let position = integer(record.position.0);
        let text: Option<String> = texts.query_row([position], |row| row.get(0)).optional()?;
        if let Some(text) = text {
            let add = "INSERT INTO temporary (rowid, text) VALUES (?1, ?2)";
            beside.prepare_cached(add)?.execute(params![position, text])?;
        }
    }
    let mut matching = beside.prepare("SELECT 1 FROM temporary WHERE temporary MATCH ?1 AND rowid = ?2")?;
    let expression = expression(words);
    let mut found = Vec::new();
    for record in records {
        if matching.exists(params![expression, integer(record.position.0)])? {
            found.push(record);
        }
    }
    Ok(found)
}

/// All words, in a record of one of the contacts: both are in the index, so that only what has all of it is looked at.
fn of_contacts(filter: &Filter, words: &Words) -> String {
    let words = format!("text : ({})", expression(words));
    if filter.contacts.is_empty() {
        return words;
    }
    let contacts: Vec<String> = filter.contacts.iter().map(|id| format!("\"{}\"", id.simple())).collect();
    format!("contact : ({}) AND {words}", contacts.join(" OR "))
}

/// Quoted, so that nothing of it is taken for the language of FTS5.
fn expression(words: &Words) -> String {
    let quoted = |word: &crate::store::Word| {
        let star = if word.open { " *" } else { "" };
        format!("\"{}\"{star}", word.text.replace('"', "\"\""))
    };
    words.iter().map(quoted).collect::<Vec<_>>().join(" AND ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interaction::Kind;

    #[test]
    fn the_kinds_with_words_are_those_of_the_view() {
        let with_words = Kind::ALL.into_iter().filter(|kind| kind.is_message() || *kind == Kind::MessageEdited);
        let codes: Vec<String> = with_words.map(|kind| kind.code().to_string()).collect();
        assert!(TABLES.contains(&format!("kind IN ({})", codes.join(", "))), "{codes:?}");
    }
}
