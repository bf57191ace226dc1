use uuid::Uuid;

use super::{Place, event};
use crate::interaction::Time;
use crate::store::{
    Batch, Cursor, Lane, Lease, Partition, Position, Progress, ProgressWrite, Store, StoreError, Write,
};

fn lane(number: u128, single: bool) -> Lane {
    Lane {
        lane: Uuid::from_u128(number),
        from: Position(17),
        single,
        attempt: 3,
        due: Time::from_ms(1_767_225_600_123),
        why: "503 »busy«".to_owned(),
        uncertain: single,
    }
}

fn cursor(floor: u64, done: &[u64]) -> Cursor {
    Cursor { floor: Position(floor), done: done.iter().copied().map(Position).collect() }
}

fn moved(lease: Lease, cursor: Cursor) -> ProgressWrite {
    ProgressWrite::Cursor { lease, subscriber: "crm".to_owned(), cursor }
}

async fn change(store: &impl Store, progress: Vec<ProgressWrite>) -> Result<(), StoreError> {
    store.commit(Batch { progress, ..Batch::default() }).await.map(drop)
}

async fn claimed(store: &impl Store) -> Lease {
    store.claim(Partition(0)).await.unwrap().unwrap()
}

pub(super) async fn a_new_subscriber_begins_at_the_start(place: &impl Place) {
    let store = place.open().await;
    let lease = claimed(&store).await;
    assert_eq!(store.progress(&lease, "crm").await.unwrap(), Progress::default());
    store.renew(&lease).await.unwrap();
}

pub(super) async fn a_cursor_comes_back(place: &impl Place) {
    let store = place.open().await;
    let lease = claimed(&store).await;
    for cursor in [cursor(5, &[]), cursor(7, &[9, 10, 400, 1 << 33]), cursor(8, &[9])] {
        change(&store, vec![moved(lease, cursor.clone())]).await.unwrap();
        assert_eq!(store.progress(&lease, "crm").await.unwrap().cursor, cursor);
    }
    assert_eq!(store.progress(&lease, "other").await.unwrap(), Progress::default());
}

pub(super) async fn lanes_come_back(place: &impl Place) {
    let store = place.open().await;
    let lease = claimed(&store).await;
    let subscriber = || "crm".to_owned();
    let put = |lane| ProgressWrite::PutLane { lease, subscriber: subscriber(), lane };
    let later = Lane { attempt: 4, uncertain: true, ..lane(1, false) };
    change(&store, vec![put(lane(1, false)), put(lane(1, true)), put(lane(2, false))]).await.unwrap();
    change(&store, vec![put(later.clone())]).await.unwrap();
    let mut lanes = store.progress(&lease, "crm").await.unwrap().lanes;
    lanes.sort_by_key(|lane| (lane.lane, lane.single));
    assert_eq!(lanes, [later, lane(1, true), lane(2, false)]);
    let drop_lane =
        |lane: Lane| ProgressWrite::DropLane { lease, subscriber: subscriber(), lane: lane.lane, single: lane.single };
    change(&store, vec![drop_lane(lane(1, false)), drop_lane(lane(2, false)), drop_lane(lane(3, true))]).await.unwrap();
    assert_eq!(store.progress(&lease, "crm").await.unwrap().lanes, [lane(1, true)]);
}

pub(super) async fn a_lost_lease_is_fenced(place: &impl Place) {
    let store = place.open().await;
    let lost = claimed(&store).await;
    change(&store, vec![moved(lost, cursor(1, &[]))]).await.unwrap();
    let held = claimed(&store).await;
    assert!(held.epoch > lost.epoch);
    let batch = Batch {
        events: vec![event(1)],
        writes: vec![Write::put(crate::store::Key("a".to_owned()), "1")],
        progress: vec![moved(held, cursor(2, &[])), moved(lost, cursor(3, &[]))],
        ..Batch::default()
    };
    let refused = store.commit(batch).await;
    assert!(
        matches!(refused, Err(StoreError::Fenced { partition: 0, held: old, current }) if old == lost.epoch && current == held.epoch)
    );
    assert_eq!(store.find(event(1).id).await.unwrap(), None);
    assert!(matches!(store.renew(&lost).await, Err(StoreError::Fenced { .. })));
    assert!(matches!(store.progress(&lost, "crm").await, Err(StoreError::Fenced { .. })));
    store.renew(&held).await.unwrap();
    assert_eq!(store.progress(&held, "crm").await.unwrap().cursor, cursor(1, &[]));
    change(&store, vec![moved(held, cursor(4, &[]))]).await.unwrap();
}

pub(super) async fn epochs_grow_over_restarts(place: &impl Place) {
    let store = place.open().await;
    let before = claimed(&store).await;
    change(&store, vec![moved(before, cursor(6, &[8]))]).await.unwrap();
    drop(store);
    let store = place.open().await;
    let after = claimed(&store).await;
    assert!(after.epoch > before.epoch);
    assert!(matches!(change(&store, vec![moved(before, cursor(1, &[]))]).await, Err(StoreError::Fenced { .. })));
    assert_eq!(store.progress(&after, "crm").await.unwrap().cursor, cursor(6, &[8]));
    assert!(store.claim(Partition(store.partitions())).await.is_err());
}
