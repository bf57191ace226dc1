//! Who was two contacts goes as both.

use serde_json::json;

use super::{SMS, contact_of, erased, files_with};
use crate::support::{Backend, ConfigBuilder, Gateway};

const NUMBERS: [(&str, &str); 2] = [("+15550100123", "ann-writes-this"), ("+15550100789", "ann-writes-that")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasure_takes_every_member_of_a_joined_contact() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, None)).await;
    let client = gateway.client();
    for (number, text) in NUMBERS {
        SMS.sms(&format!("SM-{text}"), number, text).send(&client).await.expect(200);
        backend.wait_for_text(text).await;
    }
    let one = contact_of(&client, "tel:+15550100123").await;
    let other = contact_of(&client, "tel:+15550100789").await;
    let body = json!({ "contact_id": other, "reason": "she said so" });
    client.call("POST", &format!("/v1/contacts/{one}/link"), Some(&body)).await.expect(200);
    let wish = json!({ "category": "marketing", "granted": true, "evidence": "ann-signed-this" });
    client.call("PUT", &format!("/v1/contacts/{other}/consent"), Some(&wish)).await.expect(200);
    let data = gateway.directory().join("data");
    let traces = ["15550100123", "15550100789", "ann-writes-this", "ann-writes-that", "ann-signed-this"];
    for trace in traces {
        assert!(!files_with(&data, trace).is_empty(), "{trace}: otherwise this proves nothing");
    }

    let receipt = erased(&client, &other).await;
    assert_eq!(receipt["removed"]["contacts"], 2, "{receipt}");
    for id in [&one, &other] {
        client.get(&format!("/v1/contacts/{id}")).await.expect(404);
    }
    for trace in traces {
        assert_eq!(files_with(&data, trace), Vec::<String>::new(), "{trace}");
    }
}
