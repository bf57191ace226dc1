use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::{Place, append, commit, event, ids, position_of, read_all, targeted, write};
use crate::interaction::{Kind, Time};
use crate::store::{
    Appended, Batch, DedupeKey, Expect, Filter, Horizon, Key, NewEvent, Order, Position, Retention, Store, StoreError,
    Stream, Write,
};

fn removing(removals: Vec<Uuid>) -> Batch {
    Batch { removals, ..Batch::default() }
}

fn burying(contact: Uuid) -> Batch {
    Batch { burials: vec![contact], ..Batch::default() }
}

pub(super) async fn removals_take_everything_along(place: &impl Place) {
    let store = place.open().await;
    let key = DedupeKey::of(&["a"]);
    let gone = NewEvent { raw: Some(Bytes::from_static(b"raw")), dedupe: Some(key), ..targeted(1, "crm") };
    append(&store, vec![gone.clone(), event(2), targeted(3, "crm")]).await;
    let batch = Batch { events: vec![event(4)], ..removing(vec![event(1).id, event(2).id, event(9).id]) };
    let committed = store.commit(batch).await.unwrap();
    assert_eq!((committed.removed, committed.events.len()), (2, 1));
    assert_eq!(store.find(event(1).id).await.unwrap(), None);
    assert_eq!(store.raw(event(1).id).await.unwrap(), None);
    assert_eq!(ids(&read_all(&store, &Stream::All).await), [event(3).id, event(4).id]);
    assert_eq!(ids(&read_all(&store, &Stream::Target("crm".to_owned())).await), [event(3).id]);
    let partition = store.find(event(3).id).await.unwrap().unwrap().partition;
    let lane = store.read_lane(partition, &Stream::All, event(1).lane, Position::START, 10).await.unwrap();
    assert!(lane.is_empty());
    assert_eq!(store.stats().await.unwrap().events, 2);
    assert_eq!(store.commit(removing(vec![event(1).id])).await.unwrap().removed, 0);
    let again = append(&store, vec![NewEvent { id: event(7).id, ..gone }]).await;
    assert_eq!(again, [Appended::Duplicate { id: event(1).id }], "the provider may tell it again");
    drop(store);
    assert_eq!(ids(&read_all(&place.open().await, &Stream::All).await), [event(3).id, event(4).id]);
}

pub(super) async fn a_conflict_removes_nothing(place: &impl Place) {
    let store = place.open().await;
    append(&store, vec![event(1)]).await;
    let expecting = Write { expect: Expect::Version(7), ..Write::put(Key("a".to_owned()), "1") };
    let batch = Batch {
        writes: vec![expecting],
        burials: event(1).contact.into_iter().collect(),
        ..removing(vec![event(1).id])
    };
    assert!(matches!(store.commit(batch).await, Err(StoreError::Conflict(_))));
    assert!(store.find(event(1).id).await.unwrap().is_some());
    assert!(!store.is_buried(event(1).contact.unwrap()).await.unwrap());
}

pub(super) async fn nothing_comes_of_a_buried_contact(place: &impl Place) {
    let store = place.open().await;
    let contact = event(1).contact.unwrap();
    store.commit(burying(contact)).await.unwrap();
    assert!(store.is_buried(contact).await.unwrap());
    let refused = commit(&store, vec![event(2), event(1)], vec![Write::put(Key("a".to_owned()), "1")]).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))));
    assert_eq!(store.get(&Key("a".to_owned())).await.unwrap(), None);
    append(&store, vec![event(2)]).await;
    drop(store);
    let store = place.open().await;
    assert!(store.is_buried(contact).await.unwrap(), "it outlives a restart");
    assert!(matches!(commit(&store, vec![event(1)], Vec::new()).await, Err(StoreError::Conflict(_))));
    assert_eq!(ids(&read_all(&store, &Stream::All).await), [event(2).id]);
}

pub(super) async fn burials_end(place: &impl Place) {
    let store = place.open().await;
    let contact = event(1).contact.unwrap();
    store.commit(burying(contact)).await.unwrap();
    let long_ago = Horizon::from(Time::from_ms(0));
    store.trim(&long_ago, Time::now().minus(Duration::from_secs(3600))).await.unwrap();
    assert!(store.is_buried(contact).await.unwrap());
    store.trim(&long_ago, Time::now().plus(Duration::from_secs(3600))).await.unwrap();
    assert!(!store.is_buried(contact).await.unwrap());
    position_of(&append(&store, vec![event(1)]).await[0]);
}

pub(super) async fn what_speaks_of_nobody_is_found(place: &impl Place) {
    let store = place.open().await;
    let nobody = |n, kind| NewEvent { contact: None, kind, ..event(n) };
    let events = vec![
        nobody(1, Kind::MessageStatus),
        NewEvent { kind: Kind::MessageStatus, ..event(2) },
        nobody(3, Kind::ChannelState),
        nobody(4, Kind::ChannelUnsupported),
        nobody(5, Kind::MessageStatus),
    ];
    append(&store, events).await;
    let found = store.unattributed(Position::START, 2).await.unwrap();
    assert_eq!(ids(&found), [event(1).id, event(4).id]);
    assert_eq!(ids(&store.unattributed(found[1].position, 2).await.unwrap()), [event(5).id]);
}

pub(super) async fn each_channel_has_its_own_horizon(place: &impl Place) {
    let store = place.open().await;
    let on = |n, channel: &str| NewEvent { channel: channel.to_owned(), ..event(n) };
    append(&store, (0..1200).map(|n| on(n, ["short", "long", "plain"][n as usize % 3])).collect()).await;
    let age = |n: u64| Duration::from_millis(1200 - n);
    let own = [("short", age(1101)), ("long", age(0)), ("unknown", age(1200))];
    let channels = own.map(|(name, kept)| (name.to_owned(), kept)).into();
    let horizon = Retention { rest: age(600), channels }.horizon(event(1200).time);
    assert_eq!(store.trim(&horizon, Time::from_ms(0)).await.unwrap(), 367 + 200);
    for (channel, first) in [("short", 1101), ("long", 1), ("plain", 602)] {
        let filter = Filter { channel: Some(channel.to_owned()), ..Filter::default() };
        let oldest = store.page(&filter, None, Order::OldestFirst, 1).await.unwrap();
        assert_eq!(ids(&oldest), [event(first).id], "{channel}");
    }
}

pub(super) async fn a_scrubbed_store_has_what_it_had(place: &impl Place) {
    let store = place.open().await;
    append(&store, (0..300).map(event).collect()).await;
    let version = write(&store, Write::put(Key("a".to_owned()), "1")).await.unwrap();
    store.commit(removing((0..100).map(|n| event(n).id).collect())).await.unwrap();
    let (log, entry) = (read_all(&store, &Stream::All).await, store.get(&Key("a".to_owned())).await.unwrap());
    assert!(!store.scrub(1).await.unwrap(), "too large");
    let between = tokio::join!(store.scrub(u64::MAX), append(&store, vec![event(1000)]));
    assert!(between.0.unwrap());
    assert_eq!(read_all(&store, &Stream::All).await[..200], log);
    assert_eq!(store.get(&Key("a".to_owned())).await.unwrap(), entry);
    assert!(write(&store, Write::put(Key("a".to_owned()), "2")).await.unwrap() > version);
    drop(store);
    assert_eq!(read_all(&place.open().await, &Stream::All).await.len(), 201);
}
