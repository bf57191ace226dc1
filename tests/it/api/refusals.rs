//! What is wrong with a request is told the same way everywhere.

use serde_json::json;

use super::{CONTACTS_KEY, MESSAGES_KEY, NOBODY, announced, start, text_to};
use crate::support::Client;

async fn raw(client: &Client, content_type: &str, body: &str) -> crate::support::Answer {
    let headers =
        [("authorization", format!("Bearer {}", crate::support::KEY)), ("content-type", content_type.to_owned())];
    let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    client.request("POST", "/v1/messages", &headers, body.to_owned().into()).await.unwrap()
}

#[tokio::test]
async fn nobody_gets_in_without_a_key() {
    let (gateway, _provider) = start().await;
    let detail = "an API key is needed: Authorization: Bearer <key of [api.keys]>";
    let problem =
        gateway.client().with_key("").get("/v1/interactions").await.expect_problem(401, "unauthorized", detail);
    assert_eq!(problem.header("www-authenticate"), Some("Bearer realm=\"omnigate\""));
    let stranger = gateway.client().with_key("wrong").get("/v1/contacts").await;
    let stranger = stranger.expect_problem(401, "unauthorized", "this API key is not known");
    assert_eq!(stranger.header("www-authenticate"), Some("Bearer realm=\"omnigate\", error=\"invalid_token\""));
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say() {
    let (gateway, _provider) = start().await;
    let (desk, crm) = (gateway.client().with_key(MESSAGES_KEY), gateway.client().with_key(CONTACTS_KEY));
    let lacks = |scope: &str| format!("this API key lacks the scope {scope:?}");
    for path in ["/v1/interactions", "/v1/channels", "/v1/events", &format!("/v1/media/{NOBODY}")] {
        crm.get(path).await.expect_problem(403, "forbidden", &lacks("messages"));
    }
    desk.get("/v1/contacts?identity=tel:+1555").await.expect_problem(403, "forbidden", &lacks("contacts"));
    for path in [&format!("/v1/interactions/{NOBODY}/raw"), "/v1/dead-letters", "/v1/backends"] {
        let problem = desk.get(path).await.expect_problem(403, "forbidden", &lacks("admin"));
        assert_eq!(problem.json()["scope"], "admin");
        assert!(problem.header("www-authenticate").unwrap().contains("insufficient_scope"));
    }
    desk.get("/v1/channels").await.expect(200);
    crm.get(&format!("/v1/conversations/{NOBODY}")).await.expect(404);
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let detail = "there is nothing at /v1/nothing; /v1/openapi.json tells what there is";
    client.get("/v1/nothing").await.expect_problem(404, "not-found", detail);
    let detail = "DELETE is not possible here; the header Allow tells what is";
    let problem = client.call("DELETE", "/v1/messages", None).await.expect_problem(405, "method-not-allowed", detail);
    assert_eq!(problem.header("allow"), Some("POST"));
    client.get("/v1/interactions/1").await.expect_problem(
        404,
        "not-found",
        "ids are UUIDs: there is nothing with this one",
    );
    client.get("/v1/channels/%ff").await.expect_problem(404, "not-found", "there is nothing at this path");
    client.get("/v1/channels/fax").await.expect_problem(404, "not-found", "there is no channel with this name");
}

#[tokio::test]
async fn bodies_that_are_not_what_they_should_be() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let detail = "the body must be JSON with content-type: application/json";
    raw(&client, "text/plain", "{}").await.expect_problem(415, "content-type", detail);
    let detail = "the body is not JSON: EOF while parsing an object at line 2 column 0";
    raw(&client, "application/json", "{\n").await.expect_problem(400, "invalid", detail);
    let detail = "the body is not JSON: expected ident at line 1 column 13";
    let problem = raw(&client, "application/json", "{\"channel\":nil}").await.expect_problem(400, "invalid", detail);
    assert_eq!((&problem.json()["line"], &problem.json()["column"]), (&json!(1), &json!(13)));
    let deep = format!("{{\"metadata\":{}", "{\"a\":".repeat(10_000));
    let problem = raw(&client, "application/json", &deep).await.expect(400).json();
    assert!(problem["detail"].as_str().unwrap().contains("recursion limit exceeded"), "{problem}");
    let answer = announced(&gateway, "/v1/messages", (4 << 20) + 1).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(
        answer.contains("urn:omnigate:problem:too-large") && answer.contains("the body has more than 4194304 bytes")
    );
}

#[tokio::test]
async fn unknown_fields_and_parameters_are_told() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let mut body = text_to("+15550100123", "my words");
    body["chanel"] = json!("sms");
    let answer = client.call("POST", "/v1/messages", Some(&body)).await.expect(422).json();
    let detail = answer["detail"].as_str().unwrap();
    assert!(detail.starts_with("chanel: unknown field `chanel`, expected one of `channel`, `to`"), "{detail}");
    assert_eq!(answer["path"], "chanel");
    let mut body = text_to("+15550100123", "my words");
    body["message"]["parts"][0]["txt"] = json!("x");
    let detail = "message.parts[0]: unknown field `txt`, expected `text` or `html`";
    client.call("POST", "/v1/messages", Some(&body)).await.expect_problem(422, "invalid", detail);
    body["message"]["parts"] = json!("my words");
    let detail = "message.parts: invalid type: a string, expected a sequence";
    client.call("POST", "/v1/messages", Some(&body)).await.expect_problem(422, "invalid", detail);
    let mut body = text_to("+15550100123", "my words");
    body["to"] = json!(["tel", "+15550100123"]);
    let detail = "to: invalid type: sequence, expected an object";
    client.call("POST", "/v1/messages", Some(&body)).await.expect_problem(422, "invalid", detail);
    let detail = "query: dryrun: unknown field `dryrun`, expected `dry_run`";
    client.call("POST", "/v1/messages?dryrun=true", Some(&body)).await.expect_problem(422, "invalid", detail);
    let detail = "query: x: unknown field `x`, there are no fields";
    for path in ["/v1/channels?x=1", "/healthz?x=1", "/v1/backends?x=1"] {
        client.get(path).await.expect_problem(422, "invalid", detail);
    }
    client.get("/v1/interactions?limit=0").await.expect_problem(422, "invalid", "query: limit: must be 1 to 200");
    client.get("/v1/interactions?limit=201").await.expect_problem(422, "invalid", "query: limit: must be 1 to 200");
    let detail = "query: type: there is no such type; did you mean \"message.received\"?";
    client.get("/v1/interactions?type=message.recieved").await.expect_problem(422, "invalid", detail);
    let answer = client.get("/v1/interactions?type=nothing").await.expect(422).json();
    let detail = answer["detail"].as_str().unwrap();
    assert!(detail.contains("known here: message.received") && detail.contains("contact.erased"), "{detail}");
}
