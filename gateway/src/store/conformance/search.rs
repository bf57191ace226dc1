use bytes::Bytes;
use uuid::Uuid;

use super::{Place, append, event, ids};
use crate::interaction::{Kind, Time};
use crate::store::{Filter, NewEvent, Store, StoreError, Words};

const ANN: u128 = 1;
const BOB: u128 = 2;

fn said(number: u64, who: u128, text: &str) -> NewEvent {
    let body = serde_json::json!({ "data": { "message": { "subject": null, "text": text } } });
    NewEvent { contact: Some(Uuid::from_u128(who)), body: Bytes::from(body.to_string()), ..event(number) }
}

fn of(who: &[u128]) -> Filter {
    Filter { contacts: who.iter().copied().map(Uuid::from_u128).collect(), ..Filter::default() }
}

/// Numbers of the events that are found.
async fn found(store: &impl Store, filter: &Filter, words: &str) -> Vec<u64> {
    let records = store.search(filter, &Words::parse(words).unwrap(), None, 100).await.unwrap();
    ids(&records).iter().map(|id| id.as_u128() as u64).collect()
}

pub(super) async fn words_are_found_in_messages_of_a_contact(place: &impl Place) {
    let store = place.open().await;
    let subject = serde_json::json!({ "data": { "message": { "subject": "Invoice 4711", "text": "see above" } } });
    let events = vec![
        said(1, ANN, "Where is my order?"),
        said(2, BOB, "My order came."),
        said(3, ANN, "It is late, the order of Zoë Müller"),
        NewEvent { body: Bytes::from(subject.to_string()), ..said(4, ANN, "") },
        NewEvent { kind: Kind::MessageStatus, ..said(5, ANN, "order") },
        NewEvent { body: Bytes::from_static(b"no JSON: order"), ..said(6, ANN, "") },
        NewEvent { contact: None, ..said(7, ANN, "order") },
    ];
    append(&store, events).await;
    for (who, words, expected) in [
        (vec![ANN], "order", vec![3, 1]),
        (vec![ANN, BOB], "ORDER", vec![3, 2, 1]),
        (vec![], "order", vec![3, 2, 1]),
        (vec![BOB], "late", vec![]),
        (vec![ANN], "order late", vec![3]),
        (vec![ANN], "\"my order\"", vec![1]),
        (vec![ANN], "\"order my\"", vec![]),
        (vec![ANN], "zoe muller", vec![3]),
        (vec![ANN], "4711 invoice", vec![4]),
        (vec![ANN], "ord", vec![]),
        (vec![ANN], "ord*", vec![3, 1]),
        (vec![ANN], "contact : order OR NOT ^ ( NEAR", vec![]),
    ] {
        let expected: Vec<_> = expected.iter().map(|n| event(*n).id.as_u128() as u64).collect();
        assert_eq!(found(&store, &of(&who), words).await, expected, "{who:?} {words}");
    }
}

pub(super) async fn what_is_new_is_found_at_once_and_what_is_gone_never(place: &impl Place) {
    let store = place.open().await;
    // More than is held back, so that some of it is in an index and some of it is not.
    for wave in 0..20 {
        append(&store, (wave * 50..wave * 50 + 50).map(|n| said(n, ANN, &format!("word{n} all"))).collect()).await;
        let newest = wave * 50 + 49;
        assert_eq!(found(&store, &of(&[ANN]), &format!("word{newest}")).await.len(), 1);
    }
    let all = store.search(&of(&[ANN]), &Words::parse("all").unwrap(), None, 5000).await.unwrap();
    assert_eq!(all.len(), 1000);
    assert_eq!(store.trim(&event(990).time.into(), Time::from_ms(0)).await.unwrap(), 990);
    assert_eq!(found(&store, &of(&[ANN]), "all").await.len(), 10);
    assert!(found(&store, &of(&[ANN]), "word1").await.is_empty());
    drop(store);
    assert_eq!(found(&place.open().await, &of(&[ANN]), "all").await.len(), 10);
}

pub(super) async fn matches_are_paged_and_filtered(place: &impl Place) {
    let store = place.open().await;
    let mail =
        |n: u64| NewEvent { channel: if n.is_multiple_of(2) { "mail" } else { "chat" }.into(), ..said(n, ANN, "same") };
    append(&store, (0..700).map(mail).collect()).await;
    let words = Words::parse("same").unwrap();
    let (mut walked, mut after) = (Vec::new(), None);
    loop {
        let page = store.search(&of(&[ANN]), &words, after, 90).await.unwrap();
        after = page.last().map(|record| record.id).or(after);
        walked.extend(ids(&page));
        if page.len() < 90 {
            break;
        }
    }
    let expected: Vec<_> = (0..700).rev().map(|n| event(n).id).collect();
    assert_eq!(walked, expected);
    let filter = Filter { channel: Some("mail".into()), until: Some(event(5).time), ..of(&[ANN]) };
    let page = store.search(&filter, &words, None, 10).await.unwrap();
    assert_eq!(ids(&page), [event(4).id, event(2).id, event(0).id]);
    let unknown = event(12345).id;
    let refused = store.search(&filter, &words, Some(unknown), 10).await;
    assert!(matches!(refused, Err(StoreError::NotFound(id)) if id == unknown));
}
