use serde_json::{Value, json};

use super::{NOBODY, heard, id, start, text_to};
use crate::support::Client;

const NUMBER: &str = "+15550100123";

async fn send(client: &Client, body: &Value) -> Value {
    client.call("POST", "/v1/messages", Some(body)).await.expect(202).json()
}

async fn refused(client: &Client, body: &Value, code: &str, detail: &str) {
    client.call("POST", "/v1/messages", Some(body)).await.expect_problem(422, code, detail);
}

fn with(changes: Value) -> Value {
    let mut body = text_to(NUMBER, "Hello");
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

#[tokio::test]
async fn a_message_goes_out_and_tells_how_far_it_is() {
    let (gateway, provider) = start().await;
    let client = gateway.client();
    let sent = send(&client, &text_to(NUMBER, "Hello")).await;
    assert_eq!((&sent["status"], &sent["loss"]), (&json!("queued"), &json!([])));
    let call = provider.wait_for("the call", |calls| calls.first().cloned()).await;
    assert!(String::from_utf8_lossy(&call.body).contains("Body=Hello"));
    let path = format!("/v1/messages/{}", id(&sent["id"]));
    let shown = client.get(&path).await.expect(200).json();
    assert_eq!(shown["to"], json!({"scheme": "tel", "value": NUMBER}));
    assert_eq!((&shown["channel"], &shown["final"], &shown["reason"]), (&json!("sms"), &json!(false), &Value::Null));
    assert_eq!(shown["history"][0]["status"], "queued");
    assert_eq!((&shown["contact_id"], &shown["conversation_id"]), (&sent["contact_id"], &sent["conversation_id"]));
    let missing = format!("there is no outbound message {NOBODY}");
    client.get(&format!("/v1/messages/{NOBODY}")).await.expect_problem(404, "not-found", &missing);
}

#[tokio::test]
async fn a_dry_run_sends_nothing() {
    let (gateway, provider) = start().await;
    let client = gateway.client();
    let answer = client.call("POST", "/v1/messages?dry_run=true", Some(&text_to(NUMBER, "Hello"))).await.expect(200);
    assert_eq!(
        answer.json(),
        json!({
            "channel": "sms", "via": "sms", "why": "asked", "passed_over": [], "to": {"scheme": "tel", "value": NUMBER},
            "parts": [{"type": "text", "text": "Hello"}], "loss": [], "segments": [{"encoding": "gsm-7", "count": 1}],
            "fallback": [],
        })
    );
    assert_eq!(client.get("/v1/interactions").await.expect(200).json(), json!({"interactions": [], "next": null}));
    assert!(provider.calls().is_empty());
}

#[tokio::test]
async fn the_same_idempotency_key_is_the_same_message() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let post = async |key: &str, body: &Value| {
        client.call_with("POST", "/v1/messages", Some(body), &[("idempotency-key", key)]).await
    };
    let body = text_to(NUMBER, "once");
    let first = post("k1", &body).await.expect(202).json();
    assert_eq!(post("k1", &body).await.expect(202).json(), first);
    assert_ne!(post("k2", &body).await.expect(202).json()["id"], first["id"]);
    let reused = "this Idempotency-Key was used for another request in the last 24 hours";
    post("k1", &text_to(NUMBER, "twice")).await.expect_problem(422, "idempotency-key-reused", reused);
    let rule = "Idempotency-Key must be 1 to 255 visible ASCII characters";
    for bad in ["", "two words", &"k".repeat(256)] {
        post(bad, &body).await.expect_problem(400, "invalid", rule);
    }
    let submitted = client.get("/v1/interactions?type=omnigate.message.submitted").await.json();
    assert_eq!(submitted["interactions"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn keys_of_different_callers_never_meet() {
    let (gateway, _provider) = start().await;
    let body = text_to(NUMBER, "once");
    let mut ids = Vec::new();
    for client in [gateway.client(), gateway.client().with_key(super::MESSAGES_KEY)] {
        let answer = client.call_with("POST", "/v1/messages", Some(&body), &[("idempotency-key", "k1")]).await;
        ids.push(answer.expect(202).json()["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn an_answer_finds_its_way_back() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let asked = heard(&client, 1, "Is it open?").await;
    let (contact, conversation) = (&asked["data"]["contact"]["id"], &asked["data"]["conversation"]["id"]);
    let message = json!({"parts": [{"type": "text", "text": "Yes"}]});
    for body in [
        json!({"contact_id": contact, "message": message}),
        json!({"contact_id": contact, "channel": "bot", "message": message}),
        json!({"conversation_id": conversation, "message": message, "in_reply_to": asked["id"]}),
        json!({"conversation_id": conversation, "channel": "bot", "message": message}),
        json!({"to": asked["data"]["from"], "message": message}),
    ] {
        let sent = send(&client, &body).await;
        assert_eq!((&sent["contact_id"], &sent["conversation_id"]), (contact, conversation), "{body}");
    }
    let body = json!({"contact_id": contact, "channel": "sms", "message": message});
    refused(&client, &body, "no-address", "none of this contact's addresses can be reached by channel sms").await;
}

#[tokio::test]
async fn recipients_that_are_not_there_are_told() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let message = json!({"parts": [{"type": "text", "text": "Hello"}]});
    let one = "exactly one of to, contact_id and conversation_id must be given";
    refused(&client, &json!({"message": message}), "invalid", one).await;
    refused(&client, &with(json!({"contact_id": NOBODY})), "invalid", one).await;
    let detail = format!("contact_id: there is no contact {NOBODY}");
    refused(&client, &json!({"contact_id": NOBODY, "message": message}), "invalid", &detail).await;
    let detail = format!("conversation_id: there is no conversation {NOBODY}");
    refused(&client, &json!({"conversation_id": NOBODY, "message": message}), "invalid", &detail).await;
    let detail = "channel: there is no channel \"fax\"; there are: bot, sms";
    refused(&client, &with(json!({"channel": "fax"})), "invalid", detail).await;
    let detail = "nobody with this address is known: name the channel";
    refused(&client, &with(json!({"channel": null})), "no-address", detail).await;
    let detail = format!("in_reply_to: {NOBODY} is no interaction with this contact");
    refused(&client, &with(json!({"in_reply_to": NOBODY})), "invalid", &detail).await;
    let to = json!({"scheme": "email", "value": "a@b.example"});
    let answer = client.call("POST", "/v1/messages", Some(&with(json!({"to": to})))).await.expect(422).json();
    assert!(
        id(&answer["detail"]).starts_with("to.scheme: channel sms cannot reach \"email\"; it reaches: tel"),
        "{answer}"
    );
}

#[tokio::test]
async fn what_must_not_be_lost_is_refused_before_it_is_sent() {
    let (gateway, provider) = start().await;
    let client = gateway.client();
    let parts =
        |part: Value| with(json!({"message": {"parts": [{"type": "text", "text": "Hello"}, part]}, "lossless": true}));
    let long = parts(json!({"type": "text", "text": "é".repeat(1601)}));
    let detail = "message.parts[1]: channel sms takes texts of at most 1600 characters, this one has 1601";
    let problem =
        client.call("POST", "/v1/messages", Some(&long)).await.expect_problem(422, "too-large", detail).json();
    assert_eq!(
        (&problem["part"], &problem["ability"], &problem["limit"]),
        (&json!(1), &json!("text_max"), &json!(1600))
    );
    let card = parts(json!({"type": "contact_card", "name": "Ann"}));
    let problem = client.call("POST", "/v1/messages", Some(&card)).await.expect(422).json();
    assert_eq!(problem["type"], "urn:omnigate:problem:unsupported");
    assert_eq!((&problem["channel"], &problem["ability"]), (&json!("sms"), &json!("parts")));
    let media = parts(json!({"type": "media", "kind": "image", "url": "http://plain.example/a.png"}));
    let detail = "message.parts[1].url: must be an https address without user and password, of at most 2048 bytes, or a file of POST /v1/media";
    refused(&client, &media, "invalid", detail).await;
    assert!(provider.calls().is_empty());
}
