//! What waits for a backend or a provider does not go out after its contact was erased.

use super::{SMS, contact_of, erased, text_to};
use crate::support::{Backend, Behaviour, ConfigBuilder, Delivery, Gateway, Provider, ProviderAnswer};

const ANN: &str = "+15550100123";
const BOB: &str = "+15550100456";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_that_wait_are_not_made() {
    let (backend, provider) = (Backend::start().await, Provider::start(|_| ProviderAnswer::json(503, "{}")).await);
    backend.behave(|delivery| if delivery.text.is_empty() { Behaviour::Take } else { Behaviour::Status(500) });
    let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, Some(&provider)).retries(&["1s"; 50]);
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    for (name, number) in [("ann", ANN), ("bob", BOB)] {
        SMS.sms(&format!("SM-{name}"), number, &format!("{name} writes")).send(&client).await.expect(200);
        let seen = |all: &[Delivery]| all.iter().any(|delivery| delivery.text.starts_with(name)).then_some(());
        backend.wait_for("an attempt", seen).await;
        let sent = text_to(number, &format!("{name} reads"));
        client.call("POST", "/v1/messages", Some(&sent)).await.expect(202);
        provider.wait_for("an attempt", |all| all.iter().any(|call| says(&call.body, name)).then_some(())).await;
    }
    let ann = contact_of(&client, "tel:+15550100123").await;
    erased(&client, &ann).await;
    // Ann's turn comes before Bob's: she failed first.
    let before = provider.calls().len();
    backend.behave(|_| Behaviour::Take);
    provider.behave(|_| ProviderAnswer::json(201, r#"{"sid":"SM9","status":"queued"}"#));
    backend.wait_for_text("bob writes").await;
    let bobs = |call: &crate::support::Call| says(&call.body, "bob");
    provider.wait_for("Bob's answer", |all| all[before..].iter().any(bobs).then_some(())).await;
    SMS.sms("SM-last", BOB, "the last").send(&client).await.expect(200);
    backend.wait_for_text("the last").await;
    let hers = |delivery: &&Delivery| delivery.text.starts_with("ann");
    assert_eq!(backend.taken().iter().filter(hers).count(), 0);
    assert!(!provider.calls()[before..].iter().any(|call| says(&call.body, "ann")));
    let letters = client.get("/v1/dead-letters").await.expect(200).json();
    assert_eq!(letters["dead_letters"].as_array().unwrap().len(), 0, "{letters}");
}

fn says(body: &[u8], name: &str) -> bool {
    super::contains(body, &format!("{name}+reads")) || super::contains(body, &format!("{name}%20reads"))
}
