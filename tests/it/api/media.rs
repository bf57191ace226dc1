use bytes::Bytes;
use serde_json::json;

use super::{CONTACTS_KEY, NOBODY, announced, id, start, text_to};
use crate::support::{Answer, Client, KEY};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0000";

async fn upload(client: &Client, query: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
    let headers = [("authorization", format!("Bearer {KEY}")), ("content-type", content_type.to_owned())];
    let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    client.request("POST", &format!("/v1/media{query}"), &headers, body.into()).await.unwrap()
}

#[tokio::test]
async fn a_file_is_stored_sent_and_read_again() {
    let (gateway, provider) = start().await;
    let client = gateway.client();
    let stored = upload(&client, "?name=a%20b.png", "image/png", PNG).await.expect(201).json();
    assert_eq!((&stored["kind"], &stored["content_type"]), (&json!("image"), &json!("image/png")));
    assert_eq!((&stored["bytes"], &stored["name"]), (&json!(PNG.len()), &json!("a b.png")));
    let signed = id(&stored["url"]).trim_start_matches("https://gate.example").to_owned();
    let anybody = client.clone().with_key("");
    assert_eq!(anybody.get(&signed).await.expect(200).body, PNG);
    let plain = format!("/v1/media/{}", id(&stored["id"]));
    assert_eq!(client.get(&plain).await.expect(200).header("content-type"), Some("image/png"));
    let mut message = text_to("+15550100123", "see");
    message["message"]["parts"][0] = json!({"type": "media", "kind": "image", "url": stored["url"]});
    client.call("POST", "/v1/messages", Some(&message)).await.expect(202);
    let log = client.get("/v1/interactions?type=message.submitted").await.expect(200).json();
    let part = &log["interactions"][0]["data"]["message"]["parts"][0];
    assert_eq!((&part["content_type"], &part["bytes"]), (&json!("image/png"), &json!(PNG.len())));
    assert!(id(&part["url"]).contains("signature="));
    provider.wait_for("the call", |calls| calls.first().cloned()).await;
}

#[tokio::test]
async fn files_are_for_who_may_read_them() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let stored = upload(&client, "", "text/plain", "hello").await.expect(201).json();
    let plain = format!("/v1/media/{}", id(&stored["id"]));
    client.clone().with_key("").get(&plain).await.expect(401);
    client.clone().with_key(CONTACTS_KEY).get(&plain).await.expect(403);
    let forged = format!("{plain}?expires=99999999999&signature={}", "0".repeat(64));
    let detail = "this address is not valid, or not any more: read the interaction again for a new one";
    client.clone().with_key("").get(&forged).await.expect_problem(403, "forbidden", detail);
    let shown = client.get(&plain).await.expect(200);
    assert_eq!(shown.header("content-type"), Some("application/octet-stream"), "no page of a stranger runs here");
    let detail = format!("there is no file {NOBODY}");
    client.get(&format!("/v1/media/{NOBODY}")).await.expect_problem(404, "not-found", &detail);
}

#[tokio::test]
async fn files_that_are_not_taken() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let detail = "the body is the file: it must not be empty";
    upload(&client, "", "text/plain", "").await.expect_problem(422, "invalid", detail);
    let rule = "query: name: must have 1 to 255 characters, without slashes and control characters";
    upload(&client, "?name=..%2Fx", "text/plain", "x").await.expect_problem(422, "invalid", rule);
    upload(&client, "?kind=poem", "text/plain", "x").await.expect(422);
    let answer = announced(&gateway, "/v1/media", (25 << 20) + 1).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("the file has more than 26214400 bytes (media.bytes_max)"), "{answer}");
    let missing = format!("https://gate.example/v1/media/{NOBODY}");
    let mut message = text_to("+15550100123", "see");
    message["message"]["parts"][0] = json!({"type": "media", "kind": "image", "url": missing});
    let detail = format!("message.parts[0].url: there is no stored file {NOBODY}");
    client.call("POST", "/v1/messages", Some(&message)).await.expect_problem(422, "invalid", &detail);
}
