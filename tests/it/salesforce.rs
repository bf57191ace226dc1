//! Salesforce is kept in step: one contact, the whole history in its order, whatever happens in between.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::connector_files as pictures;
use crate::connectors::{CUSTOMER, PAUSES, SALES, SMS, WHATSAPP, expected, says};
use crate::support::{
    Backend, Client, ConfigBuilder, Gateway, Mood, Object, PATIENCE, Provider, ProviderAnswer, Salesforce, Telegram,
    Twilio,
};

const BOT: Telegram = Telegram("bot");

fn config(crm: &Salesforce) -> ConfigBuilder {
    ConfigBuilder::new()
        .twilio(&SMS, None)
        .twilio(&SALES, None)
        .whatsapp(&WHATSAPP, None)
        .salesforce("crm", crm)
        .retries(&PAUSES)
}

/// What was said, in the order in which it was written there.
fn history(crm: &Salesforce) -> Vec<String> {
    let text = |task: Object| task.text("Description").split("\n\n").next().unwrap().to_owned();
    crm.all("Task").into_iter().map(text).collect()
}

async fn whole_history(crm: &Salesforce, count: usize) {
    crm.wait_for("the whole history", |crm| (history(crm).len() >= count).then_some(())).await;
    assert_eq!(history(crm), expected(count));
}

async fn shown(gateway: &Gateway) -> Value {
    gateway.client().get("/v1/connectors/crm").await.expect(200).json()
}

