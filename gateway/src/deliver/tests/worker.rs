//! The whole engine on a real store.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use uuid::Uuid;

use super::support::{NAME, Place, Scripted, Seen, lane, retry};
use crate::deliver::worker::PUT_BACK_MAX;
use crate::deliver::{ControlError, DeadLetters, Deliveries, Outcome, RetryError, Status};
use crate::store::{Partition, Position, StoreError};

/// From the bytes of an id and the number of an attempt: the same each time, and like chance.
fn chance(seen: &Seen) -> u64 {
    let mixed = (seen.id.as_u128() as u64 ^ u64::from(seen.attempt.number) << 17).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 40) % 100
}

fn rough(seen: &Seen) -> Outcome {
    match chance(seen) {
        0..70 => Outcome::Done,
        70..95 => retry(),
        _ => Outcome::GiveUp { why: "scripted".into() },
    }
}

/// What becomes of a record in the end, after the same script.
fn is_taken(seen: &Seen) -> bool {
    (1..=4u32)
        .map(|number| rough(&Seen { attempt: crate::deliver::Attempt { number, ..seen.attempt }, ..*seen }))
        .find(|outcome| !matches!(outcome, Outcome::Retry { .. }))
        .is_some_and(|outcome| outcome == Outcome::Done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_is_kept_and_nothing_is_lost_under_failures() {
    let (place, target) = (Place::new(), Scripted::new(rough));
    let running = place.start(&target).await;
    let mut expected: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    for portion in 0..8 {
        let lanes: Vec<_> = (0..100).map(|n| (n * 7 + portion) % 13).collect();
        for (id, number) in place.append(lanes.clone()).await.into_iter().zip(lanes) {
            expected.entry(lane(number)).or_default().push(id);
        }
    }
    running.until(|state| state.delivered + state.dead == 800 && state.lanes_waiting == 0).await;
    running.stop().await;

    let mut finals: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
    let mut dead = HashSet::new();
    for (seen, outcome) in target.ended() {
        let last = matches!(outcome, Outcome::Retry { .. }) && seen.attempt.number == 4;
        if last || matches!(outcome, Outcome::GiveUp { .. }) {
            dead.insert(seen.id);
        }
        if last || !matches!(outcome, Outcome::Retry { .. }) {
            assert_eq!(is_taken(&seen), outcome == Outcome::Done);
            finals.entry(seen.lane).or_default().push(seen.id);
        }
    }
    assert_eq!(finals, expected);
    let letters = DeadLetters::new(Arc::clone(&place.store)).list(Some(NAME), None, 1000).await.unwrap();
    assert!(letters.len() > 10);
    assert_eq!(letters.iter().filter_map(|letter| letter.interaction_id).collect::<HashSet<_>>(), dead);
    let progress = place.progress().await;
    assert!(progress.lanes.is_empty() && progress.cursor.done.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_lane_delays_nobody() {
    let (place, target) = (Place::new(), Scripted::willing());
    target.close(&[0]);
    let slow = place.append([0, 0, 0]).await;
    let running = place.start(&target).await;
    // More than the cursor can hold beyond its floor.
    for _ in 0..10 {
        place.append((0..600).map(|n| 1 + n % 50)).await;
    }
    target.until_done(6000).await;
    assert_eq!(target.seen().iter().filter(|seen| seen.lane == lane(0)).count(), 1);
    target.close(&[]);
    target.until_done(6003).await;
    let done = target.done();
    assert_eq!(done[6000..], slow);
    running.stop().await;
    assert!(place.progress().await.lanes.is_empty());
}

#[tokio::test]
async fn a_slow_lane_lets_the_cursor_go_on() {
    let (place, target) = (Place::new(), Scripted::willing());
    target.close(&[0]);
    place.append([0, 0, 1, 2]).await;
    let running = place.start(&target).await;
    running.until(|state| state.position == state.head && state.lanes_waiting == 1).await;
    running.kill().await;
    let progress = place.progress().await;
    assert_eq!(progress.lanes.len(), 1);
    assert!(progress.lanes[0].uncertain && progress.lanes[0].attempt == 1);
    target.close(&[]);
    let running = place.start(&target).await;
    target.until_done(4).await;
    running.stop().await;
    assert_eq!(place.progress().await.lanes, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_lane_does_not_starve_others() {
    let (place, target) = (Place::new(), Scripted::willing());
    target.close(&[0, 1, 2, 3]);
    place.append([0, 1, 2, 3]).await;
    let running = place.start(&target).await;
    target.until_seen(|seen| seen.len() == 4).await;
    place.append([0; 3000]).await;
    let late = place.append([9]).await[0];
    target.close(&[]);
    target.until_done(3005).await;
    let place_of_late = target.done().iter().position(|id| *id == late).unwrap();
    assert!(place_of_late < 1500, "{place_of_late}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_only_the_unsettled_comes_twice() {
    let (place, target) = (Place::new(), Scripted::new(|seen| if chance(seen) < 90 { Outcome::Done } else { retry() }));
    let ids = place.append((0..6000).map(|n| n % 40)).await;
    // Between two kills there are more attempts than may be unsettled.
    let mut settled_at_kill: Vec<(usize, HashSet<u64>)> = Vec::new();
    for until in [1500, 3000, 4500] {
        let running = place.start(&target).await;
        target.until_seen(|seen| seen.len() >= until).await;
        running.kill().await;
        let progress = place.progress().await;
        let floor = (1..=progress.cursor.floor.0).chain(progress.cursor.done.iter().map(|position| position.0));
        let apart = |position: &u64| {
            let number = (*position as usize - 1) % 40;
            progress.lanes.iter().any(|stored| stored.lane == lane(number) && stored.from.0 <= *position)
        };
        settled_at_kill.push((target.ended().len(), floor.filter(|position| !apart(position)).collect()));
    }
    let running = place.start(&target).await;
    running.until(|state| state.position == state.head && state.lanes_waiting == 0).await;
    running.stop().await;

    assert_eq!(target.done().into_iter().collect::<HashSet<_>>(), ids.into_iter().collect());
    for (count, settled) in settled_at_kill {
        assert!(!settled.is_empty());
        let doubles = target.ended()[count..].iter().filter(|(seen, _)| settled.contains(&seen.position.0)).count();
        assert_eq!(doubles, 0);
    }
}

#[tokio::test]
async fn an_attempt_cut_off_by_a_crash_is_told_where_it_matters() {
    let (place, target) = (Place::new(), Scripted::willing());
    let marking = || crate::deliver::Subscriber { mark_uncertain: true, ..place.subscriber(&target) };
    target.close(&[1]);
    place.append([1, 0, 1]).await;
    let running = place.start_as(marking()).await;
    target.until_seen(|seen| seen.len() == 2).await;
    running.kill().await;
    target.close(&[]);
    let running = place.start_as(marking()).await;
    running.until(|state| state.position == state.head && state.lanes_waiting == 0).await;
    running.stop().await;
    let of_lane: Vec<_> =
        target.seen().into_iter().filter(|seen| seen.lane == lane(1)).map(|seen| seen.attempt).collect();
    let told: Vec<_> = of_lane.iter().map(|attempt| (attempt.number, attempt.uncertain)).collect();
    assert_eq!(told, [(1, false), (2, true), (1, false)]);
    assert_eq!(place.progress().await.lanes, []);
}

#[tokio::test]
async fn refused_credentials_hold_everything_until_resumed() {
    let refused = Arc::new(AtomicBool::new(true));
    let script = Arc::clone(&refused);
    let target = Scripted::new(move |_| match script.load(Ordering::SeqCst) {
        true => Outcome::Hold { why: "401".into() },
        false => Outcome::Done,
    });
    let place = Place::new();
    let ids = place.append([0]).await;
    let running = place.start(&target).await;
    running.until(|state| state.status == Status::Held { why: "401".into() }).await;
    place.append([0, 1, 2]).await;
    refused.store(false, Ordering::SeqCst);
    running.handle.resume().await.unwrap();
    target.until_done(4).await;
    let first: Vec<_> = target.seen().iter().filter(|seen| seen.id == ids[0]).map(|seen| seen.attempt.number).collect();
    assert_eq!(first, [1, 1], "not counted");
    running.until(|state| state.status == Status::Running && state.delivered == 4).await;
    running.stop().await;
}

#[tokio::test]
async fn held_deliveries_are_probed_each_minute_with_the_same_record() {
    let target = Scripted::new(|seen| match seen.position.0 {
        1 if seen.attempt.number == 1 => Outcome::Hold { why: "401".into() },
        _ => Outcome::Done,
    });
    let place = Place::new();
    let ids = place.append([0, 1]).await;
    let subscriber = crate::deliver::Subscriber { concurrency: 1, ..place.subscriber(&target) };
    let running = place.start_as(subscriber).await;
    running.until(|state| matches!(state.status, Status::Held { .. })).await;
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    target.until_seen_within(Duration::from_secs(200), |seen| seen.len() == 4).await;
    assert!(target.seen().iter().all(|seen| seen.id == ids[0]));
    assert!(started.elapsed() >= Duration::from_secs(179));
}

/// Nothing more can be put back then, but whoever can mend it is heard.
#[tokio::test]
async fn a_subscription_that_is_full_of_what_was_put_back_can_be_resumed() {
    let gone = AtomicBool::new(true);
    let target = Scripted::new(move |_| match gone.swap(false, Ordering::SeqCst) {
        true => Outcome::Stop { why: "410".into() },
        false => Outcome::Done,
    });
    let place = Place::new();
    let ids = place.append([0]).await;
    let running = place.start(&target).await;
    running.until(|state| matches!(state.status, Status::Stopped { .. })).await;
    let trimmed = (0..PUT_BACK_MAX).map(|_| (Uuid::now_v7(), Position(1)));
    running.handle.put_back(trimmed.collect(), false, Vec::new()).await.unwrap();
    let one_more = running.handle.replay(&ids);
    let busy = tokio::time::timeout(Duration::from_secs(20), one_more).await.unwrap();
    assert!(matches!(busy, Err(ControlError::Busy)));
    tokio::time::timeout(Duration::from_secs(20), running.handle.resume()).await.unwrap().unwrap();
    target.until_done(1).await;
    running.kill().await;
}

#[tokio::test]
async fn a_stopped_subscription_stays_so_over_a_restart_until_resumed() {
    let gone = Arc::new(AtomicBool::new(true));
    let script = Arc::clone(&gone);
    let target = Scripted::new(move |_| match script.load(Ordering::SeqCst) {
        true => Outcome::Stop { why: "410".into() },
        false => Outcome::Done,
    });
    let place = Place::new();
    let ids = place.append([0, 0, 1]).await;
    let subscriber = || crate::deliver::Subscriber { concurrency: 1, ..place.subscriber(&target) };
    let stopped = Status::Stopped { why: "410".into() };
    let running = place.start_as(subscriber()).await;
    running.until(|state| state.status == stopped).await;
    running.stop().await;
    gone.store(false, Ordering::SeqCst);

    let running = place.start_as(subscriber()).await;
    running.until(|state| state.status == stopped).await;
    assert_eq!(target.seen().len(), 1);
    running.handle.resume().await.unwrap();
    target.until_done(3).await;
    running.stop().await;
    assert_eq!(target.done().into_iter().collect::<HashSet<_>>(), ids.into_iter().collect());

    let running = place.start_as(subscriber()).await;
    place.append([5]).await;
    target.until_done(4).await;
    running.stop().await;
}

#[tokio::test]
async fn a_dead_letter_can_be_retried_and_dropped() {
    let well = Arc::new(AtomicBool::new(false));
    let script = Arc::clone(&well);
    let target = Scripted::new(move |_| if script.load(Ordering::SeqCst) { Outcome::Done } else { retry() });
    let place = Place::new();
    // One lane: several that fail would open the breaker.
    let ids = place.append([0, 0, 0]).await;
    let running = place.start(&target).await;
    running.until(|state| state.dead == 3 && state.lanes_waiting == 0).await;
    let deliveries = Deliveries::default();
    deliveries.insert(running.handle.clone());
    let dead = DeadLetters::new(Arc::clone(&place.store));
    let letters = letters(&dead, 3).await;
    assert!(letters.iter().all(|letter| letter.attempts == 4 && letter.reason == "scripted"));
    assert_eq!(dead.list(None, Some(letters[0].id), 1).await.unwrap(), letters[1..2]);
    assert_eq!(dead.get(letters[2].id).await.unwrap().as_ref(), Some(&letters[2]));

    well.store(true, Ordering::SeqCst);
    let again = letters.iter().find(|letter| letter.interaction_id == Some(ids[1])).unwrap();
    dead.retry(again.id, &deliveries).await.unwrap();
    assert!(dead.get(again.id).await.unwrap().is_none());
    target.until_done(1).await;
    let last = *target.seen().last().unwrap();
    assert_eq!((last.id, last.attempt.number, last.attempt.replayed), (ids[1], 1, false));
    assert!(matches!(dead.retry(again.id, &deliveries).await, Err(RetryError::NotFound)));

    let other = letters.iter().find(|letter| letter.id != again.id).unwrap();
    assert!(dead.drop(other.id).await.unwrap());
    assert!(!dead.drop(other.id).await.unwrap());
    assert_eq!(dead.list(None, None, 10).await.unwrap().len(), 1);
    running.stop().await;
    assert_eq!(dead.sweep().await.unwrap(), 0, "its interaction is there");
    place.store.commit(crate::store::Batch { removals: ids, ..Default::default() }).await.unwrap();
    assert_eq!(dead.sweep().await.unwrap(), 1);
    assert_eq!(dead.list(None, None, 10).await.unwrap(), []);
    assert_eq!(place.progress().await.lanes, []);
}

/// Dead letters are there once they are written down, which is a moment after they are counted.
async fn letters(dead: &DeadLetters, count: usize) -> Vec<crate::deliver::DeadLetter> {
    loop {
        let letters = dead.list(Some(NAME), None, 100).await.unwrap();
        if letters.len() == count {
            return letters;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_replay_is_marked_and_survives_a_restart() {
    let (place, target) = (Place::new(), Scripted::willing());
    let ids = place.append([0, 1, 0, 0]).await;
    let running = place.start(&target).await;
    target.until_done(4).await;
    target.close(&[0]);
    let replayed = running.handle.replay(&[ids[3], ids[0], ids[2]]).await.unwrap();
    assert_eq!(replayed, 3);
    target.until_seen(|seen| seen.len() == 5).await;
    running.kill().await;
    target.close(&[]);
    let running = place.start(&target).await;
    target.until_done(7).await;
    assert_eq!(target.done()[4..], [ids[0], ids[2], ids[3]]);
    assert!(target.seen()[4..].iter().all(|seen| seen.attempt.replayed));
    assert!(running.handle.replay(&[Uuid::now_v7()]).await.is_err());
    running.stop().await;
    assert_eq!(place.progress().await.lanes, []);
}

#[tokio::test]
async fn who_lost_the_lease_stops() {
    let (place, target) = (Place::new(), Scripted::willing());
    let running = place.start(&target).await;
    place.append([0]).await;
    running.until(|state| state.delivered == 1).await;
    place.store.claim(Partition(0)).await.unwrap();
    place.append([0]).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), running.task).await.expect("it goes on");
    assert!(matches!(ended.unwrap(), Err(StoreError::Fenced { .. })));
    assert!(running.handle.resume().await.is_err());
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_under_way_and_begins_nothing() {
    let (place, target) = (Place::new(), Scripted::willing());
    target.close(&[0]);
    place.append([0, 0]).await;
    let running = place.start(&target).await;
    target.until_seen(|seen| seen.len() == 1).await;
    running.stop.cancel();
    place.append([1]).await;
    target.close(&[]);
    running.task.await.unwrap().unwrap();
    assert_eq!(target.seen().len(), 1);
    assert_eq!(target.done().len(), 1);
    assert_eq!(place.progress().await.cursor.floor.0, 1);
}

#[tokio::test]
async fn what_takes_longer_than_the_grace_is_cut_off_and_made_again() {
    let (place, target) = (Place::new(), Scripted::willing());
    target.close(&[0]);
    place.append([0, 1]).await;
    let running = place.start_with(place.subscriber(&target), Duration::from_millis(20)).await;
    target.until_seen(|seen| seen.len() == 2).await;
    running.stop().await;
    assert_eq!(target.done().len(), 1);
    target.close(&[]);
    let running = place.start(&target).await;
    target.until_done(2).await;
    running.stop().await;
    assert_eq!(target.seen().len(), 3);
}

#[tokio::test]
async fn a_target_that_panics_is_a_failure() {
    let target = Scripted::new(|seen| match seen.attempt.number {
        1 => panic!("on purpose"),
        _ => Outcome::Done,
    });
    let place = Place::new();
    place.append([0, 1]).await;
    let running = place.start(&target).await;
    target.until_done(2).await;
    running.stop().await;
}
