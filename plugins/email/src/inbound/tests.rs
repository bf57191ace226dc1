use super::*;
use crate::host::fake::Fake;

const ID: &str = "0198c0de-0000-7000-8000-0000000000ff";

fn told(raw: &str) -> (Vec<Event>, Fake) {
    let host = Fake::default();
    let mail = Mail::read(raw.as_bytes());
    let arrival = Arrival { id: "1.7", at: Some(1.0), raw: Some(raw.as_bytes()), extra: serde_json::Map::new() };
    (events(&host, &Settings::example(), &mail, &arrival).unwrap(), host)
}

fn message(raw: &str) -> Inbound {
    match told(raw).0.remove(0) {
        Event::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn metadata(message: &Inbound) -> Value {
    serde_json::from_str(message.metadata.as_deref().unwrap_or("{}")).unwrap()
}

#[test]
fn a_mail_is_a_message() {
    let raw = "From: Ana <ana@example.org>\nTo: support@example.com\nCc: Bob <bob@example.org>\nSubject: Order 7\nMessage-ID: <x9@example.org>\n\
               References: <x1@example.org>\nDate: Sat, 2 May 2026 09:15:04 +0200\n\nHi\n\nOn 1 May 2026 Acme wrote:\n> When?\n";
    let message = message(raw);
    assert_eq!(
        (message.id.as_str(), message.sender.value.as_str(), message.sender.name.as_deref()),
        ("x9@example.org", "ana@example.org", Some("Ana"))
    );
    assert_eq!(
        message.recipients.iter().map(|one| one.value.as_str()).collect::<Vec<_>>(),
        ["support@example.com", "bob@example.org"]
    );
    assert_eq!((message.content.subject.as_deref(), message.content.text().as_str()), (Some("Order 7"), "Hi"));
    assert_eq!(message.content.quoted_text.as_deref(), Some("On 1 May 2026 Acme wrote:\n> When?"));
    assert_eq!(metadata(&message)["references"], json!(["x1@example.org", "x9@example.org"]));
    assert_eq!(metadata(&message)["sent_at"], "2026-05-02T07:15:04Z");
    assert_eq!(message.automatic, None);
}

#[test]
fn html_is_split_with_the_text() {
    let raw = "From: a@x.org\nContent-Type: text/html\n\n<p>Yes</p><div class=\"gmail_quote\">Am 2. Mai 2026 schrieb Acme:<br><blockquote>When?</blockquote></div>";
    let content = message(raw).content;
    assert_eq!(content.parts, [Part::Text(RichText { text: "Yes".to_owned(), html: Some("<p>Yes</p>".to_owned()) })]);
    assert_eq!(content.quoted_text.as_deref(), Some("Am 2. Mai 2026 schrieb Acme:\n\n> When?"));
}

#[test]
fn our_own_letters_are_no_news() {
    let token = Token::new(&Fake::default(), ID, "x").unwrap();
    let raw = format!(
        "From: support@example.com\nTo: ana@example.org\nMessage-ID: <{}>\n\nHi",
        token.message_id_at("example.com")
    );
    assert_eq!(told(&raw).0, []);
}

#[test]
fn what_a_colleague_writes_from_his_own_program_is_an_echo() {
    let (events, _) = told(
        "From: Acme <help@example.com>\nTo: support@example.com, Ana <ana@example.org>\nSubject: Order 7\n\nHi Ana",
    );
    let [Event::Echo(echo)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        (echo.sender.value.as_str(), echo.recipients[0].value.as_str()),
        ("help@example.com", "ana@example.org")
    );
}

#[test]
fn a_form_of_a_website_speaks_for_a_person() {
    let message = message(
        "From: support@example.com\nTo: support@example.com\nReply-To: Ana <ana@example.org>\nSubject: Form\n\nHi",
    );
    assert_eq!((message.sender.value.as_str(), message.automatic), ("ana@example.org", None));
}

#[test]
fn a_mail_to_oneself_is_a_loop() {
    assert_eq!(message("From: support+x@example.com\nTo: help@example.com\n\nHi").automatic.as_deref(), Some("loop"));
}

#[test]
fn files_are_kept_and_refusals_told() {
    let raw = "From: a@x.org\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<img src=\"cid:i@x\">\n\
               --b\nContent-Type: image/png; name=i.png\nContent-ID: <i@x>\nContent-Transfer-Encoding: base64\n\naGk=\n\
               --b\nContent-Type: application/x-any; name=refused.bin\n\nx\n--b--";
    let (events, host) = told(raw);
    let [Event::Message(message)] = &events[..] else { panic!() };
    assert_eq!(*host.kept.borrow(), [("i.png".to_owned(), "image/png".to_owned(), b"hi".to_vec())]);
    assert!(
        matches!(&message.content.parts[1], Part::Media(media) if media.kind == MediaKind::Image && media.bytes == Some(2))
    );
    assert_eq!(metadata(message)["inline_images"], json!([{"cid": "i@x", "part": 1}]));
    assert_eq!(
        metadata(message)["refused_files"],
        json!([{"name": "refused.bin", "why": "the file is larger than is allowed"}])
    );
}

#[test]
fn what_a_limit_leaves_out_is_in_the_whole_mail() {
    let parts = "--b\nContent-Type: application/x-a\n\nx\n".repeat(300);
    let raw = format!("From: a@x.org\nContent-Type: multipart/mixed; boundary=b\n\n{parts}--b--");
    let (events, host) = told(&raw);
    let [Event::Message(message)] = &events[..] else { panic!() };
    assert!(message.content.parts.len() <= 100);
    assert_eq!(metadata(message)["incomplete"], "files");
    assert_eq!(
        host.kept.borrow().last().map(|(name, _, content)| (name.as_str(), content.len())),
        Some(("message.eml", raw.len()))
    );
}

#[test]
fn without_an_id_the_content_is_the_id() {
    let of = |body: &str| message(&format!("From: a@x.org\nReceived: {body}\nDate: x\n\n{}", body.len())).id;
    assert_eq!(of("one"), of("two"));
    assert_ne!(of("one"), of("three"));
    assert!(of("one").starts_with("sha256:"));
}

#[test]
fn nothing_at_all_is_kept_as_it_came() {
    assert!(matches!(&told("Subject: x\n\nHi").0[..], [Event::Unsupported(one)] if one.id == "1.7"));
    assert!(matches!(&told("").0[..], [Event::Unsupported(_)]));
}

#[test]
fn only_our_own_server_is_believed() {
    let settings = Settings { authserv_id: Some("mx.example.com".to_owned()), ..Settings::example() };
    let results = |server: &str| {
        let raw = format!(
            "From: a@x.org\nAuthentication-Results: {server}; spf=fail smtp.mailfrom=x; dkim=pass (ok) header.d=x; dmarc=pass\n\nx"
        );
        let arrival = Arrival { id: "1", at: None, raw: None, extra: serde_json::Map::new() };
        let mail = Mail::read(raw.as_bytes());
        match events(&Fake::default(), &settings, &mail, &arrival).unwrap().remove(0) {
            Event::Message(message) => metadata(&message)["authentication"].clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(results("mx.example.com 1"), json!({"spf": "fail", "dkim": "pass", "dmarc": "pass"}));
    assert_eq!(results("mx.evil.example"), Value::Null);
}

#[test]
fn texts_that_grow_stay_within_the_gateways_limits() {
    let quotes = "<blockquote>".repeat(30);
    for body in ["\"".repeat(400_000), format!("{quotes}{}", "x<br>".repeat(80_000)), "&".repeat(400_000)] {
        let message = message(&format!("From: a@x.org\nContent-Type: text/html\n\n{body}"));
        assert_eq!(metadata(&message)["incomplete"], "text");
        let sizes = message.content.parts.iter().filter_map(|part| match part {
            Part::Text(rich) => Some(rich.text.len().max(rich.html.as_ref().map_or(0, String::len))),
            _ => None,
        });
        let longest = sizes.chain(message.content.quoted_text.as_ref().map(String::len)).max();
        assert!(longest.is_some_and(|longest| longest <= 1 << 20), "{longest:?}");
    }
}

#[test]
fn long_lists_of_people_stay_within_the_gateways_limits() {
    let people = |name: &str| (0..60).map(|n| format!("{} <a{n}@x.org>,\n ", name.repeat(500))).collect::<String>();
    let raw = format!(
        "From: a@x.org\nCc: {}\nReply-To: {}\nSubject: {}\n\nx",
        people("\u{1f600}"),
        people("z"),
        "\u{1f600}".repeat(5_000)
    );
    let message = message(&raw);
    assert!(message.recipients.len() <= 256 && message.metadata.as_ref().is_some_and(|json| json.len() < 256 << 10));
    assert!(message.content.subject.is_some_and(|subject| subject.len() <= 4 << 10));
}
