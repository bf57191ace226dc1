//! Pages of a person's history, where the log has a million interactions of that one person.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use omnigate::interaction::{Kind, Time};
use omnigate::store::sqlite::SqliteStore;
use omnigate::store::{Batch, Filter, NewEvent, Order, Store, Words};
use uuid::Uuid;

use super::Plan;
use crate::place::Workplace;
use crate::statistics::percentile;
use crate::table::{Aim, Row, Unit};

const INTERACTIONS: u64 = 1_000_000;
const BATCH: u64 = 10_000;
const PAGE: usize = 51;
const PAGES: usize = 200;
/// One in so many came by the channel that is rarely used.
const RARE: u64 = 10_000;
/// What the index of words has not taken in by then, it never will.
const PATIENCE: Duration = Duration::from_secs(300);

pub(super) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let place = Workplace::new("timeline")?;
    let store = SqliteStore::open(place.path())?;
    let contacts = [Uuid::now_v7(), Uuid::now_v7()];
    for first in (0..INTERACTIONS).step_by(BATCH as usize) {
        let events = (first..first + BATCH).map(|number| event(number, contacts)).collect();
        store.commit(Batch { events, ..Batch::default() }).await?;
    }
    let all = Filter { contacts: contacts.into(), ..Filter::default() };
    let middle = store.page(&all, None, Order::OldestFirst, (INTERACTIONS / 2) as usize).await?;
    let middle = middle.last().map(|record| record.id);
    let rare = Filter { channel: Some("rare".into()), ..all.clone() };
    let newest = pages(&store, &all, None, plan).await?;
    let deep = pages(&store, &all, middle, plan).await?;
    let filtered = pages(&store, &rare, None, plan).await?;
    let found = searches(&store, &all, plan).await?;
    let row = |name, seconds, explanation| Row::new(name, Unit::Millis, seconds, explanation);
    Ok(vec![
        Row {
            aim: Some(Aim::Below(0.02)),
            ..row(
                "timeline page, contact with 1,000,000 interactions in the log",
                newest,
                "The newest 50 of a person who was joined from two contacts, read from the store. Median.",
            )
        },
        row("the same, from the middle", deep, "The page after the 500,000th interaction."),
        row(
            "the same, of a rare channel",
            filtered,
            "50 of the 100 interactions on a channel that one in 10,000 came by.",
        ),
        row("two words among 1,000,000", found, "Messages with a rare and a frequent word, by the index of words."),
    ])
}

fn event(number: u64, contacts: [Uuid; 2]) -> NewEvent {
    let (id, lane) = (Uuid::now_v7(), contacts[0]);
    let channel = if number.is_multiple_of(RARE) { "rare" } else { "often" };
    let text = format!("Where is my order number {}?", number % 20_000);
    let body = serde_json::json!({ "id": id, "data": { "message": { "text": text } } });
    NewEvent {
        id,
        kind: Kind::MessageReceived,
        lane,
        conversation: Some(lane),
        contact: Some(contacts[(number % 2) as usize]),
        channel: channel.into(),
        target: None,
        time: Time::now(),
        dedupe: None,
        body: Bytes::from(body.to_string()),
        raw: None,
    }
}

/// Seconds that a page takes.
async fn pages(store: &SqliteStore, filter: &Filter, after: Option<Uuid>, plan: &Plan) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..PAGES.min(plan.rounds * 50) {
        let begun = Instant::now();
        let page = store.page(filter, after, Order::NewestFirst, PAGE).await?;
        times.push(begun.elapsed());
        ensure!(page.len() == PAGE, "a page of {} interactions", page.len());
    }
    Ok(percentile(&mut times, 0.5).as_secs_f64())
}

async fn searches(store: &SqliteStore, filter: &Filter, plan: &Plan) -> Result<f64> {
    let words = Words::parse("order 4711")?;
    let begun = Instant::now();
    while store.search(filter, &words, None, 100).await?.len() < (INTERACTIONS / 20_000) as usize {
        ensure!(begun.elapsed() < PATIENCE, "not everything is found");
        // The index grows while nobody asks, and tells nobody of it.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let mut times = Vec::new();
    for _ in 0..PAGES.min(plan.rounds * 50) {
        let begun = Instant::now();
        store.search(filter, &words, None, 100).await?;
        times.push(begun.elapsed());
    }
    Ok(percentile(&mut times, 0.5).as_secs_f64())
}
