use serde_json::{Value, json};

use super::{Stage, said, sms_text, wa_text};

fn to_contact(contact: &str, text: &str) -> Value {
    json!({"contact_id": contact, "message": {"parts": [{"type": "text", "text": text}]}})
}

#[tokio::test]
async fn a_person_is_answered_where_it_was_last_heard_of() {
    let stage = Stage::start().await;
    let contact = stage.writes_by_sms("SM1", "by sms").await;
    assert_eq!(stage.writes_by_wa("wamid.1", "by wa").await, contact, "one number, one person");
    let sent = stage.send(&to_contact(&contact, "one")).await;
    assert_eq!((&sent["via"], &sent["why"]), (&json!("wa"), &json!("last-used")), "{sent}");
    said(&stage.wa, "one", wa_text).await;
    stage.writes_by_sms("SM2", "again by sms").await;
    let sent = stage.send(&to_contact(&contact, "two")).await;
    assert_eq!(sent["via"], "sms", "{sent}");
    said(&stage.sms, "two", sms_text).await;
    let conversation = stage.backend.wait_for_text("by wa").await.conversation;
    let body = json!({"conversation_id": conversation, "message": {"parts": [{"type": "text", "text": "three"}]}});
    let sent = stage.send(&body).await;
    assert_eq!((&sent["via"], &sent["why"]), (&json!("sms"), &json!("conversation")), "{sent}");
}

#[tokio::test]
async fn what_a_person_prefers_comes_first() {
    let stage = Stage::start().await;
    let client = stage.client();
    stage.writes_by_sms("SM1", "by sms").await;
    let contact = stage.writes_by_wa("wamid.1", "by wa").await;
    let path = format!("/v1/contacts/{contact}/preferences");
    assert_eq!(client.get(&path).await.expect(200).json(), json!({"channels": []}));
    let preferred = json!({"channels": ["sms", "wa"]});
    assert_eq!(client.call("PUT", &path, Some(&preferred)).await.expect(200).json(), preferred);
    assert_eq!(client.get(&path).await.expect(200).json(), preferred);
    let sent = stage.send(&to_contact(&contact, "one")).await;
    assert_eq!((&sent["via"], &sent["why"]), (&json!("sms"), &json!("preferred")), "{sent}");
    let unknown = json!({"channels": ["fax"]});
    client.call("PUT", &path, Some(&unknown)).await.expect_problem(
        422,
        "invalid",
        "channels: there is no channel \"fax\"",
    );
    client.call("PUT", &path, Some(&json!({"channels": []}))).await.expect(200);
    assert_eq!(stage.send(&to_contact(&contact, "two")).await["via"], "wa");
}

#[tokio::test]
async fn a_channel_that_the_person_refused_is_passed_over() {
    let stage = Stage::start().await;
    stage.writes_by_wa("wamid.1", "by wa").await;
    let contact = stage.writes_by_sms("SM1", "Stop").await;
    let sent = stage.send(&to_contact(&contact, "one")).await;
    assert_eq!((&sent["via"], &sent["why"]), (&json!("wa"), &json!("reachable")), "{sent}");
    assert_eq!(
        (&sent["passed_over"][0]["channel"], &sent["passed_over"][0]["code"]),
        (&json!("sms"), &json!("opted-out"))
    );
    said(&stage.wa, "one", wa_text).await;
    assert!(stage.sms.calls().is_empty());
}

#[tokio::test]
async fn a_channel_that_cannot_carry_it_is_passed_over() {
    let stage = Stage::start().await;
    stage.writes_by_wa("wamid.1", "by wa").await;
    let contact = stage.writes_by_sms("SM1", "by sms").await;
    let card = json!({"type": "contact_card", "name": "Ann", "phones": ["+15550100"]});
    let body = json!({"contact_id": contact, "lossless": true, "message": {"parts": [card]}});
    let sent = stage.send(&body).await;
    assert_eq!((&sent["via"], &sent["passed_over"][0]["code"]), (&json!("wa"), &json!("unsupported")), "{sent}");
}

#[tokio::test]
async fn where_everything_speaks_against_it_the_best_channel_says_why() {
    let stage = Stage::start().await;
    let contact = stage.writes_by_sms("SM1", "Stop").await;
    let answer = stage.client().call("POST", "/v1/messages", Some(&to_contact(&contact, "one"))).await;
    let problem = answer.expect(422).expect_type("opted-out").json();
    let passed: Vec<_> =
        problem["passed_over"].as_array().unwrap().iter().map(|one| (&one["channel"], &one["code"])).collect();
    assert_eq!(passed, [(&json!("sms"), &json!("opted-out")), (&json!("wa"), &json!("outside-window"))], "{problem}");
}
