use std::collections::BTreeSet;

use serde_json::Value;

use super::{BOT, SMS, heard, start, text_to};

#[tokio::test]
async fn real_events_follow_the_schema() {
    let (gateway, provider) = start().await;
    let client = gateway.client();
    heard(&client, 1, "hi").await;
    SMS.sms("SM01", "+15550100123", "hi").send(&client).await.expect(200);
    BOT.body(r#"{"update_id": 9, "something_new": {}}"#).send(&client).await.expect(200);
    client.call("POST", "/v1/messages", Some(&text_to("+15550100123", "Hello"))).await.expect(202);
    provider.wait_for("the call", |calls| calls.first().cloned()).await;
    let schema = client.clone().with_key("").get("/v1/schemas/interaction-1.json").await.expect(200).json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let page = client.get("/v1/interactions").await.expect(200).json();
    let mut kinds = BTreeSet::new();
    for event in page["interactions"].as_array().unwrap() {
        let errors: Vec<String> = validator.iter_errors(event).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?} in {event:#}");
        kinds.insert(event["type"].as_str().unwrap());
    }
    assert!(kinds.len() >= 3, "{kinds:?}");
}

/// Every documented call is there: none answers that its path or method is unknown.
#[tokio::test]
async fn every_documented_call_is_served() {
    let (gateway, _provider) = start().await;
    let client = gateway.client().with_key("");
    let document = client.get("/v1/openapi.json").await.expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, call) in item.as_object().unwrap() {
            let path = path.replace("{id}", super::NOBODY).replace("{name}", "nobody");
            let answer = client.call(&method.to_uppercase(), &path, None).await;
            let open = call["security"] == Value::Array(Vec::new());
            assert_eq!(answer.status, if open { 200 } else { 401 }, "{method} {path}: {answer:?}");
        }
    }
}
