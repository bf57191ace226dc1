//! What people write, their names and their addresses: in no line of the log, and in no figure.

use serde_json::{Value, json};

use super::{BOT, SMS, contact_of, erased, text_to, write};
use crate::support::{Backend, Behaviour, Client, ConfigBuilder, Gateway, Provider, ProviderAnswer, WhatsApp};

const WA: WhatsApp = WhatsApp("wa");
/// Nobody says these by chance.
const SECRETS: [&str; 9] = [
    "zanzibar",
    "quokka",
    "Annabelle",
    "5550100123",
    "5550100456",
    "70123456",
    "secret-error-of-the-provider",
    "annabelle.example",
    "secret-query",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_silent_by_default() {
    is_silent(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_silent_for_who_looks_for_an_error() {
    is_silent(Some("debug")).await;
}

async fn is_silent(level: Option<&'static str>) {
    let backend = Backend::start().await;
    let provider = Provider::start(|call| refusing(&call.path, &call.body)).await;
    let config = ConfigBuilder::new()
        .backend("desk", &backend)
        .telegram(&BOT, Some(&provider))
        .twilio(&SMS, Some(&provider))
        .whatsapp(&WA, Some(&provider))
        .webchat("site")
        .retries(&["50ms", "50ms"]);
    let gateway = Gateway::start_logging(config, level).await;
    let client = gateway.client();
    backend.behave(|delivery| if delivery.text.contains("quokka") { Behaviour::Status(500) } else { Behaviour::Take });
    come_in(&client).await;
    go_out(&client).await;
    go_wrong(&client).await;
    let dead = async { while dead_letters(&client).await < 3 {} };
    crate::support::within("dead letters", dead).await;
    erased(&client, &contact_of(&client, "tel:+15550100123").await).await;
    let figures = client.get("/metrics").await.expect(200);
    let figures = String::from_utf8_lossy(&figures.body).into_owned();
    let log = gateway.log.clone();
    let (status, _) = gateway.terminate().await;
    assert_eq!(status.code(), Some(0));
    let log = log.text();
    assert!(log.contains("a contact is erased") && figures.contains("omnigate_store_events"), "{log}");
    assert!(level.is_none() || log.contains("\"level\":\"DEBUG\""), "{log}");
    for secret in SECRETS {
        let told: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "{secret} in the log: {told:#?}");
        assert!(!figures.contains(secret), "{secret} in the figures");
    }
}

/// Most things are refused, and in words that repeat what was asked.
fn refusing(path: &str, body: &[u8]) -> ProviderAnswer {
    let body = String::from_utf8_lossy(body).into_owned();
    let error = json!({ "ok": false, "code": 21211, "message": format!("secret-error-of-the-provider {body}"),
        "description": format!("secret-error-of-the-provider {body}"), "status": 400,
        "error": { "code": 131_026, "message": format!("secret-error-of-the-provider {body}") } });
    match path {
        _ if body.contains("fine") => {
            ProviderAnswer::json(201, r#"{"ok":true,"result":{"message_id":1},"sid":"SM1","status":"queued"}"#)
        }
        _ if body.contains("later") => ProviderAnswer::json(500, &error.to_string()),
        _ => ProviderAnswer::json(400, &error.to_string()),
    }
}

async fn come_in(client: &Client) {
    for (update, text) in [(1, "zanzibar"), (2, "zanzibar quokka"), (3, "quokka")] {
        write(client, update, 70_123_456, "Annabelle", text).await;
    }
    SMS.sms("SM1", "+15550100123", "zanzibar").send(client).await.expect(200);
    SMS.sms("SM2", "+15550100123", "quokka").send(client).await.expect(200);
    WA.text("wamid.1", "15550100456", "quokka").send(client).await.expect(200);
}

async fn go_out(client: &Client) {
    for text in ["zanzibar fine", "zanzibar later", "zanzibar refused"] {
        client.call("POST", "/v1/messages", Some(&text_to("+15550100123", text))).await.expect(202);
        let wa =
            json!({ "channel": "wa", "to": { "scheme": "tel", "value": "+15550100456" }, "message": text_of(text) });
        client.call("POST", "/v1/messages", Some(&wa)).await;
        let to = json!({ "scheme": "telegram", "value": "70123456", "scope": "bot" });
        let bot = json!({ "channel": "bot", "to": to, "message": text_of(text) });
        client.call("POST", "/v1/messages", Some(&bot)).await;
    }
}

fn text_of(text: &str) -> Value {
    json!({ "parts": [{ "type": "text", "text": text }] })
}

/// Requests with something wrong in each place.
async fn go_wrong(client: &Client) {
    let bad = SMS.sms("SM3", "+15550100123", "zanzibar").with("x-twilio-signature", "AAAA");
    assert_ne!(bad.send(client).await.status, 200);
    BOT.body(r#"{"update_id": 9, "message": {"text": "zanzibar", "from": 5550100123}}"#).send(client).await;
    BOT.body("zanzibar {").send(client).await;
    WA.body(r#"{"object":"zanzibar","entry":[{"changes":[{"field":"Annabelle","value":{"x":"15550100456"}}]}]}"#)
        .send(client)
        .await;
    for body in [
        r#"{"channel":"sms","to":{"scheme":"tel","value":"5550100123"},"message":{"parts":[{"type":"text","text":"zanzibar"}]}}"#,
        r#"{"channel":"sms","to":{"scheme":"email","value":"a@annabelle.example"},"message":"zanzibar"}"#,
        r#"{"channel":"zanzibar", "quokka": 1}"#,
        "zanzibar {",
    ] {
        assert!(client.raw_call("POST", "/v1/messages", body).await.status >= 400);
    }
    for path in [
        "/v1/contacts?identity=tel:5550100123",
        "/v1/contacts?identity=email:a@annabelle.example",
        "/v1/interactions?type=secret-query",
        "/channels/sms/secret-query?From=5550100123",
        "/zanzibar/5550100123",
    ] {
        assert!(client.get(path).await.status >= 400, "{path}");
    }
}

async fn dead_letters(client: &Client) -> usize {
    let letters = client.get("/v1/dead-letters").await.expect(200).json();
    letters["dead_letters"].as_array().unwrap().len()
}
