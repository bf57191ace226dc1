//! Start, change and end under load.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Backend, Behaviour, ConfigBuilder, Delivery, Gateway, Load, Random, Telegram, Visitor, within};

const BOT: Telegram = Telegram("bot");

#[tokio::test]
async fn terminate_lets_deliveries_in_hand_end() {
    let backend = Backend::start().await;
    backend.behave(hang_on_words);
    let gateway = Gateway::start(ConfigBuilder::new().backend("desk", &backend).telegram(&BOT, None)).await;
    BOT.text(1, 1, "in hand").send(&gateway.client()).await.expect(200);
    backend.wait_for("the delivery", |all| all.iter().any(|d| d.text == "in hand").then_some(())).await;
    gateway.signal("TERM");
    gateway.log.line("draining").await;
    backend.behave(|_| Behaviour::Take);
    backend.release();
    let (status, stopped) = gateway.ended().await;
    assert_eq!(status.code(), Some(0));
    let gateway = stopped.start().await;
    BOT.text(2, 1, "after").send(&gateway.client()).await.expect(200);
    backend.wait_for_text("after").await;
    let attempts = backend.attempts();
    assert!(attempts.iter().all(|delivery| delivery.repeated == 0), "what ended is written down: nothing comes twice");
}

#[tokio::test]
async fn the_drain_has_an_end() {
    let backend = Backend::start().await;
    backend.behave(hang_on_words);
    let config =
        ConfigBuilder::new().backend("desk", &backend).telegram(&BOT, None).set("server", "drain_timeout", "1s");
    let gateway = Gateway::start(config).await;
    BOT.text(1, 1, "stuck").send(&gateway.client()).await.expect(200);
    backend.wait_for("the delivery", |all| all.iter().any(|d| d.text == "stuck").then_some(())).await;
    let (status, stopped) = gateway.terminate().await;
    assert_eq!(status.code(), Some(0));
    backend.behave(|_| Behaviour::Take);
    let _gateway = stopped.start().await;
    let again = backend.wait_for_text("stuck").await;
    assert_eq!(again.repeated, 1, "cut off, so it is made again");
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let backend = Backend::start().await;
    backend.behave(hang_on_words);
    let config =
        ConfigBuilder::new().backend("desk", &backend).telegram(&BOT, None).set("server", "drain_timeout", "10m");
    let gateway = Gateway::start(config.set("backends.desk", "timeout", "5m")).await;
    BOT.text(1, 1, "stuck").send(&gateway.client()).await.expect(200);
    backend.wait_for("the delivery", |all| all.iter().any(|d| d.text == "stuck").then_some(())).await;
    gateway.signal("TERM");
    gateway.log.line("draining").await;
    let (status, _) = gateway.terminate().await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_refuse_nobody() {
    let mut random = Random::new();
    let (first, second) = (Backend::start().await, Backend::start().await);
    let config = ConfigBuilder::new().backend("desk", &first).telegram(&BOT, None);
    let mut gateway = Gateway::start(config.clone()).await;
    let mut load = Load::start(BOT, 4, &mut random);
    load.turn_to(gateway.client());
    for _ in 0..5 {
        load.acknowledged(30).await;
        gateway.signal("HUP");
    }
    load.acknowledged(30).await;
    gateway.rewrite(config.backend("second", &second));
    second.wait_for("an event for the new backend", |all| (!all.is_empty()).then_some(())).await;
    load.acknowledged(30).await;
    load.end().await;
    assert_eq!(load.unanswered(), 0, "every request was answered");
    first.wait_for("everything acknowledged", |all| load.ledger.has_all(all).then_some(())).await;
    let verdict = load.ledger.judge(&first.attempts());
    verdict.expect_kept();
    assert_eq!(verdict.repeated, [], "a reload writes down what has ended");
    let (status, _) = gateway.terminate().await;
    assert_eq!(status.code(), Some(0));
}

/// What the present configuration has in hand may take minutes: providers do not wait for it.
#[tokio::test]
async fn a_reload_answers_providers_while_deliveries_in_hand_end() {
    let backend = Backend::start().await;
    backend.behave(hang_on_words);
    let gateway = Gateway::start(patient(&backend)).await;
    BOT.text(1, 1, "in hand").send(&gateway.client()).await.expect(200);
    backend.wait_for("the delivery", |all| all.iter().any(|d| d.text == "in hand").then_some(())).await;
    for update in 2..5 {
        gateway.signal("HUP");
        gateway.log.line("the configuration is exchanged").await;
        BOT.text(update, update, "meanwhile").send(&gateway.client()).await.expect(200);
    }
    backend.behave(|_| Behaviour::Take);
    backend.release();
    let meanwhile = |all: &[Delivery]| (all.iter().filter(|d| d.text == "meanwhile").count() == 3).then_some(());
    backend.wait_for("what came meanwhile", meanwhile).await;
    assert!(backend.attempts().iter().all(|delivery| delivery.repeated == 0));
    gateway.client().get("/v1/channels").await.expect(200);
}

/// The same for whoever calls the API, by the rules of the new configuration.
#[tokio::test]
async fn a_reload_answers_the_api_while_deliveries_in_hand_end() {
    const NEXT: &str = "next-key-0123456789";
    let backend = Backend::start().await;
    backend.behave(hang_on_words);
    let mut gateway = Gateway::start(patient(&backend).key("gone", "gone-key-0123456789", &["admin"])).await;
    BOT.text(1, 1, "in hand").send(&gateway.client()).await.expect(200);
    backend.wait_for("the delivery", |all| all.iter().any(|d| d.text == "in hand").then_some(())).await;
    gateway.rewrite(patient(&backend).telegram(&Telegram("second"), None).key(
        "next",
        NEXT,
        &["messages", "contacts", "admin"],
    ));
    gateway.signal("HUP");
    gateway.log.line("the configuration is exchanged").await;
    let client = gateway.client().with_key(NEXT);
    gateway.client().with_key("gone-key-0123456789").get("/v1/channels").await.expect(401);
    let channels = client.get("/v1/channels").await.expect(200).json()["channels"].clone();
    assert_eq!(channels.as_array().unwrap().len(), 2, "of the new configuration");
    let backends = client.get("/v1/backends").await.expect(200).json()["backends"].clone();
    assert_eq!((&backends[0]["name"], &backends[0]["in_flight"]), (&json!("desk"), &json!(1)), "still ending");
    client.get("/readyz").await.expect(200);
    client.get("/metrics").await.expect(200);
    let interactions = client.get("/v1/interactions?type=message.received").await.expect(200).json();
    let conversation = interactions["interactions"][0]["subject"].clone();
    let message =
        json!({ "conversation_id": conversation, "message": { "parts": [{ "type": "text", "text": "answer" }] } });
    client.call("POST", "/v1/messages", Some(&message)).await.expect(202);
    let close = format!("/v1/conversations/{}/close", conversation.as_str().unwrap());
    client.call("POST", &close, None).await.expect(200);
    backend.behave(|_| Behaviour::Take);
    backend.release();
    backend.wait_for_text("answer").await;
    let subscribers = client.get("/v1/backends").await.expect(200).json()["backends"].clone();
    assert_eq!(subscribers.as_array().unwrap().len(), 1);
    assert!(backend.attempts().iter().all(|delivery| delivery.repeated == 0));
}

/// Nobody who follows the gateway's end waits for a configuration that does not come.
#[tokio::test]
async fn a_reload_that_is_ended_ends_its_readers() {
    let backend = Backend::start().await;
    backend.behave(hang_on_words);
    let gateway = Gateway::start(patient(&backend)).await;
    BOT.text(1, 1, "in hand").send(&gateway.client()).await.expect(200);
    backend.wait_for("the delivery", |all| all.iter().any(|d| d.text == "in hand").then_some(())).await;
    gateway.signal("HUP");
    gateway.log.line("the configuration is exchanged").await;
    let mut events = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!("GET /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", crate::support::KEY);
    events.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 13];
    within("the answer", events.read_exact(&mut status)).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 ");
    gateway.signal("TERM");
    gateway.log.line("the next configuration is not taken any more").await;
    let mut rest = Vec::new();
    within("the end of the events", events.read_to_end(&mut rest)).await.unwrap();
    backend.release();
    let (ended, _) = gateway.ended().await;
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn a_reload_can_be_ended() {
    let backend = Backend::start().await;
    backend.behave(hang_on_words);
    let gateway = Gateway::start(patient(&backend)).await;
    BOT.text(1, 1, "in hand").send(&gateway.client()).await.expect(200);
    backend.wait_for("the delivery", |all| all.iter().any(|d| d.text == "in hand").then_some(())).await;
    gateway.signal("HUP");
    gateway.log.line("the configuration is exchanged").await;
    gateway.signal("TERM");
    gateway.log.line("the next configuration is not taken any more").await;
    backend.release();
    let (status, _) = gateway.ended().await;
    assert_eq!(status.code(), Some(0));
}

/// That a conversation was opened, is taken at once.
fn hang_on_words(delivery: &Delivery) -> Behaviour {
    if delivery.text.is_empty() { Behaviour::Take } else { Behaviour::Hang }
}

/// A gateway that waits for minutes where it must wait.
fn patient(backend: &Backend) -> ConfigBuilder {
    let config = ConfigBuilder::new().backend("desk", backend).telegram(&BOT, None);
    config.set("server", "drain_timeout", "10m").set("backends.desk", "timeout", "5m")
}

#[tokio::test]
async fn a_wrong_configuration_is_told_and_not_taken() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(ConfigBuilder::new().backend("desk", &backend).telegram(&BOT, None)).await;
    let right = gateway.config();
    let wrong = [
        "[server]\nlisten = 7\n".to_owned(),
        "[server".to_owned(),
        "\u{0}".to_owned(),
        "[backends.x]\nurl = \"http://127.0.0.1:1/\"\n".to_owned(),
        right.clone().set("channels.bot", "settings", json!({ "colour": "red" })).text(),
        right.clone().set("channels.bot", "adapter", "pigeon").text(),
        right.clone().set("server", "listen", "192.0.2.1:80").text(),
    ];
    for (number, text) in wrong.iter().enumerate() {
        let before = gateway.log.count("the changed configuration is refused");
        gateway.rewrite_text(text);
        gateway.signal("HUP");
        gateway.log.lines("the changed configuration is refused", before + 1).await;
        let text = format!("still there {number}");
        BOT.text(number as u64, 1, &text).send(&gateway.client()).await.expect(200);
        backend.wait_for_text(&text).await;
    }
}

