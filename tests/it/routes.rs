//! Who gets what: by what was said, by share, and while somebody is away.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{
    Backend, Behaviour, ConfigBuilder, Delivery, Gateway, Provider, ProviderAnswer, Telegram, Twilio,
};

const SMS: Twilio = Twilio("sms");
const BOT: Telegram = Telegram("bot");
const ANN: &str = "+15550100123";

fn is_message(delivery: &Delivery) -> bool {
    delivery.kind == "omnigate.message.received"
}

fn texts(backend: &Backend) -> Vec<String> {
    backend.taken().into_iter().filter(is_message).map(|delivery| delivery.text).collect()
}

async fn wait_for_texts(backend: &Backend, count: usize) -> Vec<String> {
    let enough = |all: &[Delivery]| {
        let taken = all.iter().filter(|d| is_message(d) && d.behaviour == Behaviour::Take);
        (taken.count() >= count).then_some(())
    };
    backend.wait_for("messages", enough).await;
    texts(backend)
}

#[tokio::test]
async fn the_first_route_that_matches_is_taken_by_all_that_belongs_to_it() {
    let (billing, german, desk) = (Backend::start().await, Backend::start().await, Backend::start().await);
    let provider = Provider::start(|_| {
        ProviderAnswer::json(201, r#"{"sid":"SM00000000000000000000000000000001","status":"sent"}"#)
    })
    .await;
    let config = ConfigBuilder::new()
        .backend("billing", &billing)
        .backend("german", &german)
        .backend("desk", &desk)
        .twilio(&SMS, Some(&provider))
        .telegram(&BOT, None)
        .route(json!({"name": "bills", "match": {"channel": "s*", "text": ["invoice"]}, "backends": ["billing"], "tags": {"skill": "billing"}}))
        .route(json!({"match": {"medium": "telegram"}, "backends": ["german", "desk"]}));
    let gateway = Gateway::start(config).await;
    let client = gateway.client();

    SMS.sms("SM1", ANN, "my invoice").send(&client).await.expect(200);
    let bill = billing.wait_for_text("my invoice").await;
    let route = json!({"name": "bills", "backends": ["billing"]});
    assert_eq!(bill.event["data"]["route"], route);
    assert_eq!(bill.event["data"]["tags"], json!({"skill": "billing"}));

    // What belongs to it goes where it went.
    let message =
        json!({"conversation_id": bill.conversation, "message": {"parts": [{"type": "text", "text": "an answer"}]}});
    client.call("POST", "/v1/messages", Some(&message)).await.expect(202);
    let status =
        billing.wait_for("the receipt", |all| all.iter().find(|d| d.kind == "omnigate.message.status").cloned()).await;
    assert_eq!(status.event["data"]["route"], route);

    // Another message of the same person is routed by itself; what matches no route goes to everybody.
    SMS.sms("SM2", ANN, "hello").send(&client).await.expect(200);
    for backend in [&billing, &german, &desk] {
        assert_eq!(backend.wait_for_text("hello").await.event["data"]["route"], Value::Null);
    }
    BOT.text(1, 1, "guten Tag").send(&client).await.expect(200);
    german.wait_for_text("guten Tag").await;
    let second = desk.wait_for_text("guten Tag").await;
    assert_eq!(second.event["data"]["route"], json!({"name": "2", "backends": ["german", "desk"]}));
    assert_eq!(texts(&billing), ["my invoice", "hello"]);
    assert_eq!(texts(&german), ["hello", "guten Tag"]);
    assert_eq!(texts(&desk), ["hello", "guten Tag"]);

    // The log knows what was decided: nothing is decided again when it is delivered again.
    let (_, stopped) = gateway.terminate().await;
    let other = ConfigBuilder::new().backend("billing", &billing).backend("desk", &desk).twilio(&SMS, None);
    let gateway = stopped.start_with(other).await;
    SMS.sms("SM3", ANN, "invoice again").send(&gateway.client()).await.expect(200);
    desk.wait_for_text("invoice again").await;
    assert!(!texts(&desk).contains(&"my invoice".to_owned()));
}

#[tokio::test]
async fn a_share_stays_with_its_conversation_and_a_route_may_be_kept() {
    let (pilot, desk) = (Backend::start().await, Backend::start().await);
    let config = ConfigBuilder::new()
        .backend("pilot", &pilot)
        .backend("desk", &desk)
        .twilio(&SMS, None)
        .telegram(&BOT, None)
        .route(json!({"match": {"channel": "bot", "text": "vip"}, "backends": ["pilot"], "keep": true}))
        .route(json!({"match": {"channel": "sms", "share": 50}, "backends": ["pilot"]}))
        .route(json!({"backends": ["desk"]}));
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    let mut by_pilot = [0; 20];
    for round in 0..3 {
        for (person, count) in by_pilot.iter_mut().enumerate() {
            let text = format!("{round} of {person}");
            SMS.sms(&format!("SM{round}-{person}"), &format!("+155501001{person:02}"), &text)
                .send(&client)
                .await
                .expect(200);
            tokio::select! {
                _ = pilot.wait_for_text(&text) => *count += 1,
                _ = desk.wait_for_text(&text) => {}
            }
        }
    }
    for (update, text) in [(1, "hello"), (2, "I am a vip"), (3, "and stay one")] {
        BOT.text(update, 7, text).send(&client).await.expect(200);
    }
    pilot.wait_for_text("and stay one").await;
    desk.wait_for_text("hello").await;
    assert!(by_pilot.iter().all(|count| [0, 3].contains(count)), "conversations were torn apart: {by_pilot:?}");
    assert!(by_pilot.contains(&0) && by_pilot.contains(&3), "half of them: {by_pilot:?}");
    assert_eq!(texts(&pilot).iter().filter(|text| text.contains("vip") || text.contains("stay")).count(), 2);
}

fn with_fallback(desk: &Backend, night: &Backend) -> ConfigBuilder {
    ConfigBuilder::new()
        .backend("desk", desk)
        .backend("night", night)
        .twilio(&SMS, None)
        .retries(&["100ms"; 50])
        .route(json!({"backends": ["desk"], "fallback": {"backend": "night", "after": "1s"}}))
}

#[tokio::test]
async fn who_stands_in_gets_what_a_backend_does_not_take_once_and_in_order() {
    let (desk, night) = (Backend::start().await, Backend::start().await);
    let gateway = Gateway::start(with_fallback(&desk, &night)).await;
    let client = gateway.client();
    let send = async |sid: &str, from: &str, text: &str| {
        SMS.sms(sid, from, text).send(&client).await.expect(200);
    };
    send("SM0", ANN, "before").await;
    desk.wait_for_text("before").await;

    desk.behave(|_| Behaviour::Status(500));
    for number in 0..30 {
        send(&format!("SM1-{number}"), &format!("+15550100{:03}", 100 + number % 3), &format!("{number}")).await;
    }
    wait_for_texts(&night, 30).await;
    send("SM2", ANN, "while it is away").await;
    night.wait_for_text("while it is away").await;
    desk.behave(|_| Behaviour::Take);
    desk.wait_for_text("while it is away").await;
    gateway.log.line("the backend is back").await;
    send("SM3", ANN, "after").await;
    desk.wait_for_text("after").await;

    let got = texts(&night);
    assert_eq!(got.len(), 31, "each once, and nothing else: {got:?}");
    assert!(!got.contains(&"before".to_owned()) && !got.contains(&"after".to_owned()));
    for person in 0..3 {
        let numbers: Vec<u32> = got.iter().filter_map(|text| text.parse().ok()).filter(|n| n % 3 == person).collect();
        assert_eq!(numbers, (0..30).filter(|n| n % 3 == person).collect::<Vec<_>>(), "in order");
    }
    let missed = wait_for_texts(&desk, 33).await;
    assert_eq!(missed.len(), 33, "nothing is taken from who was away: {missed:?}");
}

/// More than is read at once, in conversations that failed before it was known that the backend is away.
#[tokio::test]
async fn who_stands_in_gets_long_conversations_whole() {
    const MESSAGES: usize = 450;
    let (desk, night) = (Backend::start().await, Backend::start().await);
    let gateway = Gateway::start(with_fallback(&desk, &night).retries(&["1h"])).await;
    let client = gateway.client().keeping_its_connection();
    // Bob is served, so that the backend is not away: Ann's conversation leaves the cursor.
    desk.behave(|delivery| if delivery.text.starts_with("ann") { Behaviour::Status(500) } else { Behaviour::Take });
    for number in 0..MESSAGES {
        SMS.sms(&format!("SM1-{number}"), ANN, &format!("ann {number}")).send(&client).await.expect(200);
        SMS.sms(&format!("SM2-{number}"), "+15550100999", &format!("bob {number}")).send(&client).await.expect(200);
    }
    desk.wait_for_text(&format!("bob {}", MESSAGES - 1)).await;
    desk.behave(|_| Behaviour::Status(500));
    SMS.sms("SM3", "+15550100999", "the last").send(&client).await.expect(200);
    night.wait_for_text("the last").await;
    let of_ann = |all: &[Delivery]| {
        let texts: Vec<String> = all.iter().map(|d| d.text.clone()).filter(|text| text.starts_with("ann")).collect();
        (texts.len() >= MESSAGES).then_some(texts)
    };
    let got = night.wait_for("Ann's messages", of_ann).await;
    assert_eq!(got, (0..MESSAGES).map(|number| format!("ann {number}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_handed_over_is_known_after_a_crash() {
    let (desk, night) = (Backend::start().await, Backend::start().await);
    desk.behave(|_| Behaviour::Status(500));
    let gateway = Gateway::start(with_fallback(&desk, &night)).await;
    SMS.sms("SM1", ANN, "one").send(&gateway.client()).await.expect(200);
    night.wait_for_text("one").await;
    let gateway = gateway.kill().start().await;
    SMS.sms("SM2", ANN, "two").send(&gateway.client()).await.expect(200);
    night.wait_for_text("two").await;
    let got = texts(&night);
    // What was in flight at the crash may come twice, and no more.
    assert!(got == ["one", "two"] || got == ["one", "one", "two"], "{got:?}");
}

/// Open all day, so many days from now.
fn open_in(days: i8) -> String {
    const DAYS: [&str; 7] = ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"];
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).weekday();
    format!("{} 00:00-24:00 UTC", DAYS[usize::from((today.to_monday_zero_offset() + days) as u8) % 7])
}

#[tokio::test]
async fn language_and_time_of_day_lead_to_who_speaks_it_and_is_there() {
    let (closed, german, desk) = (Backend::start().await, Backend::start().await, Backend::start().await);
    let config = ConfigBuilder::new()
        .backend("closed", &closed)
        .backend("german", &german)
        .backend("desk", &desk)
        .telegram(&BOT, None)
        // Three days away: midnight may pass while this runs.
        .route(json!({"match": {"hours": open_in(3)}, "backends": ["closed"]}))
        .route(json!({"match": {"hours": "Mo-Su 00:00-24:00 UTC", "language": "de"}, "backends": ["german"]}))
        .route(json!({"backends": ["desk"]}));
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    for (chat, language, text) in [(7, "de-AT", "Guten Tag"), (8, "en", "Good day")] {
        let from = json!({"id": chat, "is_bot": false, "first_name": "Ann", "language_code": language});
        let to = json!({"id": chat, "type": "private", "first_name": "Ann"});
        let message = json!({"message_id": chat, "from": from, "chat": to, "date": 1_767_225_600, "text": text});
        BOT.update(&json!({"update_id": chat, "message": message})).send(&client).await.expect(200);
    }
    assert_eq!(wait_for_texts(&german, 1).await, ["Guten Tag"]);
    assert_eq!(wait_for_texts(&desk, 1).await, ["Good day"]);
    assert!(closed.attempts().is_empty());
}

#[tokio::test]
async fn what_a_backend_gave_up_in_place_of_another_can_be_retried() {
    let (desk, night) = (Backend::start().await, Backend::start().await);
    desk.behave(|_| Behaviour::Hang);
    night.behave(|_| Behaviour::Status(500));
    let gateway = Gateway::start(with_fallback(&desk, &night).retries(&["10ms"])).await;
    let client = gateway.client();
    SMS.sms("SM1", ANN, "hello").send(&client).await.expect(200);
    let messages = client.get("/v1/interactions?type=message.received").await.expect(200).json();
    // What else happened in the conversation is given up, too.
    let message = &messages["interactions"][0]["id"];
    let letter = client.dead_letter_that(|letter| letter["interaction_id"] == *message).await;
    assert_eq!(letter["subscriber"], "backend:night", "{letter}");
    night.behave(|_| Behaviour::Take);
    let id = letter["id"].as_str().unwrap();
    client.call("POST", &format!("/v1/dead-letters/{id}/retry"), None).await.expect(202);
    night.wait_for_text("hello").await;
    desk.release();
}

const ROUTES: &str = r#"
[backends.desk]
url = "http://127.0.0.1:1/"
secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
[backends.german]
url = "http://127.0.0.1:2/"
secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
[[routes]]
name = "german"
match = { channel = "support-*", language = "de" }
backends = ["german", "desk"]
fallback = { backend = "desk2", after = "10m" }
tags = { skill = "german" }
[[routes]]
match = { hours = "Mo-Fr 09:00-18:00 Europe/Berlin" }
backends = ["desk"]
"#;

fn explain(config: &str, interaction: &Value) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let (file, asked) = (directory.path().join("config.toml"), directory.path().join("interaction.json"));
    std::fs::write(&file, config).unwrap();
    std::fs::write(&asked, interaction.to_string()).unwrap();
    let told = Command::new(env!("CARGO_BIN_EXE_omnigate"))
        .args(["check", "--config"])
        .arg(&file)
        .arg("--explain")
        .arg(&asked)
        .output()
        .unwrap();
    let text = String::from_utf8(told.stdout).unwrap() + &String::from_utf8(told.stderr).unwrap();
    (told.status.code(), text)
}

#[test]
fn check_explains_which_route_is_taken() {
    let config = ROUTES.replace("fallback = { backend = \"desk2\", after = \"10m\" }\n", "");
    let data = json!({
        "channel": {"name": "support-sms", "medium": "sms"}, "tags": {"language": "de"},
        "received_at": "2026-01-05T10:00:00Z", "message": {"text": "hallo"},
    });
    let (code, told) = explain(&config, &json!({"specversion": "1.0", "data": data}));
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("route german: matches: to german, which is to answer, and desk; tags {\"skill\":\"german\"}\n"),
        "{told}"
    );
    assert!(told.contains("route 2: would match, but an earlier one does\n"), "{told}");

    let (_, told) = explain(&config, &json!({"channel": {"name": "sales"}, "received_at": "2026-01-04T10:00:00Z"}));
    assert!(told.contains("route german: channel is \"sales\", not \"support-*\"\n"), "{told}");
    assert!(told.contains("route 2: it came outside Mo-Fr 09:00-18:00 Europe/Berlin\n"), "{told}");
    assert!(told.contains("no route matches: to every backend\n"), "{told}");

    let tiers = format!("{config}[[routes]]\nmatch = {{ attribute = {{ tier = \"gold\" }} }}\nbackends = [\"desk\"]\n");
    let by_tier =
        |contact: Value| explain(&tiers, &json!({"received_at": "2026-01-04T10:00:00Z", "contact": contact})).1;
    let told = by_tier(json!({"id": null}));
    assert!(told.contains("route 3: the contact has no attribute \"tier\"\n"), "{told}");
    assert!(told.contains("note: this interaction tells no attributes of the contact"), "{told}");
    let told = by_tier(json!({"id": null, "attributes": {"crm": {"tier": "gold"}}}));
    assert!(told.contains("route 3: matches: to desk\n") && !told.contains("note:"), "{told}");

    let (code, told) = explain(ROUTES, &json!({}));
    assert_eq!(code, Some(1));
    assert!(told.contains("routes[0].fallback.backend = \"desk2\": there is no such backend"), "{told}");
    let (code, told) = explain(&config, &json!([1]));
    assert_eq!(code, Some(1));
    assert!(told.contains("is no interaction"), "{told}");
}
