use serde_json::{Value, json};

use super::{SMS, Stage, WA, by_sms, refusing, said, sms_taken, sms_text, wa_text, with};
use crate::support::{Call, ProviderAnswer};

fn then_wa(text: &str, after: &str) -> Value {
    with(by_sms(text), json!({"fallback": [{"channel": "wa", "after": after}]}))
}

fn channels(message: &Value) -> Vec<(&str, &str, &str)> {
    let text = |value: &Value| -> &str { serde_json::from_value::<String>(value.clone()).unwrap().leak() };
    let ways = message["ways"].as_array().unwrap();
    ways.iter().map(|way| (text(&way["channel"]), text(&way["why"]), text(&way["status"]))).collect()
}

#[tokio::test]
async fn what_fails_goes_by_the_next_channel_under_the_same_id() {
    let stage = Stage::start().await;
    stage.writes_by_wa("wamid.1", "hi").await;
    stage.sms.behave(refusing(400, 21211));
    let sent = stage.send(&then_wa("Hello", "10m")).await;
    assert_eq!((&sent["via"], &sent["why"]), (&json!("sms"), &json!("asked")), "{sent}");
    said(&stage.wa, "Hello", wa_text).await;
    let status = stage.reaches(&sent, "sent").await;
    assert_eq!(status["channel"]["name"], "wa", "{status}");
    assert_eq!((&status["detail"]["via"], &status["detail"]["why"]), (&json!("wa"), &json!("failed")), "{status}");
    let message = stage.message(&sent).await;
    assert_eq!(channels(&message), [("sms", "asked", "failed"), ("wa", "failed", "sent")], "{message}");
    assert_eq!((&message["via"], &message["status"], &message["reason"]), (&json!("wa"), &json!("sent"), &Value::Null));
    assert_eq!(message["ways"][0]["reason"]["code"], "invalid-recipient", "{message}");
    let history: Vec<_> =
        message["history"].as_array().unwrap().iter().map(|step| (&step["channel"], &step["status"])).collect();
    let expected =
        [("sms", "queued"), ("sms", "failed"), ("wa", "queued"), ("wa", "sent")].map(|(c, s)| (json!(c), json!(s)));
    assert!(history.into_iter().eq(expected.iter().map(|(c, s)| (c, s))), "{message}");
    assert_eq!((stage.sms.calls().len(), stage.wa.calls().len()), (1, 1));
    let letters = stage.client().get("/v1/dead-letters").await.expect(200).json();
    assert_eq!(letters["dead_letters"], json!([]), "it went on: there is nothing to retry");
}

