//! Links are explained and can be taken back.

use serde_json::{Value, json};

use super::{
    BOT, SMS, contact, contact_of, conversation_of, events, id, link, post, received, start, timeline, unlink, visitor,
};

#[tokio::test]
async fn a_link_says_who_when_why_and_on_which_evidence() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "one").send(&client).await.expect(200);
    BOT.text(1, 501, "two").send(&client).await.expect(200);
    let (one, two) = (contact_of(&backend, "one").await, contact_of(&backend, "two").await);
    let joined = link(&client, &one, &two).await;
    let link = &joined["links"][0];
    assert_eq!(
        (&link["contacts"], &link["by"], &link["reason"], &link["evidence"]),
        (&json!([one, two]), &json!("key:all"), &json!("the same voice"), &json!("call 7"))
    );
    assert!(link["at"].is_string() && joined.get("merged_into").is_none());
    let told = |all: &[crate::support::Delivery]| {
        let linked: Vec<_> = all.iter().filter(|one| one.kind == "omnigate.contact.linked").cloned().collect();
        (linked.len() == 2).then_some(linked)
    };
    for delivery in backend.wait_for("both sides", told).await {
        let data = &delivery.event["data"];
        assert_eq!((&data["contact"]["id"], &data["channel"]), (&json!(one), &Value::Null));
        assert_eq!((&data["detail"]["link_id"], &data["detail"]["by"]), (&link["id"], &json!("key:all")));
        assert_eq!(delivery.event["source"], format!("/contacts/{one}"));
    }
    let schema = client.clone().with_key("").get("/v1/schemas/interaction-1.json").await.expect(200).json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for delivery in backend.attempts() {
        let errors: Vec<String> = validator.iter_errors(&delivery.event).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?} in {:#}", delivery.event);
    }
    let again = super::link(&client, &two, &one).await;
    assert_eq!(again["links"].as_array().unwrap().len(), 1, "one already");
}

#[tokio::test]
async fn unlink_restores_what_was_also_after_later_messages() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "sms before").send(&client).await.expect(200);
    BOT.text(1, 501, "bot before").send(&client).await.expect(200);
    let (one, two) = (contact_of(&backend, "sms before").await, contact_of(&backend, "bot before").await);
    let before = (contact(&client, &one).await, contact(&client, &two).await);
    let joined = link(&client, &one, &two).await;
    let closed = events(&client, "conversation.closed").await;
    assert_eq!(closed.len(), 1, "one story");
    assert_eq!(closed[0]["data"]["detail"]["reason"], "joined");
    SMS.sms("SM2", "+4930901820", "sms while joined").send(&client).await.expect(200);
    BOT.text(2, 501, "bot while joined").send(&client).await.expect(200);
    assert_eq!(
        conversation_of(&backend, "sms while joined").await,
        conversation_of(&backend, "bot while joined").await
    );
    let parted = unlink(&client, &two, &joined["links"][0]["id"]).await;
    assert_eq!(parted["id"], json!(two), "the caller's side");
    for (id, was) in [(&one, &before.0), (&two, &before.1)] {
        let is = contact(&client, id).await;
        for field in ["id", "name", "identities", "created_at", "contact_ids", "links", "conversation_id"] {
            assert_eq!(is[field], was[field], "{field}");
        }
    }
    assert_eq!(timeline(&client, &one, "").await, ["sms while joined", "sms before"]);
    assert_eq!(timeline(&client, &two, "").await, ["bot while joined", "bot before"]);
    SMS.sms("SM3", "+4930901820", "sms after").send(&client).await.expect(200);
    BOT.text(3, 501, "bot after").send(&client).await.expect(200);
    assert_eq!(contact_of(&backend, "sms after").await, one);
    assert_eq!(contact_of(&backend, "bot after").await, two);
    assert_ne!(conversation_of(&backend, "sms after").await, conversation_of(&backend, "bot after").await);
    assert_eq!(events(&client, "contact.unlinked").await.len(), 2);
}

/// What follows a link stays with its side when another is taken back, and all of it outlives a restart.
#[tokio::test]
async fn what_a_member_wanted_before_is_the_persons_will() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "one").send(&client).await.expect(200);
    BOT.text(1, 501, "two").send(&client).await.expect(200);
    let (one, two) = (contact_of(&backend, "one").await, contact_of(&backend, "two").await);
    let put = async |path: String, body: Value| client.call("PUT", &path, Some(&body)).await.expect(200).json();
    put(format!("/v1/contacts/{two}/consent"), json!({"category": "service", "granted": false})).await;
    put(format!("/v1/contacts/{two}/preferences"), json!({"channels": ["bot"]})).await;
    link(&client, &one, &two).await;

    let consent = client.get(&format!("/v1/contacts/{one}/consent")).await.expect(200).json();
    assert_eq!((&consent["current"][0]["granted"], &consent["contact_id"]), (&json!(false), &json!(one)), "{consent}");
    let preferences = format!("/v1/contacts/{one}/preferences");
    assert_eq!(client.get(&preferences).await.expect(200).json(), json!({"channels": ["bot"]}));
    put(preferences.clone(), json!({"channels": []})).await;
    assert_eq!(client.get(&preferences).await.expect(200).json(), json!({"channels": []}));
}

