//! Who is whom, by exact addresses.

use serde_json::json;

use super::{
    BOT, SMS, WHATS, contact, contact_of, conversation_of, events, id, link, start, timeline, unlink, visitor,
};
use crate::support::Visitor;

#[tokio::test]
async fn a_number_is_one_person_by_sms_and_whatsapp() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "by sms").send(&client).await.expect(200);
    WHATS.text("wamid.1", "4930901820", "by whatsapp").send(&client).await.expect(200);
    let contact = contact_of(&backend, "by sms").await;
    assert_eq!(contact_of(&backend, "by whatsapp").await, contact);
    assert_eq!(conversation_of(&backend, "by whatsapp").await, conversation_of(&backend, "by sms").await);
    let second = super::received(&backend, "by whatsapp").await;
    assert_eq!(second["conversation"]["channels"], json!(["sms", "whats"]));
    assert_eq!(timeline(&client, &contact, "").await, ["by whatsapp", "by sms"]);
}

#[tokio::test]
async fn a_number_is_found_however_it_is_written() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "hello").send(&client).await.expect(200);
    let data = super::received(&backend, "hello").await;
    let found = |query: &'static str| {
        let client = client.clone();
        async move { client.get(&format!("/v1/contacts?identity=tel:{query}")).await }
    };
    for query in ["%2B4930901820", "+49%20(0)30%2090%2018-20", "030901820&country=DE"] {
        assert_eq!(found(query).await.expect(200).json()["id"], data["contact"]["id"], "{query}");
    }
    found("030901820&country=FR").await.expect(422);
    found("030901820&country=Germany").await.expect(422);
}

#[tokio::test]
async fn a_user_without_a_number_learns_it_later() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    WHATS.text_of_user("wamid.1", "US.13491208655302741918", None, "no number").send(&client).await.expect(200);
    let first = contact_of(&backend, "no number").await;
    let known = contact(&client, &first).await;
    assert_eq!(
        (known["identities"][0]["scheme"].clone(), known["identities"].as_array().unwrap().len()),
        (json!("whatsapp"), 1)
    );
    let webhook = WHATS.text_of_user("wamid.2", "US.13491208655302741918", Some("4930901820"), "a number");
    webhook.send(&client).await.expect(200);
    assert_eq!(contact_of(&backend, "a number").await, first);
    SMS.sms("SM1", "+4930901820", "by sms").send(&client).await.expect(200);
    assert_eq!(contact_of(&backend, "by sms").await, first, "the number is his now");
    assert_eq!(events(&client, "contact.linked").await, [] as [serde_json::Value; 0]);
}

/// The number is another contact's already: the provider's word joins them, and can be taken back for good.
#[tokio::test]
async fn the_providers_word_joins_two_contacts_until_somebody_separates_them() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    let user = "US.13491208655302741918";
    SMS.sms("SM1", "+4930901820", "by sms").send(&client).await.expect(200);
    WHATS.text_of_user("wamid.1", user, None, "no number").send(&client).await.expect(200);
    let (by_sms, by_id) = (contact_of(&backend, "by sms").await, contact_of(&backend, "no number").await);
    assert_ne!(by_sms, by_id);
    WHATS.text_of_user("wamid.2", user, Some("4930901820"), "both").send(&client).await.expect(200);
    let joined = contact_of(&backend, "both").await;
    assert_eq!(joined, by_sms, "the older one leads");
    let shown = contact(&client, &by_id).await;
    assert_eq!((&shown["id"], &shown["merged_into"]), (&json!(by_sms), &json!(by_sms)));
    assert_eq!(shown["links"][0]["by"], "channel:whats");
    let told = events(&client, "contact.linked").await;
    assert_eq!(told.len(), 2, "both sides are told");
    assert!(told.iter().all(|event| event["data"]["detail"]["link_id"] == shown["links"][0]["id"]));
    unlink(&client, &by_sms, &shown["links"][0]["id"]).await;
    WHATS.text_of_user("wamid.3", user, Some("4930901820"), "again").send(&client).await.expect(200);
    contact_of(&backend, "again").await;
    assert_ne!(contact(&client, &by_sms).await["id"], contact(&client, &by_id).await["id"], "decided by a person");
}