#[tokio::test]
async fn the_last_failure_is_the_messages() {
    let stage = Stage::start().await;
    stage.writes_by_wa("wamid.1", "hi").await;
    stage.sms.behave(refusing(400, 21211));
    stage
        .wa
        .behave(|_| ProviderAnswer::json(400, r#"{"error":{"code":131026,"message":"no","type":"OAuthException"}}"#));
    let sent = stage.send(&then_wa("Hello", "10m")).await;
    let failed = stage.reaches(&sent, "failed").await;
    assert_eq!((&failed["channel"]["name"], &failed["final"]), (&json!("wa"), &json!(true)), "{failed}");
    let message = stage.message(&sent).await;
    assert_eq!(channels(&message), [("sms", "asked", "failed"), ("wa", "failed", "failed")], "{message}");
}

#[tokio::test]
async fn what_is_not_delivered_in_time_goes_on_and_a_late_delivery_is_told() {
    let stage = Stage::start().await;
    stage.writes_by_wa("wamid.1", "hi").await;
    let sent = stage.send(&then_wa("Hello", "2s")).await;
    said(&stage.sms, "Hello", sms_text).await;
    let status = stage.status(&sent, "the next way", |data| data["channel"]["name"] == "wa").await;
    assert_eq!(status["detail"]["why"], "not-delivered", "{status}");
    said(&stage.wa, "Hello", wa_text).await;
    let is_on_its_way = |data: &Value| data["channel"]["name"] == "wa" && data["detail"]["status"] == "sent";
    stage.status(&sent, "it is on its way", is_on_its_way).await;
    stage.sms_receipt(&sent, "delivered").await;
    let delivered = stage.reaches(&sent, "delivered").await;
    assert_eq!(delivered["channel"]["name"], "sms", "{delivered}");
    let message = stage.message(&sent).await;
    assert_eq!((&message["via"], &message["status"]), (&json!("sms"), &json!("delivered")), "{message}");
    assert_eq!(channels(&message), [("sms", "asked", "delivered"), ("wa", "not-delivered", "sent")], "{message}");
}

#[tokio::test]
async fn what_is_delivered_in_time_stays_where_it_is() {
    let stage = Stage::start().await;
    stage.writes_by_wa("wamid.1", "hi").await;
    let delivered = stage.send(&then_wa("first", "5s")).await;
    stage.reaches(&delivered, "sent").await;
    stage.sms_receipt(&delivered, "delivered").await;
    stage.reaches(&delivered, "delivered").await;
    // Its clock is later than that of the one before: once it went on, the other one's time was over, too.
    let silent = stage.send(&then_wa("second", "5s")).await;
    said(&stage.wa, "second", wa_text).await;
    assert_eq!(stage.message(&delivered).await["ways"].as_array().unwrap().len(), 1);
    assert_eq!(stage.message(&silent).await["ways"].as_array().unwrap().len(), 2);
    assert_eq!(stage.wa.calls().len(), 1);
}

#[tokio::test]
async fn a_channel_that_is_away_gets_nothing_that_went_on_without_it() {
    let stage = Stage::with(|config| config.retries(&["100ms"; 50])).await;
    stage.writes_by_wa("wamid.1", "hi").await;
    stage.sms.behave(refusing(503, 20500));
    let sent = stage.send(&then_wa("Hello", "1s")).await;
    said(&stage.wa, "Hello", wa_text).await;
    let attempts = stage.sms.calls().len();
    stage.sms.behave(sms_taken);
    // After it in the same lane.
    stage.send(&by_sms("later")).await;
    said(&stage.sms, "later", sms_text).await;
    let taken = stage.sms.calls().iter().skip(attempts + 1).filter(|call| sms_text(call) == "Hello").count();
    assert_eq!(taken, 0, "what was withdrawn came all the same");
    let message = stage.message(&sent).await;
    assert_eq!(channels(&message)[0], ("sms", "asked", "expired"), "{message}");
    assert_eq!(message["via"], "wa");
}

#[tokio::test]
async fn the_clock_survives_a_kill() {
    let stage = Stage::start().await;
    stage.writes_by_wa("wamid.1", "hi").await;
    let sent = stage.send(&then_wa("Hello", "1s")).await;
    let Stage { gateway, sms, wa, bot, backend } = stage;
    let gateway = gateway.kill().start().await;
    let stage = Stage { gateway, sms, wa, bot, backend };
    said(&stage.wa, "Hello", wa_text).await;
    let stage = Stage { gateway: stage.gateway.kill().start().await, ..stage };
    stage
        .status(&sent, "sent by the next way", |data| {
            data["channel"]["name"] == "wa" && data["detail"]["status"] == "sent"
        })
        .await;
    let message = stage.message(&sent).await;
    assert_eq!(message["ways"].as_array().unwrap().len(), 2, "{message}");
}

#[tokio::test]
async fn a_receipt_that_tells_of_a_failure_leads_on() {
    let stage = Stage::start().await;
    stage.writes_by_wa("wamid.1", "hi").await;
    let sent = stage.send(&then_wa("Hello", "10m")).await;
    stage.reaches(&sent, "sent").await;
    stage.sms_receipt(&sent, "undelivered").await;
    said(&stage.wa, "Hello", wa_text).await;
    let status = stage.status(&sent, "sent by the next way", |data| data["channel"]["name"] == "wa").await;
    assert_eq!(
        (&status["status"], &status["detail"]["why"]),
        (&json!("sent"), &json!("failed")),
        "it never goes backwards: {status}"
    );
}

#[tokio::test]
async fn a_way_that_cannot_be_is_refused_before_anything_is_sent() {
    let stage = Stage::start().await;
    let refused = async |fallback: Value, code: &str| {
        let body = with(by_sms("Hello"), json!({"fallback": [fallback]}));
        let problem = stage.client().call("POST", "/v1/messages", Some(&body)).await.expect(422).expect_type(code);
        problem.detail()
    };
    let unknown = refused(json!({"channel": "fax"}), "invalid").await;
    assert_eq!(unknown, "fallback[0].channel: there is no channel \"fax\"; there are: bot, sms, wa");
    let nobody = refused(json!({"channel": "bot"}), "no-address").await;
    assert_eq!(nobody, "none of this contact's addresses can be reached by channel bot");
    let twice = refused(json!({"channel": SMS.0}), "invalid").await;
    assert_eq!(twice, "fallback[0].channel: is a way of this message already: nothing is sent twice on one channel");
    assert!(stage.sms.calls().is_empty());
}

/// Refused or silent, killed or not: every message that was accepted takes each of its ways, and the last one leads somewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_goes_on_whatever_is_killed() {
    let stage = Stage::start().await;
    let mut refuse = refusing(400, 21211);
    stage.sms.behave(move |call| if sms_text(call).ends_with("refused") { refuse(call) } else { sms_taken(call) });
    let people = ["15550100201", "15550100202", "15550100203"];
    for person in people {
        WA.text(&format!("wamid.{person}"), person, &format!("hi from {person}"))
            .send(&stage.client())
            .await
            .expect(200);
    }
    let Stage { mut gateway, sms: _sms, wa, bot: _bot, backend: _backend } = stage;
    let mut accepted = Vec::new();
    for round in 0..3 {
        for number in 0..12 {
            let text = format!("{round}/{number} {}", if number % 2 == 0 { "refused" } else { "silent" });
            let to = json!({"scheme": "tel", "value": format!("+{}", people[number % 3])});
            let body = with(then_wa(&text, "1s"), json!({"to": to}));
            let sent = gateway.client().call("POST", "/v1/messages", Some(&body)).await.expect(202).json();
            accepted.push((sent["id"].as_str().unwrap().to_owned(), text));
        }
        gateway = gateway.kill().start().await;
    }
    let all =
        |calls: &[Call]| accepted.iter().all(|(_, text)| calls.iter().any(|call| wa_text(call) == *text)).then_some(());
    wa.wait_for("every message by the next way", all).await;
    for (id, text) in &accepted {
        let message = gateway.client().get(&format!("/v1/messages/{id}")).await.expect(200).json();
        let ways = channels(&message);
        assert_eq!((ways.len(), ways[1].0), (2, "wa"), "{message}");
        // What was refused may be overdue before that is known, if the gateway is away for long.
        assert!(ways[1].1 == "not-delivered" || text.ends_with("refused"), "{message}");
    }
}
