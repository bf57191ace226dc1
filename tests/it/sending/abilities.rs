use serde_json::{Value, json};

use super::{BOT, Stage, by_sms, said, sms_text, with};

fn sms_of(parts: Value) -> Value {
    with(by_sms(""), json!({"message": {"parts": parts}}))
}

#[tokio::test]
async fn buttons_become_a_numbered_list_and_the_number_becomes_the_choice() {
    let stage = Stage::start().await;
    let options = json!([{"id": "yes", "title": "Yes, please"}, {"id": "no", "title": "No"}]);
    let parts =
        json!([{"type": "text", "text": "Coffee?"}, {"type": "choices", "style": "buttons", "options": options}]);
    let sent = stage.send(&sms_of(parts)).await;
    let loss = json!([{
        "part": 1, "ability": "parts", "what": "carries no choices; it carries: text, media, location, template",
        "instead": "a numbered list",
    }]);
    assert_eq!(sent["loss"], loss);
    said(&stage.sms, "Coffee?\n1. Yes, please\n2. No", sms_text).await;
    let status = stage.reaches(&sent, "sent").await;
    assert_eq!(status["detail"]["loss"], loss, "{status}");
    assert_eq!(stage.message(&sent).await["loss"], loss);
    stage.writes_by_sms("SM1", "maybe").await;
    super::SMS.sms("SM2", super::NUMBER, " 2. ").send(&stage.client()).await.expect(200);
    let picked = stage.backend.wait_for_text("No").await.event;
    assert_eq!(picked["data"]["message"]["parts"], json!([{"type": "choice", "id": "no", "title": "No"}]), "{picked}");
    assert_eq!((&picked["data"]["in_reply_to"], &picked["data"]["metadata"]["typed"]), (&sent["id"], &json!(" 2. ")));
    super::SMS.sms("SM3", super::NUMBER, "1").send(&stage.client()).await.expect(200);
    let plain = stage.backend.wait_for_text("1").await.event;
    assert_eq!(plain["data"]["message"]["parts"][0]["type"], "text", "the list was answered: {plain}");
}

#[tokio::test]
async fn the_title_may_be_typed_too() {
    let stage = Stage::start().await;
    let options = json!([{"id": "y", "title": "Yes"}, {"id": "n", "title": "No"}]);
    let sent = stage.send(&sms_of(json!([{"type": "choices", "style": "list", "options": options}]))).await;
    stage.reaches(&sent, "sent").await;
    let gateway = stage.gateway.kill().start().await;
    super::SMS.sms("SM1", super::NUMBER, "yes").send(&gateway.client()).await.expect(200);
    let picked = stage.backend.wait_for_text("Yes").await.event;
    assert_eq!(picked["data"]["message"]["parts"][0]["id"], "y", "also after a crash: {picked}");
}

#[tokio::test]
async fn a_long_text_goes_in_pieces_and_a_dry_run_counts_them() {
    let stage = Stage::start().await;
    let (first, second) = ("a".repeat(1500), "b".repeat(400));
    let body = sms_of(json!([{"type": "text", "text": format!("{first} {second}")}]));
    let tried = stage.client().call("POST", "/v1/messages?dry_run=true", Some(&body)).await.expect(200).json();
    assert_eq!(
        tried["segments"],
        json!([{"encoding": "gsm-7", "count": 10}, {"encoding": "gsm-7", "count": 3}]),
        "{tried}"
    );
    assert_eq!((&tried["loss"][0]["ability"], &tried["loss"][0]["instead"]), (&json!("text_max"), &json!("2 texts")));
    assert_eq!(tried["parts"][1]["text"], json!(second));
    assert_eq!(stage.client().get("/v1/interactions").await.expect(200).json()["interactions"], json!([]));
    let sent = stage.send(&body).await;
    stage.reaches(&sent, "sent").await;
    let texts: Vec<_> = stage.sms.calls().iter().map(sms_text).collect();
    assert_eq!(texts, [first, second]);
}

#[tokio::test]
async fn a_file_that_a_channel_cannot_carry_becomes_a_link_that_opens() {
    let stage = Stage::start().await;
    let client = stage.client();
    BOT.text(1, 501, "hi").send(&client).await.expect(200);
    let contact = stage.backend.wait_for_text("hi").await.event["data"]["contact"]["id"].clone();
    let headers: Vec<_> =
        [("authorization", format!("Bearer {}", crate::support::KEY)), ("content-type", "text/plain".to_owned())]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
    let stored = client
        .request("POST", "/v1/media?name=offer.txt", &headers, "the offer".into())
        .await
        .unwrap()
        .expect(201)
        .json();
    let part = json!({"type": "media", "kind": "file", "url": stored["url"], "caption": "Our offer"});
    let sent = stage.send(&json!({"contact_id": contact, "message": {"parts": [part]}})).await;
    assert_eq!((&sent["via"], &sent["loss"][0]["instead"]), (&json!("bot"), &json!("a link")), "{sent}");
    let call = stage
        .bot
        .wait_for("the message", |calls| calls.iter().find(|call| call.path.ends_with("/sendMessage")).cloned())
        .await;
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let text = body["text"].as_str().unwrap();
    let link = text.strip_prefix("Our offer\nhttps://gate.example").unwrap_or_else(|| panic!("{text}"));
    let opened = client.clone().with_key("").get(link).await.expect(200);
    assert_eq!(opened.body, "the offer");
}

#[tokio::test]
async fn what_must_not_be_lost_is_refused() {
    let stage = Stage::start().await;
    let parts = json!([{"type": "text", "text": "Ann", "html": "<b>Ann</b>"}]);
    let body = with(sms_of(parts), json!({"lossless": true}));
    let problem = stage.client().call("POST", "/v1/messages", Some(&body)).await;
    let problem =
        problem.expect_problem(422, "unsupported", "message.parts[0]: channel sms shows no formatted text").json();
    assert_eq!((&problem["channel"], &problem["ability"]), (&json!("sms"), &json!("html")));
    let sent = stage.send(&with(body, json!({"lossless": false}))).await;
    assert_eq!(sent["loss"][0]["instead"], "the plain text", "{sent}");
    said(&stage.sms, "Ann", sms_text).await;
}

#[tokio::test]
async fn what_no_words_can_say_stays_refused() {
    let stage = Stage::start().await;
    let extension = json!([{"type": "extension", "kind": "order", "data": {}}]);
    let problem = stage.client().call("POST", "/v1/messages", Some(&sms_of(extension))).await;
    problem.expect(422).expect_type("unsupported");
}
