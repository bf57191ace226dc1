use omnigate_plugin::Extension;

use super::*;
use crate::host::fake::Fake;
use crate::read::Mail;

const ID: &str = "0198c0de-0000-7000-8000-0000000000ff";

fn outbound(parts: Vec<Part>) -> Outbound {
    Outbound {
        id: ID.to_owned(),
        recipient: Identity::new("email", "ana@example.org").named(Some("Ana")),
        author: Author::Agent,
        in_reply_to: None,
        last_inbound: None,
        content: Content::of(parts),
        expires_in_ms: None,
        metadata: None,
    }
}

fn hello() -> Outbound {
    outbound(vec![Part::plain("Hello")])
}

fn with(options: Value) -> Outbound {
    Outbound { metadata: Some(json!({"email": options, "ticket": 7}).to_string()), ..hello() }
}

fn answered() -> Value {
    json!({"data": {
        "from": {"scheme": "email", "value": "ana@example.org"},
        "to": [{"scheme": "email", "value": "support@example.com"}, {"scheme": "email", "value": "bob@example.org", "name": "Bob"}],
        "external_ids": ["x9@example.org"],
        "message": {"subject": "Order 7", "text": "hi", "parts": []},
        "metadata": {"references": ["x1@example.org", "x9@example.org"], "reply_to": [{"address": "ana.private@example.org"}]},
    }})
}

fn write(message: &Outbound, answered: Option<Value>) -> Result<Letter, Fault> {
    let answered = answered.map(|event| event.to_string());
    letter(&Fake::default(), &Settings::example(), message, answered.as_deref())
}

fn text(letter: &Letter) -> String {
    String::from_utf8(letter.raw.clone()).unwrap()
}

/// The value of a field, unfolded.
fn field(letter: &Letter, name: &str) -> Option<String> {
    Mail::read(&letter.raw).headers.text(name)
}

/// What must hold of every letter: RFC 5322, 2.1.1 and 2.3.
fn assert_lines(raw: &[u8]) {
    assert!(raw.ends_with(b"\r\n"));
    let text = String::from_utf8_lossy(raw);
    for line in text.split("\r\n") {
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
        assert!(line.len() <= 998, "{} bytes", line.len());
    }
}

#[test]
fn a_letter_is_plain_and_complete() {
    let letter = write(&hello(), None).unwrap();
    assert_lines(&letter.raw);
    assert_eq!(
        (letter.sender.as_str(), letter.recipients.as_slice()),
        ("support@example.com", ["ana@example.org".to_owned()].as_slice())
    );
    let id = &letter.external_ids[0];
    assert_eq!(
        text(&letter),
        format!(
            "From: \"Acme Support\" <support@example.com>\r\nTo: Ana <ana@example.org>\r\nSubject: Message from Acme Support\r\n\
         Date: Sat, 2 May 2026 07:15:04 +0000\r\nMessage-ID: <{id}>\r\nReferences: <t.{id}>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nHello\r\n"
        )
    );
    assert_eq!(Token::of_id(&Fake::default(), id).unwrap().map(|token| token.message_id).as_deref(), Some(ID));
}

#[test]
fn an_answer_stays_in_its_thread() {
    let letter = write(&hello(), Some(answered())).unwrap();
    assert_eq!(field(&letter, "subject").as_deref(), Some("Re: Order 7"));
    assert_eq!(field(&letter, "in-reply-to").as_deref(), Some("<x9@example.org>"));
    let references = Mail::read(&letter.raw).headers.ids("references");
    assert_eq!(references[1..], ["x1@example.org", "x9@example.org"]);
    assert_eq!(letter.recipients, ["ana.private@example.org"], "answers go where the person wants them");
}

#[test]
fn everybody_is_answered_on_request_and_we_are_not() {
    let letter = write(
        &with(json!({"reply_all": true, "cc": ["Carl <carl@example.org>"], "bcc": ["boss@example.com"]})),
        Some(answered()),
    )
    .unwrap();
    assert_eq!(
        letter.recipients,
        ["ana.private@example.org", "carl@example.org", "bob@example.org", "boss@example.com"]
    );
    assert_eq!(field(&letter, "cc").as_deref(), Some("Carl <carl@example.org>, Bob <bob@example.org>"));
    assert!(!text(&letter).contains("boss"));
}

