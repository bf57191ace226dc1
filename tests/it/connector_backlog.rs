//! What waited while a CRM was away: it goes together, in order, and never beyond the CRM's limits.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use crate::support::{Client, ConfigBuilder, Gateway, HubSpot, Mood, Telegram};

const BOT: Telegram = Telegram("bot");
const PEOPLE: u64 = 1_000;
const MESSAGES: u64 = 5;
const ALL: usize = (PEOPLE * MESSAGES) as usize;
/// People write over so many connections.
const WRITERS: u64 = 8;
/// Interactions in one call.
const BATCH: usize = 100;
/// What the connector is allowed, and what the CRM takes: in a second of its own counting there may be one more.
const PER_SECOND: usize = 100;
const LIMIT: usize = 110;

/// Every message in its turn, of each person by one writer.
async fn all_write(client: &Client) {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let client = client.clone().keeping_its_connection();
        writers.spawn(async move {
            for number in 0..MESSAGES {
                for person in (1..=PEOPLE).filter(|person| person % WRITERS == writer) {
                    let update = number * PEOPLE + person;
                    BOT.text(update, person, &format!("{person}:{number}")).send(&client).await.expect(200);
                }
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
}

/// What everybody said, by person, in the order of the CRM.
fn histories(crm: &HubSpot) -> BTreeMap<String, Vec<String>> {
    let mut histories = BTreeMap::<String, Vec<String>>::new();
    for note in crm.all("notes") {
        let text = note.text("hs_note_body").split("<br>").next().unwrap();
        let (person, number) = text.split_once(':').unwrap();
        histories.entry(person.to_owned()).or_default().push(number.to_owned());
    }
    histories
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_drains_together_in_order_and_within_the_limits() {
    let crm = HubSpot::start().await;
    crm.behave(Mood::Down);
    crm.limit(LIMIT);
    let config = ConfigBuilder::new().hubspot("crm", &crm).telegram(&BOT, None);
    let config = config.set("connectors.crm", "batch", BATCH).set("connectors.crm", "requests_per_second", PER_SECOND);
    let gateway = Gateway::start(config).await;
    all_write(&gateway.client()).await;
    let before = crm.provider().calls().len();
    crm.behave(Mood::Fine);
    gateway.client().call("POST", "/v1/connectors/crm/resume", None).await.expect(202);
    crm.wait_for("all notes", |crm| (crm.count("notes") >= ALL).then_some(())).await;
    let whole: Vec<String> = (0..MESSAGES).map(|number| number.to_string()).collect();
    let histories = histories(&crm);
    assert!(histories.values().all(|history| *history == whole), "each person's history is whole and in order");
    assert_eq!((histories.len() as u64, crm.count("contacts") as u64), (PEOPLE, PEOPLE));
    assert_eq!(crm.refused(), 0, "never beyond the limit: at most {} calls in a second", crm.busiest());
    let calls = crm.provider().calls().split_off(before);
    let upserts = calls.iter().filter(|call| call.path.contains("notes/batch/upsert")).count();
    println!("{} calls, {upserts} upserts, {} in the busiest second", calls.len(), crm.busiest());
    assert!(upserts * BATCH < ALL * 4, "{upserts} calls for {ALL} notes: they go together");
}
