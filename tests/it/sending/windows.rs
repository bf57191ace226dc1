use serde_json::{Value, json};

use super::{BOT, NUMBER, Stage, by_sms, said, sms_text, wa_text, with};
use crate::support::Call;

fn by_wa(parts: Value) -> Value {
    json!({"channel": "wa", "to": {"scheme": "tel", "value": NUMBER}, "message": {"parts": parts}})
}

fn text(text: &str) -> Value {
    json!([{"type": "text", "text": text}])
}

#[tokio::test]
async fn outside_its_window_a_channel_takes_templates_alone() {
    let stage = Stage::start().await;
    let client = stage.client();
    let problem =
        client.call("POST", "/v1/messages", Some(&by_wa(text("free")))).await.expect(422).expect_type("outside-window");
    assert_eq!(
        problem.detail(),
        "channel wa takes free messages for 1d after the person's newest one, and no message of this person is known \
         there; parts of type template alone are possible; channels that can take it: sms"
    );
    let instead = json!({"parts": ["template"], "tags": [], "channels": ["sms"]});
    assert_eq!((&problem.json()["instead"], &problem.json()["closed_at"]), (&instead, &Value::Null));
    let template = json!([{"type": "template", "name": "hello", "language": "en", "parameters": []}]);
    let sent = stage.send(&by_wa(template)).await;
    stage.reaches(&sent, "sent").await;
    stage.writes_by_wa("wamid.1", "hi").await;
    stage.send(&by_wa(text("free"))).await;
    said(&stage.wa, "free", wa_text).await;
    assert_eq!(stage.wa.calls().len(), 2, "nothing was tried that must fail");
}

#[tokio::test]
async fn with_a_next_way_it_goes_there_at_once() {
    let stage = Stage::start().await;
    let body = with(by_wa(text("Hello")), json!({"fallback": [{"channel": "sms", "on": ["outside-window"]}]}));
    let tried = stage.client().call("POST", "/v1/messages?dry_run=true", Some(&body)).await.expect(200).json();
    assert_eq!((&tried["via"], &tried["why"]), (&json!("sms"), &json!("outside-window")), "{tried}");
    let sent = stage.send(&body).await;
    assert_eq!((&sent["via"], &sent["why"]), (&json!("sms"), &json!("outside-window")), "{sent}");
    assert_eq!(
        (&sent["passed_over"][0]["channel"], &sent["passed_over"][0]["code"]),
        (&json!("wa"), &json!("outside-window"))
    );
    said(&stage.sms, "Hello", sms_text).await;
    let status = stage.reaches(&sent, "sent").await;
    assert_eq!((&status["channel"]["name"], &status["detail"]["why"]), (&json!("sms"), &json!("outside-window")));
    assert!(stage.wa.calls().is_empty());
    let only_failures = with(by_wa(text("Hello")), json!({"fallback": [{"channel": "sms", "on": ["failed"]}]}));
    stage.client().call("POST", "/v1/messages", Some(&only_failures)).await.expect(422).expect_type("outside-window");
}

#[tokio::test]
async fn what_leads_to_a_closed_window_later_fails_there() {
    let stage = Stage::start().await;
    stage.sms.behave(super::refusing(400, 21211));
    let body = with(by_sms("Hello"), json!({"fallback": [{"channel": "wa"}]}));
    let sent = stage.send(&body).await;
    let failed = stage.reaches(&sent, "failed").await;
    assert_eq!(
        (&failed["channel"]["name"], &failed["reason"]["code"]),
        (&json!("wa"), &json!("outside-window")),
        "{failed}"
    );
    assert!(stage.wa.calls().is_empty());
}

#[tokio::test]
async fn a_templates_text_goes_where_no_templates_are() {
    let stage = Stage::start().await;
    BOT.text(1, 501, "hi").send(&stage.client()).await.expect(200);
    let contact = stage.backend.wait_for_text("hi").await.event["data"]["contact"]["id"].clone();
    let template =
        |text: Value| json!([{"type": "template", "name": "hello", "language": "en", "parameters": [], "text": text}]);
    let body = |text: Value| json!({"contact_id": contact, "message": {"parts": template(text)}});
    stage.client().call("POST", "/v1/messages", Some(&body(Value::Null))).await.expect(422).expect_type("unsupported");
    let sent = stage.send(&body(json!("Hello Ann"))).await;
    assert_eq!((&sent["via"], &sent["loss"][0]["instead"]), (&json!("bot"), &json!("its text")), "{sent}");
    let is_it = |call: &Call| String::from_utf8_lossy(&call.body).contains("Hello Ann");
    stage.bot.wait_for("the text", |calls| calls.iter().any(is_it).then_some(())).await;
}