#[tokio::test]
async fn two_visitors_in_one_browser_are_two() {
    let (gateway, backend) = start().await;
    let mut stranger = visitor(&gateway, json!({})).await;
    stranger.say("a stranger").await;
    let token = stranger.token.clone();
    let mut ann = visitor(&gateway, json!({ "token": token, "identity": Visitor::signed_in("ann") })).await;
    ann.say("as Ann").await;
    // Ann signs out; what the browser kept of the stranger is what it has.
    let mut next = visitor(&gateway, json!({ "token": token })).await;
    next.say("the next stranger").await;
    let mut bob = visitor(&gateway, json!({ "token": next.token, "identity": Visitor::signed_in("bob") })).await;
    bob.say("as Bob").await;
    let (first, second) = (contact_of(&backend, "as Ann").await, contact_of(&backend, "as Bob").await);
    assert_eq!(contact_of(&backend, "a stranger").await, first, "she took her talk along");
    assert_eq!(contact_of(&backend, "the next stranger").await, second);
    assert_ne!(first, second);
    let client = gateway.client();
    assert_eq!(timeline(&client, &first, "").await, ["as Ann", "a stranger"]);
    assert_eq!(timeline(&client, &second, "").await, ["as Bob", "the next stranger"]);
}

#[tokio::test]
async fn one_person_with_two_numbers_is_one() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "from home").send(&client).await.expect(200);
    SMS.sms("SM2", "+4930901821", "from work").send(&client).await.expect(200);
    let (home, work) = (contact_of(&backend, "from home").await, contact_of(&backend, "from work").await);
    assert_ne!(home, work);
    let joined = link(&client, &home, &work).await;
    assert_eq!(joined["contact_ids"], json!([home, work]));
    let numbers: Vec<_> = joined["identities"].as_array().unwrap().iter().map(|i| i["value"].clone()).collect();
    assert_eq!(numbers, ["+4930901820", "+4930901821"]);
    for (sid, number) in [("SM3", "+4930901820"), ("SM4", "+4930901821")] {
        SMS.sms(sid, number, sid).send(&client).await.expect(200);
        assert_eq!(contact_of(&backend, sid).await, home);
    }
    assert_eq!(conversation_of(&backend, "SM3").await, conversation_of(&backend, "SM4").await, "one story");
    assert_eq!(timeline(&client, &work, "").await, ["SM4", "SM3", "from work", "from home"]);
}

#[tokio::test]
async fn a_number_that_changed_hands_begins_anew() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "the old owner").send(&client).await.expect(200);
    let old = contact_of(&backend, "the old owner").await;
    BOT.text(1, 501, "the old owner elsewhere").send(&client).await.expect(200);
    let elsewhere = contact_of(&backend, "the old owner elsewhere").await;
    link(&client, &old, &elsewhere).await;
    let number = json!({ "scheme": "tel", "value": "+49 30 901820" });
    let body = json!({ "identity": number, "reason": "she has a new number" });
    let kept = super::post(&client, &format!("/v1/contacts/{elsewhere}/unlink"), body.clone()).await.expect(200).json();
    assert_eq!(kept["id"], json!(old));
    assert!(kept["identities"].as_array().unwrap().iter().all(|identity| identity["scheme"] != "tel"));
    SMS.sms("SM2", "+4930901820", "the new owner").send(&client).await.expect(200);
    let new = contact_of(&backend, "the new owner").await;
    assert!(new != old && new != elsewhere);
    assert_ne!(conversation_of(&backend, "the new owner").await, conversation_of(&backend, "the old owner").await);
    assert_eq!(timeline(&client, &new, "").await, ["the new owner"], "nothing of what was said before");
    assert_eq!(timeline(&client, &old, "").await, ["the old owner elsewhere", "the old owner"]);
    let told = events(&client, "contact.unlinked").await;
    let sides: Vec<_> = told.iter().map(|event| id(&event["data"]["contact"]["id"])).collect();
    assert_eq!(sides, [old.clone(), new]);
    assert_eq!(told[0]["data"]["detail"]["by"], "key:all");
    let detail = "identity: this contact does not have this identity";
    let path = format!("/v1/contacts/{old}/unlink");
    super::post(&client, &path, body).await.expect_problem(422, "invalid", detail);
}
