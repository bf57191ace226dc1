use serde_json::{Value, json};

use super::{NUMBER, SMS, Stage, WA, WA_ID, by_sms, refusing, said, sms_taken, sms_text, with};
use crate::support::{Backend, Client, Delivery};

async fn refused(client: &Client, body: &Value) -> Value {
    client.call("POST", "/v1/messages", Some(body)).await.expect(422).expect_type("opted-out").json()
}

fn marketing(text: &str) -> Value {
    with(by_sms(text), json!({"category": "marketing"}))
}

/// How often a backend has heard what somebody wants, once that is at least `least` times.
async fn consents(backend: &Backend, least: usize) -> usize {
    let count = |all: &[Delivery]| all.iter().filter(|d| d.kind == "omnigate.contact.consent").count();
    backend.wait_for("what is wanted", |all| Some(count(all)).filter(|times| *times >= least)).await
}

#[tokio::test]
async fn stop_ends_messages_and_start_begins_them_again() {
    let stage = Stage::start().await;
    let client = stage.client();
    let contact = stage.writes_by_sms("SM1", "STOP").await;
    let told = stage
        .backend
        .wait_for("the event", |all| all.iter().find(|d| d.kind == "omnigate.contact.consent").map(|d| d.event.clone()))
        .await;
    assert_eq!(
        (&told["data"]["detail"]["granted"], &told["data"]["contact"]["id"]),
        (&json!(false), &json!(contact)),
        "{told}"
    );
    let problem = refused(&client, &by_sms("Hello")).await;
    assert!(
        problem["detail"].as_str().unwrap().starts_with("the person refused service messages on channel sms at 2"),
        "{problem}"
    );
    assert!(problem["detail"].as_str().unwrap().contains(&format!("PUT /v1/contacts/{contact}/consent")), "{problem}");
    refused(&client, &marketing("Offer")).await;
    let other = with(by_sms("Hello"), json!({"to": {"scheme": "tel", "value": "+15550100124"}}));
    stage.send(&other).await;
    said(&stage.sms, "Hello", sms_text).await;
    stage.writes_by_sms("SM2", "start").await;
    stage.send(&by_sms("welcome back")).await;
    said(&stage.sms, "welcome back", sms_text).await;
    assert_eq!(stage.sms.calls().len(), 2, "nothing that was refused went out");
    assert_eq!(consents(&stage.backend, 2).await, 2, "each word is told once");
}

#[tokio::test]
async fn who_says_stop_while_a_message_waits_does_not_get_it() {
    let stage = Stage::start().await;
    stage.sms.behave(refusing(401, 20003));
    let sent = stage.send(&with(by_sms("too late"), json!({"fallback": [{"channel": "wa"}]}))).await;
    stage.gateway.log.line("credentials are refused: deliveries wait").await;
    let attempts = stage.sms.calls().len();
    stage.writes_by_sms("SM1", "Stop").await;
    stage.sms.behave(sms_taken);
    stage.gateway.signal("HUP");
    let failed = stage.reaches(&sent, "failed").await;
    assert_eq!(
        (&failed["reason"]["code"], &failed["reason"]["retryable"]),
        (&json!("opted-out"), &json!(false)),
        "{failed}"
    );
    assert_eq!(stage.sms.calls().len(), attempts, "it was sent all the same");
    assert!(stage.wa.calls().is_empty(), "who wants no message gets it nowhere");
}

#[tokio::test]
async fn words_count_where_the_operator_wants_it() {
    let stage = Stage::with(|config| {
        config
            .set("channels.wa", "consent", json!({"keywords": true}))
            .set("channels.sms", "consent", json!({"keywords": false}))
            .set("consent", "stop", json!(["Genug"]))
    })
    .await;
    let client = stage.client();
    stage.writes_by_wa("wamid.1", "stop").await;
    let to_wa = json!({"channel": "wa", "to": {"scheme": "tel", "value": NUMBER}, "message": {"parts": [{"type": "text", "text": "a"}]}});
    stage.send(&to_wa).await;
    stage.writes_by_wa("wamid.2", "GENUG!").await;
    refused(&client, &to_wa).await;
    SMS.sms("SM1", NUMBER, "genug").send(&client).await.expect(200);
    stage.send(&by_sms("still here")).await;
}

#[tokio::test]
async fn the_api_tells_and_shows_what_a_person_wants() {
    let stage = Stage::start().await;
    let client = stage.client();
    let contact = stage.writes_by_sms("SM1", "hi").await;
    let path = format!("/v1/contacts/{contact}/consent");
    assert_eq!(client.get(&path).await.expect(200).json()["history"], json!([]));
    let decide = async |body: Value| client.call("PUT", &path, Some(&body)).await.expect(200).json();
    let shown = decide(json!({"category": "marketing", "granted": false, "evidence": "form 7"})).await;
    assert_eq!(
        (&shown["current"][0]["granted"], &shown["current"][0]["by"], &shown["current"][0]["source"]),
        (&json!(false), &json!("all"), &json!("api")),
        "{shown}"
    );
    let told = stage
        .backend
        .wait_for("the event", |all| all.iter().find(|d| d.kind == "omnigate.contact.consent").map(|d| d.event.clone()))
        .await;
    assert_eq!(
        (&told["data"]["detail"]["category"], &told["data"]["detail"]["evidence"]),
        (&json!("marketing"), &json!("form 7")),
        "{told}"
    );
    refused(&client, &marketing("Offer")).await;
    stage.send(&by_sms("an answer")).await;
    stage.writes_by_sms("SM2", "STOP").await;
    decide(json!({"category": "service", "granted": true})).await;
    refused(&client, &by_sms("Hello")).await;
    let shown =
        decide(json!({"channel": "sms", "category": "service", "granted": true, "evidence": "by telephone"})).await;
    assert_eq!(shown["history"].as_array().unwrap().len(), 5, "two by the word, three by the API: {shown}");
    stage.send(&by_sms("Hello")).await;
    refused(&client, &marketing("Offer")).await;
}

#[tokio::test]
async fn marketing_may_need_a_permission() {
    let stage = Stage::with(|config| config.set("consent", "marketing", "opt-in")).await;
    let client = stage.client();
    let contact = stage.writes_by_sms("SM1", "hi").await;
    let problem = refused(&client, &marketing("Offer")).await;
    assert!(problem["detail"].as_str().unwrap().starts_with("marketing messages need a permission"), "{problem}");
    stage.send(&by_sms("an answer")).await;
    let granted = json!({"category": "marketing", "granted": true, "evidence": "double opt-in 42"});
    client.call("PUT", &format!("/v1/contacts/{contact}/consent"), Some(&granted)).await.expect(200);
    stage.send(&marketing("Offer")).await;
    said(&stage.sms, "Offer", sms_text).await;
}

#[tokio::test]
async fn a_word_counts_once_however_often_the_provider_repeats_it() {
    let stage = Stage::with(|config| config.set("channels.wa", "consent", json!({"keywords": true}))).await;
    let client = stage.client();
    for _ in 0..3 {
        WA.text("wamid.1", WA_ID, "STOP").send(&client).await.expect(200);
    }
    let contact = stage.writes_by_wa("wamid.2", "and another thing").await;
    let shown = client.get(&format!("/v1/contacts/{contact}/consent")).await.expect(200).json();
    assert_eq!(shown["history"].as_array().unwrap().len(), 2, "service and marketing: {shown}");
    assert_eq!(consents(&stage.backend, 1).await, 1);
}