/// What the present configuration has in hand may take minutes: visitors do not wait in it, where they would hear nothing.
#[tokio::test]
async fn a_reload_lets_visitors_come_back_while_deliveries_in_hand_end() {
    let backend = Backend::start().await;
    backend.behave(hang_on_words);
    let gateway = Gateway::start(patient(&backend).webchat("website")).await;
    let mut visitor = Visitor::open(gateway.address, "website", json!({})).await;
    visitor.say("in hand").await;
    let delivery = backend.wait_for("the delivery", |all| all.iter().find(|d| d.text == "in hand").cloned()).await;
    gateway.signal("HUP");
    assert_eq!(visitor.closed().await, 1012, "try again at once");
    let mut visitor = Visitor::open(gateway.address, "website", json!({ "token": visitor.token })).await;
    let typing = format!("/v1/conversations/{}/typing", delivery.event["subject"].as_str().unwrap());
    gateway.client().call("POST", &typing, Some(&json!({ "on": true }))).await.expect(202);
    visitor.hears("typing").await;
    assert_eq!(backend.attempts().iter().filter(|d| d.text == "in hand").count(), 1, "still in hand");
    backend.behave(|_| Behaviour::Take);
    backend.release();
    visitor.say("the next one").await;
    backend.wait_for_text("the next one").await;
}

/// RFC 6455 by hand: what is needed to see how a socket ends.
#[tokio::test]
async fn sockets_end_with_a_reload_so_that_visitors_come_back() {
    let gateway = Gateway::start(ConfigBuilder::new().webchat("website")).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!(
        "GET /chat/website/socket HTTP/1.1\r\nhost: {}\r\norigin: http://{0}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        gateway.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 13];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 101 ");
    gateway.signal("HUP");
    let mut rest = Vec::new();
    within("the end of the socket", stream.read_to_end(&mut rest)).await.unwrap();
    // A close frame with 1012, service restart.
    let reason = b"the gateway changes";
    let close = [&[0x88, 2 + reason.len() as u8], &1012_u16.to_be_bytes()[..], reason].concat();
    assert!(rest.ends_with(&close), "{}", String::from_utf8_lossy(&rest));
    let mut again = TcpStream::connect(gateway.address).await.unwrap();
    again.write_all(head.as_bytes()).await.unwrap();
    within("the next socket", again.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 101 ");
}
