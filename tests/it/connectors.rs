//! A CRM that is kept in step: one contact, the whole history in its order, whatever happens in between.

use serde_json::{Value, json};

use crate::support::{
    Backend, Client, ConfigBuilder, Gateway, HubSpot, Mood, Object, Provider, ProviderAnswer, Twilio, WhatsApp,
};

pub(crate) const SMS: Twilio = Twilio("support-sms");
pub(crate) const SALES: Twilio = Twilio("sales-sms");
pub(crate) const WHATSAPP: WhatsApp = WhatsApp("whatsapp");
pub(crate) const CUSTOMER: &str = "+15550100123";
/// Enough of them that a test never meets the last one.
pub(crate) const PAUSES: [&str; 50] = ["200ms"; 50];

fn config(crm: &HubSpot) -> ConfigBuilder {
    ConfigBuilder::new()
        .twilio(&SMS, None)
        .twilio(&SALES, None)
        .whatsapp(&WHATSAPP, None)
        .hubspot("crm", crm)
        .retries(&PAUSES)
}

/// Message `number` of the customer, each on another one of three channels.
pub(crate) async fn says(client: &Client, number: usize) {
    let (id, text) = (format!("{number:04}"), format!("message {number}"));
    let webhook = match number % 3 {
        0 => SMS.sms(&format!("SM{id}"), CUSTOMER, &text),
        1 => WHATSAPP.text(&format!("wamid.{id}"), CUSTOMER.trim_start_matches('+'), &text),
        _ => SALES.sms(&format!("SM{id}"), CUSTOMER, &text),
    };
    webhook.send(client).await.expect(200);
}

/// The texts on the timeline, in the order in which they were written there.
fn history(crm: &HubSpot) -> Vec<String> {
    let text = |object: Object| object.text("hs_communication_body").split("<br>").next().unwrap().to_owned();
    crm.all("communications").into_iter().map(text).collect()
}

pub(crate) fn expected(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("message {number}")).collect()
}

async fn whole_history(crm: &HubSpot, count: usize) {
    let whole = expected(count);
    crm.wait_for("the whole history", |crm| (history(crm).len() >= whole.len()).then_some(())).await;
    assert_eq!(history(crm), whole);
}

