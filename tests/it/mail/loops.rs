use serde_json::{Value, json};

use super::dovecot::{Dovecot, mail};
use super::{CHANNEL, wait_for_state, wait_until};
use crate::support::{Client, ConfigBuilder, Gateway};

fn message(more: &Value) -> Value {
    let mut body = json!({
        "channel": CHANNEL,
        "author": { "kind": "bot" },
        "message": { "parts": [{ "type": "text", "text": "I am a bot" }] },
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn event_of(client: &Client, text: &str) -> Value {
    let is_it = |event: &&Value| event["data"]["message"]["text"] == text;
    let find = |page: &Value| page["interactions"].as_array().unwrap().iter().find(is_it).cloned();
    let path = "/v1/interactions?type=message.received";
    find(&wait_until(text, client, path, |page| find(page).is_some()).await).unwrap()
}

#[tokio::test]
async fn no_bot_answers_what_no_person_wrote() {
    let dovecot = Dovecot::start();
    let gateway = Gateway::start(dovecot.channel(ConfigBuilder::new(), json!({}))).await;
    let client = gateway.client();
    wait_for_state(&client, "connected").await;
    dovecot.deliver(&[mail("out of office", "ann@example.com", "Auto-Submitted: auto-replied\r\n")]);
    let absent = event_of(&client, "out of office").await;
    assert_eq!(absent["data"]["author"]["kind"], "bot", "{absent}");
    assert_eq!(absent["data"]["metadata"]["automatic"], "auto-replied", "{absent}");
    let ann = json!({ "scheme": "email", "value": "ann@example.com" });
    let answer = message(&json!({ "to": ann, "in_reply_to": absent["id"] }));
    client.call("POST", "/v1/messages", Some(&answer)).await.expect(422).expect_type("loop");
    let silent = message(&json!({ "conversation_id": absent["data"]["conversation"]["id"] }));
    client.call("POST", "/v1/messages", Some(&silent)).await.expect(422).expect_type("loop");
    let mut person = answer.clone();
    person["author"]["kind"] = "agent".into();
    client.call("POST", "/v1/messages", Some(&person)).await.expect(202);
    dovecot.deliver(&[mail("I am back", "ann@example.com", "")]);
    let back = event_of(&client, "I am back").await;
    assert_eq!(back["data"]["author"]["kind"], "contact");
    let answer = message(&json!({ "to": ann, "in_reply_to": back["id"] }));
    client.call("POST", "/v1/messages", Some(&answer)).await.expect(202);
}

#[tokio::test]
async fn bots_write_to_one_address_so_often_and_no_more() {
    let dovecot = Dovecot::start();
    let config = dovecot.channel(ConfigBuilder::new(), json!({})).set("loops", "bot_mails_per_hour", 3);
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    let to = |address: &str| message(&json!({ "to": { "scheme": "email", "value": address } }));
    for _ in 0..3 {
        client.call("POST", "/v1/messages", Some(&to("ann@example.com"))).await.expect(202);
    }
    let refused =
        client.call("POST", "/v1/messages", Some(&to("ann@example.com"))).await.expect(422).expect_type("loop");
    assert!(refused.detail().contains("loops.bot_mails_per_hour"), "{}", refused.detail());
    client.call("POST", "/v1/messages", Some(&to("bob@example.com"))).await.expect(202);
    let gateway = gateway.kill().start().await;
    let client = gateway.client();
    client.call("POST", "/v1/messages", Some(&to("ann@example.com"))).await.expect(422).expect_type("loop");
    let mut person = to("ann@example.com");
    person["author"]["kind"] = "agent".into();
    client.call("POST", "/v1/messages", Some(&person)).await.expect(202);
}