/// Asks until the answer is as it must be.
async fn until(client: &Client, path: &str, is_right: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let answer = client.get(path).await.expect(200).json();
        if is_right(&answer) {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{answer}");
        // Nobody tells when a figure has changed.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_channels_are_one_contact_with_one_history_through_kills_outages_and_ended_sessions() {
    let crm = Salesforce::start().await;
    let mut gateway = Gateway::start(config(&crm)).await;
    let concurrent = Mood::Limited("ConcurrentRequests (Concurrent API Requests)");
    let moods = [Mood::Fine, Mood::Forgetful, Mood::Down, concurrent, Mood::Forgetful, Mood::Fine];
    let mut said = 0;
    for (turn, mood) in moods.into_iter().enumerate() {
        crm.behave(mood);
        crm.locks(turn % 2 == 1);
        crm.ends_session();
        let client = gateway.client();
        let before = crm.provider().calls().len();
        for _ in 0..4 {
            says(&client, said).await;
            said += 1;
        }
        crm.provider().wait_for("a call", |calls| (calls.len() > before).then_some(())).await;
        gateway = gateway.kill().start().await;
    }
    crm.locks(false);
    whole_history(&crm, said).await;
    let contacts = crm.all("Contact");
    assert_eq!(contacts.len(), 1, "{contacts:#?}");
    assert_eq!(contacts[0].text("Phone"), CUSTOMER);
    let tasks = crm.all("Task");
    assert!(tasks.iter().all(|task| task.text("WhoId") == contacts[0].id), "{tasks:#?}");
    let letters = gateway.client().get("/v1/dead-letters").await.expect(200).json();
    assert_eq!(letters["dead_letters"], json!([]));
}

#[tokio::test]
async fn a_contact_that_somebody_typed_in_is_found_and_its_attributes_come_with_the_first_event() {
    let crm = Salesforce::start().await;
    let typed = json!({"Phone": "(555) 010-0123", "LastName": "Lee", "Owner.Name": "Max", "VIP__c": true});
    let id = crm.has("Contact", typed);
    let backend = Backend::start().await;
    let gateway = Gateway::start(config(&crm).backend("desk", &backend)).await;
    says(&gateway.client(), 0).await;
    let first = backend.wait_for_text("message 0").await;
    let attributes = json!({"crm": {"owner": "Max", "vip": true}});
    assert_eq!(first.event["data"]["contact"]["attributes"], attributes);
    whole_history(&crm, 1).await;
    let contacts = crm.all("Contact");
    assert_eq!(contacts.len(), 1, "{contacts:#?}");
    assert_eq!((&contacts[0].id, contacts[0].text("LastName")), (&id, "Lee"));
    assert_ne!(contacts[0].text(Salesforce::KEY), "", "it has our id from now on");
    assert_eq!(crm.all("Task")[0].text("WhoId"), id);
}

#[tokio::test]
async fn a_session_that_ended_is_begun_anew_and_nobody_notices() {
    let crm = Salesforce::start().await;
    let gateway = Gateway::start(config(&crm)).await;
    for number in 0..3 {
        says(&gateway.client(), number).await;
        whole_history(&crm, number + 1).await;
        crm.ends_session();
    }
    let shown = shown(&gateway).await;
    assert_eq!((&shown["state"], &shown["counts"]["failed"]), (&json!("connected"), &json!(0)), "{shown}");
}

#[tokio::test]
async fn a_refused_user_holds_everything_until_somebody_lets_it_in() {
    let crm = Salesforce::start().await;
    crm.behave(Mood::LockedOut);
    let gateway = Gateway::start(config(&crm)).await;
    let client = gateway.client();
    for number in 0..5 {
        says(&client, number).await;
    }
    gateway.log.line("credentials are refused: deliveries wait").await;
    let held = shown(&gateway).await;
    assert_eq!((&held["state"], &held["deliveries"]["status"]), (&json!("bad-credentials"), &json!("held")));
    assert!(held["why"].as_str().unwrap().contains("invalid_grant"), "{held}");
    assert_eq!(crm.calls().len(), 0, "nothing leaves without a token");
    crm.behave(Mood::Fine);
    client.call("POST", "/v1/connectors/crm/resume", None).await.expect(202);
    whole_history(&crm, 5).await;
    assert_eq!(shown(&gateway).await["deliveries"]["dead"], 0);
}

#[tokio::test]
async fn the_end_of_the_daily_quota_holds_everything_and_costs_no_attempts() {
    let crm = Salesforce::start().await;
    crm.behave(Mood::Limited("TotalRequests"));
    let gateway = Gateway::start(config(&crm).retries(&["200ms"])).await;
    for number in 0..5 {
        says(&gateway.client(), number).await;
    }
    gateway.log.line("deliveries wait").await;
    let asked = crm.calls().len();
    let held = shown(&gateway).await;
    assert_eq!((&held["deliveries"]["status"], &held["deliveries"]["dead"]), (&json!("held"), &json!(0)), "{held}");
    assert_eq!(asked, crm.calls().len(), "it is left alone");
    crm.behave(Mood::Fine);
    let _gateway = gateway.kill().start().await;
    whole_history(&crm, 5).await;
}

#[tokio::test]
async fn what_the_org_refuses_is_a_dead_letter_without_what_people_wrote_and_harms_no_other() {
    const PEOPLE: u64 = 20;
    let crm = Salesforce::start().await;
    crm.behave(Mood::Down);
    let gateway = Gateway::start(config(&crm).telegram(&BOT, None)).await;
    let client = gateway.client();
    for person in 1..=PEOPLE {
        let text = if person == 7 { "forbidden words of Ann".into() } else { format!("{person}") };
        BOT.text(person, person, &text).send(&client).await.expect(200);
    }
    crm.behave(Mood::Fine);
    client.call("POST", "/v1/connectors/crm/resume", None).await.expect(202);
    crm.wait_for("all but one", |crm| (crm.all("Task").len() as u64 == PEOPLE - 1).then_some(())).await;
    let is_there = |letters: &Value| letters["dead_letters"] != json!([]);
    let letters = until(&client, "/v1/dead-letters", is_there).await;
    let letter = letters["dead_letters"][0].to_string();
    assert!(letter.contains("FIELD_CUSTOM_VALIDATION_EXCEPTION Description"), "{letters}");
    assert!(!letter.contains("We do not write"), "{letters}");
    assert!(!gateway.log.text().contains("words of Ann"));
    assert_eq!(letters["dead_letters"].as_array().unwrap().len(), 1, "{letters}");
    assert_eq!(crm.all("Contact").len() as u64, PEOPLE);
}

#[tokio::test]
async fn what_waits_goes_together() {
    const PEOPLE: u64 = 100;
    let crm = Salesforce::start().await;
    crm.behave(Mood::Down);
    let gateway = Gateway::start(config(&crm).telegram(&BOT, None)).await;
    let client = gateway.client().keeping_its_connection();
    for update in 1..=PEOPLE * 2 {
        BOT.text(update, update % PEOPLE, &format!("{update}")).send(&client).await.expect(200);
    }
    let before = crm.calls().len();
    crm.behave(Mood::Fine);
    client.call("POST", "/v1/connectors/crm/resume", None).await.expect(202);
    crm.wait_for("all tasks", |crm| (crm.all("Task").len() as u64 >= PEOPLE * 2).then_some(())).await;
    assert_eq!((crm.all("Task").len() as u64, crm.all("Contact").len() as u64), (PEOPLE * 2, PEOPLE));
    let calls = crm.calls().len() - before;
    assert!(calls < PEOPLE as usize, "{calls} calls: they go together");
}

#[tokio::test]
async fn what_changes_there_is_told_to_backends_and_comes_back_to_nobody() {
    let crm = Salesforce::start().await;
    let id = crm.has("Contact", json!({"Phone": CUSTOMER, "LastName": "Lee", "Owner.Name": "Max", "VIP__c": true}));
    let backend = Backend::start().await;
    let gateway = Gateway::start(config(&crm).backend("desk", &backend)).await;
    let client = gateway.client();
    says(&client, 0).await;
    backend.wait_for_text("message 0").await;
    whole_history(&crm, 1).await;
    crm.changes(&id, json!({"Owner.Name": "Eve", "VIP__c": null}));
    let before = crm.calls().len();
    for forged in ["", "another-key"] {
        Salesforce::outbound_message("crm", forged, &[&id]).send(&client).await.expect(401);
    }
    assert_eq!(crm.calls().len(), before, "nobody is asked because of a stranger");
    let message = Salesforce::outbound_message("crm", Salesforce::MESSAGE_KEY, &[&id, "003000000009999AAA"]);
    let answer = message.send(&client).await.expect(200);
    assert!(String::from_utf8_lossy(&answer.body).contains("<Ack>true</Ack>"));
    message.send(&client).await.expect(200);
    assert!(!crm.calls()[before..].iter().any(|call| call.method == "PATCH"), "nothing is written back");
    says(&client, 1).await;
    let told = backend.wait_for_text("message 1").await;
    assert_eq!(told.event["data"]["contact"]["attributes"], json!({"crm": {"owner": "Eve"}}));
    let counts = &shown(&gateway).await["counts"];
    assert_eq!((&counts["changes"], &counts["refused"]), (&json!(1), &json!(2)));
    assert!(!gateway.log.text().contains(Salesforce::MESSAGE_KEY));
}

#[tokio::test]
async fn a_contact_that_was_merged_goes_on_as_the_other_and_one_that_was_removed_is_made_again() {
    let crm = Salesforce::start().await;
    let gateway = Gateway::start(config(&crm)).await;
    says(&gateway.client(), 0).await;
    whole_history(&crm, 1).await;
    let first = crm.all("Contact").pop().unwrap().id;
    let other = crm.has("Contact", json!({"LastName": "Lee"}));
    crm.merges(&first, &other);
    says(&gateway.client(), 1).await;
    whole_history(&crm, 2).await;
    assert!(crm.all("Task").iter().all(|task| task.text("WhoId") == other), "{:#?}", crm.all("Task"));
    crm.removes(&other);
    says(&gateway.client(), 2).await;
    whole_history(&crm, 3).await;
    let contacts = crm.all("Contact");
    assert_eq!(contacts.len(), 1, "{contacts:#?}");
    assert_ne!(contacts[0].id, other);
    assert_eq!(crm.all("Task")[2].text("WhoId"), contacts[0].id);
}

#[tokio::test]
async fn answers_statuses_and_cases_stand_there() {
    let crm = Salesforce::start().await;
    let provider = Provider::start(|_| ProviderAnswer::json(201, r#"{"sid":"SMout1","status":"queued"}"#)).await;
    let settings = json!({"api_base": format!("http://{}", crm.provider().address()), "cases": true,
        "case_origin": "Messaging", "case_closed_status": "Closed", "status_field": "Omnigate_Status__c"});
    let config = config(&crm).twilio(&SMS, Some(&provider)).set("connectors.crm", "settings", settings);
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    says(&client, 0).await;
    whole_history(&crm, 1).await;
    let message = json!({"channel": SMS.0, "to": {"scheme": "tel", "value": CUSTOMER},
        "author": {"kind": "agent", "name": "Lee"}, "message": {"parts": [{"type": "text", "text": "We open at 9"}]}});
    let sent = client.call("POST", "/v1/messages", Some(&message)).await.expect(202).json();
    let status = |crm: &Salesforce| Some(crm.all("Task").get(1)?.text("Omnigate_Status__c").to_owned());
    let sent_as = |message: &Value| message["external_ids"] == json!(["SMout1"]);
    until(&client, &format!("/v1/messages/{}", sent["id"].as_str().unwrap()), sent_as).await;
    let receipt = [("AccountSid", Twilio::ACCOUNT), ("MessageSid", "SMout1"), ("MessageStatus", "delivered")];
    SMS.form(&receipt).send(&client).await.expect(200);
    crm.wait_for("the message delivered", |crm| status(crm).filter(|status| status == "delivered")).await;
    let answer = &crm.all("Task")[1];
    assert_eq!(answer.text("Subject"), "Outbound sms: We open at 9");
    assert!(answer.text("Description").starts_with("We open at 9\n\nOutbound sms (support-sms) by Lee, to "));
    let cases = crm.all("Case");
    assert_eq!((cases.len(), cases[0].text("Origin"), cases[0].text("Subject")), (1, "Messaging", "message 0"));
    assert_eq!(cases[0].text("ContactId"), crm.all("Contact")[0].id);
    assert!(crm.all("Task").iter().all(|task| task.text("WhatId") == cases[0].id), "{:#?}", crm.all("Task"));
    let conversation = sent["conversation_id"].as_str().unwrap();
    client.call("POST", &format!("/v1/conversations/{conversation}/close"), None).await.expect(200);
    let closed = |crm: &Salesforce| (crm.all("Case")[0].text("Status") == "Closed").then_some(());
    crm.wait_for("the case closed", closed).await;
    assert_eq!((crm.all("Task").len(), crm.all("Case").len()), (2, 1));
}

#[tokio::test]
async fn files_are_published_once_with_the_task_whatever_answer_is_lost() {
    let (crm, provider) = (Salesforce::start().await, Provider::start(pictures::picture).await);
    crm.behave(Mood::ForgetfulOfFiles);
    let config = ConfigBuilder::new().twilio(&pictures::SMS, Some(&provider)).salesforce("crm", &crm).retries(&PAUSES);
    let gateway = Gateway::start(config).await;
    pictures::shows(&gateway.client(), &provider, "MM1", 3).await;
    let published = |crm: &Salesforce| Some(crm.all("ContentVersion")).filter(|files| files.len() == 3);
    crm.wait_for("three files", published).await;
    let taken = |connector: &Value| connector["counts"]["taken"] == 1;
    until(&gateway.client(), "/v1/connectors/crm", taken).await;
    let (tasks, files) = (crm.all("Task"), crm.all("ContentVersion"));
    assert_eq!((tasks.len(), files.len()), (1, 3), "{files:#?}");
    let content = String::from_utf8_lossy(pictures::PNG);
    for file in &files {
        assert_eq!((file.text("FirstPublishLocationId"), file.text("VersionData")), (tasks[0].id.as_str(), &*content));
        assert_eq!(file.text("Title"), "image.png");
    }
}
