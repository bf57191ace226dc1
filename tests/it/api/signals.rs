use ring::hmac;
use serde_json::{Value, json};

use super::{NOBODY, heard, id, start};
use crate::support::{Client, ConfigBuilder, Gateway, Provider, ProviderAnswer};

const SECRET: &str = "test-app-secret";

#[tokio::test]
async fn typing_is_shown_where_the_channel_can() {
    let (gateway, provider) = start().await;
    let client = gateway.client();
    let event = heard(&client, 1, "hi").await;
    let path = format!("/v1/conversations/{}/typing", id(&event["data"]["conversation"]["id"]));
    let answer = client.call("POST", &path, Some(&json!({"on": true}))).await.expect(202);
    assert_eq!(answer.json(), json!({}));
    assert!(provider.calls()[0].path.ends_with("/sendChatAction"), "{:?}", provider.calls());
    let detail = "channel bot has no read_marks";
    let read = format!("/v1/interactions/{}/read", id(&event["id"]));
    client.call("POST", &read, None).await.expect_problem(422, "unsupported", detail);
    provider.behave(|_| ProviderAnswer::json(403, r#"{"ok":false,"error_code":403,"description":"Forbidden"}"#));
    let refused = client.call("POST", &path, Some(&json!({"on": true}))).await.expect(502).json();
    assert_eq!(refused["type"], "urn:omnigate:problem:provider");
}

#[tokio::test]
async fn signals_need_somebody_to_see_them() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let sent =
        client.call("POST", "/v1/messages", Some(&super::text_to("+15550100123", "Hello"))).await.expect(202).json();
    let typing = format!("/v1/conversations/{}/typing", id(&sent["conversation_id"]));
    let detail = "no message came in this conversation: nobody can be shown anything";
    client.call("POST", &typing, Some(&json!({"on": true}))).await.expect_problem(422, "nothing-received", detail);
    let detail = "on: invalid type: a string, expected a boolean";
    client.call("POST", &typing, Some(&json!({"on": "yes"}))).await.expect_problem(422, "invalid", detail);
    let detail = "only a message that came (message.received) can be marked as read";
    let read = format!("/v1/interactions/{}/read", id(&sent["id"]));
    client.call("POST", &read, None).await.expect_problem(422, "not-received", detail);
    let missing = format!("/v1/conversations/{NOBODY}/typing");
    client.call("POST", &missing, Some(&json!({"on": true}))).await.expect(404);
    client.call("POST", &format!("/v1/interactions/{NOBODY}/read"), None).await.expect(404);
}

#[tokio::test]
async fn reading_is_shown_by_the_providers_id() {
    let provider = Provider::start(|_| ProviderAnswer::json(200, r#"{"success":true}"#)).await;
    let gateway = Gateway::start(whatsapp(&provider)).await;
    let client = gateway.client();
    write(&client, "wamid.A1").await;
    let event = super::newest(&client).await;
    client.call("POST", &format!("/v1/interactions/{}/read", id(&event["id"])), None).await.expect(202);
    let call: Value = serde_json::from_slice(&provider.calls()[0].body).unwrap();
    assert_eq!((&call["status"], &call["message_id"]), (&json!("read"), &json!("wamid.A1")));
}

fn whatsapp(provider: &Provider) -> ConfigBuilder {
    let base = format!("http://{}", provider.address());
    let secrets = json!({"access_token": "token", "app_secret": SECRET});
    ConfigBuilder::new()
        .set("channels.wa", "adapter", "whatsapp")
        .set("channels.wa", "settings", json!({"phone_number_id": "106540352242922", "api_base": base}))
        .set("channels.wa", "secrets", secrets)
        .set("channels.wa", "grants", json!({"hosts": [provider.address().to_string()]}))
}

/// A text over WhatsApp, signed.
async fn write(client: &Client, id: &str) {
    let message =
        json!({"from": "5511999990000", "id": id, "timestamp": "1767225600", "type": "text", "text": {"body": "hi"}});
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550100200", "phone_number_id": "106540352242922"},
        "contacts": [{"profile": {"name": "Ana"}, "wa_id": "5511999990000"}],
        "messages": [message],
    });
    let changes = json!([{"field": "messages", "value": value}]);
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}).to_string();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body.as_bytes());
    let signature = ("x-hub-signature-256".to_owned(), format!("sha256={}", hex::encode(tag)));
    let headers = [("content-type".to_owned(), "application/json".to_owned()), signature];
    client.request("POST", "/channels/wa", &headers, body.into()).await.unwrap().expect(200);
}
