//! Connectors that are for some channels only.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::connectors::{CUSTOMER, PAUSES, SALES, SMS};
use crate::support::{Backend, ConfigBuilder, Gateway, HubSpot, Provider, ProviderAnswer, Telegram};

const BOT: Telegram = Telegram("bot");
const CHAT: u64 = 7;

/// One CRM for support, another one for sales.
fn config(support: &HubSpot, sales: &HubSpot, desk: &Backend) -> ConfigBuilder {
    ConfigBuilder::new()
        .twilio(&SMS, None)
        .twilio(&SALES, None)
        .backend("desk", desk)
        .hubspot("care", support)
        .set("connectors.care", "channels", json!(["support-*"]))
        .hubspot("deals", sales)
        .set("connectors.deals", "channels", json!(["sales-*", "bot"]))
        .retries(&PAUSES)
}

fn texts(crm: &HubSpot, kind: &str) -> Vec<String> {
    let text =
        |object: crate::support::Object| object.text("hs_communication_body").split("<br>").next().unwrap().to_owned();
    crm.all(kind).into_iter().map(text).collect()
}

fn attributes(event: &Value) -> &Value {
    &event["data"]["contact"]["attributes"]
}

#[tokio::test]
async fn a_connector_hears_and_tells_of_its_channels_alone() {
    let (support, sales, desk) = (HubSpot::start().await, HubSpot::start().await, Backend::start().await);
    let id = support.has_contact(json!({"phone": CUSTOMER, "owner": "Lee"}));
    sales.has_contact(json!({"phone": CUSTOMER, "owner": "Max"}));
    let gateway = Gateway::start(config(&support, &sales, &desk)).await;
    let client = gateway.client();

    SALES.sms("SM1", CUSTOMER, "a price?").send(&client).await.expect(200);
    let first = desk.wait_for_text("a price?").await;
    assert_eq!(*attributes(&first.event), json!({"deals": {"owner": "Max"}}));
    // The conversation goes on elsewhere: there it is new to whom it concerns.
    SMS.sms("SM2", CUSTOMER, "it is broken").send(&client).await.expect(200);
    let second = desk.wait_for_text("it is broken").await;
    assert_eq!(first.conversation, second.conversation);
    assert_eq!(*attributes(&second.event), json!({"care": {"owner": "Lee"}}));

    let change = json!([{
        "eventId": 1, "subscriptionId": 12, "portalId": 900, "occurredAt": 1, "attemptNumber": 0,
        "subscriptionType": "contact.propertyChange", "objectId": id.parse::<u64>().unwrap(),
        "propertyName": "owner", "propertyValue": "Eve", "changeSource": "CRM_UI",
    }]);
    HubSpot::notice("care", &change).send(&client).await.expect(204);
    SALES.sms("SM3", CUSTOMER, "cheaper?").send(&client).await.expect(200);
    assert_eq!(*attributes(&desk.wait_for_text("cheaper?").await.event), json!({"deals": {"owner": "Max"}}));
    SMS.sms("SM4", CUSTOMER, "still broken").send(&client).await.expect(200);
    assert_eq!(*attributes(&desk.wait_for_text("still broken").await.event), json!({"care": {"owner": "Eve"}}));

    let has = |count: usize| move |crm: &HubSpot| (crm.count("communications") >= count).then_some(());
    support.wait_for("what was said to support", has(2)).await;
    sales.wait_for("what was said to sales", has(2)).await;
    assert_eq!(texts(&support, "communications"), ["it is broken", "still broken"]);
    assert_eq!(texts(&sales, "communications"), ["a price?", "cheaper?"]);
    let shown = client.get("/v1/connectors").await.expect(200).json();
    let lookups = shown["connectors"].as_array().unwrap().iter().map(|one| one["counts"]["lookups"].clone());
    assert_eq!(lookups.collect::<Vec<_>>(), [1, 1], "each is asked once: {shown}");
}

