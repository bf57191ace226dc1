//! What stands before the log: what it takes out is nowhere, and what becomes of messages when it fails.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{
    Backend, Call, Client, ConfigBuilder, Delivery, Gateway, Provider, ProviderAnswer, Telegram, Twilio, WhatsApp,
};

const SMS: Twilio = Twilio("sms");
const BOT: Telegram = Telegram("bot");
const CHAT: WhatsApp = WhatsApp("chat");
const ANN: &str = "+15550100123";
const CARD: &str = "4111 1111 1111 1111";

fn taken(_: &Call) -> ProviderAnswer {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let sid = NEXT.fetch_add(1, Ordering::Relaxed);
    ProviderAnswer::json(201, &format!(r#"{{"sid":"SM{sid:032}","status":"sent","num_segments":"1"}}"#))
}

fn body(call: &Call) -> String {
    let form: HashMap<String, String> = url::form_urlencoded::parse(&call.body).into_owned().collect();
    form["Body"].clone()
}

fn message(text: &str) -> Value {
    json!({"channel": SMS.0, "to": {"scheme": "tel", "value": ANN}, "message": {"parts": [{"type": "text", "text": text}]}})
}

async fn dead_letters(client: &Client) -> Vec<Value> {
    client.get("/v1/dead-letters").await.expect(200).json()["dead_letters"].as_array().unwrap().clone()
}

async fn figure(client: &Client, processor: &str, result: &str) -> u64 {
    let text = String::from_utf8(client.get("/metrics").await.expect(200).body.to_vec()).unwrap();
    let line = format!("omnigate_processor_messages_total{{processor=\"{processor}\",result=\"{result}\"}} ");
    text.lines().find_map(|told| told.strip_prefix(&line)).unwrap().parse().unwrap()
}

/// Whether a text stands in any file below a directory, whatever the file is.
fn is_on_disk(directory: &Path, text: &str) -> bool {
    std::fs::read_dir(directory).unwrap().flatten().any(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => is_on_disk(&entry.path(), text),
        kind if kind.is_file() => {
            std::fs::read(entry.path()).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes())
        }
        _ => false,
    })
}

#[tokio::test]
async fn what_is_redacted_is_neither_sent_nor_kept_anywhere() {
    let backend = Backend::start().await;
    let provider = Provider::start(taken).await;
    let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, Some(&provider)).telegram(&BOT, None);
    let gateway = Gateway::start(config.processor("redact", "redact", json!({}))).await;
    let client = gateway.client();

    SMS.sms("SM1", ANN, &format!("my card is {CARD}, ok?")).send(&client).await.expect(200);
    let delivery = backend.wait_for_text("my card is [card], ok?").await;
    assert_eq!(delivery.event["data"]["tags"], json!({"redacted": ["card"]}));

    let answer = client.call("POST", "/v1/messages", Some(&message(&format!("you gave {CARD}")))).await.expect(202);
    let sent = provider.wait_for("the message", |calls| calls.first().map(body)).await;
    assert_eq!(sent, "you gave [card]");
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    let logged = client.get("/v1/interactions").await.expect(200).json();
    assert!(logged["interactions"].as_array().unwrap().iter().any(|event| event["id"] == id.as_str()), "{logged}");

    // Authentic, but nothing that the adapter understands, with a card in it.
    BOT.update(&json!({"update_id": 7, "poll": {"id": "1", "question": CARD}})).send(&client).await.expect(200);
    backend
        .wait_for("what is not understood", |all| {
            all.iter().find(|d| d.kind == "omnigate.channel.unsupported").cloned()
        })
        .await;

    assert_eq!(figure(&client, "redact", "changed").await, 2);
    assert!(!gateway.log.text().contains(CARD));
    let (_, stopped) = gateway.terminate().await;
    assert!(is_on_disk(&stopped.directory().join("data"), "[card]"), "the search finds what is there");
    assert!(!is_on_disk(&stopped.directory().join("data"), CARD));
}

#[tokio::test]
async fn processors_come_in_the_order_of_the_file() {
    let backend = Backend::start().await;
    let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, None);
    let numbers = |name: &str, pattern: &str| json!({"cards": false, "patterns": {name: pattern}});
    let config = config.processor("a", "redact", numbers("one", "x")).processor("b", "redact", numbers("two", "one"));
    let gateway = Gateway::start(config).await;
    SMS.sms("SM1", ANN, "x").send(&gateway.client()).await.expect(200);
    backend.wait_for_text("[[two]]").await;
}

