//! What every store does, whatever its engine: one function that each engine's tests call.

mod erasure;
mod log;
mod operations;
mod page;
mod progress;
mod search;
mod table;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::{Appended, Batch, Committed, NewEvent, Partition, Position, Record, Store, StoreError, Stream, Write};
use crate::interaction::{Kind, Time};

/// Where a store lies: it can be opened, dropped and opened again.
pub(crate) trait Place: Sync {
    type Store: Store;

    fn open(&self) -> impl Future<Output = Self::Store> + Send;
}

macro_rules! run {
    ($place:ident: $($case:path),+ $(,)?) => {
        $(
            eprintln!("  {}", stringify!($case));
            $case(&$place()).await;
        )+
    };
}

/// Runs every case, each in a place of its own.
pub(crate) async fn conform<P: Place>(place: impl Fn() -> P) {
    run!(place:
        log::events_are_read_as_they_were_appended,
        log::an_id_is_appended_once,
        log::a_dedupe_key_is_appended_once,
        log::duplicates_inside_a_batch_are_told,
        log::a_repeated_batch_adds_nothing,
        log::a_stream_has_its_target_only,
        log::a_limited_reading_is_continued,
        log::a_lane_is_read_from_a_position,
        log::a_commit_wakes_who_watches_its_streams,
        log::a_tailing_reader_misses_nothing,
        log::large_bodies_come_back,
    );
    run!(place:
        table::versions_only_grow,
        table::expectations_are_kept,
        table::expectations_speak_of_before_the_batch,
        table::a_conflict_leaves_nothing_behind,
        table::a_conflict_does_not_disturb_others,
        table::one_of_many_wins,
        table::expired_entries_are_not_there,
        table::scans_are_ordered_and_exact,
        table::scans_are_continued,
        table::large_values_are_scanned_in_portions,
        table::usage_is_what_lies_under_a_prefix,
    );
    run!(place:
        progress::a_new_subscriber_begins_at_the_start,
        progress::a_cursor_comes_back,
        progress::lanes_come_back,
        progress::a_lost_lease_is_fenced,
        progress::epochs_grow_over_restarts,
    );
    run!(place:
        erasure::removals_take_everything_along,
        erasure::a_conflict_removes_nothing,
        erasure::nothing_comes_of_a_buried_contact,
        erasure::burials_end,
        erasure::what_speaks_of_nobody_is_found,
        erasure::each_channel_has_its_own_horizon,
        erasure::a_scrubbed_store_has_what_it_had,
    );
    run!(place: page::every_filter_in_both_orders, page::a_page_follows_any_record);
    run!(place:
        search::words_are_found_in_messages_of_a_contact,
        search::what_is_new_is_found_at_once_and_what_is_gone_never,
        search::matches_are_paged_and_filtered,
    );
    run!(place:
        operations::an_empty_batch_is_well,
        operations::everything_survives_a_restart,
        operations::trim_removes_what_is_old,
        operations::trim_goes_on_beyond_one_step,
        operations::positions_are_never_used_again,
        operations::trimmed_dedupe_keys_are_free_again,
        operations::committers_are_served_in_order,
        operations::figures_count,
    );
}

/// All partitions' records of a stream, from the beginning, in portions.
async fn read_all(store: &impl Store, stream: &Stream) -> Vec<Arc<Record>> {
    let mut all = Vec::new();
    for partition in (0..store.partitions()).map(Partition) {
        let mut after = Position::START;
        loop {
            let (records, seen) = store.read(partition, stream, after, 100).await.unwrap();
            all.extend(records);
            if seen == after {
                break;
            }
            after = seen;
        }
    }
    all
}

async fn append(store: &impl Store, events: Vec<NewEvent>) -> Vec<Appended> {
    commit(store, events, Vec::new()).await.unwrap().events
}

async fn write(store: &impl Store, write: Write) -> Result<u64, StoreError> {
    commit(store, Vec::new(), vec![write]).await.map(|committed| committed.versions[0])
}

async fn commit(store: &impl Store, events: Vec<NewEvent>, writes: Vec<Write>) -> Result<Committed, StoreError> {
    store.commit(Batch { events, writes, ..Batch::default() }).await
}

/// An event whose fields follow from a number; it lies in a conversation of its own.
fn event(number: u64) -> NewEvent {
    let lane = Uuid::from_u128(0x1a4e << 64 | u128::from(number));
    NewEvent {
        id: Uuid::from_u128(0xe4e47 << 64 | u128::from(number)),
        kind: Kind::MessageReceived,
        lane,
        conversation: Some(lane),
        contact: Some(Uuid::from_u128(u128::from(number))),
        channel: "support".to_owned(),
        target: None,
        time: Time::from_ms(1_767_225_600_000 + number as i64),
        dedupe: None,
        body: Bytes::from(format!("{{\"number\":{number}}}")),
        raw: None,
    }
}

fn targeted(number: u64, target: &str) -> NewEvent {
    NewEvent { target: Some(target.to_owned()), ..event(number) }
}

fn position_of(appended: &Appended) -> Position {
    match appended {
        Appended::New { position } => *position,
        Appended::Duplicate { id } => panic!("{id} is a duplicate"),
    }
}

fn ids(records: &[Arc<Record>]) -> Vec<Uuid> {
    records.iter().map(|record| record.id).collect()
}

/// Waits for what must come; a test that hangs tells nothing.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}