#[test]
fn robots_say_that_they_are_robots() {
    let bot = Outbound { author: Author::Bot, ..hello() };
    assert_eq!(field(&write(&bot, None).unwrap(), "auto-submitted").as_deref(), Some("auto-generated"));
    assert_eq!(field(&write(&bot, Some(answered())).unwrap(), "auto-submitted").as_deref(), Some("auto-replied"));
    assert_eq!(field(&write(&hello(), None).unwrap(), "auto-submitted"), None);
}

#[test]
fn lists_can_be_left_with_one_click() {
    let letter =
        write(&with(json!({"list_unsubscribe": {"url": "https://x.example/u?1", "mailto": "u@x.example"}})), None)
            .unwrap();
    assert_eq!(field(&letter, "list-unsubscribe").as_deref(), Some("<https://x.example/u?1>, <mailto:u@x.example>"));
    assert_eq!(field(&letter, "list-unsubscribe-post").as_deref(), Some("List-Unsubscribe=One-Click"));
    for wrong in [
        json!({}),
        json!({"url": "http://x.example"}),
        json!({"url": "https://x>\r\nBcc: a@b"}),
        json!({"mailto": "x"}),
    ] {
        assert!(write(&with(json!({"list_unsubscribe": wrong})), None).is_err());
    }
}

#[test]
fn wrong_options_are_refused_with_their_place() {
    let fault = write(&with(json!({"bbc": ["a@b.c"]})), None).unwrap_err();
    assert!(fault.message.starts_with("metadata.email: unknown field `bbc`"), "{}", fault.message);
    let fault = write(&with(json!({"cc": ["nobody"]})), None).unwrap_err();
    assert_eq!(fault.message, "an entry of metadata.email.cc is no e-mail address");
    let many: Vec<String> = (0..300).map(|n| format!("a{n}@example.org")).collect();
    assert!(write(&with(json!({"bcc": many})), None).unwrap_err().message.contains("301 recipients"));
    assert!(
        write(&outbound(vec![Part::Extension(Extension { kind: "x".to_owned(), data: "{}".to_owned() })]), None)
            .is_err()
    );
}

fn media(name: &str, content_type: &str, content: &str) -> Part {
    Part::Media(Media {
        kind: MediaKind::File,
        source: MediaSource::Stored(format!("file:{content}")),
        content_type: Some(content_type.to_owned()),
        name: Some(name.to_owned()),
        bytes: None,
        caption: None,
    })
}

#[test]
fn html_images_and_files_are_read_back_as_they_were_written() {
    let html = "<p>Grüße <img src=\"cid:logo.png\"></p>";
    let rich = Part::Text(RichText { text: "Grüße".to_owned(), html: Some(html.to_owned()) });
    let message = outbound(vec![
        rich,
        media("logo.png", "image/png", "png"),
        media("Übersicht 2026.pdf", "application/pdf", &"pdf".repeat(100)),
    ]);
    let letter = write(&message, None).unwrap();
    assert_lines(&letter.raw);
    let mail = Mail::read(&letter.raw);
    assert_eq!((mail.text.trim_end(), mail.html.as_deref().map(str::trim_end)), ("Grüße", Some(html)));
    let files: Vec<_> =
        mail.files.iter().map(|file| (file.name.as_str(), file.cid.as_deref(), file.content().len())).collect();
    assert_eq!(files, [("logo.png", Some("logo.png"), 3), ("Übersicht 2026.pdf", None, 300)]);
}

#[test]
fn a_mail_as_file_is_not_parsed_on_its_way() {
    let letter =
        write(&outbound(vec![Part::plain("x"), media("a.eml", "message/rfc822", "Subject: x")]), None).unwrap();
    assert!(text(&letter).contains("Content-Type: application/octet-stream"));
}

#[test]
fn a_file_that_cannot_be_had_is_told() {
    let Part::Media(there) = media("a", "a/b", "") else { panic!("a file is a part of another kind") };
    let gone = Part::Media(Media { source: MediaSource::Stored("gone".to_owned()), ..there });
    assert_eq!(write(&outbound(vec![gone]), None).unwrap_err().message, "a file of the message: no such file");
}

