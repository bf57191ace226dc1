//! What was said with one person, found again.

use serde_json::{Value, json};

use super::{BOT, SMS, contact_of, conversation_of, link, post, start, timeline};

#[tokio::test]
async fn a_timeline_is_filtered() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "sms").send(&client).await.expect(200);
    let first = conversation_of(&backend, "sms").await;
    BOT.text(1, 501, "bot").send(&client).await.expect(200);
    let (one, two) = (contact_of(&backend, "sms").await, contact_of(&backend, "bot").await);
    link(&client, &one, &two).await;
    let message = json!({ "parts": [{ "type": "text", "text": "reply" }] });
    let reply = json!({ "contact_id": one, "channel": "sms", "message": message });
    post(&client, "/v1/messages", reply).await.expect(202);
    let sent = super::received(&backend, "reply").await;
    assert_eq!(timeline(&client, &one, "").await, ["reply", "bot", "sms"]);
    let at = sent["received_at"].as_str().unwrap();
    for (query, expected) in [
        ("&channel=bot", vec!["bot"]),
        ("&channel=sms", vec!["reply", "sms"]),
        ("&direction=outbound", vec!["reply"]),
        ("&direction=inbound&type=message.received", vec!["bot", "sms"]),
        ("&type=message.submitted", vec!["reply"]),
        (&format!("&conversation={first}"), vec!["sms"]),
        (&format!("&since={at}"), vec!["reply"]),
        (&format!("&until={at}"), vec!["bot", "sms"]),
        ("&since=2099-01-01T00:00:00Z", vec![]),
    ] {
        assert_eq!(timeline(&client, &one, query).await, expected, "{query}");
    }
    let path = format!("/v1/contacts/{one}/timeline");
    for (query, why) in [
        ("direction=up", "query: direction: unknown variant `up`, expected `inbound` or `outbound`"),
        ("since=yesterday", "query: since: must be a time of RFC 3339, such as "),
        ("type=message.received&direction=outbound", "query: type: nothing of this type goes in this direction"),
    ] {
        let problem = client.get(&format!("{path}?{query}")).await.expect(422).detail();
        assert!(problem.starts_with(why), "{problem}");
    }
}

/// Who follows one contact live follows whoever joins it.
#[tokio::test]
async fn interactions_of_a_contact_are_those_of_all_its_members() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "sms").send(&client).await.expect(200);
    BOT.text(1, 501, "bot").send(&client).await.expect(200);
    let (one, two) = (contact_of(&backend, "sms").await, contact_of(&backend, "bot").await);
    link(&client, &one, &two).await;
    for id in [&one, &two] {
        let path = format!("/v1/interactions?contact={id}&type=message.received");
        let page: Value = client.get(&path).await.expect(200).json();
        assert_eq!(super::texts(&page), ["sms", "bot"]);
    }
}

#[tokio::test]
async fn words_are_found_over_all_channels_of_one_person() {
    let (gateway, backend) = start().await;
    let client = gateway.client();
    SMS.sms("SM1", "+4930901820", "Where is my parcel?").send(&client).await.expect(200);
    BOT.text(1, 501, "The PARCEL came, thank you").send(&client).await.expect(200);
    BOT.text(2, 502, "my parcel, too").send(&client).await.expect(200);
    let one = contact_of(&backend, "Where is my parcel?").await;
    let two = contact_of(&backend, "The PARCEL came, thank you").await;
    assert_eq!(timeline(&client, &one, "&q=parcel").await, ["Where is my parcel?"]);
    link(&client, &one, &two).await;
    let both = ["The PARCEL came, thank you", "Where is my parcel?"];
    assert_eq!(timeline(&client, &one, "&q=parcel").await, both);
    assert_eq!(timeline(&client, &one, "&q=parcel&channel=sms").await, ["Where is my parcel?"]);
    assert_eq!(timeline(&client, &one, "&q=%22my%20parcel%22").await, ["Where is my parcel?"]);
    assert_eq!(timeline(&client, &one, "&q=parc*").await, both);
    assert_eq!(timeline(&client, &one, "&q=parc").await, [] as [&str; 0]);
    let path = format!("/v1/contacts/{one}/timeline?q=parcel&limit=1");
    let first = client.get(&path).await.expect(200).json();
    let next = super::id(&first["next"]);
    let rest = client.get(&format!("{path}&after={next}")).await.expect(200).json();
    assert_eq!((super::texts(&rest), &rest["next"]), (vec![both[1].to_owned()], &Value::Null));
    let path = format!("/v1/contacts/{one}/timeline");
    for (typed, why) in [
        ("", "query: q: must have 1 to 200 characters"),
        ("%21", "query: q: must have a word: letters or digits"),
        ("a*", "query: q: needs at least 3 letters or digits before *"),
    ] {
        client.get(&format!("{path}?q={typed}")).await.expect_problem(422, "invalid", why);
    }
}
