//! What is wrong with a request, and exactly what the caller is told. Nothing of it is appended, and nothing of it hurts.

use std::net::SocketAddr;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Backend, ConfigBuilder, Gateway, Telegram, Twilio, WhatsApp, within};

const BOT: Telegram = Telegram("bot");
const SMS: Twilio = Twilio("sms");
const CHAT: WhatsApp = WhatsApp("chat");
const FROM: &str = "+15550100123";

struct World {
    gateway: Gateway,
    backend: Backend,
}

impl World {
    async fn start() -> Self {
        let backend = Backend::start().await;
        let config = ConfigBuilder::new()
            .backend("desk", &backend)
            .set("server", "request_timeout", "1s")
            .telegram(&BOT, None)
            .twilio(&SMS, None)
            .whatsapp(&CHAT, None);
        Self { gateway: Gateway::start(config).await, backend }
    }

    /// Whatever was wrong before left no trace: this message is the first that the backend hears of.
    async fn expect_nothing_appended(&self) {
        SMS.sms("SM0last", FROM, "last").send(&self.gateway.client()).await.expect(200);
        self.backend.wait_for_text("last").await;
        let all = self.backend.attempts();
        let kinds: Vec<_> = all.iter().map(|delivery| (&*delivery.kind, &*delivery.text)).collect();
        let message = ("omnigate.message.received", "last");
        assert!(
            kinds.iter().all(|kind| *kind == message || *kind == ("omnigate.conversation.opened", "")),
            "{kinds:?}"
        );
    }
}

fn other_signature(signature: &str) -> String {
    let first = if signature.starts_with('A') { "B" } else { "A" };
    format!("{first}{}", &signature[1..])
}

#[tokio::test]
async fn bad_signature() {
    let world = World::start().await;
    let client = world.gateway.client();
    BOT.text(1, 1, "x").with(Telegram::TOKEN_HEADER, "another").send(&client).await.expect_problem(
        401,
        "unauthorized",
        "the token does not match",
    );
    let sms = SMS.sms("SM1", FROM, "x");
    let signature = other_signature(sms.header("x-twilio-signature"));
    sms.with("x-twilio-signature", &signature).send(&client).await.expect_problem(
        401,
        "unauthorized",
        "the signature does not match the address and the parameters",
    );
    let mut changed = SMS.sms("SM1", FROM, "x");
    changed.body = [&*changed.body, b"&Body=y"].concat().into();
    changed.send(&client).await.expect_problem(
        401,
        "unauthorized",
        "the signature does not match the address and the parameters",
    );
    let mut changed = CHAT.text("wamid.1", "15550100123", "x");
    changed.body = [&*changed.body, b" "].concat().into();
    changed.send(&client).await.expect_problem(401, "unauthorized", "the signature does not match");
    world.expect_nothing_appended().await;
}

#[tokio::test]
async fn missing_signature() {
    let world = World::start().await;
    let client = world.gateway.client();
    for (webhook, name) in [
        (BOT.text(1, 1, "x"), Telegram::TOKEN_HEADER),
        (SMS.sms("SM1", FROM, "x"), "x-twilio-signature"),
        (CHAT.text("wamid.1", "15550100123", "x"), "x-hub-signature-256"),
    ] {
        let detail = format!("header {name} is missing");
        webhook.without(name).send(&client).await.expect_problem(401, "unauthorized", &detail);
    }
    world.expect_nothing_appended().await;
}

#[tokio::test]
async fn replayed_request() {
    let world = World::start().await;
    let client = world.gateway.client();
    for webhook in [BOT.text(1, 1, "once"), SMS.sms("SM1", FROM, "once"), CHAT.text("wamid.1", "15550100199", "once")] {
        for _ in 0..3 {
            webhook.send(&client).await.expect(200);
        }
    }
    BOT.text(2, 1, "last").send(&client).await.expect(200);
    world.backend.wait_for_text("last").await;
    let once = |all: &[crate::support::Delivery]| all.iter().filter(|d| d.text == "once").count();
    world.backend.wait_for("one of each", |all| (once(all) >= 3).then_some(())).await;
    assert_eq!(once(&world.backend.attempts()), 3);
}

