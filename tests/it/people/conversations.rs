//! Conversations begin, end and begin again.

use serde_json::json;

use super::{BOT, SMS, config, contact_of, conversation_of, events, link, post, received, start};
use crate::support::{Backend, Gateway};

#[tokio::test]
async fn a_conversation_is_opened_closed_and_opened_again() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "one").send(&client).await.expect(200);
    let id = conversation_of(&backend, "one").await;
    let opened = events(&client, "conversation.opened").await;
    assert_eq!((&opened[0]["subject"], &opened[0]["data"]["conversation"]["new"]), (&json!(id), &json!(true)));
    let path = format!("/v1/conversations/{id}");
    let closed = post(&client, &format!("{path}/close"), json!({ "reason": "solved" })).await.expect(200).json();
    assert!(closed["closed_at"].is_string());
    assert_eq!(
        client.call("POST", &format!("{path}/close"), None).await.expect(200).json(),
        closed,
        "closed is closed"
    );
    let told = events(&client, "conversation.closed").await;
    let detail = &told[0]["data"]["detail"];
    assert_eq!((told.len(), &detail["reason"], &detail["by"]), (1, &json!("solved"), &json!("key:all")));
    assert_eq!(told[0]["data"]["channel"]["name"], "sms");
    SMS.sms("SM2", "+4930901820", "thanks").send(&client).await.expect(200);
    assert_eq!(conversation_of(&backend, "thanks").await, id, "so soon after, it goes on");
    assert_eq!(client.get(&path).await.expect(200).json()["closed_at"], json!(null));
    let opened = events(&client, "conversation.opened").await;
    assert_eq!(opened[1]["data"]["detail"], json!({ "reopened": true, "reason": "message" }));
    post(&client, &format!("{path}/close"), json!({})).await.expect(200);
    let reopened = post(&client, &format!("{path}/reopen"), json!({})).await.expect(200).json();
    assert_eq!(reopened["closed_at"], json!(null));
    assert_eq!(events(&client, "conversation.opened").await.len(), 3);
}

#[tokio::test]
async fn without_reopening_the_next_message_opens_another() {
    let backend = Backend::start().await;
    let config = config().backend("desk", &backend).set("conversations", "reopen_within", "0s");
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "one").send(&client).await.expect(200);
    let first = conversation_of(&backend, "one").await;
    post(&client, &format!("/v1/conversations/{first}/close"), json!({})).await.expect(200);
    SMS.sms("SM2", "+4930901820", "two").send(&client).await.expect(200);
    let second = conversation_of(&backend, "two").await;
    assert_ne!(second, first);
    let detail = format!("conversation {first} is not the contact's newest: what is said now belongs to another one");
    let answer = post(&client, &format!("/v1/conversations/{first}/reopen"), json!({})).await;
    answer.expect_problem(409, "old-conversation", &detail);
}

#[tokio::test]
async fn conversations_may_be_grouped_by_channel() {
    let backend = Backend::start().await;
    let config = config().backend("desk", &backend).set("conversations", "group_by", "channel");
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "sms 1").send(&client).await.expect(200);
    BOT.text(1, 501, "bot 1").send(&client).await.expect(200);
    let (one, two) = (contact_of(&backend, "sms 1").await, contact_of(&backend, "bot 1").await);
    link(&client, &one, &two).await;
    assert!(events(&client, "conversation.closed").await.is_empty(), "each channel has its own");
    SMS.sms("SM2", "+4930901820", "sms 2").send(&client).await.expect(200);
    BOT.text(2, 501, "bot 2").send(&client).await.expect(200);
    assert_eq!(conversation_of(&backend, "sms 2").await, conversation_of(&backend, "sms 1").await);
    assert_eq!(conversation_of(&backend, "bot 2").await, conversation_of(&backend, "bot 1").await);
    assert_ne!(conversation_of(&backend, "sms 2").await, conversation_of(&backend, "bot 2").await);
    assert_eq!(contact_of(&backend, "bot 2").await, one);
}

#[tokio::test]
async fn the_first_event_of_a_conversation_tells_what_was_said_before() {
    let backend = Backend::start().await;
    let plain = Backend::start().await;
    let config = config().backend("desk", &backend).set("backends.desk", "history", 2).backend("plain", &plain).set(
        "conversations",
        "reopen_within",
        "0s",
    );
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    for (sid, text) in [("SM1", "one"), ("SM2", "two"), ("SM3", "three")] {
        SMS.sms(sid, "+4930901820", text).send(&client).await.expect(200);
        backend.wait_for_text(text).await;
    }
    let first = received(&backend, "one").await;
    assert_eq!(first["history"], json!([]));
    assert_eq!(received(&backend, "two").await.get("history"), None, "only the first one");
    let id = conversation_of(&backend, "three").await;
    post(&client, &format!("/v1/conversations/{id}/close"), json!({})).await.expect(200);
    SMS.sms("SM4", "+4930901820", "four").send(&client).await.expect(200);
    let data = received(&backend, "four").await;
    let history: Vec<_> =
        data["history"].as_array().unwrap().iter().map(|e| e["data"]["message"]["text"].clone()).collect();
    assert_eq!(history, ["two", "three"], "oldest first");
    assert_eq!(received(&plain, "four").await.get("history"), None);
}
