//! Letters with copies, and answers that tell little: the adapter for e-mail between a real Dovecot and a real Postfix.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::threads::{Mailbox, field};
use super::wait_until;

fn has_field(letter: &str, name: &str) -> bool {
    letter.split("\n\n").next().unwrap().lines().any(|line| line.starts_with(&format!("{name}:")))
}

#[tokio::test]
async fn everybody_gets_an_answer_to_all_once_and_nobody_sees_the_blind_copy() {
    let mailbox = Mailbox::open().await;
    let head = "Message-ID: <q1@example.com>\r\nSubject: Order 7\r\nCc: bob@example.com, support@example.com\r\n";
    let question = mailbox.receive(head, "When?").await;
    let options = json!({
        "reply_all": true, "cc": ["Carl <carl@example.com>"], "bcc": ["boss@example.com"],
        "list_unsubscribe": { "url": "https://example.com/u/7" },
    });
    let more = json!({ "in_reply_to": question["id"], "author": { "kind": "bot" }, "metadata": { "email": options } });
    let (_, letter) = mailbox.send(4, more).await;
    let letters = mailbox.postfix.delivered();
    let mut to: Vec<String> = letters.iter().map(|letter| field(letter, "Delivered-To")).collect();
    to.sort();
    assert_eq!(to, ["ann@example.com", "bob@example.com", "boss@example.com", "carl@example.com"]);
    assert_eq!(field(&letter, "To"), "<ann@example.com>");
    assert_eq!(field(&letter, "Cc"), "Carl <carl@example.com>, <bob@example.com>");
    assert_eq!(field(&letter, "List-Unsubscribe"), "<https://example.com/u/7>");
    assert_eq!(field(&letter, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert!(has_field(&letter, "Auto-Submitted"), "a bot wrote it: {letter}");
    assert!(letters.iter().all(|letter| !has_field(letter, "Bcc")), "{letters:#?}");
}

#[tokio::test]
async fn an_answer_that_comes_to_the_address_of_a_letter_finds_it() {
    let mailbox = Mailbox::open_with(json!({ "plus_addressing": true })).await;
    let (id, letter) = mailbox.send(1, json!({})).await;
    let address = field(&letter, "Reply-To");
    assert!(address.contains("<support+t."), "{address}");
    let mail = |to: &str, id: &str, text: &str| {
        format!("From: ann@example.com\r\nTo: {to}\r\nMessage-ID: <{id}@example.com>\r\nSubject: Hi\r\n\r\n{text}\r\n")
    };
    let forged = address.replace("<support+t.", "<support+t.x");
    mailbox.dovecot.deliver(&[mail(&address, "a1", "no header tells"), mail(&forged, "a2", "forged")]);
    let is = |text: &'static str| move |event: &Value| event["data"]["message"]["text"] == text;
    let answer = mailbox.event("message.received", is("no header tells")).await;
    assert_eq!(answer["data"]["in_reply_to"], id.as_str(), "{answer}");
    let forged = mailbox.event("message.received", is("forged")).await;
    assert_eq!(forged["data"]["in_reply_to"], Value::Null, "{forged}");
}

#[tokio::test]
async fn a_subject_ties_what_one_person_says_and_nothing_else() {
    let mailbox = Mailbox::open().await;
    let question = mailbox.receive("Message-ID: <q1@example.com>\r\nSubject: Order 7\r\n", "When?").await;
    let again = mailbox.receive("Message-ID: <q2@example.com>\r\nSubject: AW: Re: Order 7\r\n", "Now?").await;
    assert_eq!(again["data"]["in_reply_to"], question["id"], "{again}");
    let other = "From: bob@example.com\r\nTo: support@example.com\r\nMessage-ID: <q3@example.com>\r\n\
                 Subject: Re: Order 7\r\n\r\nMine too\r\n";
    mailbox.dovecot.deliver(&[other.to_owned()]);
    let other = mailbox.event("message.received", |event| event["data"]["message"]["text"] == "Mine too").await;
    assert_eq!(other["data"]["in_reply_to"], Value::Null, "{other}");
    assert_ne!(other["data"]["conversation"]["id"], question["data"]["conversation"]["id"]);
}

#[tokio::test]
async fn a_delay_and_a_lost_copy_leave_the_letter_on_its_way() {
    let mailbox = Mailbox::open().await;
    let blind = json!({ "metadata": { "email": { "bcc": ["bob@example.com"] } } });
    let (id, letter) = mailbox.send(2, blind).await;
    let notice = |to: &str, action: &str, status: &str, number: u8| {
        format!(
            "From: MAILER-DAEMON@mx.example.com\r\nReturn-Path: <>\r\nMessage-ID: <d{number}@mx.example.com>\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nLate.\r\n--b\r\n\
             Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\n\
             Final-Recipient: rfc822; {to}@example.com\r\nAction: {action}\r\nStatus: {status}\r\n\r\n--b\r\n\
             Content-Type: text/rfc822-headers\r\n\r\nTo: ann@example.com\r\nMessage-ID: {}\r\n\r\n--b--\r\n",
            field(&letter, "Message-ID"),
        )
    };
    // Servers repeat themselves, and a copy that is lost is no lost message.
    mailbox.dovecot.deliver(&[
        notice("ann", "delayed", "4.4.1", 1),
        notice("ann", "delayed", "4.4.1", 2),
        notice("bob", "failed", "5.1.1", 3),
    ]);
    let delayed = mailbox.event("message.status", |event| event["data"]["reason"]["provider_code"] == "4.4.1").await;
    assert_eq!((&delayed["data"]["message_id"], &delayed["data"]["status"]), (&json!(id), &json!("sent")), "{delayed}");
    assert_eq!((&delayed["data"]["final"], &delayed["data"]["reason"]["retryable"]), (&json!(false), &json!(true)));
    let copy = mailbox.event("message.status", |event| event["data"]["reason"]["provider_code"] == "5.1.1").await;
    assert_eq!((&copy["data"]["to"][0]["value"], &copy["data"]["status"]), (&json!("bob@example.com"), &json!("sent")));
    mailbox.dovecot.deliver(&[notice("ann", "delivered", "2.0.0", 4)]);
    let path = format!("/v1/messages/{id}");
    let message = wait_until("delivered", &mailbox.client, &path, |message| message["status"] == "delivered").await;
    let codes: Vec<_> =
        message["history"].as_array().unwrap().iter().map(|step| &step["reason"]["provider_code"]).collect();
    assert_eq!(codes, [&Value::Null, &Value::Null, &json!("4.4.1"), &Value::Null], "{message}");
    // Whatever is said of its way now is over.
    mailbox.dovecot.deliver(&[notice("ann", "delayed", "4.4.7", 5)]);
    mailbox.receive("Message-ID: <last@example.com>\r\n", "after everything").await;
    let statuses = mailbox.client.get("/v1/interactions?type=message.status").await.json();
    assert_eq!(statuses["interactions"].as_array().unwrap().len(), 4, "sent, late, copy lost, delivered: {statuses}");
}

#[tokio::test]
async fn dots_and_long_lines_arrive_as_they_were_written() {
    let mailbox = Mailbox::open().await;
    let text = format!(".\n..\n.hidden\nFrom here\n{}", "x".repeat(3_000));
    let (_, letter) = mailbox.send(1, json!({ "message": { "parts": [{ "type": "text", "text": text }] } })).await;
    assert!(letter.lines().all(|line| line.len() <= 998), "RFC 5322, 2.1.1");
    assert!(letter.replace("=\n", "").contains(&format!("\n{text}\n")), "{letter}");
}

/// A mail with a file of that type, in base64.
fn with_file(subject: &str, content_type: &str, content: &[u8]) -> String {
    let encoded = STANDARD.encode(content);
    let lines: String =
        encoded.as_bytes().chunks(76).flat_map(|line| [std::str::from_utf8(line).unwrap(), "\r\n"]).collect();
    format!(
        "From: ann@example.com\r\nTo: support@example.com\r\nMessage-ID: <{subject}@example.com>\r\nSubject: {subject}\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nlarge\r\n--b\r\nContent-Type: {content_type}\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{lines}--b--\r\n"
    )
}

/// What Outlook makes of one file: its beginning, its name, its content.
fn package(content: &[u8]) -> Vec<u8> {
    let attribute = |number: u32, value: &[u8]| {
        let length = u32::try_from(value.len()).unwrap();
        [&[2][..], &number.to_le_bytes(), &length.to_le_bytes(), value, &[0, 0]].concat()
    };
    let file =
        [attribute(0x0006_9002, &[0; 14]), attribute(0x0001_8010, b"large.bin\0"), attribute(0x0006_800f, content)];
    [&0x223e_9f78_u32.to_le_bytes()[..], &[1, 0], &file.concat()].concat()
}

#[tokio::test]
async fn mails_as_large_as_they_may_be_come_in_whole() {
    const BYTES: usize = 17 << 20;
    let mailbox = Mailbox::open().await;
    let content = vec![7; BYTES];
    let head = "From: ann@example.com\r\nMessage-ID: <text@example.com>\r\nSubject: text\r\n\r\n";
    let text = format!("{head}{}", "So it goes on and on.\r\n".repeat(1_000_000));
    mailbox.dovecot.deliver(&[
        with_file("file", "application/pdf", &content),
        with_file("package", "application/ms-tnef", &package(&content)),
        text.clone(),
    ]);
    let of = |subject: &'static str| move |event: &Value| event["data"]["message"]["subject"] == subject;
    let file = mailbox.event("message.received", of("file")).await;
    assert_eq!(file["data"]["message"]["parts"][1]["bytes"], BYTES, "{}", file["data"]["metadata"]);
    let package = mailbox.event("message.received", of("package")).await;
    let unpacked = &package["data"]["message"]["parts"][2];
    assert_eq!((&unpacked["name"], &unpacked["bytes"]), (&json!("large.bin"), &json!(BYTES)), "{package}");
    let cut = mailbox.event("message.received", of("text")).await;
    assert_eq!(cut["data"]["metadata"]["incomplete"], "text");
    assert_eq!(cut["data"]["message"]["parts"][1]["bytes"], text.len(), "the mail as a whole is kept");
}
