use std::sync::Arc;

use uuid::Uuid;

use super::{Place, append, event, ids};
use crate::interaction::Kind;
use crate::store::{Filter, NewEvent, Order, Record, Store, StoreError};

const CHANNELS: [&str; 2] = ["support", "mail"];
const KINDS: [Kind; 2] = [Kind::MessageReceived, Kind::MessageStatus];

/// Sixty events in which every value meets every other.
fn events() -> Vec<NewEvent> {
    let conversation = |n: u64| (!n.is_multiple_of(5)).then(|| event(1000 + n % 5).lane);
    let one = |n: u64| NewEvent {
        channel: CHANNELS[(n % 2) as usize].to_owned(),
        kind: KINDS[(n / 2 % 2) as usize],
        contact: (!n.is_multiple_of(3)).then(|| Uuid::from_u128(u128::from(n % 3))),
        conversation: conversation(n),
        lane: conversation(n).unwrap_or(event(999).lane),
        ..event(n)
    };
    (0..60).map(one).collect()
}

/// Every combination of a value that is there, one that is not, and none.
fn filters() -> Vec<Filter> {
    let channels = [None, Some("mail".to_owned()), Some("nowhere".to_owned())];
    let contacts = [None, Some(Uuid::from_u128(1)), Some(Uuid::from_u128(77))];
    let conversations = [None, Some(event(1002).lane), Some(event(999).lane)];
    let kinds = [None, Some(Kind::MessageStatus), Some(Kind::ChannelState)];
    let mut filters = Vec::new();
    for n in 0..81 {
        filters.push(Filter {
            channel: channels[n % 3].clone(),
            contacts: contacts[n / 3 % 3].into_iter().collect(),
            conversation: conversations[n / 9 % 3],
            kinds: kinds[n / 27].into_iter().collect(),
            ..Filter::default()
        });
    }
    let several = Filter { contacts: [2, 77, 1].map(Uuid::from_u128).into(), ..Filter::default() };
    let between = Filter { since: Some(event(7).time), until: Some(event(41).time), ..several.clone() };
    filters.extend([Filter { kinds: KINDS.into(), ..several.clone() }, several, between]);
    filters
}

async fn walk(store: &impl Store, filter: &Filter, order: Order, limit: usize) -> Vec<Arc<Record>> {
    let (mut walked, mut after) = (Vec::new(), None);
    loop {
        let page = store.page(filter, after, order, limit).await.unwrap();
        assert!(page.len() <= limit);
        let full = page.len() == limit;
        after = page.last().map(|record| record.id).or(after);
        walked.extend(page);
        if !full {
            return walked;
        }
    }
}

pub(super) async fn every_filter_in_both_orders(place: &impl Place) {
    let store = place.open().await;
    append(&store, events()).await;
    let all = walk(&store, &Filter::default(), Order::OldestFirst, 1000).await;
    assert_eq!(ids(&all), events().iter().map(|event| event.id).collect::<Vec<_>>());
    for filter in filters() {
        let mut expected: Vec<_> = all.iter().filter(|record| filter.matches(record)).cloned().collect();
        for order in [Order::OldestFirst, Order::NewestFirst] {
            for limit in [1, 7, 1000] {
                assert_eq!(walk(&store, &filter, order, limit).await, expected, "{filter:?} {order:?} {limit}");
            }
            expected.reverse();
        }
    }
}

pub(super) async fn a_page_follows_any_record(place: &impl Place) {
    let store = place.open().await;
    append(&store, events()).await;
    let mail = Filter { channel: Some("mail".to_owned()), ..Filter::default() };
    let page = store.page(&mail, Some(event(10).id), Order::OldestFirst, 2).await.unwrap();
    assert_eq!(ids(&page), [event(11).id, event(13).id], "a record that the filter does not match");
    let page = store.page(&mail, Some(event(10).id), Order::NewestFirst, 2).await.unwrap();
    assert_eq!(ids(&page), [event(9).id, event(7).id]);
    assert_eq!(store.page(&mail, None, Order::OldestFirst, 0).await.unwrap(), []);
    let unknown = event(12345).id;
    let refused = store.page(&mail, Some(unknown), Order::OldestFirst, 2).await;
    assert!(matches!(refused, Err(StoreError::NotFound(id)) if id == unknown));
}
