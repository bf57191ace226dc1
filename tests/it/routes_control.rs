//! By its route a backend is in control, another one stands in for it, and what a CRM knows decides where it goes.

use serde_json::{Value, json};

use crate::support::{Backend, Behaviour, Client, ConfigBuilder, Delivery, Gateway, HubSpot, Twilio};

const SMS: Twilio = Twilio("sms");
const ANN: &str = "+15550100123";
const BOB: &str = "+15550100124";
const DESK_KEY: &str = "desk-key-0123456789abcdef";
const NIGHT_KEY: &str = "night-key-0123456789abcde";

fn config(desk: &Backend, other: &Backend) -> ConfigBuilder {
    ConfigBuilder::new()
        .backend("desk", desk)
        .backend("night", other)
        .twilio(&SMS, None)
        .retries(&["100ms"; 50])
        .key("desk", DESK_KEY, &["messages", "contacts"])
        .set("api.keys.desk", "backend", "desk")
        .key("night", NIGHT_KEY, &["messages", "contacts"])
        .set("api.keys.night", "backend", "night")
}

async fn says(gateway: &Gateway, sid: &str, from: &str, text: &str) {
    SMS.sms(sid, from, text).send(&gateway.client()).await.expect(200);
}

fn control(delivery: &Delivery) -> &Value {
    &delivery.event["data"]["conversation"]["control"]
}

/// From whom to whom control passed, and by what, in the order in which a backend heard of it.
fn passings(backend: &Backend) -> Vec<Value> {
    let passed = backend.taken().into_iter().filter(|delivery| delivery.kind == "omnigate.conversation.control");
    let told = |delivery: Delivery| {
        let detail = &delivery.event["data"]["detail"];
        json!([detail["from"], detail["to"], detail["by"]])
    };
    passed.map(told).collect()
}

async fn answers(client: &Client, conversation: &str, status: u16) {
    let message = json!({ "parts": [{ "type": "text", "text": "an answer" }] });
    let body = json!({ "conversation_id": conversation, "message": message });
    client.call("POST", "/v1/messages", Some(&body)).await.expect(status);
}

#[tokio::test]
async fn who_is_to_answer_by_the_route_is_in_control_until_somebody_passes_it() {
    let (desk, night, archive) = (Backend::start().await, Backend::start().await, Backend::start().await);
    let config = config(&desk, &night)
        .backend("archive", &archive)
        .set("backends.archive", "listen", true)
        .route(json!({"name": "nightly", "match": {"text": ["night"]}, "backends": ["archive", "night", "desk"]}))
        .route(json!({"name": "daily", "backends": ["desk", "archive"]}));
    let gateway = Gateway::start(config).await;
    says(&gateway, "SM1", ANN, "hello").await;
    let first = desk.wait_for_text("hello").await;
    assert_eq!(control(&first), "desk");
    let opened = desk.taken().into_iter().find(|d| d.kind == "omnigate.conversation.opened").unwrap();
    assert_eq!(control(&opened), "desk", "it is opened with it");
    let id = first.conversation.clone();
    let by = |key: &str| gateway.client().with_key(key);
    answers(&by(NIGHT_KEY), &id, 409).await;
    answers(&by(DESK_KEY), &id, 202).await;

    // Another route, another one to answer; who only listens is passed over.
    says(&gateway, "SM2", ANN, "good night").await;
    assert_eq!(control(&night.wait_for_text("good night").await), "night");
    for backend in [&night, &archive] {
        let told = |all: &[Delivery]| (passed_to_night(all) == 1).then_some(());
        backend.wait_for("the passing", told).await;
        assert_eq!(passings(backend), [json!(["desk", "night", "route:nightly"])]);
    }
    answers(&by(DESK_KEY), &id, 409).await;

    // By hand, it stays where it was put.
    let path = format!("/v1/conversations/{id}/control");
    gateway.client().call("POST", &path, Some(&json!({"backend": "desk"}))).await.expect(200);
    says(&gateway, "SM3", ANN, "night again").await;
    assert_eq!(control(&night.wait_for_text("night again").await), "desk");
    gateway.client().call("POST", &path, Some(&json!({"backend": null}))).await.expect(200);
    says(&gateway, "SM4", ANN, "nobody's night").await;
    assert_eq!(*control(&night.wait_for_text("nobody's night").await), Value::Null);
}