async fn all_bound(crm: &HubSpot, contact: &Object) {
    let bound = |crm: &HubSpot| crm.all("communications").iter().all(|one| crm.is_bound(one, contact)).then_some(());
    crm.wait_for("everything bound to the contact", bound).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_channels_are_one_contact_with_one_history_through_kills_and_outages() {
    let crm = HubSpot::start().await;
    let mut gateway = Gateway::start(config(&crm)).await;
    let moods = [Mood::Fine, Mood::Forgetful, Mood::Down, Mood::Limited("SECONDLY"), Mood::Forgetful, Mood::Fine];
    let mut said = 0;
    for mood in moods {
        crm.behave(mood);
        let client = gateway.client();
        let before = crm.provider().calls().len();
        for _ in 0..4 {
            says(&client, said).await;
            said += 1;
        }
        crm.provider().wait_for("a call", |calls| (calls.len() > before).then_some(())).await;
        gateway = gateway.kill().start().await;
    }
    whole_history(&crm, said).await;
    let contacts = crm.all("contacts");
    assert_eq!(contacts.len(), 1, "{contacts:#?}");
    assert_eq!(contacts[0].text("phone"), CUSTOMER);
    all_bound(&crm, &contacts[0]).await;
    let letters = gateway.client().get("/v1/dead-letters").await.expect(200).json();
    assert_eq!(letters["dead_letters"], json!([]));
}

#[tokio::test]
async fn a_contact_that_somebody_typed_in_is_found_and_its_attributes_come_with_the_first_event() {
    let crm = HubSpot::start().await;
    let id = crm.has_contact(json!({"phone": "(555) 010-0123", "firstname": "Ann", "owner": "Lee", "vip": "true"}));
    let backend = Backend::start().await;
    let gateway = Gateway::start(config(&crm).backend("desk", &backend)).await;
    let client = gateway.client();
    says(&client, 0).await;
    let first = backend.wait_for_text("message 0").await;
    let attributes = json!({"crm": {"owner": "Lee", "vip": "true"}});
    assert_eq!(first.event["data"]["contact"]["attributes"], attributes);
    assert!(first.headers.contains_key("traceparent"), "it is still the same event");
    whole_history(&crm, 1).await;
    let contacts = crm.all("contacts");
    assert_eq!(contacts.len(), 1, "{contacts:#?}");
    assert_eq!((&contacts[0].id, contacts[0].text("firstname")), (&id, "Ann"));
    all_bound(&crm, &contacts[0]).await;
    says(&client, 1).await;
    assert_eq!(backend.wait_for_text("message 1").await.event["data"]["contact"]["attributes"], attributes);
    let logged = client.get("/v1/interactions?type=message.received").await.expect(200).json();
    assert_eq!(logged["interactions"][0]["data"]["contact"].get("attributes"), None, "the log is as it was");
}

#[tokio::test]
async fn a_crm_that_never_answers_delays_no_backend() {
    // Connections are taken by the system, and nobody ever reads from them.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let crm = HubSpot::start().await;
    let backend = Backend::start().await;
    let section = "connectors.crm";
    let config = config(&crm)
        .backend("desk", &backend)
        .set(section, "settings", json!({"api_base": format!("http://{address}")}))
        .set(section, "grants", json!({"hosts": [address.to_string()]}))
        .set(section, "lookup_timeout", "200ms");
    let gateway = Gateway::start(config).await;
    for number in 0..3 {
        says(&gateway.client(), number).await;
    }
    let first = backend.wait_for_text("message 0").await;
    assert_eq!(first.event["data"]["contact"].get("attributes"), None);
    backend.wait_for_text("message 2").await;
    let shown = gateway.client().get("/v1/connectors/crm").await.expect(200).json();
    assert_eq!(shown["counts"]["taken"], 0, "{shown}");
    assert!(shown["counts"]["lookups_late"].as_u64() >= Some(1), "{shown}");
}

#[tokio::test]
async fn refused_credentials_hold_everything_until_they_are_taken() {
    let crm = HubSpot::start().await;
    crm.behave(Mood::LockedOut);
    let gateway = Gateway::start(config(&crm)).await;
    let client = gateway.client();
    for number in 0..5 {
        says(&client, number).await;
    }
    gateway.log.line("credentials are refused: deliveries wait").await;
    let shown = connector_in(&gateway, "bad-credentials", 1).await;
    assert_eq!(shown["deliveries"]["status"], "held");
    assert!(shown["why"].as_str().unwrap().contains("access token"), "{shown}");
    crm.behave(Mood::Fine);
    client.call("POST", "/v1/connectors/crm/resume", None).await.expect(202);
    whole_history(&crm, 5).await;
    let shown = connector_in(&gateway, "connected", 2).await;
    assert_eq!((&shown["deliveries"]["dead"], &shown["plugin"]["id"]), (&json!(0), &json!("hubspot")));
    let metrics = client.get("/metrics").await.expect(200);
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(metrics.contains("omnigate_connector_state{connector=\"crm\",state=\"connected\"} 1"), "{metrics}");
}

/// Waits until the connector came into that state so often.
async fn connector_in(gateway: &Gateway, state: &str, times: usize) -> Value {
    gateway.log.lines(&format!("\"state\":\"{state}\""), times).await;
    let shown = gateway.client().get("/v1/connectors/crm").await.expect(200).json();
    assert_eq!(shown["state"], state);
    shown
}

#[tokio::test]
async fn what_changes_in_the_crm_is_told_to_backends_and_comes_back_to_nobody() {
    let crm = HubSpot::start().await;
    let id = crm.has_contact(json!({"phone": CUSTOMER, "owner": "Lee", "vip": "true"}));
    let backend = Backend::start().await;
    let gateway = Gateway::start(config(&crm).backend("desk", &backend)).await;
    let client = gateway.client();
    says(&client, 0).await;
    backend.wait_for_text("message 0").await;
    whole_history(&crm, 1).await;
    let change = |name: &str, value: &str, at: u64| {
        json!({
            "eventId": at, "subscriptionId": 12, "portalId": 900, "occurredAt": at, "attemptNumber": 0,
            "subscriptionType": "contact.propertyChange", "objectId": id.parse::<u64>().unwrap(),
            "propertyName": name, "propertyValue": value, "changeSource": "CRM_UI",
        })
    };
    let changes =
        json!([change("owner", "Max", 3), change("owner", "Eve", 2), change("vip", "", 1), change("x", "y", 4)]);
    let notice = HubSpot::notice("crm", &changes);
    notice.clone().without("x-hubspot-signature-v3").send(&client).await.expect(401);
    notice.clone().with("x-hubspot-signature-v3", "AAAA").send(&client).await.expect(401);
    notice.clone().with("x-hubspot-request-timestamp", "1777713304000").send(&client).await.expect(401);
    let before = crm.provider().calls().len();
    notice.send(&client).await.expect(204);
    notice.send(&client).await.expect(204);
    says(&client, 1).await;
    let told = backend.wait_for_text("message 1").await;
    assert_eq!(told.event["data"]["contact"]["attributes"], json!({"crm": {"owner": "Max"}}));
    whole_history(&crm, 2).await;
    let paths: Vec<String> = crm.provider().calls()[before..].iter().map(|call| call.path.clone()).collect();
    assert!(!paths.iter().any(|path| path.contains("contacts/batch/up")), "{paths:?}");
    let shown = client.get("/v1/connectors/crm").await.expect(200).json();
    assert_eq!((&shown["counts"]["changes"], &shown["counts"]["refused"]), (&json!(1), &json!(3)));
}

#[tokio::test]
async fn a_contact_that_was_removed_there_is_made_again() {
    let crm = HubSpot::start().await;
    let gateway = Gateway::start(config(&crm)).await;
    says(&gateway.client(), 0).await;
    whole_history(&crm, 1).await;
    let first = crm.all("contacts").pop().unwrap();
    all_bound(&crm, &first).await;
    crm.removes(&first.id);
    says(&gateway.client(), 1).await;
    let second = crm.wait_for("another contact", |crm| crm.all("contacts").pop()).await;
    assert_ne!(first.id, second.id);
    let newest = |crm: &HubSpot| crm.is_bound(&crm.all("communications")[1], &second).then_some(());
    crm.wait_for("the message bound to it", newest).await;
    assert_eq!(crm.all("contacts").len(), 1);
}

#[tokio::test]
async fn answers_and_their_statuses_stand_on_the_timeline() {
    let crm = HubSpot::start().await;
    let provider = Provider::start(|_| ProviderAnswer::json(201, r#"{"sid":"SMout1","status":"queued"}"#)).await;
    let gateway = Gateway::start(config(&crm).twilio(&SMS, Some(&provider))).await;
    let client = gateway.client();
    let message = json!({"channel": SMS.0, "to": {"scheme": "tel", "value": CUSTOMER}, "author": {"kind": "agent", "name": "Lee"},
        "message": {"parts": [{"type": "text", "text": "We open at <9> & close at 6"}]}});
    let message = match client.call("POST", "/v1/messages", Some(&message)).await {
        answer if answer.status == 202 => answer.json(),
        answer => panic!("{}", String::from_utf8_lossy(&answer.body)),
    };
    assert!(message["id"].is_string());
    let written = crm.wait_for("the answer", |crm| crm.all("communications").pop()).await;
    assert!(
        written.text("hs_communication_body").starts_with("We open at &lt;9&gt; &amp; close at 6<br><br>Outbound sms")
    );
    let has = |status: &'static str| {
        move |crm: &HubSpot| (crm.all("communications")[0].text("omnigate_status") == status).then_some(())
    };
    let receipt = [("AccountSid", Twilio::ACCOUNT), ("MessageSid", "SMout1"), ("MessageStatus", "delivered")];
    provider.wait_for("the message sent", |calls| (!calls.is_empty()).then_some(())).await;
    SMS.form(&receipt).send(&client).await.expect(200);
    crm.wait_for("the status", has("delivered")).await;
    assert_eq!(crm.all("communications").len(), 1);
}

#[tokio::test]
async fn a_ticket_is_opened_closed_and_opened_again_with_its_conversation() {
    let crm = HubSpot::start().await;
    let settings = json!({
        "api_base": format!("http://{}", crm.provider().address()), "pipeline": "0", "stage": "1", "closed_stage": "4",
    });
    let gateway = Gateway::start(config(&crm).set("connectors.crm", "settings", settings)).await;
    let client = gateway.client();
    let in_stage = |stage: &'static str| {
        move |crm: &HubSpot| (crm.all("tickets").first()?.text("hs_pipeline_stage") == stage).then_some(())
    };
    says(&client, 0).await;
    crm.wait_for("the ticket", in_stage("1")).await;
    let said = client.get("/v1/interactions?type=message.received").await.expect(200).json();
    let id = said["interactions"][0]["data"]["conversation"]["id"].as_str().unwrap().to_owned();
    client.call("POST", &format!("/v1/conversations/{id}/close"), None).await.expect(200);
    crm.wait_for("the ticket closed", in_stage("4")).await;
    says(&client, 1).await;
    crm.wait_for("the ticket opened again", in_stage("1")).await;
    whole_history(&crm, 2).await;
    assert_eq!(crm.count("tickets"), 1);
}

#[tokio::test]
async fn a_change_there_reaches_everybody_who_is_that_contact() {
    let crm = HubSpot::start().await;
    let other = "+15550100999";
    let id = crm.has_contact(json!({"phone": CUSTOMER, "mobilephone": other, "owner": "Lee"}));
    let backend = Backend::start().await;
    let gateway = Gateway::start(config(&crm).backend("desk", &backend)).await;
    let client = gateway.client();
    let owner = async |sid: &str, from: &str, text: &str| {
        SMS.sms(sid, from, text).send(&client).await.expect(200);
        backend.wait_for_text(text).await.event["data"]["contact"]["attributes"]["crm"]["owner"].clone()
    };
    assert_eq!(owner("SM1", CUSTOMER, "one").await, "Lee");
    assert_eq!(owner("SM2", other, "two").await, "Lee");
    let change = json!([{
        "eventId": 1, "subscriptionId": 12, "portalId": 900, "occurredAt": 1, "attemptNumber": 0,
        "subscriptionType": "contact.propertyChange", "objectId": id.parse::<u64>().unwrap(),
        "propertyName": "owner", "propertyValue": "Max", "changeSource": "CRM_UI",
    }]);
    HubSpot::notice("crm", &change).send(&client).await.expect(204);
    assert_eq!(owner("SM3", CUSTOMER, "three").await, "Max");
    assert_eq!(owner("SM4", other, "four").await, "Max");
    assert_eq!(crm.count("contacts"), 1);
}
