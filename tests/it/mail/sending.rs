use serde_json::{Value, json};

use super::dovecot::Dovecot;
use super::postfix::Postfix;
use super::{CHANNEL, wait_for_state, wait_until};
use crate::support::{Client, ConfigBuilder, Gateway};

pub async fn submit(client: &Client, to: &str, text: &str, more: Value) -> String {
    let mut body = json!({
        "channel": CHANNEL, "to": { "scheme": "email", "value": to }, "message": { "parts": [{ "type": "text", "text": text }] },
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = client.call("POST", "/v1/messages", Some(&body)).await.expect(202);
    answer.json()["id"].as_str().unwrap().to_owned()
}

pub async fn wait_for_status(client: &Client, id: &str, status: &str) -> Value {
    let path = format!("/v1/messages/{id}");
    wait_until(&format!("status {status}"), client, &path, |message| message["status"] == status).await
}

#[tokio::test]
async fn letters_go_out_over_every_kind_of_connection() {
    let dovecot = Dovecot::start();
    let postfix = Postfix::start(&dovecot);
    let kinds =
        [("implicit", postfix.ports().tls), ("starttls", postfix.ports().plain), ("none", postfix.ports().plain)];
    for (count, (tls, port)) in kinds.into_iter().enumerate() {
        let config = postfix.channel(&dovecot, ConfigBuilder::new(), json!({ "tls": tls, "port": port }));
        let gateway = Gateway::start(config).await;
        let id = submit(&gateway.client(), "ann@example.com", tls, json!({})).await;
        let message = wait_for_status(&gateway.client(), &id, "sent").await;
        assert_eq!(message["external_ids"], json!([format!("{id}@postbox.example")]), "names are no ids");
        let letters = postfix.wait_for_letters(count + 1).await;
        let letter = letters.iter().find(|letter| letter.contains(&id)).unwrap();
        assert!(
            letter.contains("Return-Path: <support@example.com>") && letter.ends_with(&format!("\n{tls}\n")),
            "{letter}"
        );
        assert_eq!(letter.contains("with ESMTPSA"), tls != "none", "{letter}");
    }
}

#[tokio::test]
async fn what_the_server_answers_becomes_the_status() {
    let dovecot = Dovecot::start();
    let postfix = Postfix::start(&dovecot);
    let config = postfix.channel(&dovecot, ConfigBuilder::new(), json!({})).retries(&["300ms", "300ms"]);
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    let gone = submit(&client, "gone@example.com", "x", json!({})).await;
    let gone = wait_for_status(&client, &gone, "failed").await;
    assert_eq!(gone["reason"]["code"], "invalid-recipient", "{gone}");
    assert_eq!(gone["reason"]["provider_code"], "550 5.1.1", "{gone}");
    assert!(!gone["reason"]["text"].as_str().unwrap().contains('@'), "{gone}");
    let full = submit(&client, "full@example.com", "x", json!({})).await;
    let full = wait_for_status(&client, &full, "failed").await;
    assert_eq!((&full["reason"]["code"], &full["reason"]["retryable"]), (&json!("unreachable"), &json!(true)));
    let large = submit(&client, "ann@example.com", &"x".repeat(30).repeat(40_000), json!({})).await;
    assert_eq!(wait_for_status(&client, &large, "failed").await["reason"]["code"], "too-large");
    assert_eq!(postfix.delivered().len(), 0);
    assert_eq!(client.get(&format!("/v1/channels/{CHANNEL}")).await.json()["state"], "connected");
}

#[tokio::test]
async fn one_who_is_unknown_keeps_the_letter_from_nobody_else() {
    let dovecot = Dovecot::start();
    let mut postfix = Postfix::start(&dovecot);
    let config = postfix.channel(&dovecot, ConfigBuilder::new(), json!({})).retries(&["1s"; 50]);
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    let cc = json!({ "metadata": { "cc": ["gone@example.com", "grey@example.com"] } });
    let id = submit(&client, "ann@example.com", "to three", cc).await;
    postfix.wait_for_letters(1).await;
    postfix.stop();
    postfix.set_access("gone@example.com 550 5.1.1 User unknown\n");
    postfix.resume();
    wait_for_status(&client, &id, "sent").await;
    let letters = postfix.wait_for_letters(2).await;
    let to =
        |address: &str| letters.iter().filter(|letter| letter.contains(&format!("Delivered-To: {address}"))).count();
    assert_eq!((to("ann@example.com"), to("grey@example.com")), (1, 1), "nobody gets it twice: {letters:#?}");
    let statuses = client.get("/v1/interactions?type=message.status").await.json();
    let failed: Vec<_> = statuses["interactions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["data"]["status"] == "failed")
        .collect();
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert_eq!(failed[0]["data"]["to"][0]["value"], "gone@example.com");
}

#[tokio::test]
async fn a_letter_fails_if_the_person_it_is_for_does_not_get_it_whatever_becomes_of_copies() {
    let dovecot = Dovecot::start();
    let postfix = Postfix::start(&dovecot);
    let config = postfix.channel(&dovecot, ConfigBuilder::new(), json!({})).retries(&["100ms", "100ms"]);
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    let with_copy = |copy: &str| json!({ "metadata": { "cc": [copy] } });
    for (to, reason) in [("gone@example.com", "invalid-recipient"), ("grey@example.com", "unreachable")] {
        let id = submit(&client, to, to, with_copy("bob@example.com")).await;
        let failed = wait_for_status(&client, &id, "failed").await;
        assert_eq!(failed["reason"]["code"], reason, "{failed}");
    }
    assert_eq!(postfix.wait_for_letters(2).await.len(), 2, "the copies, once each");
    let id = submit(&client, "ann@example.com", "to Ann", with_copy("grey@example.com")).await;
    let sent = wait_for_status(&client, &id, "sent").await;
    assert_eq!(sent["status"], "sent", "a copy that nobody takes in the end is no failure: {sent}");
    let statuses = client.get("/v1/interactions?type=message.status").await.json();
    let is_of = |event: &&Value| event["data"]["message_id"] == id.as_str() && event["data"]["status"] == "failed";
    let refused: Vec<_> = statuses["interactions"].as_array().unwrap().iter().filter(is_of).collect();
    assert_eq!(refused.len(), 1, "{statuses}");
    assert_eq!(refused[0]["data"]["to"][0]["value"], "grey@example.com");
    assert_eq!(refused[0]["data"]["reason"]["retryable"], true);
    assert_eq!(postfix.wait_for_letters(3).await.len(), 3);
}

#[tokio::test]
async fn letters_wait_for_the_server_and_for_the_password() {
    let dovecot = Dovecot::start();
    let mut postfix = Postfix::start(&dovecot);
    let config = postfix.channel(&dovecot, ConfigBuilder::new(), json!({})).retries(&["1s"; 50]);
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    let first = submit(&client, "ann@example.com", "over a connection that is kept", json!({})).await;
    wait_for_status(&client, &first, "sent").await;
    postfix.stop();
    let second = submit(&client, "ann@example.com", "server away", json!({})).await;
    wait_for_state(&client, "degraded").await;
    postfix.resume();
    wait_for_status(&client, &second, "sent").await;
    dovecot.set_password("another");
    postfix.stop();
    postfix.resume();
    let third = submit(&client, "ann@example.com", "wrong password", json!({})).await;
    wait_for_state(&client, "bad-credentials").await;
    dovecot.set_password(super::dovecot::PASSWORD);
    gateway.signal("HUP");
    wait_for_status(&client, &third, "sent").await;
    wait_for_state(&client, "connected").await;
    assert_eq!(postfix.wait_for_letters(3).await.len(), 3);
}

#[tokio::test]
async fn an_answer_a_file_and_other_scripts_go_out_as_they_are() {
    let dovecot = Dovecot::start();
    let postfix = Postfix::start(&dovecot);
    let config = postfix.channel(&dovecot, ConfigBuilder::new(), json!({}));
    let config = {
        let reading = dovecot.channel(ConfigBuilder::new(), json!({ "from": "all" }));
        config.joined(&reading, &format!("channels.{CHANNEL}"))
    };
    dovecot.deliver(&[super::dovecot::mail("question", "ann@bücher.example", "")]);
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    let path = "/v1/interactions?type=message.received";
    let page = wait_until("question", &client, path, |page| !page["interactions"].as_array().unwrap().is_empty()).await;
    let question = page["interactions"][0]["id"].clone();
    let headers = [("content-type".to_owned(), "text/plain".to_owned()), super::authorization()];
    let file =
        client.request("POST", "/v1/media?name=a.txt", &headers, "the file".into()).await.unwrap().expect(201).json();
    let parts = json!([
        { "type": "text", "text": "Grüße" },
        { "type": "media", "kind": "file", "url": file["url"], "name": "a.txt", "content_type": "text/plain" },
    ]);
    let id =
        submit(&client, "ann@bücher.example", "", json!({ "message": { "parts": parts }, "in_reply_to": question }))
            .await;
    wait_for_status(&client, &id, "sent").await;
    let letter = postfix.wait_for_letters(1).await.remove(0);
    assert!(letter.contains("In-Reply-To: <question@test>"), "{letter}");
    assert!(letter.contains("Grüße") && letter.contains("attached: the file"), "{letter}");
    assert!(letter.contains("Delivered-To: ann@xn--bcher-kva.example"), "{letter}");
    dovecot.deliver(&[super::dovecot::mail(&format!("bounce {id}@postbox.example"), "mailer-daemon@example.com", "")]);
    let bounced = wait_for_status(&client, &id, "failed").await;
    assert_eq!(bounced["reason"]["code"], "invalid-recipient", "{bounced}");
}

#[tokio::test]
async fn a_letter_that_nobody_acknowledges_is_uncertain() {
    let server = super::silent::Silent::start().await;
    let (dovecot, port) = (Dovecot::start(), server.port);
    let smtp = json!({ "host": "localhost", "port": port, "tls": "none", "user": "" });
    let section = format!("channels.{CHANNEL}");
    let config = dovecot
        .channel(ConfigBuilder::new(), json!({}))
        .set(&section, "settings", json!({ "address": "support@example.com", "smtp": smtp }))
        .set(&section, "secrets", json!({}))
        .set(&section, "on_uncertain", "hold")
        .set(&section, "grants", json!({ "hosts": [format!("localhost:{port}")] }));
    let gateway = Gateway::start(config).await;
    let client = gateway.client();
    let id = submit(&client, "ann@example.com", "into the dark", json!({})).await;
    let failed = wait_for_status(&client, &id, "failed").await;
    assert!(failed["reason"]["text"].as_str().unwrap().starts_with("nobody knows whether it was sent"), "{failed}");
    assert_eq!(server.letters(), 1, "on_uncertain = hold: not sent again");
}
