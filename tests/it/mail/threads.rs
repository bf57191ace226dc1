//! The adapter for e-mail between a real Dovecot and a real Postfix.

use serde_json::{Value, json};

use super::dovecot::{self, Dovecot};
use super::postfix::Postfix;
use super::{CHANNEL, wait_for_state, wait_until};
use crate::support::{Client, ConfigBuilder, Gateway};

fn config(dovecot: &Dovecot, postfix: &Postfix) -> ConfigBuilder {
    let section = format!("channels.{CHANNEL}");
    let imap = json!({ "host": "localhost", "port": dovecot.ports().tls, "user": dovecot::USER, "poll": "1s" });
    let smtp = json!({ "host": "localhost", "port": postfix.ports().tls, "user": dovecot::USER });
    let hosts = [dovecot.ports().tls, postfix.ports().tls].map(|port| format!("localhost:{port}"));
    ConfigBuilder::new()
        .trust(dovecot.certificate())
        .set(&section, "adapter", "email")
        .set(
            &section,
            "settings",
            json!({ "address": "support@example.com", "name": "Acme Support", "imap": imap, "smtp": smtp }),
        )
        .set(&section, "secrets", json!({ "imap_password": dovecot::PASSWORD, "smtp_password": dovecot::PASSWORD }))
        .set(&section, "grants", json!({ "hosts": hosts }))
}

pub struct Mailbox {
    pub dovecot: Dovecot,
    pub postfix: Postfix,
    pub client: Client,
    _gateway: Gateway,
}

impl Mailbox {
    pub async fn open() -> Self {
        Self::open_with(json!({})).await
    }

    /// With more settings of the channel.
    pub async fn open_with(settings: Value) -> Self {
        let dovecot = Dovecot::start();
        let postfix = Postfix::start(&dovecot);
        let section = format!("channels.{CHANNEL}");
        let more = ConfigBuilder::new().set(&section, "settings", settings);
        let gateway = Gateway::start(config(&dovecot, &postfix).joined(&more, &section)).await;
        let client = gateway.client();
        wait_for_state(&client, "connected").await;
        Self { dovecot, postfix, client, _gateway: gateway }
    }

    /// Delivers a mail and waits for what became of it.
    pub async fn receive(&self, head: &str, text: &str) -> Value {
        let mail = format!("From: Ann <ann@example.com>\r\nTo: support@example.com\r\n{head}\r\n{text}\r\n");
        self.dovecot.deliver(&[mail]);
        self.event("message.received", |event| event["data"]["message"]["text"] == text).await
    }

    pub async fn event(&self, kind: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let find = |page: &Value| page["interactions"].as_array().unwrap().iter().find(|event| is_it(event)).cloned();
        let path = format!("/v1/interactions?type={kind}");
        find(&wait_until(kind, &self.client, &path, |page| find(page).is_some()).await).unwrap()
    }

    /// Sends a message, and tells its id and a letter of it that Postfix delivered, once the message is sent.
    pub async fn send(&self, letters: usize, more: Value) -> (String, String) {
        let mut body = json!({
            "channel": CHANNEL,
            "to": { "scheme": "email", "value": "ann@example.com" },
            "message": { "parts": [{ "type": "text", "text": "Tomorrow" }] },
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = self.client.call("POST", "/v1/messages", Some(&body)).await.expect(202);
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        let letter = self.postfix.wait_for_letters(letters).await.pop().unwrap();
        let path = format!("/v1/messages/{id}");
        // A report that is faster than the acknowledgement is another matter.
        wait_until("sent", &self.client, &path, |message| message["status"] == "sent").await;
        (id, letter)
    }
}

/// The value of a header field, unfolded.
pub fn field(letter: &str, name: &str) -> String {
    let head = letter.split("\n\n").next().unwrap().replace("\n ", " ").replace("\n\t", " ");
    let prefix = format!("{name}: ");
    head.lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .unwrap_or_else(|| panic!("no {name} in {letter}"))
        .to_owned()
}

#[tokio::test]
async fn a_conversation_holds_together_in_both_directions() {
    let mailbox = Mailbox::open().await;
    let question = mailbox.receive("Message-ID: <q1@example.com>\r\nSubject: Order 7\r\n", "When?").await;
    let (id, letter) = mailbox.send(1, json!({ "in_reply_to": question["id"] })).await;
    assert_eq!(field(&letter, "Subject"), "Re: Order 7");
    assert_eq!(field(&letter, "In-Reply-To"), "<q1@example.com>");
    let (references, own) = (field(&letter, "References"), field(&letter, "Message-ID"));
    assert!(references.ends_with(" <q1@example.com>"), "{references}");

    let head = format!("Message-ID: <q2@example.com>\r\nSubject: Re: Order 7\r\nIn-Reply-To: {own}\r\n");
    let answer = mailbox.receive(&head, "Fine").await;
    assert_eq!(answer["data"]["in_reply_to"], id.as_str(), "{answer}");
    assert_eq!(answer["data"]["conversation"]["id"], question["data"]["conversation"]["id"]);

    // A provider on the way gave our letter another id; what it copied from the References still tells.
    let marker = references.split(' ').next().unwrap();
    let head = format!("Message-ID: <q3@example.com>\r\nReferences: {marker} <replaced@provider.example>\r\n");
    let again = mailbox.receive(&head, "Fine indeed").await;
    assert_eq!(again["data"]["in_reply_to"], id.as_str(), "{again}");
}

#[tokio::test]
async fn a_bounce_is_the_status_of_its_message() {
    let mailbox = Mailbox::open().await;
    let (id, letter) = mailbox.send(1, json!({})).await;
    let report = format!(
        "From: MAILER-DAEMON@mx.example.com\r\nReturn-Path: <>\r\nMessage-ID: <d1@mx.example.com>\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n\
         Final-Recipient: rfc822; ann@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\n\
         Content-Type: text/rfc822-headers\r\n\r\nMessage-ID: {}\r\n\r\n--b--\r\n",
        field(&letter, "Message-ID"),
    );
    mailbox.dovecot.deliver(&[report]);
    let is_it = |event: &Value| event["data"]["status"] == "failed";
    let status = mailbox.event("message.status", is_it).await;
    assert_eq!(status["data"]["message_id"], id.as_str(), "{status}");
    assert_eq!(status["data"]["reason"]["code"], "invalid-recipient", "{status}");
}

#[tokio::test]
async fn files_come_and_go() {
    let mailbox = Mailbox::open().await;
    let head = "Message-ID: <f1@example.com>\r\nSubject: Plan\r\nMIME-Version: 1.0\r\n\
                Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n";
    let text = "The plan\r\n--b\r\nContent-Type: application/pdf; name=plan.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                JVBERi0xLjc=\r\n--b--";
    mailbox.dovecot.deliver(&[format!("From: ann@example.com\r\nTo: support@example.com\r\n{head}{text}\r\n")]);
    let event =
        mailbox.event("message.received", |event| event["data"]["message"]["parts"][0]["text"] == "The plan").await;
    let file = &event["data"]["message"]["parts"][1];
    assert_eq!((&file["name"], &file["bytes"]), (&json!("plan.pdf"), &json!(8)), "{event}");
    let (_, letter) =
        mailbox.send(1, json!({ "message": { "parts": [{ "type": "text", "text": "Back" }, file] } })).await;
    assert!(letter.contains("filename=\"plan.pdf\"") && letter.contains("JVBERi0xLjc="), "{letter}");
}
