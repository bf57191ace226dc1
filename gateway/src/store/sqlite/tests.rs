mod faults;
mod files;
mod full;
mod traces;
mod words;

use std::path::Path;

use bytes::Bytes;
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use super::SqliteStore;
use crate::interaction::{Kind, Time};
use crate::store::conformance::{Place, conform};
use crate::store::{Batch, Committed, DedupeKey, Key, NewEvent, Partition, Position, Store, StoreError, Stream, Write};

struct Directory(TempDir);

impl Place for Directory {
    type Store = SqliteStore;

    async fn open(&self) -> SqliteStore {
        open(self.0.path())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_conforms() {
    conform(|| Directory(TempDir::new().unwrap())).await;
}

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory).unwrap()
}

fn database(directory: &Path) -> Connection {
    Connection::open(directory.join("omnigate.db")).unwrap()
}

fn event(number: u128, body: Bytes) -> NewEvent {
    NewEvent {
        id: Uuid::from_u128(number),
        kind: Kind::MessageReceived,
        lane: Uuid::nil(),
        conversation: None,
        contact: None,
        channel: "support".to_owned(),
        target: None,
        time: Time::from_ms(0),
        dedupe: None,
        body,
        raw: None,
    }
}

async fn append(store: &SqliteStore, number: u128, body: Bytes) -> Result<Committed, StoreError> {
    store.commit(Batch { events: vec![event(number, body)], ..Batch::default() }).await
}

/// Ids of all records, from memory and disk together.
async fn log(store: &SqliteStore) -> Vec<u128> {
    let (mut ids, mut after) = (Vec::new(), Position::START);
    loop {
        let (records, seen) = store.read(Partition(0), &Stream::All, after, 100).await.unwrap();
        ids.extend(records.iter().map(|record| record.id.as_u128()));
        if seen == after {
            return ids;
        }
        after = seen;
    }
}

#[tokio::test]
async fn trim_leaves_no_row_behind() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    let kept = NewEvent {
        raw: Some(Bytes::from_static(b"raw")),
        dedupe: Some(DedupeKey::of(&["a"])),
        ..event(1, "{}".into())
    };
    let expired = Write::put(Key("a".to_owned()), "1").expiring(Time::from_ms(1));
    store.commit(Batch { events: vec![kept], writes: vec![expired], ..Batch::default() }).await.unwrap();
    store.trim(&Time::now().into(), Time::now()).await.unwrap();
    drop(store);
    for table in ["log", "raw", "dedupe", "entry"] {
        let count = format!("SELECT count(*) FROM {table}");
        let left: u32 = database(directory.path()).query_row(&count, [], |row| row.get(0)).unwrap();
        assert_eq!(left, 0, "{table}");
    }
}