#[test]
fn international_names_and_addresses() {
    let message = Outbound {
        recipient: Identity::new("email", "jürgen@bücher.example").named(Some("Jürgen \"Jü\" Groß, Köln")),
        ..hello()
    };
    let message = Outbound {
        content: Content {
            subject: Some(format!("Ihre Bestellung №7 {}", "für Köln ".repeat(40))), ..message.content
        },
        ..message
    };
    let letter = write(&message, None).unwrap();
    assert_lines(&letter.raw);
    assert_eq!(letter.recipients, ["jürgen@xn--bcher-kva.example"]);
    let headers = Mail::read(&letter.raw).headers.addresses("to");
    assert_eq!(
        (headers[0].address.as_str(), headers[0].name.as_deref()),
        ("jürgen@xn--bcher-kva.example", Some("Jürgen \"Jü\" Groß, Köln"))
    );
    assert!(field(&letter, "subject").unwrap().starts_with("Ihre Bestellung №7 für Köln"));
    assert!(text(&letter).lines().all(|line| line.len() <= 120));
}

#[test]
fn with_plus_addressing_answers_carry_the_token() {
    let settings = Settings { plus_addressing: true, ..Settings::example() };
    let letter = letter(&Fake::default(), &settings, &hello(), None).unwrap();
    let to = Mail::read(&letter.raw).headers.addresses("reply-to").remove(0);
    assert!(Token::of_address(&Fake::default(), &to.address).unwrap().is_some());
}

/// Nothing that comes from outside can add a field, end the head or change who gets the letter.
#[test]
fn no_text_breaks_out_of_its_field() {
    let breaks = ["\r\n", "\n", "\r", "\u{85}", "\u{2028}", "\0", "\r\n\r\n", "\x0b", "=?utf-8?q?=0D=0A?="];
    let evil = "Bcc: evil@example.net";
    let fields = |letter: &Letter| {
        let text = text(letter);
        let head = text.split("\r\n\r\n").next().unwrap().to_owned();
        head.split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let expected = fields(&write(&hello(), Some(answered())).unwrap());
    for text in breaks.iter().map(|line_break| format!("a{line_break}{evil}{line_break}b")) {
        let mut event = answered();
        event["data"]["message"]["subject"] = text.clone().into();
        event["data"]["to"][1]["name"] = text.clone().into();
        event["data"]["metadata"]["references"] = json!([text.clone(), format!("{text}@x")]);
        event["data"]["external_ids"] = json!([format!("{text}@x"), "good@x"]);
        let message =
            Outbound { recipient: Identity::new("email", "ana@example.org").named(Some(text.clone())), ..hello() };
        let letters = [
            write(&message, Some(event)),
            write(
                &Outbound { content: Content { subject: Some(text.clone()), ..hello().content }, ..hello() },
                Some(answered()),
            ),
        ];
        for letter in letters {
            let letter = letter.unwrap();
            assert_lines(&letter.raw);
            assert_eq!(fields(&letter), expected, "{text:?}");
            assert!(!letter.recipients.iter().any(|one| one.contains("evil")));
        }
        let named = write(&outbound(vec![media(&text, &text, "x")]), None).unwrap();
        assert_lines(&named.raw);
        assert!(!String::from_utf8_lossy(&named.raw).contains("\r\nBcc:"), "{text:?}");
        let wrong = Outbound { recipient: Identity::new("email", format!("ana@example.org{text}")), ..hello() };
        assert!(write(&wrong, None).is_err() || !text.contains(char::is_control));
        assert!(write(&with(json!({"cc": [format!("x{text}@y.z")]})), None).is_err(), "{text:?}");
    }
}

#[test]
fn long_texts_keep_to_the_length_of_lines() {
    for text in ["x".repeat(5_000), "ü".repeat(5_000), "word ".repeat(2_000), ".\n..\n.".to_owned()] {
        let message = Outbound {
            recipient: Identity::new("email", "ana@example.org").named(Some(text.clone())),
            ..outbound(vec![Part::plain(text.clone())])
        };
        let message = Outbound { content: Content { subject: Some(text.clone()), ..message.content }, ..message };
        let letter = write(&message, None).unwrap();
        assert_lines(&letter.raw);
        assert_eq!(Mail::read(&letter.raw).text.trim_end(), text.trim_end());
    }
}
