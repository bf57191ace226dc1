use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::{Place, append, commit, event, write};
use crate::interaction::Time;
use crate::store::{
    Batch, Cursor, Entry, Expect, Key, Partition, Position, ProgressWrite, Store, StoreError, Usage, Write,
};

fn key(name: &str) -> Key {
    Key(name.to_owned())
}

fn put(name: &str, value: &'static str) -> Write {
    Write::put(key(name), value)
}

fn expecting(expect: Expect, write: Write) -> Write {
    Write { expect, ..write }
}

async fn value(store: &impl Store, name: &str) -> Option<Bytes> {
    store.get(&key(name)).await.unwrap().map(|entry| entry.value)
}

pub(super) async fn versions_only_grow(place: &impl Place) {
    let store = place.open().await;
    let first = write(&store, put("a", "1")).await.unwrap();
    let second = write(&store, put("a", "2")).await.unwrap();
    assert!(0 < first && first < second);
    assert_eq!(write(&store, Write::delete(key("a"))).await.unwrap(), 0);
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    assert_eq!(write(&store, Write::delete(key("a"))).await.unwrap(), 0, "deleting what is not there is well");
    drop(store);
    let store = place.open().await;
    let third = write(&store, Write::create(key("a"), "")).await.unwrap();
    assert!(second < third);
    assert_eq!(store.get(&key("a")).await.unwrap(), Some(Entry { value: Bytes::new(), version: third }));
}

pub(super) async fn expectations_are_kept(place: &impl Place) {
    let store = place.open().await;
    let conflicts = |result: Result<u64, StoreError>| matches!(result, Err(StoreError::Conflict(key)) if key == "a");
    assert!(conflicts(write(&store, expecting(Expect::Version(1), put("a", "x"))).await));
    write(&store, Write::create(key("a"), "1")).await.unwrap();
    assert!(conflicts(write(&store, Write::create(key("a"), "2")).await));
    let entry = store.get(&key("a")).await.unwrap().unwrap();
    let version = write(&store, Write::over(key("a"), Some(&entry), "3")).await.unwrap();
    assert!(conflicts(write(&store, Write::over(key("a"), Some(&entry), "4")).await));
    assert!(conflicts(write(&store, expecting(Expect::Version(entry.version), Write::delete(key("a")))).await));
    assert_eq!(value(&store, "a").await.unwrap(), "3");
    write(&store, expecting(Expect::Version(version), Write::delete(key("a")))).await.unwrap();
    assert_eq!(value(&store, "a").await, None);
}

pub(super) async fn expectations_speak_of_before_the_batch(place: &impl Place) {
    let store = place.open().await;
    let twice = vec![Write::create(key("a"), "1"), Write::create(key("a"), "2"), put("b", "3")];
    let versions = commit(&store, Vec::new(), twice).await.unwrap().versions;
    assert!(versions[0] < versions[1]);
    assert_eq!(store.get(&key("a")).await.unwrap(), Some(Entry { value: "2".into(), version: versions[1] }));
}

pub(super) async fn a_conflict_leaves_nothing_behind(place: &impl Place) {
    let store = place.open().await;
    write(&store, put("taken", "1")).await.unwrap();
    let lease = store.claim(Partition(0)).await.unwrap().unwrap();
    let cursor = Cursor { floor: Position(9), done: Vec::new() };
    let batch = Batch {
        events: vec![event(1)],
        writes: vec![put("a", "1"), Write::delete(key("taken")), Write::create(key("taken"), "2")],
        progress: vec![ProgressWrite::Cursor { lease, subscriber: "crm".to_owned(), cursor }],
        ..Batch::default()
    };
    assert!(matches!(store.commit(batch).await, Err(StoreError::Conflict(_))));
    assert_eq!(store.find(event(1).id).await.unwrap(), None);
    assert_eq!(value(&store, "a").await, None);
    assert_eq!(value(&store, "taken").await.unwrap(), "1");
    assert_eq!(store.progress(&lease, "crm").await.unwrap().cursor.floor, Position::START);
    super::position_of(&append(&store, vec![event(1)]).await[0]);
}

pub(super) async fn a_conflict_does_not_disturb_others(place: &impl Place) {
    let store = place.open().await;
    write(&store, put("taken", "1")).await.unwrap();
    let attempts = (0..200u64).map(|n| {
        let name = if n % 3 == 0 { "taken".to_owned() } else { format!("free/{n}") };
        commit(&store, vec![event(n)], vec![Write::create(Key(name), n.to_string())])
    });
    for (n, outcome) in join_all(attempts).await.into_iter().enumerate() {
        assert_eq!(outcome.is_err(), n % 3 == 0, "{n}");
        assert_eq!(store.find(event(n as u64).id).await.unwrap().is_none(), n % 3 == 0, "{n}");
    }
    assert_eq!(store.scan("free/", None, 1000).await.unwrap().len(), 133);
}

pub(super) async fn one_of_many_wins(place: &impl Place) {
    let store = Arc::new(place.open().await);
    let attempts = (0..64).map(|n: u32| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { write(&*store, Write::create(key("a"), n.to_string())).await })
    });
    let won = join_all(attempts).await.into_iter().filter(|outcome| outcome.as_ref().unwrap().is_ok()).count();
    assert_eq!(won, 1);
}

