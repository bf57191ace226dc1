//! What nobody vouches for joins nobody.

use serde_json::json;

use super::{SMS, config, contact, contact_of, id, post, received, start, visitor};
use crate::support::{Backend, Gateway};

#[tokio::test]
async fn what_was_typed_into_a_form_is_a_suggestion() {
    let backend = Backend::start().await;
    let config = config().backend("desk", &backend).set("channels.website", "country", "DE");
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "the owner").send(&client).await.expect(200);
    let owner = contact_of(&backend, "the owner").await;
    let typed = json!({ "name": "Ann", "email": "ann@Example.org", "phone": "(030) 90 18 20" });
    let mut stranger = visitor(&gateway, typed.clone()).await;
    stranger.say("I am the owner").await;
    let data = received(&backend, "I am the owner").await;
    let stranger_id = id(&data["contact"]["id"]);
    assert_ne!(stranger_id, owner);
    assert_eq!(data["contact"]["identities"].as_array().unwrap().len(), 1, "only what is proven");
    assert_eq!(data["claims"][1], json!({ "scheme": "tel", "value": "+4930901820", "name": "Ann" }));
    let shown = contact(&client, &stranger_id).await;
    let suggestions = shown["suggestions"].as_array().unwrap();
    assert_eq!(suggestions.len(), 2);
    assert_eq!(
        (&suggestions[0]["identity"]["value"], &suggestions[0]["contact_id"]),
        (&json!("ann@example.org"), &json!(null))
    );
    assert_eq!((&suggestions[1]["contact_id"], &suggestions[1]["channel"]), (&json!(owner), &json!("website")));
    assert_eq!(suggestions[1]["evidence"], data["external_ids"][0]);
    stranger.say("once more").await;
    contact_of(&backend, "once more").await;
    assert_eq!(contact(&client, &stranger_id).await["suggestions"].as_array().unwrap().len(), 2, "kept once");
    client.get("/v1/contacts?identity=email:ann@example.org").await.expect(404);
    // Somebody looked into it.
    let body = json!({ "contact_id": owner, "reason": "she knew the code that we sent there" });
    let joined = post(&client, &format!("/v1/contacts/{stranger_id}/link"), body).await.expect(200).json();
    assert_eq!(joined["suggestions"].as_array().unwrap().len(), 1, "the number is known now, the address is not");
}

#[tokio::test]
async fn a_claim_that_is_no_address_is_left_out() {
    let (gateway, backend) = start().await;
    let mut stranger = visitor(&gateway, json!({ "email": "no address", "phone": "call me" })).await;
    stranger.say("hello").await;
    let data = received(&backend, "hello").await;
    assert_eq!(data.get("claims"), None);
    let shown = contact(&gateway.client(), &id(&data["contact"]["id"])).await;
    assert_eq!(shown["suggestions"], json!([]));
}
