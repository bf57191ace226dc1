//! Nothing is left of a person who was erased: not in the API, and in no byte of the files.

use std::collections::BTreeMap;

use omnigate::channels::Quarantine;
use omnigate::plugin::exchange::Request;
use omnigate::store::sqlite::SqliteStore;
use omnigate::store::{Batch, Key, Store, Usage, Write};
use serde_json::{Value, json};

use super::{SMS, contact_of, contains, erase, erased, file, files_with, send_file, text_to};
use crate::support::{Backend, Behaviour, Client, ConfigBuilder, Delivery, Gateway, Provider, ProviderAnswer};

const ANN: &str = "+15550100123";
const BOB: &str = "+15550100456";
/// What must not be found afterwards.
const TRACES: [&str; 5] = ["15550100123", "ann-writes-this", "ann-reads-this", "ann-photographed-this", "SM-ann"];
const HER_FILE: &[u8] = b"\x89PNG\r\n\x1a\n ann-photographed-this";
const SHARED_FILE: &[u8] = b"\x89PNG\r\n\x1a\n everybody-has-this";

struct Scene {
    gateway: Gateway,
    backend: Backend,
    provider: Provider,
}

impl Scene {
    async fn new() -> Self {
        let backend = Backend::start().await;
        let provider = Provider::start(move |call| match call.path.as_str() {
            "/files/hers" => file(HER_FILE),
            "/files/shared" => file(SHARED_FILE),
            _ => {
                let sid = if contains(&call.body, "ann-reads-this") { "SM-ann-1" } else { "SM-other" };
                ProviderAnswer::json(201, &json!({ "sid": sid, "status": "sent" }).to_string())
            }
        })
        .await;
        let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, Some(&provider));
        Self { gateway: Gateway::start(config.retries(&["100ms"; 3])).await, backend, provider }
    }

    fn client(&self) -> Client {
        self.gateway.client()
    }

    fn url_of(&self, name: &str) -> String {
        format!("http://{}/files/{name}", self.provider.address())
    }

    /// Both write, get an answer, and send files; one of Ann's messages becomes a dead letter.
    async fn talk(&self) {
        let client = self.client();
        self.backend.behave(|delivery| match delivery.text.as_str() {
            "ann-writes-this twice" => Behaviour::Status(500),
            _ => Behaviour::Take,
        });
        for (sid, from, text) in [
            ("SM-ann-in", ANN, "ann-writes-this"),
            ("SM-ann-dead", ANN, "ann-writes-this twice"),
            ("SM-bob-in", BOB, "bob-writes-this"),
        ] {
            SMS.sms(sid, from, text).send(&client).await.expect(200);
        }
        for (number, text, key) in [(ANN, "ann-reads-this", "answer-1"), (BOB, "bob-reads-this", "answer-2")] {
            let headers = [("idempotency-key", key)];
            client.call_with("POST", "/v1/messages", Some(&text_to(number, text)), &headers).await.expect(202);
        }
        for (sid, from, name) in
            [("SM-ann-mms", ANN, "hers"), ("SM-ann-mms2", ANN, "shared"), ("SM-bob-mms", BOB, "shared")]
        {
            send_file(&client, sid, from, &self.url_of(name)).await;
        }
        self.wait().await;
    }

    async fn wait(&self) {
        let is_sent = |d: &&Delivery| d.event["data"]["status"] == "queued" || d.event["data"]["status"] == "sent";
        self.backend.wait_for("both answers", |all| (all.iter().filter(is_sent).count() >= 2).then_some(())).await;
        for event in self.backend.wait_for("the files", |all| files(all, 3)).await {
            let url = event["url"].as_str().unwrap();
            let path = url.split_once("gate.example").unwrap().1;
            self.client().get(path).await.expect(200);
        }
        self.backend.wait_for("the dead letter", |all| (failures(all) >= 4).then_some(())).await;
        let dead = async { while self.dead_letters().await.is_empty() {} };
        crate::support::within("the dead letter", dead).await;
    }

    async fn dead_letters(&self) -> Vec<Value> {
        self.client().get("/v1/dead-letters").await.expect(200).json()["dead_letters"].as_array().unwrap().clone()
    }
}