#[tokio::test]
async fn what_a_processor_may_not_do_is_held_and_hurts_nobody() {
    let backend = Backend::start().await;
    let config = ConfigBuilder::new()
        .backend("desk", &backend)
        .twilio(&SMS, None)
        .set("plugins.limits", "cpu", "100ms")
        .processor("unruly", "unruly", json!({}));
    let gateway = Gateway::start(config.clone()).await;
    let client = gateway.client();
    let acts = ["loop", "trap", "greed", "fault", "empty", "steal 1", "lead", "tags", "nonsense", "mute"];
    for (number, act) in acts.iter().enumerate() {
        SMS.sms(&format!("SM{number}"), &format!("+155501002{number:02}"), act).send(&client).await.expect(200);
    }
    SMS.sms("SM-same", ANN, "fault").send(&client).await.expect(200);
    SMS.sms("SM-same", ANN, "fault").send(&client).await.expect(200);
    SMS.sms("SM-good", ANN, "hello").send(&client).await.expect(200);
    backend.wait_for_text("hello").await;
    let messages: Vec<_> = backend.attempts().into_iter().filter(|d| d.kind == "omnigate.message.received").collect();
    assert_eq!(messages.len(), 1, "what is held goes nowhere");

    let held = dead_letters(&client).await;
    assert_eq!(held.len(), acts.len() + 1, "one message is held once: {held:#?}");
    for letter in &held {
        assert_eq!((letter["kind"].as_str(), letter["subscriber"].as_str()), (Some("message"), Some("processing:sms")));
        assert_eq!(letter["request"], Value::Null, "nothing of what was said is shown");
    }
    assert_eq!(figure(&client, "unruly", "failed").await, acts.len() as u64 + 2);

    let id = held[0]["id"].as_str().unwrap();
    client.call("POST", &format!("/v1/dead-letters/{id}/retry"), None).await.expect(409);
    let again = client.get(&format!("/v1/dead-letters/{id}")).await.expect(200).json();
    assert_eq!(again["attempts"], 2);

    // Mended: what was held comes through, and is held no longer.
    let (_, stopped) = gateway.terminate().await;
    let gateway = stopped.start_with(config.processor("unruly", "unruly", json!({"obeys": false}))).await;
    let client = gateway.client();
    for letter in dead_letters(&client).await {
        let path = format!("/v1/dead-letters/{}/retry", letter["id"].as_str().unwrap());
        client.call("POST", &path, None).await.expect(202);
    }
    for act in acts {
        backend.wait_for_text(act).await;
    }
    assert!(dead_letters(&client).await.is_empty());
}

#[tokio::test]
async fn a_failing_processor_may_let_pass_or_reject() {
    let backend = Backend::start().await;
    let provider = Provider::start(taken).await;
    let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, Some(&provider)).whatsapp(&CHAT, None);
    let config = config
        .processor("a-lenient", "unruly", json!({}))
        .set("processors.a-lenient", "on_failure", "pass")
        .set("processors.a-lenient", "channels", json!(["s*"]))
        .processor("b-strict", "unruly", json!({}))
        .set("processors.b-strict", "on_failure", "reject")
        .set("processors.b-strict", "direction", "in")
        .set("processors.b-strict", "channels", json!(["chat"]));
    let gateway = Gateway::start(config).await;
    let client = gateway.client();

    SMS.sms("SM1", ANN, "fault").send(&client).await.expect(200);
    let passed = backend.wait_for_text("fault").await;
    assert_eq!(passed.event["data"]["metadata"]["unprocessed"], json!(["a-lenient"]));
    client.call("POST", "/v1/messages", Some(&message("trap"))).await.expect(202);
    provider.wait_for("what passed", |calls| calls.iter().any(|call| body(call) == "trap").then_some(())).await;

    let refused = CHAT.text("wamid.1", "15550100124", "fault").send(&client).await.expect(503);
    assert!(refused.headers.contains_key("retry-after"));
    assert!(dead_letters(&client).await.is_empty());
    CHAT.text("wamid.1", "15550100124", "better now").send(&client).await.expect(200);
    backend.wait_for_text("better now").await;
}

