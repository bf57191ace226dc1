//! Tokens of OAuth 2 for requests of a plugin.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::support::{Call, Client, ConfigBuilder, Gateway, Provider, ProviderAnswer, WhatsApp};

const CHANNEL: WhatsApp = WhatsApp("wa");

/// Gives numbered tokens, and takes messages with the newest one alone.
fn provider() -> impl FnMut(&Call) -> ProviderAnswer + Send + 'static {
    let given = AtomicUsize::new(0);
    move |call| {
        if call.path == "/token" {
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            let body = String::from_utf8(call.body.to_vec()).unwrap();
            assert!(body.contains("grant_type=client_credentials") && body.contains("client_secret=hush"), "{body}");
            return ProviderAnswer::json(200, &json!({ "access_token": format!("token-{number}") }).to_string());
        }
        ProviderAnswer::json(200, r#"{"messages":[{"id":"wamid.1"}]}"#)
    }
}

fn config(provider: &Provider) -> ConfigBuilder {
    let oauth = json!({ "oauth2": {
        "token_url": format!("http://{}/token", provider.address()),
        "grant": "client_credentials", "client_id": "gateway", "client_secret": "hush",
    }});
    let secrets = json!({ "access_token": oauth, "app_secret": WhatsApp::APP_SECRET });
    ConfigBuilder::new().whatsapp(&CHANNEL, Some(provider)).set("channels.wa", "secrets", secrets)
}

async fn submit(client: &Client, text: &str) {
    let to = json!({ "scheme": "tel", "value": "+15551234567" });
    let part = json!({ "type": "template", "name": "greeting", "language": "en", "parameters": [text] });
    let body = json!({ "channel": "wa", "to": to, "message": { "parts": [part] } });
    client.call("POST", "/v1/messages", Some(&body)).await.expect(202);
}

fn shown(call: &Call) -> String {
    call.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_plugin_calls_with_a_token_that_it_never_sees() {
    let provider = Provider::start(provider()).await;
    let gateway = Gateway::start(config(&provider)).await;
    let sent = |count: usize| {
        move |calls: &[Call]| {
            let sent: Vec<_> = calls.iter().filter(|call| call.path != "/token").map(shown).collect();
            (sent.len() >= count).then_some(sent)
        }
    };
    submit(&gateway.client(), "one").await;
    provider.wait_for("the first message", sent(1)).await;
    submit(&gateway.client(), "two").await;
    let sent = provider.wait_for("the second message", sent(2)).await;
    assert_eq!(sent, ["Bearer token-1", "Bearer token-1"]);
    assert_eq!(provider.calls().iter().filter(|call| call.path == "/token").count(), 1, "one token serves both");
    assert!(!gateway.log.text().contains("token-1"));
}

#[tokio::test]
async fn a_channel_without_a_token_has_bad_credentials() {
    let provider = Provider::start(|_| ProviderAnswer::json(401, r#"{"error":"invalid_client"}"#)).await;
    let gateway = Gateway::start(config(&provider)).await;
    submit(&gateway.client(), "one").await;
    gateway.log.line("the channel's state changed").await;
    let channel = gateway.client().get("/v1/channels/wa").await.json();
    assert_eq!(channel["state"], "bad-credentials", "{channel}");
    assert!(channel["why"].as_str().unwrap().contains("invalid_client"), "{channel}");
    assert!(provider.calls().iter().all(|call| call.path == "/token"), "no message left without a token");
}