fn failures(all: &[Delivery]) -> usize {
    all.iter().filter(|delivery| delivery.behaviour == Behaviour::Status(500)).count()
}

/// The files of the first so many messages that have one.
fn files(all: &[Delivery], count: usize) -> Option<Vec<Value>> {
    let parts = all.iter().filter_map(|delivery| delivery.event["data"]["message"]["parts"].as_array());
    let files: Vec<_> = parts.flatten().filter(|part| part["type"] == "media").cloned().collect();
    (files.len() >= count).then_some(files)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_an_erased_contact() {
    let scene = Scene::new().await;
    scene.talk().await;
    let client = scene.client();
    let (ann, bob) = (contact_of(&client, "tel:+15550100123").await, contact_of(&client, "tel:+15550100456").await);
    let before = client.get(&format!("/v1/interactions?contact={ann}&limit=200")).await.expect(200).json();
    let before = before["interactions"].as_array().unwrap().clone();
    let data = scene.gateway.directory().join("data");
    for trace in TRACES {
        assert!(!files_with(&data, trace).is_empty(), "{trace}: otherwise this proves nothing");
    }

    let receipt = erased(&client, &ann).await;
    let removed = &receipt["removed"];
    assert_eq!((&receipt["contact_id"], &receipt["by"]), (&json!(ann), &json!("all")));
    assert_eq!(receipt["scrubbed"], "rewritten");
    assert!(receipt["erased_at"].is_string() && receipt["scrubbed_at"].is_string());
    let expected = [
        ("contacts", 1),
        ("identities", 1),
        ("conversations", 1),
        ("interactions", before.len() as u64),
        ("messages", 1),
        ("media", 2),
        ("files", 1),
        ("dead_letters", 1),
        ("answers", 1),
    ];
    for (what, count) in expected {
        assert_eq!(removed[what], count, "{what}: {removed}");
    }
    for trace in TRACES {
        assert_eq!(files_with(&data, trace), Vec::<String>::new(), "{trace}");
    }
    for kept in ["bob-writes-this", "bob-reads-this", "15550100456", "everybody-has-this"] {
        assert!(!files_with(&data, kept).is_empty(), "{kept}");
    }
    nobody_knows(&client, &ann, &before).await;
    client.get(&format!("/v1/contacts/{bob}/timeline")).await.expect(200);
    assert_eq!(erase(&client, &ann).await.expect(200).json(), receipt, "asked again, it is the same");
    let told = |all: &[Delivery]| all.iter().find(|d| d.kind == "omnigate.contact.erased").cloned();
    let event = scene.backend.wait_for("the event", told).await.event;
    assert_eq!(event["data"]["contact"], json!({ "id": ann, "name": null, "identities": [] }));
    assert_eq!(event["data"]["detail"]["contact_ids"], json!([ann]));

    late(&scene, &ann).await;
    let stopped = scene.gateway.terminate().await.1;
    assert_eq!(files_with(&stopped.directory().join("data"), "ann-writes-this"), Vec::<String>::new());
}

async fn nobody_knows(client: &Client, ann: &str, before: &[Value]) {
    client.get("/v1/contacts?identity=tel:+15550100123").await.expect(404);
    client.get(&format!("/v1/contacts/{ann}")).await.expect(404);
    client.get(&format!("/v1/contacts/{ann}/export")).await.expect(404);
    let page = client.get(&format!("/v1/interactions?contact={ann}")).await.expect(200).json();
    assert_eq!(page["interactions"], json!([]));
    for event in before {
        client.get(&format!("/v1/interactions/{}", event["id"].as_str().unwrap())).await.expect(404);
        client.get(&format!("/v1/conversations/{}", event["subject"].as_str().unwrap())).await.expect(404);
    }
    let letters = client.get("/v1/dead-letters").await.expect(200).json();
    assert_eq!(letters["dead_letters"], json!([]));
}

/// A receipt of an old message and a repeated webhook change nothing; a new message comes from somebody new.
async fn late(scene: &Scene, ann: &str) {
    let client = scene.client();
    let receipt = [
        ("AccountSid", super::Twilio::ACCOUNT),
        ("MessageSid", "SM-ann-1"),
        ("MessageStatus", "delivered"),
        ("From", super::Twilio::NUMBER),
        ("To", ANN),
    ];
    SMS.form_at("/status", &receipt).send(&client).await.expect(200);
    SMS.sms("SM-ann-in", ANN, "ann-writes-this").send(&client).await.expect(200);
    client.get("/v1/contacts?identity=tel:+15550100123").await.expect(404);
    let data = scene.gateway.directory().join("data");
    assert_eq!(files_with(&data, "15550100123"), Vec::<String>::new());
    SMS.sms("SM-new", ANN, "here I am again").send(&client).await.expect(200);
    scene.backend.wait_for_text("here I am again").await;
    assert_ne!(contact_of(&client, "tel:+15550100123").await, ann);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_names_no_contact_is_searched_for_his_addresses() {
    let scene = Scene::new().await;
    SMS.sms("SM1", ANN, "hello").send(&scene.client()).await.expect(200);
    let stopped = scene.gateway.terminate().await.1;
    let data = stopped.directory().join("data");
    {
        let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(SqliteStore::open(&data).unwrap());
        let quarantine = Quarantine::new(store.clone(), Usage { entries: 10, bytes: 1 << 20 });
        for body in ["From=%2B15550100123&Body=ann-writes-this", "From=%2B15550100456&Body=bob-writes-this"] {
            quarantine.keep("sms", request(body), "it trapped".into()).await.unwrap();
        }
        let value = |key: &str| Write::put(Key::of(&["kv", "sms", key]), "{}");
        let writes = vec![value("known/+15550100123"), value("known/+15550100456")];
        store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
    }
    let gateway = stopped.start().await;
    let receipt = erased(&gateway.client(), &contact_of(&gateway.client(), "tel:+15550100123").await).await;
    assert_eq!((&receipt["removed"]["requests"], &receipt["removed"]["plugin_values"]), (&json!(1), &json!(1)));
    assert_eq!(files_with(&data, "15550100123"), Vec::<String>::new());
    let letters = gateway.client().get("/v1/dead-letters").await.expect(200).json();
    assert_eq!(letters["dead_letters"].as_array().unwrap().len(), 1);
    assert!(!files_with(&data, "known%2F+15550100456").is_empty());
}

fn request(body: &str) -> Request {
    Request {
        method: "POST".into(),
        path: String::new(),
        query: String::new(),
        url: "https://gate.example/channels/sms".into(),
        headers: Vec::new(),
        body: body.into(),
    }
}

#[tokio::test]
async fn only_who_is_there_can_be_erased_and_only_with_the_scope() {
    let keys = BTreeMap::from([("messages", "messages-key-0123456789"), ("contacts", "contacts-key-0123456789")]);
    let mut config = ConfigBuilder::new();
    for (scope, key) in &keys {
        config = config.key(scope, key, &[*scope]);
    }
    let gateway = Gateway::start(config).await;
    let nobody = "01a20000-0000-7000-8000-000000000000";
    let detail = format!("there is no contact {nobody}");
    let allowed = gateway.client().with_key(keys["contacts"]);
    erase(&allowed, nobody).await.expect_problem(404, "not-found", &detail);
    let other = gateway.client().with_key(keys["messages"]);
    erase(&other, nobody).await.expect(403);
    other.get(&format!("/v1/contacts/{nobody}/export")).await.expect(403);
}