#[tokio::test]
async fn who_loses_control_by_a_route_that_does_not_name_it_is_told() {
    let (desk, night) = (Backend::start().await, Backend::start().await);
    let config = config(&desk, &night)
        .route(json!({"name": "nightly", "match": {"text": ["night"]}, "backends": ["night"]}))
        .route(json!({"backends": ["desk"]}));
    let gateway = Gateway::start(config).await;
    says(&gateway, "SM1", ANN, "hello").await;
    says(&gateway, "SM2", ANN, "good night").await;
    let told = |all: &[Delivery]| all.iter().any(|d| d.kind == "omnigate.conversation.control").then_some(());
    desk.wait_for("the passing", told).await;
    night.wait_for_text("good night").await;
    assert_eq!(passings(&desk), [json!(["desk", "night", "route:nightly"])]);
    assert!(!desk.taken().iter().any(|delivery| delivery.text == "good night"));
}

#[tokio::test]
async fn what_the_configuration_gave_a_new_conversation_no_route_takes() {
    let (desk, night) = (Backend::start().await, Backend::start().await);
    let config = config(&desk, &night).set("conversations", "control", "night").route(json!({"backends": ["desk"]}));
    let gateway = Gateway::start(config).await;
    says(&gateway, "SM1", ANN, "hello").await;
    assert_eq!(control(&desk.wait_for_text("hello").await), "night");
    assert_eq!(passings(&desk), Vec::<Value>::new());
}

fn with_fallback(desk: &Backend, night: &Backend, after: &str) -> ConfigBuilder {
    config(desk, night).route(json!({"backends": ["desk"], "fallback": {"backend": "night", "after": after}}))
}

#[tokio::test]
async fn who_stands_in_is_in_control_meanwhile_and_gives_it_back_also_after_a_kill() {
    let (desk, night) = (Backend::start().await, Backend::start().await);
    let gateway = Gateway::start(with_fallback(&desk, &night, "1s")).await;
    says(&gateway, "SM1", ANN, "hello").await;
    let id = desk.wait_for_text("hello").await.conversation;
    desk.behave(|_| Behaviour::Status(500));
    says(&gateway, "SM2", ANN, "are you there?").await;
    says(&gateway, "SM3", BOB, "I am new").await;
    let taken = |count| move |all: &[Delivery]| (passed_to_night(all) == count).then_some(());
    night.wait_for("control of both", taken(2)).await;
    assert!(passings(&night).contains(&json!(["desk", "night", "backend:night"])));
    answers(&gateway.client().with_key(NIGHT_KEY), &id, 202).await;
    answers(&gateway.client().with_key(DESK_KEY), &id, 409).await;
    // What is said meanwhile leaves it where it is, and so does the end of the gateway.
    let gateway = gateway.kill().start().await;
    says(&gateway, "SM4", ANN, "still there?").await;
    assert_eq!(control(&night.wait_for_text("still there?").await), "night");
    desk.behave(|_| Behaviour::Take);
    let given = |all: &[Delivery]| (passed_to(all, "desk") == 2).then_some(());
    night.wait_for("both given back", given).await;
    desk.wait_for("both back", given).await;
    answers(&gateway.client().with_key(DESK_KEY), &id, 202).await;
    answers(&gateway.client().with_key(NIGHT_KEY), &id, 409).await;
}

fn passed_to_night(all: &[Delivery]) -> usize {
    passed_to(all, "night")
}

