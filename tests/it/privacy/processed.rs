use serde_json::{Value, json};

use super::{SMS, contact_of, erased, files_with};
use crate::support::{Backend, Call, ConfigBuilder, Gateway, Provider, ProviderAnswer};

const ANN: &str = "+15550100123";
const BOB: &str = "+15550100456";

fn taken(_: &Call) -> ProviderAnswer {
    ProviderAnswer::json(201, r#"{"sid":"SM-out","status":"sent","num_segments":"1"}"#)
}

#[tokio::test]
async fn what_processors_and_routes_keep_of_a_person_goes_too() {
    let (backend, provider) = (Backend::start().await, Provider::start(taken).await);
    let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, Some(&provider));
    let config = config.processor("unruly", "unruly", json!({})).set("processors.unruly", "direction", "in");
    let gateway = Gateway::start(config.route(json!({"name": "all", "backends": ["desk"]}))).await;
    let client = gateway.client();
    SMS.sms("SM1", ANN, "reply").send(&client).await.expect(200);
    let conversation = backend.wait_for_text("reply").await.event["subject"].as_str().unwrap().to_owned();
    provider.wait_for("the processor's answer", |calls| calls.first().map(drop)).await;
    SMS.sms("SM2", ANN, "fault").send(&client).await.expect(200);
    SMS.sms("SM3", BOB, "fault").send(&client).await.expect(200);
    let letters = client.get("/v1/dead-letters").await.expect(200).json();
    assert_eq!(letters["dead_letters"].as_array().map(Vec::len), Some(2), "{letters}");
    let data = gateway.directory().join("data");
    let noted = |key: &str| files_with(&data, &format!("{key}/{conversation}"));
    assert!(!noted("route").is_empty() && !noted("reply/last").is_empty());

    let receipt = erased(&client, &contact_of(&client, "tel:+15550100123").await).await;
    assert_eq!(receipt["removed"]["requests"], json!(1), "{receipt}");
    let letters: Value = client.get("/v1/dead-letters").await.expect(200).json();
    assert_eq!(letters["dead_letters"].as_array().map(Vec::len), Some(1), "Bob's stays: {letters}");
    assert_eq!(files_with(&data, "15550100123"), Vec::<String>::new());
    assert_eq!(files_with(&data, &conversation), Vec::<String>::new());
    assert!(!files_with(&data, "15550100456").is_empty(), "the search finds what is there");
}
