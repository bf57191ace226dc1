//! An address that somebody else claimed to have.

use serde_json::{Value, json};

use super::{SMS, contact_of, erased};
use crate::support::{Backend, ConfigBuilder, Gateway, Visitor};

const SITE: &str = "website";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_said_to_have_an_erased_address() {
    let backend = Backend::start().await;
    let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, None).webchat_with_identity(SITE);
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    SMS.sms("SM1", "+15550100123", "ann-writes").send(&client).await.expect(200);
    backend.wait_for_text("ann-writes").await;
    let typed = json!({ "name": "Bob", "email": "bob@example.org", "phone": "+15550100123" });
    let mut stranger = Visitor::open(gateway.address, SITE, typed).await;
    stranger.say("I am somebody else").await;
    let heard = backend.wait_for_text("I am somebody else").await;
    let stranger = format!("/v1/contacts/{}", heard.event["data"]["contact"]["id"].as_str().unwrap());
    assert_eq!(claimed(&client.get(&stranger).await.expect(200).json()), ["bob@example.org", "+15550100123"]);

    let receipt = erased(&client, &contact_of(&client, "tel:+15550100123").await).await;
    assert_eq!(receipt["removed"]["claims"], 1, "{receipt}");
    assert_eq!(claimed(&client.get(&stranger).await.expect(200).json()), ["bob@example.org"]);
}

fn claimed(contact: &Value) -> Vec<&str> {
    contact["suggestions"].as_array().unwrap().iter().map(|one| one["identity"]["value"].as_str().unwrap()).collect()
}