/// Conversations whose control passed to a backend.
fn passed_to(all: &[Delivery], backend: &str) -> usize {
    let passed = all.iter().filter(|delivery| delivery.kind == "omnigate.conversation.control");
    let passed = passed.filter(|delivery| delivery.event["data"]["detail"]["to"] == backend);
    passed.map(|delivery| delivery.conversation.clone()).collect::<std::collections::BTreeSet<_>>().len()
}

#[tokio::test]
async fn how_long_a_backend_is_away_is_counted_on_after_a_kill() {
    let (desk, night) = (Backend::start().await, Backend::start().await);
    desk.behave(|_| Behaviour::Status(500));
    let mut gateway = Gateway::start(with_fallback(&desk, &night, "2s")).await;
    says(&gateway, "SM1", ANN, "hello").await;
    // Killed again and again before the time is over: counted anew each time, it would never be.
    for _ in 0..20 {
        if night.taken().iter().any(|delivery| delivery.text == "hello") {
            return;
        }
        let refused = desk.attempts().len();
        desk.wait_for("more refusals", |all| (all.len() >= refused + 6).then_some(())).await;
        gateway = gateway.kill().start().await;
    }
    panic!("nobody stands in");
}

#[tokio::test]
async fn what_a_crm_knows_of_a_person_decides_where_a_message_goes() {
    let crm = HubSpot::start().await;
    crm.has_contact(json!({"phone": ANN, "owner": "Lee", "vip": "true"}));
    let (desk, night) = (Backend::start().await, Backend::start().await);
    let config = config(&desk, &night)
        .hubspot("crm", &crm)
        .route(json!({"name": "important", "match": {"attribute": {"crm.vip": true, "owner": ["Lee", "Max"]}}, "backends": ["night"]}))
        .route(json!({"name": "others", "backends": ["desk"]}));
    let gateway = Gateway::start(config).await;
    // Nobody was asked before her first message: what is known counts from the second one on.
    says(&gateway, "SM1", ANN, "first").await;
    desk.wait_for_text("first").await;
    says(&gateway, "SM2", ANN, "second").await;
    let second = night.wait_for_text("second").await;
    assert_eq!(second.event["data"]["route"]["name"], "important");
    says(&gateway, "SM3", BOB, "third").await;
    assert_eq!(desk.wait_for_text("third").await.event["data"]["route"]["name"], "others");
}

#[tokio::test]
async fn what_a_crm_knows_of_any_member_of_a_joined_person_decides() {
    let crm = HubSpot::start().await;
    crm.has_contact(json!({"phone": BOB, "vip": "true"}));
    let (desk, night) = (Backend::start().await, Backend::start().await);
    let config = config(&desk, &night)
        .hubspot("crm", &crm)
        .route(json!({"name": "important", "match": {"attribute": {"crm.vip": true}}, "backends": ["night"]}))
        .route(json!({"name": "others", "backends": ["desk"]}));
    let gateway = Gateway::start(config).await;
    says(&gateway, "SM1", ANN, "nobody knows me").await;
    let ann = desk.wait_for_text("nobody knows me").await;
    says(&gateway, "SM2", BOB, "I am known").await;
    let bob = desk.wait_for_text("I am known").await;
    assert_eq!(bob.event["data"]["contact"]["attributes"]["crm"]["vip"], json!("true"));
    let id = |delivery: &Delivery| delivery.event["data"]["contact"]["id"].as_str().unwrap().to_owned();
    let body = json!({ "contact_id": id(&bob), "reason": "the same voice" });
    let path = format!("/v1/contacts/{}/link", id(&ann));
    let joined = gateway.client().call("POST", &path, Some(&body)).await.expect(200).json();
    assert_eq!(joined["id"], json!(id(&ann)), "who leads is not whom the CRM knows");
    says(&gateway, "SM3", ANN, "joined").await;
    let delivery = night.wait_for_text("joined").await;
    assert_eq!(delivery.event["data"]["route"]["name"], "important");
    assert_eq!(delivery.event["data"]["contact"]["attributes"]["crm"]["vip"], json!("true"));
}
