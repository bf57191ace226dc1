use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use super::{Place, append, commit, event, ids, position_of, read_all, soon, targeted};
use crate::interaction::Time;
use crate::store::{
    Appended, Batch, Committed, DedupeKey, Filter, Key, NewEvent, Order, Position, Store, StoreError, Stream, Write,
};

/// Before every event of these tests.
fn long_ago() -> Time {
    Time::from_ms(0)
}

pub(super) async fn an_empty_batch_is_well(place: &impl Place) {
    let store = place.open().await;
    assert_eq!(store.commit(Batch::default()).await.unwrap(), Committed::default());
    store.ready(Duration::from_secs(30)).await.unwrap();
}

pub(super) async fn everything_survives_a_restart(place: &impl Place) {
    let store = place.open().await;
    let key = DedupeKey::of(&["a"]);
    let kept = NewEvent { dedupe: Some(key), raw: Some(Bytes::from_static(b"raw")), ..targeted(0, "crm") };
    let events = std::iter::once(kept).chain((1..50).map(event)).collect();
    commit(&store, events, vec![Write::put(Key("a".to_owned()), "1")]).await.unwrap();
    let (log, entry) = (read_all(&store, &Stream::All).await, store.get(&Key("a".to_owned())).await.unwrap());
    drop(store);
    let store = place.open().await;
    assert_eq!(read_all(&store, &Stream::All).await, log);
    assert_eq!(store.get(&Key("a".to_owned())).await.unwrap(), entry);
    assert_eq!(store.find_duplicate(&key).await.unwrap(), Some(event(0).id));
    assert_eq!(store.raw(event(0).id).await.unwrap().unwrap(), b"raw");
    assert_eq!(read_all(&store, &Stream::Target("crm".to_owned())).await.len(), 1);
    assert_eq!(store.stats().await.unwrap().events, 50);
}

pub(super) async fn trim_removes_what_is_old(place: &impl Place) {
    let store = place.open().await;
    let with_raw = |n| NewEvent { raw: Some(Bytes::from_static(b"raw")), ..targeted(n, "crm") };
    // Not in the order of their times.
    append(&store, [1, 5, 2, 6, 3, 4].into_iter().map(with_raw).collect()).await;
    assert_eq!(store.trim(&event(4).time.into(), long_ago()).await.unwrap(), 3);
    for n in 1..=6 {
        assert_eq!(store.find(event(n).id).await.unwrap().is_some(), n >= 4, "{n}");
        assert_eq!(store.raw(event(n).id).await.unwrap().is_some(), n >= 4, "{n}");
    }
    let page = store.page(&Filter::default(), None, Order::OldestFirst, 100).await.unwrap();
    assert_eq!(ids(&page), [event(5).id, event(6).id, event(4).id]);
    assert_eq!(store.stats().await.unwrap().events, 3);
    let gone = store.page(&Filter::default(), Some(event(1).id), Order::OldestFirst, 1).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))));
    drop(store);
    assert_eq!(read_all(&place.open().await, &Stream::All).await.len(), 3);
}

pub(super) async fn trim_goes_on_beyond_one_step(place: &impl Place) {
    let store = place.open().await;
    let keyed = |n: u64| NewEvent { dedupe: Some(DedupeKey::of(&[&n.to_string()])), ..event(n) };
    let past = Time::now().minus(Duration::from_secs(1));
    let entries = (0..1500).map(|n| Write::put(Key(n.to_string()), "v").expiring(past)).collect();
    commit(&store, (0..1500).map(keyed).collect(), entries).await.unwrap();
    let horizon = event(1400).time.into();
    let between = tokio::join!(store.trim(&horizon, event(1300).time), append(&store, vec![event(2000)]));
    assert_eq!(between.0.unwrap(), 1400);
    assert_eq!(store.page(&Filter::default(), None, Order::OldestFirst, 9999).await.unwrap().len(), 101);
    for n in [0, 1299, 1300, 1499] {
        let known = store.find_duplicate(&DedupeKey::of(&[&n.to_string()])).await.unwrap();
        assert_eq!(known.is_some(), n >= 1300, "{n}");
    }
}

pub(super) async fn positions_are_never_used_again(place: &impl Place) {
    let store = place.open().await;
    let lane = event(0).lane;
    let same_lane = |n| NewEvent { lane, conversation: Some(lane), ..event(n) };
    let last = position_of(append(&store, (0..10).map(same_lane).collect()).await.last().unwrap());
    assert_eq!(store.trim(&event(1000).time.into(), long_ago()).await.unwrap(), 10);
    drop(store);
    let store = place.open().await;
    assert!(position_of(&append(&store, vec![same_lane(11)]).await[0]) > last);
    let partition = store.find(event(11).id).await.unwrap().unwrap().partition;
    let (records, seen) = store.read(partition, &Stream::All, Position::START, 10).await.unwrap();
    assert_eq!(ids(&records), [event(11).id]);
    assert!(seen > last);
}

pub(super) async fn trimmed_dedupe_keys_are_free_again(place: &impl Place) {
    let store = place.open().await;
    let key = Some(DedupeKey::of(&["a"]));
    append(&store, vec![NewEvent { dedupe: key, ..event(1) }]).await;
    store.trim(&event(9).time.into(), event(1).time).await.unwrap();
    let again = append(&store, vec![NewEvent { dedupe: key, ..event(2) }]).await;
    assert_eq!(again, [Appended::Duplicate { id: event(1).id }], "the key outlives the record");
    store.trim(&event(9).time.into(), event(9).time).await.unwrap();
    position_of(&append(&store, vec![NewEvent { dedupe: key, ..event(2) }]).await[0]);
}

pub(super) async fn committers_are_served_in_order(place: &impl Place) {
    const CALLERS: u64 = 64;
    const EACH: u64 = 50;
    let store = Arc::new(place.open().await);
    let callers = (0..CALLERS).map(|caller| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let lane = event(caller * EACH).lane;
            for n in caller * EACH..(caller + 1) * EACH {
                append(&*store, vec![NewEvent { lane, conversation: Some(lane), ..event(n) }]).await;
            }
        })
    });
    soon("all commits", join_all(callers)).await.into_iter().for_each(|caller| caller.unwrap());
    let mut lanes: HashMap<_, Vec<_>> = HashMap::new();
    for record in read_all(&*store, &Stream::All).await {
        lanes.entry(record.lane).or_default().push(record.id);
    }
    assert_eq!(lanes.len() as u64, CALLERS);
    for caller in 0..CALLERS {
        let expected: Vec<_> = (caller * EACH..(caller + 1) * EACH).map(|n| event(n).id).collect();
        assert_eq!(lanes[&event(caller * EACH).lane], expected);
    }
}

pub(super) async fn figures_count(place: &impl Place) {
    let store = place.open().await;
    append(&store, (0..7).map(event).collect()).await;
    append(&store, (5..9).map(event).collect()).await;
    let stats = store.stats().await.unwrap();
    assert_eq!(stats.events, 9);
    assert!(stats.bytes > 0 && stats.jobs >= stats.commits && stats.commits >= 2);
}
