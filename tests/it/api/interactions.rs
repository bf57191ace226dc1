use serde_json::{Value, json};

use super::{BOT, NOBODY, heard, id, start};

fn texts(page: &Value) -> Vec<&str> {
    let interactions = page["interactions"].as_array().unwrap();
    interactions.iter().map(|event| event["data"]["message"]["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_log_is_read_by_cursor() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    for update in 1..=5 {
        heard(&client, update, &format!("m{update}")).await;
    }
    let first = client.get("/v1/interactions?type=message.received&limit=2").await.expect(200).json();
    assert_eq!(texts(&first), ["m1", "m2"]);
    let second = client
        .get(&format!("/v1/interactions?type=message.received&limit=3&after={}", id(&first["next"])))
        .await
        .expect(200)
        .json();
    assert_eq!((texts(&second), &second["next"]), (vec!["m3", "m4", "m5"], &Value::Null));
    let newest = client.get("/v1/interactions?order=newest&limit=2").await.expect(200).json();
    assert_eq!(texts(&newest), ["m5", "m4"]);
    let detail = format!("there is no interaction {NOBODY}");
    client.get(&format!("/v1/interactions?after={NOBODY}")).await.expect_problem(404, "not-found", &detail);
}

#[tokio::test]
async fn filters_leave_out_what_does_not_match() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let event = heard(&client, 1, "m1").await;
    BOT.text(2, 502, "of another").send(&client).await.expect(200);
    let (contact, conversation) = (id(&event["data"]["contact"]["id"]), id(&event["data"]["conversation"]["id"]));
    for query in [
        format!("contact={contact}&type=message.received"),
        format!("conversation={conversation}&channel=bot&type=message.received"),
    ] {
        let page = client.get(&format!("/v1/interactions?{query}")).await.expect(200).json();
        assert_eq!(texts(&page), ["m1"], "{query}");
    }
    for query in ["channel=fax", "channel=sms", "type=message.echoed", &format!("contact={NOBODY}")] {
        let page = client.get(&format!("/v1/interactions?{query}")).await.expect(200).json();
        assert_eq!(page, json!({"interactions": [], "next": null}), "{query}");
    }
}

#[tokio::test]
async fn one_interaction_and_its_raw_request() {
    let (gateway, _provider) = start().await;
    let client = gateway.client();
    let event = heard(&client, 1, "hi").await;
    let path = format!("/v1/interactions/{}", id(&event["id"]));
    assert_eq!(client.get(&path).await.expect(200).json(), event);
    let detail = format!("no request was kept with interaction {}", id(&event["id"]));
    client.get(&format!("{path}/raw")).await.expect_problem(404, "not-found", &detail);
    let body = json!({"update_id": 7, "something_new": {"a": 1}}).to_string();
    BOT.body(body.clone()).send(&client).await.expect(200);
    let page = client.get("/v1/interactions?type=channel.unsupported").await.expect(200).json();
    let kept = id(&page["interactions"][0]["id"]).to_owned();
    let raw = client.get(&format!("/v1/interactions/{kept}/raw")).await.expect(200);
    assert_eq!(raw.body, body);
    assert_eq!(raw.header("content-type"), Some("application/octet-stream"));
    assert_eq!(raw.header("x-content-type-options"), Some("nosniff"));
    assert!(raw.header("content-disposition").unwrap().starts_with("attachment"));
}