#[tokio::test]
async fn wrong_content_type() {
    let world = World::start().await;
    let client = world.gateway.client();
    SMS.sms("SM1", FROM, "x").with("content-type", "text/plain").send(&client).await.expect_problem(
        401,
        "unauthorized",
        "the signature does not cover the body",
    );
    let headers = [("authorization".to_owned(), format!("Bearer {}", crate::support::KEY))];
    let answer = client.request("POST", "/v1/messages", &headers, Bytes::from_static(b"{}")).await.unwrap();
    answer.expect_problem(415, "content-type", "the body must be JSON with content-type: application/json");
    world.expect_nothing_appended().await;
}

#[tokio::test]
async fn broken_json() {
    let world = World::start().await;
    let client = world.gateway.client();
    BOT.body(r#"{"update_id": 1, "message""#).send(&client).await.expect_problem(
        400,
        "invalid",
        "unreadable JSON at line 1 column 26",
    );
    CHAT.body(r#"{"object": oops}"#).send(&client).await.expect_problem(
        400,
        "invalid",
        "unreadable JSON at line 1 column 12",
    );
    let answer = client.raw_call("POST", "/v1/messages", "{\n \"channel\": oops}").await;
    answer.expect_problem(400, "invalid", "the body is not JSON: expected value at line 2 column 13");
    world.expect_nothing_appended().await;
}

