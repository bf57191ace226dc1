use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::{append, database, log, open};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};

/// Why a directory cannot be opened.
fn refusal(directory: &Path) -> String {
    match SqliteStore::open(directory) {
        Err(StoreError::Open { why, .. }) => why.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn nobody_else_may_look() {
    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("var/store");
    let store = open(&directory);
    append(&store, 1, "{}".into()).await.unwrap();
    assert_eq!(mode(&directory), 0o700);
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    assert_eq!(refusal(directory.path()), "another process works with it");
    drop(store);
    open(directory.path());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = TempDir::new().unwrap();
    drop(open(directory.path()));
    database(directory.path()).pragma_update(None, "user_version", 99).unwrap();
    let why = refusal(directory.path());
    assert!(why.contains("schema version 99") && why.contains("newer program"), "{why}");
}

#[tokio::test]
async fn a_schema_from_before_the_first_release_is_refused() {
    let directory = TempDir::new().unwrap();
    drop(open(directory.path()));
    database(directory.path()).pragma_update(None, "user_version", 1).unwrap();
    let why = refusal(directory.path());
    assert!(why.contains("schema version 1,") && why.contains("move the data directory aside"), "{why}");
}

#[tokio::test]
async fn a_foreign_database_is_refused() {
    let directory = TempDir::new().unwrap();
    database(directory.path()).execute_batch("CREATE TABLE log (x)").unwrap();
    let why = refusal(directory.path());
    assert!(why.contains("not one of Omnigate"), "{why}");
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("omnigate.db"), vec![b'x'; 8192]).unwrap();
    let why = refusal(directory.path());
    assert!(why.contains("damaged"), "{why}");
}

#[tokio::test]
async fn a_damaged_page_is_told_at_the_start() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    for number in 0..200 {
        append(&store, number, vec![b'x'; 1000].into()).await.unwrap();
    }
    drop(store);
    let file = directory.path().join("omnigate.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xa5);
    fs::write(&file, bytes).unwrap();
    let why = refusal(directory.path());
    assert!(why.contains("damaged"), "{why}");
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_told_and_not_skipped() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    for number in 0..3 {
        append(&store, number, "{}".into()).await.unwrap();
    }
    drop(store);
    database(directory.path()).execute_batch("UPDATE log SET kind = 200 WHERE position = 2").unwrap();
    let store = open(directory.path());
    let read = store.find(uuid::Uuid::from_u128(1)).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
    drop(store);
    database(directory.path()).execute_batch("UPDATE log SET kind = 0; DELETE FROM names").unwrap();
    let store = open(directory.path());
    let read = store.find(uuid::Uuid::from_u128(1)).await;
    assert!(matches!(read, Err(StoreError::Corrupt(_))), "{read:?}");
}

#[tokio::test]
async fn an_unfinished_creation_is_done_again() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("omnigate.db"), []).unwrap();
    let store = open(directory.path());
    append(&store, 1, "{}".into()).await.unwrap();
    assert_eq!(log(&store).await, [1]);
}