#[tokio::test]
async fn links_of_three_come_apart_where_they_are_cut() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "a").send(&client).await.expect(200);
    SMS.sms("SM2", "+4930901821", "b").send(&client).await.expect(200);
    BOT.text(1, 501, "c").send(&client).await.expect(200);
    let mut ids = Vec::new();
    for text in ["a", "b", "c"] {
        ids.push(contact_of(&backend, text).await);
    }
    let [a, b, c] = <[String; 3]>::try_from(ids).unwrap();
    // First b and c, led by c; then a takes both.
    link(&client, &c, &b).await;
    let joined = link(&client, &a, &c).await;
    assert_eq!(joined["contact_ids"], json!([a, c, b]));
    let gateway = gateway.terminate().await.1.start().await;
    let client = gateway.client();
    assert_eq!(contact(&client, &b).await["id"], json!(a));
    let cut = joined["links"].as_array().unwrap().iter().find(|link| link["contacts"] == json!([a, c])).unwrap();
    unlink(&client, &a, &cut["id"]).await;
    assert_eq!(contact(&client, &a).await["contact_ids"], json!([a]));
    let rest = contact(&client, &b).await;
    assert_eq!((&rest["contact_ids"], &rest["merged_into"]), (&json!([c, b]), &json!(c)), "led as before");
    assert_eq!(rest["links"].as_array().unwrap().len(), 1);
    assert_eq!(timeline(&client, &c, "").await, ["c", "b"]);
}

#[tokio::test]
async fn a_backend_says_who_a_visitor_is() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    let mut stranger = visitor(&gateway, json!({})).await;
    stranger.say("who am I").await;
    let contact_id = contact_of(&backend, "who am I").await;
    let number = json!({ "scheme": "tel", "value": "+49 30 901820" });
    let body = json!({ "identity": number, "reason": "she told me her number and the code we sent there" });
    let known = post(&client, &format!("/v1/contacts/{contact_id}/link"), body).await.expect(200).json();
    assert_eq!(known["identities"][1]["value"], "+4930901820");
    SMS.sms("SM1", "+4930901820", "by sms").send(&client).await.expect(200);
    let data = received(&backend, "by sms").await;
    assert_eq!(id(&data["contact"]["id"]), contact_id);
    assert_eq!(data["conversation"]["channels"], json!(["website", "sms"]));
    let parted = unlink(&client, &contact_id, &known["links"][0]["id"]).await;
    assert_eq!(parted["identities"].as_array().unwrap().len(), 1);
    let number = client.get("/v1/contacts?identity=tel:%2B4930901820").await.expect(200).json();
    assert_ne!(id(&number["id"]), contact_id);
    assert_eq!(timeline(&client, &id(&number["id"]), "").await, ["by sms"]);
}

#[tokio::test]
async fn what_cannot_be_linked_is_told() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "one").send(&client).await.expect(200);
    let one = contact_of(&backend, "one").await;
    let nobody = crate::api::NOBODY;
    let (link, unlink) = (format!("/v1/contacts/{one}/link"), format!("/v1/contacts/{one}/unlink"));
    let told = [
        (&link, json!({ "contact_id": nobody, "reason": "r" }), format!("contact_id: there is no contact {nobody}")),
        (&link, json!({ "reason": "r" }), "exactly one of contact_id and identity must be given".into()),
        (&link, json!({ "contact_id": nobody, "reason": "" }), "reason: must have 1 to 500 characters".into()),
        (
            &link,
            json!({ "identity": { "scheme": "tel", "value": "1" }, "reason": "r" }),
            "identity: tel value must be E.164: + and 3 to 15 digits; other numbers (short codes, names) have a scheme of their own".into(),
        ),
        (&unlink, json!({ "link_id": nobody, "reason": "r" }), format!("link_id: this contact has no link {nobody}")),
        (&unlink, json!({ "reason": "r" }), "exactly one of link_id and identity must be given".into()),
    ];
    for (path, body, detail) in told {
        post(&client, path, body).await.expect_problem(422, "invalid", &detail);
    }
    let body = json!({ "contact_id": one, "reason": "r" });
    let missing = format!("there is no contact {nobody}");
    post(&client, &format!("/v1/contacts/{nobody}/link"), body.clone()).await.expect_problem(
        404,
        "not-found",
        &missing,
    );
    post(&client, &link, body).await.expect(200);
    assert_eq!(contact(&client, &one).await["links"], json!([]), "oneself is no news");
}
