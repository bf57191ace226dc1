//! The index of words beside the log.

use bytes::Bytes;
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::{database, event, open};
use crate::interaction::Time;
use crate::store::sqlite::{SqliteStore, search};
use crate::store::{Batch, Filter, NewEvent, Store, Words};

const PERSON: Uuid = Uuid::from_u128(7);

fn said(number: u128, text: &str) -> NewEvent {
    let body = serde_json::json!({ "data": { "message": { "text": text } } });
    let time = Time::from_ms(number as i64);
    NewEvent { contact: Some(PERSON), time, ..event(number, Bytes::from(body.to_string())) }
}

async fn append_all(store: &SqliteStore, events: impl Iterator<Item = NewEvent>) {
    store.commit(Batch { events: events.collect(), ..Batch::default() }).await.unwrap();
}

impl SqliteStore {
    /// Brings the index up to date now, not when the writer finds the time.
    async fn index_now(&self) {
        let step = |from| self.writer.submit(0, move |tx| Ok(Ok((from, search::step(tx.connection, 256)?))));
        let mut at = u64::MAX;
        loop {
            let (before, now) = step(at).await.unwrap();
            if before == now {
                return;
            }
            at = now;
        }
    }
}

async fn count(store: &SqliteStore, words: &str) -> usize {
    let filter = Filter { contacts: vec![PERSON], ..Filter::default() };
    store.search(&filter, &Words::parse(words).unwrap(), None, 10_000).await.unwrap().len()
}

/// What FTS5 itself finds wrong between the index and what it is made of.
fn check(connection: &Connection) {
    connection.execute("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)", []).unwrap();
}

#[tokio::test]
async fn the_index_and_what_is_beside_it_find_the_same() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    append_all(&store, (0..300).map(|n| said(n, &format!("both {}", n % 3)))).await;
    let before = count(&store, "both 1").await;
    store.index_now().await;
    assert_eq!((before, count(&store, "both 1").await), (100, 100));
    append_all(&store, (300..303).map(|n| said(n, &format!("both {}", n % 3)))).await;
    assert_eq!(count(&store, "both 1").await, 101, "one of them is not in the index");
    store.index_now().await;
    drop(store);
    check(&database(directory.path()));
}

#[tokio::test]
async fn what_is_trimmed_leaves_no_word_behind() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    append_all(&store, (0..600).map(|n| said(n, if n == 5 { "xyzzyplugh" } else { "other" }))).await;
    store.index_now().await;
    assert_eq!(count(&store, "xyzzyplugh").await, 1);
    append_all(&store, (600..610).map(|n| said(n, "beside"))).await;
    assert_eq!(store.trim(&Time::from_ms(605).into(), Time::from_ms(0)).await.unwrap(), 605);
    assert_eq!(
        (count(&store, "xyzzyplugh").await, count(&store, "other").await, count(&store, "beside").await),
        (0, 0, 5)
    );
    store.index_now().await;
    drop(store);
    let connection = database(directory.path());
    check(&connection);
    let left = "SELECT count(*) FROM search_data WHERE instr(block, CAST('xyzzy' AS BLOB)) > 0";
    assert_eq!(connection.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

/// A file of an earlier version has no index yet: it is made from what the log has.
#[tokio::test]
async fn an_older_file_is_indexed() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    append_all(&store, (0..10).map(|n| said(n, "old"))).await;
    drop(store);
    let drop_index = "DROP TABLE search; DROP VIEW searchable; DROP TABLE indexed;";
    database(directory.path()).execute_batch(drop_index).unwrap();
    let store = open(directory.path());
    assert_eq!(count(&store, "old").await, 10);
    store.index_now().await;
    assert_eq!(count(&store, "old").await, 10);
}
