use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use uuid::Uuid;

use super::{Place, append, event, ids, position_of, read_all, soon, targeted};
use crate::interaction::Kind;
use crate::store::{Appended, DedupeKey, NewEvent, Partition, Position, Record, Store, Stream};

fn is(record: &Record, event: &NewEvent) -> bool {
    record.id == event.id
        && record.kind == event.kind
        && record.lane == event.lane
        && record.conversation == event.conversation
        && record.contact == event.contact
        && record.channel == event.channel
        && record.target == event.target
        && record.time == event.time
        && record.body == event.body
}

pub(super) async fn events_are_read_as_they_were_appended(place: &impl Place) {
    let store = place.open().await;
    let bare = NewEvent { conversation: None, contact: None, kind: Kind::ChannelUnsupported, ..event(2) };
    let kept = NewEvent { raw: Some(Bytes::from_static(b"\0\xffPOST")), ..targeted(3, "crm") };
    let events = vec![event(1), bare, kept];
    for appended in append(&store, events.clone()).await {
        assert!(position_of(&appended) > Position::START);
    }
    for event in &events {
        assert!(is(&store.find(event.id).await.unwrap().unwrap(), event));
    }
    let read = read_all(&store, &Stream::All).await;
    assert!(read.iter().all(|record| events.iter().any(|event| is(record, event))) && read.len() == 3);
    assert_eq!(store.raw(events[2].id).await.unwrap().unwrap(), b"\0\xffPOST");
    assert_eq!(store.raw(events[0].id).await.unwrap(), None);
    assert_eq!(store.find(Uuid::from_u128(9)).await.unwrap(), None);
}

pub(super) async fn an_id_is_appended_once(place: &impl Place) {
    let store = place.open().await;
    append(&store, vec![event(1)]).await;
    let again = NewEvent { body: Bytes::from_static(b"other"), raw: Some(Bytes::from_static(b"raw")), ..event(1) };
    assert_eq!(append(&store, vec![again]).await, [Appended::Duplicate { id: event(1).id }]);
    let read = read_all(&store, &Stream::All).await;
    assert!(read.len() == 1 && is(&read[0], &event(1)));
    assert_eq!(store.raw(event(1).id).await.unwrap(), None);
}

pub(super) async fn a_dedupe_key_is_appended_once(place: &impl Place) {
    let store = place.open().await;
    let key = DedupeKey::of(&["support", "message.received", "wamid.1"]);
    assert_eq!(store.find_duplicate(&key).await.unwrap(), None);
    append(&store, vec![NewEvent { dedupe: Some(key), ..event(1) }]).await;
    let second = append(&store, vec![NewEvent { dedupe: Some(key), ..event(2) }]).await;
    assert_eq!(second, [Appended::Duplicate { id: event(1).id }]);
    assert_eq!(store.find(event(2).id).await.unwrap(), None);
    assert_eq!(store.find_duplicate(&key).await.unwrap(), Some(event(1).id));
    assert_eq!(read_all(&store, &Stream::All).await.len(), 1);
}

pub(super) async fn duplicates_inside_a_batch_are_told(place: &impl Place) {
    let store = place.open().await;
    let key = Some(DedupeKey::of(&["a"]));
    let first = NewEvent { dedupe: key, ..event(1) };
    let twin = NewEvent { dedupe: key, lane: event(1).lane, conversation: event(1).conversation, ..event(2) };
    let appended = append(&store, vec![first.clone(), twin, event(3), first]).await;
    let duplicate = Appended::Duplicate { id: event(1).id };
    assert_eq!((appended[1], appended[3]), (duplicate, duplicate));
    position_of(&appended[0]);
    position_of(&appended[2]);
    assert_eq!(read_all(&store, &Stream::All).await.len(), 2);
}

pub(super) async fn a_repeated_batch_adds_nothing(place: &impl Place) {
    let store = place.open().await;
    let events: Vec<_> =
        (0..20).map(|n| NewEvent { dedupe: Some(DedupeKey::of(&[&n.to_string()])), ..event(n) }).collect();
    append(&store, events.clone()).await;
    let before = read_all(&store, &Stream::All).await;
    for (appended, event) in append(&store, events.clone()).await.iter().zip(&events) {
        assert_eq!(*appended, Appended::Duplicate { id: event.id });
    }
    assert_eq!(read_all(&store, &Stream::All).await, before);
}

pub(super) async fn a_stream_has_its_target_only(place: &impl Place) {
    let store = place.open().await;
    append(&store, vec![targeted(1, "crm"), event(2), targeted(3, "cr"), targeted(4, "crm")]).await;
    let crm = read_all(&store, &Stream::Target("crm".to_owned())).await;
    assert_eq!(sorted(ids(&crm)), sorted(vec![event(1).id, event(4).id]));
    assert!(read_all(&store, &Stream::Target("none".to_owned())).await.is_empty());
    assert_eq!(read_all(&store, &Stream::All).await.len(), 4);
}

pub(super) async fn a_limited_reading_is_continued(place: &impl Place) {
    let store = place.open().await;
    append(&store, (0..30).map(event).collect()).await;
    for partition in (0..store.partitions()).map(Partition) {
        let (all, end) = store.read(partition, &Stream::All, Position::START, 1000).await.unwrap();
        let (some, seen) = store.read(partition, &Stream::All, Position::START, 7).await.unwrap();
        assert_eq!(some, all[..some.len()]);
        if some.len() == 7 {
            assert_eq!(seen, some[6].position);
        }
        assert_eq!(store.read(partition, &Stream::All, seen, 0).await.unwrap(), (Vec::new(), seen));
        assert_eq!(store.read(partition, &Stream::All, seen, 1000).await.unwrap().0, all[some.len()..]);
        assert_eq!(store.read(partition, &Stream::All, end, 1000).await.unwrap(), (Vec::new(), end));
    }
    assert!(store.read(Partition(store.partitions()), &Stream::All, Position::START, 1).await.is_err());
}

