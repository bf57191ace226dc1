use std::sync::{Arc, mpsc};

use futures_util::future::{join, join_all, join3};
use rusqlite::ffi;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{append, log, open};
use crate::store::sqlite::SqliteStore;
use crate::store::{Batch, Key, Position, Store, StoreError, Stream, Write};

/// Keeps the writer busy until what it returns is dropped, so that what comes meanwhile becomes one group.
async fn hold(store: &Arc<SqliteStore>) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel();
    let (begin, begun) = oneshot::channel();
    let mut begin = Some(begin);
    let store = Arc::clone(store);
    tokio::spawn(async move {
        let held = store.writer.submit(0, move |_| {
            begin.take().unwrap().send(()).unwrap();
            assert!(released.recv().is_err());
            Ok(Ok(()))
        });
        held.await.unwrap();
    });
    begun.await.unwrap();
    release
}

/// Queues the futures' jobs behind what the writer does now, then lets it go on.
async fn as_group<T>(held: mpsc::Sender<()>, jobs: impl Future<Output = T>) -> T {
    join(jobs, async { drop(held) }).await.0
}

async fn fails_with(store: &SqliteStore, code: i32) -> Result<(), StoreError> {
    let failure = move || rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
    store.writer.submit(0, move |_| Err(failure())).await
}

#[tokio::test]
async fn what_waits_becomes_one_group() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(directory.path()));
    let held = hold(&store).await;
    // Fewer than tokio lets a task do in one go.
    let waiting = join_all((0..100).map(|number| append(&store, number, "{}".into())));
    let outcomes = as_group(held, waiting).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.jobs, stats.commits), (101, 2));
    assert_eq!(log(&store).await, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_refused_job_leaves_its_group_alone() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(directory.path()));
    let create = || store.commit(Batch { writes: vec![Write::create(Key("a".to_owned()), "1")], ..Batch::default() });
    let held = hold(&store).await;
    let group = join_all([create(), create()]);
    let impossible = fails_with(&store, ffi::SQLITE_TOOBIG);
    let jobs = join3(append(&store, 1, "{}".into()), impossible, join(group, append(&store, 2, "{}".into())));
    let (first, impossible, (group, second)) = as_group(held, jobs).await;
    assert!(first.is_ok() && second.is_ok());
    assert!(matches!(impossible, Err(StoreError::Unavailable(_))));
    assert!(group[0].is_ok() && matches!(group[1], Err(StoreError::Conflict(_))));
    assert_eq!(log(&store).await, [1, 2]);
    assert_eq!(store.stats().await.unwrap().commits, 2);
}

#[tokio::test]
async fn a_failed_disk_fails_the_group_and_the_next_one_goes_on() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(directory.path()));
    append(&store, 1, "{}".into()).await.unwrap();
    let held = hold(&store).await;
    let jobs = join(append(&store, 2, "{}".into()), fails_with(&store, ffi::SQLITE_IOERR_FSYNC));
    let (neighbour, failed) = as_group(held, jobs).await;
    assert!(matches!(neighbour, Err(StoreError::Unavailable(_))), "{neighbour:?}");
    assert!(matches!(failed, Err(StoreError::Unavailable(_))));
    append(&store, 3, "{}".into()).await.unwrap();
    assert_eq!(log(&store).await, [1, 3]);
    assert_eq!(store.stats().await.unwrap().events, 2);
}

#[tokio::test]
async fn a_panic_in_the_writer_is_survived() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    append(&store, 1, "{}".into()).await.unwrap();
    let broken = store.writer.submit(0, |tx| -> crate::store::sqlite::group::Ran<()> {
        tx.connection.execute("DELETE FROM log", [])?;
        panic!("a bug");
    });
    assert!(matches!(broken.await, Err(StoreError::Unknown(_))));
    append(&store, 2, "{}".into()).await.unwrap();
    assert_eq!(log(&store).await, [1, 2]);
}

#[tokio::test]
async fn a_panic_in_a_reader_is_survived() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    append(&store, 1, "{}".into()).await.unwrap();
    for _ in 0..4 {
        let broken = store.quick.ask(|_| -> rusqlite::Result<()> { panic!("a bug") }).await;
        assert!(matches!(broken, Err(StoreError::Unavailable(_))));
    }
    assert!(store.find(uuid::Uuid::from_u128(1)).await.unwrap().is_some());
}

/// What an unfinished commit left in the log of writes may come to light when the file is opened again.
#[tokio::test]
async fn records_that_come_to_light_are_read_and_wake() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    append(&store, 1, "{}".into()).await.unwrap();
    let mut watch = store.watch(crate::store::Partition(0), &Stream::All);
    assert_eq!(*watch.borrow_and_update(), Position(1));
    super::database(directory.path())
        .execute_batch(
            "INSERT INTO log SELECT 2, zeroblob(16), kind, channel, target, time, lane, conversation, contact, body \
             FROM log; UPDATE counters SET position = 2, events = 2",
        )
        .unwrap();
    assert!(fails_with(&store, ffi::SQLITE_IOERR_FSYNC).await.is_err());
    assert_eq!(*watch.borrow_and_update(), Position(2));
    append(&store, 3, "{}".into()).await.unwrap();
    assert_eq!(log(&store).await, [1, 0, 3]);
}

#[tokio::test]
async fn a_commit_goes_on_though_nobody_waits_for_it() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(directory.path()));
    let held = hold(&store).await;
    let abandoned = async {
        let mut commit = std::pin::pin!(append(&store, 1, "{}".into()));
        assert!(futures_util::poll!(&mut commit).is_pending());
    };
    as_group(held, abandoned).await;
    append(&store, 2, "{}".into()).await.unwrap();
    assert_eq!(log(&store).await, [1, 2]);
}

#[tokio::test]
async fn closing_waits_for_what_is_under_way() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    {
        let mut commit = std::pin::pin!(append(&store, 1, "{}".into()));
        assert!(futures_util::poll!(&mut commit).is_pending());
    }
    drop(store);
    assert_eq!(log(&open(directory.path())).await, [1]);
}