#[tokio::test]
async fn messages_are_dropped_and_outbound_ones_refused() {
    let backend = Backend::start().await;
    let provider = Provider::start(taken).await;
    let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, Some(&provider));
    let gateway = Gateway::start(config.processor("unruly", "unruly", json!({}))).await;
    let client = gateway.client();
    SMS.sms("SM1", ANN, "drop it").send(&client).await.expect(200);
    SMS.sms("SM2", ANN, "say something else").send(&client).await.expect(200);
    backend.wait_for_text("something else").await;
    assert!(backend.attempts().iter().all(|delivery| delivery.text != "drop it"));

    let dropped = client.call("POST", "/v1/messages", Some(&message("drop it"))).await.expect(422).json();
    assert!(dropped["detail"].as_str().unwrap().contains("I was told to drop it"), "{dropped}");
    client.call("POST", "/v1/messages", Some(&message("fault"))).await.expect(503);
    let rehearsed = client.call("POST", "/v1/messages?dry_run=true", Some(&message("say this"))).await.expect(200);
    assert_eq!(rehearsed.json()["parts"][0]["text"], "this");
    assert!(provider.calls().is_empty());

    // No network without a grant.
    let address = provider.address();
    SMS.sms("SM3", ANN, &format!("call http://{address}/")).send(&client).await.expect(200);
    let told = backend
        .wait_for("what became of the call", |all| all.iter().find(|d| d.text.starts_with("refused")).cloned())
        .await;
    assert!(told.text.contains("not granted") || told.text.contains("denied"), "{}", told.text);
    assert!(provider.calls().is_empty());
}

#[tokio::test]
async fn an_answer_comes_once_also_after_a_crash_and_never_to_a_bot() {
    let backend = Backend::start().await;
    let provider = Provider::start(taken).await;
    let config = ConfigBuilder::new().backend("desk", &backend).twilio(&SMS, Some(&provider));
    let rules = json!([
        {"words": {"de": ["rechnung"]}, "tags": {"topic": "billing"}, "priority": "high", "reply": "Danke {name|Ihnen}: {channel}"},
    ]);
    let config = config.processor("keywords", "keywords", json!({"rules": rules, "name": "Robin"}));
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    SMS.sms("SM1", ANN, "Die Rechnung?").send(&client).await.expect(200);
    let question = backend.wait_for_text("Die Rechnung?").await;
    assert_eq!(question.event["data"]["tags"], json!({"topic": "billing", "priority": "high"}));
    let reply = backend.wait_for_text("Danke Ihnen: sms").await;
    assert_eq!(reply.kind, "omnigate.message.submitted");
    assert_eq!(reply.conversation, question.conversation);
    let data = &reply.event["data"];
    assert_eq!(data["author"], json!({"kind": "bot", "name": "Robin"}));
    assert_eq!((&data["in_reply_to"], &data["metadata"]["processor"]), (&json!(question.id), &json!("keywords")));

    // The same message again, and another one that matches: neither is answered. The provider echoes nothing of it back.
    SMS.sms("SM1", ANN, "Die Rechnung?").send(&client).await.expect(200);
    SMS.sms("SM2", ANN, "Noch eine Rechnung!").send(&client).await.expect(200);
    let gateway = gateway.kill().start().await;
    SMS.sms("SM1", ANN, "Die Rechnung?").send(&gateway.client()).await.expect(200);
    // Somebody else is answered.
    SMS.sms("SM3", "+15550100777", "Rechnung").send(&gateway.client()).await.expect(200);
    let answered = |calls: &[Call]| calls.iter().filter(|call| body(call) == "Danke Ihnen: sms").count();
    provider.wait_for("the second answer", |calls| (answered(calls) == 2).then_some(())).await;
    let all = backend.taken();
    let is_reply = |d: &&Delivery| d.conversation == question.conversation && d.kind == "omnigate.message.submitted";
    // By id: what was on its way at the kill may come again.
    let replies: HashSet<&str> = all.iter().filter(is_reply).map(|delivery| &*delivery.id).collect();
    assert_eq!(replies, HashSet::from([&*reply.id]));
}