pub(super) async fn a_lane_is_read_from_a_position(place: &impl Place) {
    let store = place.open().await;
    let lane = event(0).lane;
    let events = (0..12).map(|n| NewEvent {
        lane: if n % 3 == 0 { event(1).lane } else { lane },
        conversation: None,
        target: (n % 2 == 0).then(|| "crm".to_owned()),
        ..event(n)
    });
    append(&store, events.collect()).await;
    let reopened = {
        drop(store);
        place.open().await
    };
    let of_lane: Vec<_> =
        read_all(&reopened, &Stream::All).await.into_iter().filter(|record| record.lane == lane).collect();
    let (partition, from) = (of_lane[0].partition, of_lane[2].position);
    let read = async |stream, from, limit| reopened.read_lane(partition, &stream, lane, from, limit).await.unwrap();
    assert_eq!(read(Stream::All, Position::START, 100).await, of_lane);
    assert_eq!(read(Stream::All, from, 100).await, of_lane[2..]);
    assert_eq!(read(Stream::All, from, 3).await, of_lane[2..5]);
    let crm: Vec<_> = of_lane[2..].iter().filter(|record| record.target.is_some()).cloned().collect();
    assert_eq!(read(Stream::Target("crm".to_owned()), from, 100).await, crm);
    assert!(read(Stream::Target("none".to_owned()), from, 100).await.is_empty());
}

pub(super) async fn a_commit_wakes_who_watches_its_streams(place: &impl Place) {
    let store = place.open().await;
    append(&store, vec![targeted(1, "crm")]).await;
    let lane = store.find(event(1).id).await.unwrap().unwrap();
    let crm_stream = Stream::Target("crm".to_owned());
    let mut all = store.watch(lane.partition, &Stream::All);
    let mut crm = store.watch(lane.partition, &crm_stream);
    let other = store.watch(lane.partition, &Stream::Target("other".to_owned()));
    assert!(*all.borrow_and_update() >= lane.position && *crm.borrow_and_update() >= lane.position);
    let same_lane = NewEvent { lane: lane.lane, conversation: lane.conversation, ..targeted(2, "crm") };
    let position = position_of(&append(&store, vec![same_lane]).await[0]);
    soon("a wake-up of all", all.changed()).await.unwrap();
    soon("a wake-up of the target", crm.changed()).await.unwrap();
    assert_eq!((*all.borrow(), *crm.borrow()), (position, position));
    assert!(!other.has_changed().unwrap());
    let (records, seen) = store.read(lane.partition, &crm_stream, lane.position, 10).await.unwrap();
    assert_eq!((ids(&records), seen), (vec![event(2).id], position));
}

pub(super) async fn a_tailing_reader_misses_nothing(place: &impl Place) {
    const EACH: u64 = 100;
    let store = Arc::new(place.open().await);
    let lane = event(0).lane;
    let writers = (0..8).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..EACH {
                append(&*store, vec![NewEvent { lane, conversation: Some(lane), ..event(writer * EACH + n) }]).await;
            }
        })
    });
    let writers = join_all(writers);
    let reader = async {
        let mut partition = None;
        while partition.is_none() {
            tokio::task::yield_now().await;
            partition = store.find(event(0).id).await.unwrap().map(|record| record.partition);
        }
        tail(&*store, partition.unwrap(), 8 * EACH as usize).await
    };
    let (done, seen) = soon("all records", async { tokio::join!(writers, reader) }).await;
    done.into_iter().for_each(|writer| writer.unwrap());
    assert_eq!(sorted(seen), sorted((0..8 * EACH).map(|n| event(n).id).collect()));
}

/// Follows a partition as a subscriber does, until it has seen so many.
async fn tail(store: &impl Store, partition: Partition, count: usize) -> Vec<Uuid> {
    let mut watch = store.watch(partition, &Stream::All);
    let (mut seen, mut after) = (Vec::new(), Position::START);
    loop {
        watch.borrow_and_update();
        let (records, upto) = store.read(partition, &Stream::All, after, 16).await.unwrap();
        let progressed = upto > after;
        assert!(records.iter().all(|record| record.position > after && record.position <= upto));
        seen.extend(ids(&records));
        after = upto;
        if seen.len() >= count {
            return seen;
        }
        if !progressed {
            watch.changed().await.unwrap();
        }
    }
}

pub(super) async fn large_bodies_come_back(place: &impl Place) {
    let store = place.open().await;
    let lane = event(0).lane;
    let large = |n: u64| NewEvent {
        lane,
        conversation: Some(lane),
        body: vec![b'a' + n as u8; 3 << 20].into(),
        raw: Some(vec![n as u8; 1 << 20].into()),
        ..event(n)
    };
    append(&store, (0..6).map(large).collect()).await;
    drop(store);
    let store = place.open().await;
    let read = read_all(&store, &Stream::All).await;
    assert!(read.len() == 6 && (0..6).all(|n| is(&read[n as usize], &large(n))));
    assert_eq!(store.raw(event(5).id).await.unwrap().unwrap(), vec![5; 1 << 20]);
}

fn sorted(mut ids: Vec<Uuid>) -> Vec<Uuid> {
    ids.sort();
    ids
}