#[tokio::test]
async fn a_route_sees_what_the_connectors_of_the_channel_know() {
    let (support, sales) = (HubSpot::start().await, HubSpot::start().await);
    let (desk, seniors) = (Backend::start().await, Backend::start().await);
    support.has_contact(json!({"phone": CUSTOMER, "vip": "true"}));
    let config = config(&support, &sales, &desk)
        .backend("seniors", &seniors)
        .route(json!({"match": {"attribute": {"vip": "true"}}, "backends": ["seniors"]}))
        .route(json!({"backends": ["desk"]}));
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    SMS.sms("SM1", CUSTOMER, "one").send(&client).await.expect(200);
    desk.wait_for_text("one").await;
    SMS.sms("SM2", CUSTOMER, "two").send(&client).await.expect(200);
    seniors.wait_for_text("two").await;
    SALES.sms("SM3", CUSTOMER, "three").send(&client).await.expect(200);
    desk.wait_for_text("three").await;
}

#[tokio::test]
async fn a_message_that_goes_on_by_another_channel_keeps_its_status_where_it_stands() {
    let (support, sales, desk) = (HubSpot::start().await, HubSpot::start().await, Backend::start().await);
    let sms = Provider::start(|_| ProviderAnswer::json(400, r#"{"code":21211,"message":"no","status":400}"#)).await;
    let bot = Provider::start(|_| ProviderAnswer::json(200, r#"{"ok":true,"result":{"message_id":11}}"#)).await;
    let config = config(&support, &sales, &desk).twilio(&SMS, Some(&sms)).telegram(&BOT, Some(&bot));
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    let contact = |event: &Value| event["data"]["contact"]["id"].as_str().unwrap().to_owned();
    SMS.sms("SM1", CUSTOMER, "by sms").send(&client).await.expect(200);
    let by_sms = contact(&desk.wait_for_text("by sms").await.event);
    BOT.text(1, CHAT, "by bot").send(&client).await.expect(200);
    let by_bot = contact(&desk.wait_for_text("by bot").await.event);
    let link = json!({"contact_id": by_bot, "reason": "one person"});
    client.call("POST", &format!("/v1/contacts/{by_sms}/link"), Some(&link)).await.expect(200);

    let message = json!({"contact_id": by_sms, "channel": SMS.0, "fallback": [{"channel": BOT.0}],
        "message": {"parts": [{"type": "text", "text": "an answer"}]}});
    client.call("POST", "/v1/messages", Some(&message)).await.expect(202);
    let sent = |crm: &HubSpot| {
        let all = crm.all("communications");
        let is_sent = |one: &&crate::support::Object| {
            one.text("hs_communication_body").starts_with("an answer") && one.text("omnigate_status") == "sent"
        };
        all.iter().find(is_sent).map(|_| all.len())
    };
    assert_eq!(support.wait_for("the status", sent).await, 2);
    sales.wait_for("what was said to the bot", |crm| (crm.count("notes") == 1).then_some(())).await;
    assert_eq!(
        (sales.count("communications"), sales.count("notes")),
        (0, 1),
        "the answer stands where it was submitted"
    );
}

const CHECKED: &str = r#"
[plugins]
directory = "."
[channels.support-sms]
adapter = "telegram"
secrets = { bot_token = "1:a", webhook_secret = "0123456789abcdef" }
[connectors.care]
plugin = "hubspot"
channels = ["support-*", "fax"]
secrets = { access_token = "a" }
grants = { hosts = ["api.hubapi.com"] }
[connectors.deals]
plugin = "hubspot"
secrets = { access_token = "a" }
grants = { hosts = ["api.hubapi.com"] }
"#;

#[test]
fn check_tells_which_connectors_get_an_interaction() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    for plugin in ["hubspot.wasm", "telegram.wasm"] {
        std::fs::copy(crate::check::plugins().join(plugin), directory.path().join(plugin)).unwrap();
    }
    std::fs::write(&file, CHECKED).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_omnigate"));
    check.arg("check").arg("--config").arg(&file).args(["--explain", "-"]);
    let streams = check.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = streams.spawn().unwrap();
    let data = json!({"channel": {"name": "sales-sms", "medium": "sms"}});
    let event = json!({"type": "omnigate.message.received", "data": data}).to_string();
    running.stdin.take().unwrap().write_all(event.as_bytes()).unwrap();
    let told = running.wait_with_output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap() + &String::from_utf8(told.stderr).unwrap();
    let expected = "connector care: channel is \"sales-sms\", not \"support-*\" or \"fax\"\nconnector deals: gets it\n";
    assert!(told.contains(expected), "{told}");
    assert!(told.contains("connectors.care.channels = \"fax\": no channel has such a name"), "{told}");
}