#[tokio::test]
async fn json_nested_10000_deep() {
    let world = World::start().await;
    let client = world.gateway.client();
    let deep = format!("{}{}", r#"{"a":["#.repeat(5000), "]}".repeat(5000));
    let update = format!(r#"{{"update_id":1,"message":{deep}}}"#);
    BOT.body(update).send(&client).await.expect_problem(400, "invalid", "unreadable JSON at line 1 column 404");
    let entry = format!(r#"{{"object":"whatsapp_business_account","entry":[{deep}]}}"#);
    CHAT.body(entry).send(&client).await.expect_problem(400, "invalid", "unreadable JSON at line 1 column 425");
    let answer = client.raw_call("POST", "/v1/messages", &format!(r#"{{"metadata":{deep}}}"#)).await;
    answer.expect_problem(400, "invalid", "the body is not JSON: recursion limit exceeded at line 1 column 391");
    world.expect_nothing_appended().await;
}

#[tokio::test]
async fn body_of_100_mib() {
    const BODY: usize = 100 << 20;
    let world = World::start().await;
    let (address, before) = (world.gateway.address, world.gateway.resident_bytes());
    for path in ["/channels/bot", "/channels/sms"] {
        // Announced: refused before a byte of it is sent.
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY}\r\n\r\n");
        expect_too_large(&answer_to(address, head.as_bytes()).await);
    }
    // Not announced: refused on the way.
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = "POST /channels/bot HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [format!("{:x}\r\n", 1 << 20).into_bytes(), vec![b'x'; 1 << 20], b"\r\n".to_vec()].concat();
    let mut sent = 0;
    while sent < BODY && stream.write_all(&chunk).await.is_ok() {
        sent += 1 << 20;
    }
    assert!(sent < BODY, "the gateway does not read it to its end");
    let grown = world.gateway.resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "the process has grown by {grown} bytes");
    world.expect_nothing_appended().await;
}

fn expect_too_large(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("urn:omnigate:problem:too-large"), "{answer}");
    assert!(answer.contains("the body has more than 4194304 bytes"), "{answer}");
}

/// Sends these bytes and no more, and reads what comes until the gateway closes the connection.
async fn answer_to(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    within("the end of the connection", stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn head_that_is_too_large() {
    let world = World::start().await;
    let many = "x-a: b\r\n".repeat(1000);
    let long = format!("x-long: {}\r\n", "a".repeat(1 << 20));
    for headers in [many, long] {
        let mut stream = TcpStream::connect(world.gateway.address).await.unwrap();
        // It may be closed before the end.
        let _ = stream.write_all(format!("POST /channels/bot HTTP/1.1\r\nhost: x\r\n{headers}\r\n").as_bytes()).await;
        let mut status = [0; 13];
        let read = within("the answer", stream.read_exact(&mut status)).await;
        // Closed with bytes that were not read: the system may throw the answer away.
        assert!(read.is_err() || &status == b"HTTP/1.1 431 ", "{}", String::from_utf8_lossy(&status));
    }
    world.expect_nothing_appended().await;
}

#[tokio::test]
async fn slow_loris_in_the_headers() {
    let world = World::start().await;
    let answer = answer_to(world.gateway.address, b"POST /channels/bot HTTP/1.1\r\nhost: x\r\nx-slow: a").await;
    assert_eq!(answer, "", "closed without an answer");
    world.expect_nothing_appended().await;
}

#[tokio::test]
async fn slow_loris_in_the_body() {
    let world = World::start().await;
    let answer =
        answer_to(world.gateway.address, b"POST /channels/bot HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc")
            .await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(
        answer.contains("urn:omnigate:problem:too-slow") && answer.contains("the body took longer than 1s"),
        "{answer}"
    );
    world.expect_nothing_appended().await;
}

#[tokio::test]
async fn connections_that_do_nothing_keep_nobody_out() {
    let world = World::start().await;
    let mut idle = Vec::new();
    for _ in 0..500 {
        idle.push(TcpStream::connect(world.gateway.address).await.unwrap());
    }
    world.expect_nothing_appended().await;
    let mut byte = [0];
    for mut stream in idle {
        let read = within("the end of an idle connection", stream.read(&mut byte)).await;
        assert!(matches!(read, Ok(0) | Err(_)), "closed");
    }
}

#[tokio::test]
async fn unknown_channel() {
    let world = World::start().await;
    for path in ["/channels/nobody", "/channels/nobody/deep/er", "/chat/nobody", "/chat/nobody/socket"] {
        let answer = world.gateway.client().request("POST", path, &[], Bytes::new()).await.unwrap();
        if path.ends_with("socket") {
            answer.expect(405);
        } else {
            answer.expect_problem(404, "not-found", "there is no channel \"nobody\"");
        }
    }
    world.expect_nothing_appended().await;
}

#[tokio::test]
async fn unknown_path() {
    let world = World::start().await;
    for path in ["/channels", "/nothing/here", "/v2/messages", "/v1/message"] {
        let detail = format!("there is nothing at {path}; /v1/openapi.json tells what there is");
        world.gateway.client().get(path).await.expect_problem(404, "not-found", &detail);
    }
}

#[tokio::test]
async fn webhook_for_another_account() {
    let world = World::start().await;
    let client = world.gateway.client();
    let fields =
        [("AccountSid", "AC00000000000000000000000000000099"), ("MessageSid", "SM1"), ("From", FROM), ("Body", "x")];
    SMS.form(&fields).send(&client).await.expect_problem(404, "not-found", "the request is for another account");
    // Meta sends the webhooks of all numbers of an app to one address, and repeats for days what is refused.
    CHAT.text_to("999", "wamid.1", "15550100123", "x").send(&client).await.expect(200);
    world.expect_nothing_appended().await;
}

#[tokio::test]
async fn invalid_utf8() {
    let world = World::start().await;
    let client = world.gateway.client();
    BOT.body(&b"{\"update_id\":1,\"message\":\"\xff\xfe\"}"[..]).send(&client).await.expect_problem(
        400,
        "invalid",
        "unreadable JSON at line 1 column 27",
    );
    CHAT.body(&b"{\"object\":\"\xff\"}"[..]).send(&client).await.expect_problem(
        400,
        "invalid",
        "the body is not UTF-8",
    );
    let headers = [
        ("authorization".to_owned(), format!("Bearer {}", crate::support::KEY)),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    let body = Bytes::from_static(b"{\"channel\":\"\xff\"}");
    client.request("POST", "/v1/messages", &headers, body).await.unwrap().expect_problem(
        400,
        "invalid",
        "the body is not JSON: invalid unicode code point at line 1 column 13",
    );
    world.expect_nothing_appended().await;
}

/// Providers write seconds; a time in milliseconds lies 50,000 years ahead, and is no reason to lose a message.
#[tokio::test]
async fn timestamp_in_the_wrong_unit() {
    let world = World::start().await;
    let client = world.gateway.client();
    let mut update: Value = serde_json::from_slice(&BOT.text(1, 1, "from the future").body).unwrap();
    update["message"]["date"] = json!(1_767_225_600_000_u64);
    BOT.update(&update).send(&client).await.expect(200);
    let delivery = world.backend.wait_for_text("from the future").await;
    let (occurred, received) = (&delivery.event["data"]["occurred_at"], &delivery.event["data"]["received_at"]);
    assert!(occurred.as_str().unwrap() <= received.as_str().unwrap(), "{occurred} {received}");
}

fn send_body() -> Value {
    json!({
        "channel": "sms",
        "to": { "scheme": "tel", "value": FROM },
        "message": { "parts": [{ "type": "text", "text": "Hello" }] },
    })
}

#[tokio::test]
async fn interaction_to_a_channel_without_that_ability() {
    let world = World::start().await;
    let mut body = send_body();
    body["message"]["parts"] =
        json!([{ "type": "choices", "style": "buttons", "options": [{ "id": "a", "title": "A" }] }]);
    body["lossless"] = json!(true);
    let answer = world.gateway.client().call("POST", "/v1/messages", Some(&body)).await;
    answer.expect_problem(
        422,
        "unsupported",
        "message.parts[0]: channel sms carries no choices; it carries: text, media, location, template",
    );
}

#[tokio::test]
async fn api_call_with_an_unknown_field() {
    let world = World::start().await;
    let client = world.gateway.client();
    let mut body = send_body();
    body["mesage"] = json!({});
    client.call("POST", "/v1/messages", Some(&body)).await.expect_problem(
        422,
        "invalid",
        "mesage: unknown field `mesage`, expected one of `channel`, `to`, `contact_id`, `conversation_id`, `message`, \
         `in_reply_to`, `fallback`, `category`, `lossless`, `tag`, `expires_in`, `metadata`, `author`",
    );
    client.get("/v1/interactions?limti=3").await.expect_problem(
        422,
        "invalid",
        "query: limti: unknown field `limti`, expected one of `after`, `channel`, `contact`, `conversation`, `type`, \
         `limit`, `order`",
    );
}

#[tokio::test]
async fn wrong_scope() {
    let backend = Backend::start().await;
    let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, None).key(
        "narrow",
        "narrow-key-0123456789",
        &["contacts"],
    );
    let gateway = Gateway::start(config).await;
    let narrow = gateway.client().with_key("narrow-key-0123456789");
    let answer = narrow.call("POST", "/v1/messages", Some(&send_body())).await;
    let answer = answer.expect_problem(403, "forbidden", "this API key lacks the scope \"messages\"");
    assert_eq!(answer.json()["scope"], "messages");
    narrow.get("/v1/dead-letters").await.expect_problem(403, "forbidden", "this API key lacks the scope \"admin\"");
    let unknown = gateway.client().with_key("another-key-0123456789");
    unknown.get("/v1/channels").await.expect_problem(401, "unauthorized", "this API key is not known");
    let none = gateway.client().with_key("");
    let answer = none.get("/v1/channels").await;
    answer.expect_problem(401, "unauthorized", "an API key is needed: Authorization: Bearer <key of [api.keys]>");
}

#[tokio::test]
async fn foreign_id() {
    let world = World::start().await;
    let client = world.gateway.client();
    let id = "0198c0de-0000-7000-8000-000000000001";
    for (path, detail) in [
        (format!("/v1/messages/{id}"), format!("there is no outbound message {id}")),
        (format!("/v1/dead-letters/{id}"), format!("there is no dead letter {id}")),
        ("/v1/messages/1".to_owned(), "ids are UUIDs: there is nothing with this one".to_owned()),
    ] {
        client.get(&path).await.expect_problem(404, "not-found", &detail);
    }
    for (field, what) in [("contact_id", "contact"), ("conversation_id", "conversation")] {
        let mut body = send_body();
        body.as_object_mut().unwrap().remove("to");
        body[field] = json!(id);
        let detail = format!("{field}: there is no {what} {id}");
        client.call("POST", "/v1/messages", Some(&body)).await.expect_problem(422, "invalid", &detail);
    }
}
