//! Many at once, and much of it.

use futures_util::future::join_all;
use serde_json::json;

use super::{BOT, SMS, contact, contact_of, events, id, link, start, timeline, unlink};
use crate::support::{Client, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_first_messages_of_one_person_make_one_contact_and_one_conversation() {
    let (gateway, _backend) = start().await;
    let client = gateway.client();
    let send = |n: u64| {
        let client = client.clone();
        async move { BOT.text(n, 501, &format!("m{n}")).send(&client).await.expect(200) }
    };
    // Fewer at a time than a channel takes at once.
    for wave in 0..10_u64 {
        within("a wave", join_all((wave * 100 + 1..=wave * 100 + 100).map(send))).await;
    }
    let person = contact_by_telegram(&client).await;
    assert_eq!(events(&client, "conversation.opened").await.len(), 1);
    let (mut count, mut after) = (0, String::new());
    loop {
        let path = format!("/v1/contacts/{person}/timeline?type=message.received&limit=200{after}");
        let page = client.get(&path).await.expect(200).json();
        let interactions = page["interactions"].as_array().unwrap();
        count += interactions.len();
        let conversation = &interactions[0]["subject"];
        assert!(interactions.iter().all(|event| event["data"]["contact"]["id"] == json!(person)));
        assert!(interactions.iter().all(|event| event["subject"] == *conversation));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(count, 1000);
}

async fn contact_by_telegram(client: &Client) -> String {
    let found = client.get("/v1/contacts?identity=telegram:501&scope=bot").await.expect(200).json();
    id(&found["id"])
}

/// The merge writes two records, whatever was said before; the timeline reads over both.
#[tokio::test]
async fn two_long_histories_are_merged_and_separated() {
    const EACH: usize = 150;
    let (gateway, backend) = start().await;
    let client = gateway.client();
    for n in 0..EACH {
        SMS.sms(&format!("SM{n}"), "+4930901820", &format!("sms {n}")).send(&client).await.expect(200);
        BOT.text(n as u64 + 1, 501, &format!("bot {n}")).send(&client).await.expect(200);
    }
    let (one, two) = (contact_of(&backend, "sms 0").await, contact_of(&backend, "bot 0").await);
    let size = |text: String| text.lines().find_map(|line| line.strip_prefix("omnigate_store_events ")?.parse().ok());
    let figures = || async { String::from_utf8(client.get("/metrics").await.expect(200).body.to_vec()).unwrap() };
    let before: u64 = size(figures().await).unwrap();
    let joined = link(&client, &one, &two).await;
    let after: u64 = size(figures().await).unwrap();
    assert_eq!(after - before, 3, "both sides are told, and that one conversation ends; nothing is written anew");
    let mut read = Vec::new();
    let mut path = format!("/v1/contacts/{two}/timeline?type=message.received&limit=100");
    loop {
        let page = client.get(&path).await.expect(200).json();
        read.extend(super::texts(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/contacts/{two}/timeline?type=message.received&limit=100&after={next}");
    }
    let expected: Vec<_> = (0..EACH).rev().flat_map(|n| [format!("bot {n}"), format!("sms {n}")]).collect();
    assert_eq!(read, expected, "newest first over both, without a gap");
    unlink(&client, &one, &joined["links"][0]["id"]).await;
    let expected: Vec<_> = (0..EACH).rev().map(|n| format!("bot {n}")).collect();
    assert_eq!(timeline(&client, &two, "").await, expected);
    assert_eq!(contact(&client, &two).await["contact_ids"], json!([two]));
}

/// Whatever is joined and separated while people write: each message stays with the contact whose address it came from, and
/// who writes afterwards is who he is by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_come_and_go_while_people_write() {
    const EACH: u64 = 60;
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM0", "+4930901820", "sms 0").send(&client).await.expect(200);
    BOT.text(1, 501, "bot 0").send(&client).await.expect(200);
    let (one, two) = (contact_of(&backend, "sms 0").await, contact_of(&backend, "bot 0").await);
    let writing = async {
        for n in 1..EACH {
            SMS.sms(&format!("SM{n}"), "+4930901820", &format!("sms {n}")).send(&client).await.expect(200);
            BOT.text(n + 1, 501, &format!("bot {n}")).send(&client).await.expect(200);
        }
    };
    let linking = async {
        for _ in 0..8 {
            let joined = link(&client, &one, &two).await;
            unlink(&client, &two, &joined["links"][0]["id"]).await;
        }
    };
    tokio::join!(writing, linking);
    let all = |name: &'static str| (0..EACH).rev().map(move |n| format!("{name} {n}")).collect::<Vec<_>>();
    assert_eq!(timeline(&client, &one, "&type=message.received").await, all("sms"));
    assert_eq!(timeline(&client, &two, "&type=message.received").await, all("bot"));
    BOT.text(1000, 501, "apart").send(&client).await.expect(200);
    assert_eq!(contact_of(&backend, "apart").await, two);
    link(&client, &one, &two).await;
    BOT.text(1001, 501, "joined").send(&client).await.expect(200);
    assert_eq!(contact_of(&backend, "joined").await, one);
}
