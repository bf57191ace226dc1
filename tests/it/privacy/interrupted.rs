//! SIGKILL in the middle of an erasure: it goes on at the next start, and its receipt counts everything once.

use omnigate::store::sqlite::SqliteStore;
use omnigate::store::{Batch, Key, Store as _, Write};

use super::{BOT, contact_of, erase, erased, files_with};
use crate::support::{ConfigBuilder, Gateway, within};

const MESSAGES: u64 = 1500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_goes_on_after_a_kill() {
    let gateway = Gateway::start(ConfigBuilder::new().telegram(&BOT, None)).await;
    let client = gateway.client().keeping_its_connection();
    for update in 1..=MESSAGES {
        BOT.text(update, 501, &format!("ann-writes-this {update}")).send(&client).await.expect(200);
    }
    BOT.text(MESSAGES + 1, 502, "bob-writes-this").send(&client).await.expect(200);
    let ann = contact_of(&client, "telegram:501&scope=bot").await;
    let page = client.get(&format!("/v1/interactions?contact={ann}&limit=1")).await.expect(200).json();
    let first = page["interactions"][0]["id"].as_str().unwrap().to_owned();
    let (asking, contact) = (gateway.client(), ann.clone());
    let asked = tokio::spawn(async move {
        // The kill comes before the answer, as a rule.
        let path = format!("/v1/contacts/{contact}");
        let _ = asking.request("DELETE", &path, &super::bearer(), bytes::Bytes::new()).await;
    });
    let begun = async { while client.get(&format!("/v1/interactions/{first}")).await.status != 404 {} };
    within("the first step", begun).await;
    let stopped = gateway.kill();
    asked.await.unwrap();
    let data = stopped.directory().join("data");
    assert!(!files_with(&data, "ann-writes-this").is_empty(), "it was killed too late to prove anything");

    let gateway = stopped.start().await;
    let client = gateway.client();
    let receipt = erased(&client, &ann).await;
    // With the event that opened the conversation.
    assert_eq!(receipt["removed"]["interactions"], MESSAGES + 1, "{receipt}");
    assert_eq!(receipt["removed"]["contacts"], 1);
    assert_eq!(files_with(&data, "ann-writes-this"), Vec::<String>::new());
    assert!(!files_with(&data, "bob-writes-this").is_empty());
    assert_eq!(erase(&client, &ann).await.expect(200).json(), receipt);
}

#[tokio::test]
async fn an_erasure_that_cannot_be_read_is_told_and_holds_up_nobody() {
    let gateway = Gateway::start(ConfigBuilder::new().telegram(&BOT, None)).await;
    BOT.text(1, 501, "ann-writes-this").send(&gateway.client()).await.expect(200);
    let (_, stopped) = gateway.terminate().await;
    let data = stopped.directory().join("data");
    let first = "00000000-0000-7000-8000-000000000000";
    let damaged = Write::put(Key::of(&["erasing", first]), "{\"person\": 5");
    let store = SqliteStore::open(&data).unwrap();
    store.commit(Batch { writes: vec![damaged], ..Batch::default() }).await.unwrap();
    drop(store);
    let gateway = stopped.start().await;
    let client = gateway.client();
    let told = gateway.log.line("an erasure is not finished").await;
    assert!(told.contains(first) && told.contains("damaged"), "{told}");
    let ann = contact_of(&client, "telegram:501&scope=bot").await;
    let receipt = erased(&client, &ann).await;
    assert_eq!(receipt["removed"]["contacts"], 1, "{receipt}");
    assert_eq!(files_with(&data, "ann-writes-this"), Vec::<String>::new());
    let figures = String::from_utf8(client.get("/metrics").await.expect(200).body.to_vec()).unwrap();
    assert!(figures.contains("omnigate_erasures_stuck 1\n"), "{figures}");
}
