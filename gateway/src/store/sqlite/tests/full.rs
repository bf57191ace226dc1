use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::{append, log, open};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};

const BODY: usize = 16 << 10;
const READY: Duration = Duration::from_secs(30);

impl SqliteStore {
    /// Lets the file grow to so many pages and no further.
    async fn limit_pages(&self, pages: u32) {
        let set = self.writer.submit(0, move |tx| {
            tx.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
            Ok(Ok(()))
        });
        set.await.unwrap();
    }
}

/// Appends until the store is full; returns what was acknowledged.
async fn fill(store: &SqliteStore, first: u128) -> Vec<u128> {
    for number in first.. {
        match append(store, number, vec![b'x'; BODY].into()).await {
            Ok(_) => assert!(number < first + 10_000, "it is never full"),
            Err(StoreError::Full) => return (first..number).collect(),
            Err(other) => panic!("{other}"),
        }
    }
    unreachable!()
}

#[tokio::test]
async fn a_full_store_heals_and_loses_nothing() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    store.ready(READY).await.unwrap();
    store.limit_pages(200).await;
    let mut acknowledged = fill(&store, 0).await;
    assert!(acknowledged.len() > 10);
    assert!(matches!(store.ready(READY).await, Err(StoreError::Full)));
    assert_eq!(log(&store).await, acknowledged);
    assert_eq!(store.stats().await.unwrap().events, acknowledged.len() as u64);

    store.limit_pages(400).await;
    store.ready(READY).await.unwrap();
    let next = acknowledged.len() as u128;
    acknowledged.extend(fill(&store, next).await);
    assert!(acknowledged.len() as u128 > next);
    drop(store);
    assert_eq!(log(&open(directory.path())).await, acknowledged);
}

/// A small file system of its own, gone when dropped.
struct Mounted(TempDir);

impl Mounted {
    fn new(size: &str) -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "omnigate-test"]).arg(directory.path());
        mount.output().is_ok_and(|output| output.status.success()).then_some(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "it is still in use");
    }
}

#[tokio::test]
async fn a_full_disk_heals_and_loses_nothing() {
    let Some(disk) = Mounted::new("16m") else {
        eprintln!("skipped: no right to mount a file system");
        return;
    };
    let filler = disk.path().join("filler");
    fs::write(&filler, vec![0; 8 << 20]).unwrap();
    let directory = disk.path().join("store");
    let store = open(&directory);
    let mut acknowledged = fill(&store, 0).await;
    assert!(matches!(store.ready(READY).await, Err(StoreError::Full)));
    assert_eq!(log(&store).await, acknowledged);

    fs::remove_file(&filler).unwrap();
    store.ready(READY).await.unwrap();
    let next = acknowledged.len() as u128;
    acknowledged.extend(fill(&store, next).await);
    assert!(acknowledged.len() as u128 > next + 10);
    assert_eq!(log(&store).await, acknowledged);
    drop(store);
    assert_eq!(log(&open(&directory)).await, acknowledged);
}