pub(super) async fn expired_entries_are_not_there(place: &impl Place) {
    let store = place.open().await;
    let past = Time::now().minus(Duration::from_secs(1));
    let future = Time::now().plus(Duration::from_secs(3600));
    let version = write(&store, put("a/old", "1").expiring(past)).await.unwrap();
    write(&store, put("a/young", "1").expiring(future)).await.unwrap();
    assert_eq!(value(&store, "a/old").await, None);
    assert_eq!(value(&store, "a/young").await.unwrap(), "1");
    assert_eq!(store.scan("a/", None, 10).await.unwrap().len(), 1);
    let expecting_it = write(&store, expecting(Expect::Version(version), put("a/old", "2"))).await;
    assert!(matches!(expecting_it, Err(StoreError::Conflict(_))));
    assert!(write(&store, Write::create(key("a/old"), "3")).await.unwrap() > version);
    store.trim(&Time::from_ms(0).into(), Time::from_ms(0)).await.unwrap();
    assert_eq!(value(&store, "a/old").await.unwrap(), "3", "written without expiry, it stays");
    assert_eq!(value(&store, "a/young").await.unwrap(), "1");
}

/// Keys in the order of their bytes, with neighbours of every prefix below.
const KEYS: [&str; 14] = [
    "",
    "%",
    "a",
    "a/",
    "a/\0",
    "a/\0/b",
    "a/%2F",
    "a/_",
    "a/b",
    "a/\u{7f}",
    "a/ü",
    "a/\u{ffff}",
    "a/\u{10ffff}",
    "a0",
];

pub(super) async fn scans_are_ordered_and_exact(place: &impl Place) {
    let store = place.open().await;
    let shuffled = [7, 0, 13, 3, 9, 1, 12, 5, 2, 11, 4, 10, 6, 8];
    commit(&store, Vec::new(), shuffled.iter().map(|n| put(KEYS[*n], "v")).collect()).await.unwrap();
    for prefix in ["", "%", "_", "a", "a/", "a/%", "a/_", "a/\0", "a/\u{10ffff}", "a0", "b", "ü"] {
        let expected: Vec<_> = KEYS.iter().filter(|name| name.starts_with(prefix)).copied().collect();
        let found = store.scan(prefix, None, 100).await.unwrap();
        assert_eq!(found.iter().map(|(key, _)| key.0.as_str()).collect::<Vec<_>>(), expected, "{prefix:?}");
    }
    let segments = Key::prefix(&["a"]);
    write(&store, put(&Key::of(&["a", "x/y"]).0, "v")).await.unwrap();
    assert_eq!(store.scan(&format!("{segments}x/"), None, 10).await.unwrap(), []);
}

pub(super) async fn scans_are_continued(place: &impl Place) {
    let store = place.open().await;
    commit(&store, Vec::new(), KEYS.iter().map(|name| put(name, "v")).collect()).await.unwrap();
    let all = store.scan("a/", None, 100).await.unwrap();
    for limit in 1..=all.len() {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let portion = store.scan("a/", after.as_ref(), limit).await.unwrap();
            let Some((last, _)) = portion.last() else { break };
            after = Some(last.clone());
            found.extend(portion);
        }
        assert_eq!(found, all, "portions of {limit}");
    }
    assert_eq!(store.scan("a/", None, 0).await.unwrap(), []);
    assert_eq!(store.scan("a/", Some(&key("a/0")), 1).await.unwrap()[0].0, key("a/_"), "after a key that is not there");
    assert_eq!(store.scan("a/", Some(&key("%")), 100).await.unwrap(), all, "after a key before the prefix");
    assert_eq!(store.scan("a/", Some(&key("b")), 100).await.unwrap(), [], "after a key beyond the prefix");
}

/// As many as were asked for would take all memory: of large values fewer come, and nobody misses one.
pub(super) async fn large_values_are_scanned_in_portions(place: &impl Place) {
    const VALUE: usize = 3 << 20;
    let store = place.open().await;
    for n in 0..8 {
        write(&store, Write::put(Key(format!("a/{n}")), vec![n; VALUE])).await.unwrap();
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let portion = store.scan("a/", after.as_ref(), 100).await.unwrap();
        let Some((last, _)) = portion.last() else { break };
        assert!(portion.len() <= 3, "{} values of 3 MiB at once", portion.len());
        after = Some(last.clone());
        found.extend(portion.into_iter().map(|(key, entry)| (key.0, entry.value[0], entry.value.len())));
    }
    assert_eq!(found, (0..8).map(|n| (format!("a/{n}"), n, VALUE)).collect::<Vec<_>>());
}

pub(super) async fn usage_is_what_lies_under_a_prefix(place: &impl Place) {
    let store = place.open().await;
    let past = Time::now().minus(Duration::from_secs(1));
    let writes =
        vec![put("a", "1"), put("a/b", "22"), put("a/c", ""), put("a/d", "4444").expiring(past), put("a0", "1")];
    commit(&store, Vec::new(), writes).await.unwrap();
    assert_eq!(store.usage("a/").await.unwrap(), Usage { entries: 2, bytes: 2 });
    assert_eq!(store.usage("b/").await.unwrap(), Usage::default());
    write(&store, put("a/b", "333")).await.unwrap();
    write(&store, Write::delete(key("a/c"))).await.unwrap();
    assert_eq!(store.usage("a/").await.unwrap(), Usage { entries: 1, bytes: 3 });
}
