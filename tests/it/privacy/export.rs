//! Everything about a contact in one answer.

use serde_json::{Value, json};

use super::{SMS, contact_of, file, send_file, text_to};
use crate::support::{Backend, ConfigBuilder, Gateway, Provider, ProviderAnswer};

const ANN: &str = "+15550100123";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_has_everything_of_one_contact() {
    let backend = Backend::start().await;
    let provider = Provider::start(|call| match call.path.as_str() {
        "/files/1" => file(PNG),
        _ => ProviderAnswer::json(201, r#"{"sid":"SM0","status":"sent"}"#),
    })
    .await;
    let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, Some(&provider));
    let gateway = Gateway::start(config).await;
    let client = gateway.client().keeping_its_connection();
    for number in 0..250 {
        SMS.sms(&format!("SM{number}"), ANN, &format!("text {number}")).send(&client).await.expect(200);
    }
    SMS.sms("SM-bob", "+15550100456", "from somebody else").send(&client).await.expect(200);
    send_file(&client, "MM1", ANN, &format!("http://{}/files/1", provider.address())).await;
    let sent = client.call("POST", "/v1/messages", Some(&text_to(ANN, "an answer"))).await.expect(202).json();
    let status = |d: &crate::support::Delivery| d.kind == "omnigate.message.status";
    backend.wait_for("its status", |all| all.iter().any(status).then_some(())).await;

    let ann = contact_of(&client, "tel:+15550100123").await;
    let wish = json!({ "category": "marketing", "granted": true, "evidence": "a form" });
    client.call("PUT", &format!("/v1/contacts/{ann}/consent"), Some(&wish)).await.expect(200);
    let wish = json!({ "channels": ["sms"] });
    client.call("PUT", &format!("/v1/contacts/{ann}/preferences"), Some(&wish)).await.expect(200);
    let answer = client.get(&format!("/v1/contacts/{ann}/export")).await.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let text = std::str::from_utf8(&answer.body).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).map(|l| &l["data"]).collect::<Vec<_>>();
    assert_eq!(lines[0]["kind"], "contact");
    assert_eq!(lines[0]["data"]["identities"][0]["value"], ANN);
    assert_eq!(of("consent")[0]["history"][0]["evidence"], "a form");
    assert_eq!(of("preferences"), [&json!({ "channels": ["sms"] })]);
    let conversations = of("conversation");
    assert_eq!((conversations.len(), &conversations[0]["channels"]), (1, &json!(["sms"])));
    let texts: Vec<&str> =
        of("interaction").iter().filter_map(|event| event["data"]["message"]["text"].as_str()).collect();
    assert_eq!(texts[..250], (0..250).map(|n| format!("text {n}")).collect::<Vec<_>>());
    assert!(!text.contains("from somebody else"));
    assert_eq!((of("message").len(), &of("message")[0]["id"]), (1, &sent["id"]));
    let media = of("media");
    let url = media[0]["url"].as_str().unwrap();
    let path = url.split_once("gate.example").unwrap().1;
    assert_eq!(gateway.client().with_key("").get(path).await.expect(200).body, PNG);
    let end = lines.last().unwrap();
    assert_eq!((&end["kind"], &end["data"]["interactions"]), (&json!("end"), &json!(of("interaction").len())));
}
