//! An adapter for mails of one part with plain headers, in which the subject may say what to do.

use omnigate_plugin::prelude::*;
use omnigate_plugin::{Unsupported, files, serde_json};

struct Postbox;

channel!(Postbox, "../manifest.json");

#[derive(Deserialize)]
struct Settings {
    address: String,
}

/// A test mends this component by writing another digit here.
static MENDED: [u8; 16] = *b"MENDED=0........";

fn is_mended() -> bool {
    std::hint::black_box(&MENDED)[7] == b'1'
}

impl Channel for Postbox {
    fn handle_request(_: &Context, _: Request) -> Result<Outcome, Fault> {
        Err(Fault::not_found("a postbox takes no requests"))
    }

    fn send(_: &Context, _: Outbound) -> Result<Receipt, Fault> {
        Err(Fault::unsupported("a postbox sends letters"))
    }

    fn receive(_: &Context, mail: Arrived) -> Result<Vec<Event>, Fault> {
        let raw = String::from_utf8_lossy(&mail.raw).into_owned();
        let (head, body) = raw.split_once("\r\n\r\n").unwrap_or((&raw, ""));
        let mail = Mail { head, body: body.trim_end(), id: &mail.id, at: mail.at };
        let subject = mail.header("Subject").unwrap_or_default();
        match subject.split_once(' ').unwrap_or((subject, "")) {
            ("break", _) if !is_mended() => panic!("as it was told"),
            ("deed", _) => Ok(vec![Event::Message(Inbound {
                content: Content::of(vec![Part::plain(deed(subject)?)]),
                ..mail.message(subject)?
            })]),
            ("refuse", _) => Err(Fault::invalid("as it was told")),
            ("bounce", id) => Ok(vec![bounce(id)]),
            ("nonsense", _) => Ok(vec![Event::Unsupported(Unsupported {
                id: mail.own_id(),
                what: "nonsense".into(),
                sender: None,
                at: Some(mail.at),
            })]),
            _ => Ok(vec![Event::Message(mail.message(subject)?)]),
        }
    }

    fn compose(ctx: &Context, message: Outbound, answered: Option<&str>) -> Result<Letter, Fault> {
        let settings: Settings = ctx.settings()?;
        let subject = message.content.subject.as_deref().unwrap_or("none");
        let said = if subject.starts_with("deed ") { deed(subject)? } else { String::new() };
        let id = format!("{}@postbox.example", message.id);
        let mut raw = format!(
            "From: <{}>\r\nTo: <{}>\r\nSubject: {}\r\nMessage-ID: <{id}>\r\n",
            settings.address, message.recipient.value, subject,
        );
        if let Some(first) = answered.and_then(first_id) {
            raw += &format!("In-Reply-To: <{first}>\r\n");
        }
        raw += &format!("\r\n{said}{}\r\n", message.content.text().replace('\n', "\r\n"));
        raw += &attached(&message)?;
        Ok(Letter {
            sender: settings.address,
            recipients: recipients(&message)?,
            raw: raw.into_bytes(),
            external_ids: vec![id.clone(), format!("thread-{}", message.id)],
        })
    }
}

/// `deed loop`, `deed call http://...`
fn deed(subject: &str) -> Result<String, Fault> {
    let (act, argument) = subject[5..].split_once(' ').unwrap_or((&subject[5..], ""));
    deeds::commit(act, argument).ok_or_else(|| Fault::invalid("no such deed"))
}

struct Mail<'a> {
    head: &'a str,
    body: &'a str,
    id: &'a str,
    at: f64,
}

impl<'a> Mail<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn own_id(&self) -> String {
        self.header("Message-ID").unwrap_or(self.id).trim_matches(['<', '>']).to_owned()
    }

    fn ids(&self, name: &str) -> Vec<String> {
        let ids = self.header(name).unwrap_or_default().split_whitespace();
        ids.map(|id| id.trim_matches(['<', '>']).to_owned()).collect()
    }

    fn message(&self, subject: &str) -> Result<Inbound, Fault> {
        let sender = Identity::new("email", self.header("From").unwrap_or("nobody@example.com"));
        let mut parts = vec![Part::plain(self.body)];
        if subject.starts_with("file") {
            let id = files::keep(Some("body.txt"), "text/plain", self.body.as_bytes()).map_err(Fault::internal)?;
            parts.push(Part::Media(Media {
                kind: MediaKind::File,
                source: MediaSource::Stored(id),
                content_type: Some("text/plain".into()),
                name: Some("body.txt".into()),
                bytes: u32::try_from(self.body.len()).ok(),
                caption: None,
            }));
        }
        let content = Content { subject: Some(subject.to_owned()), ..Content::of(parts) };
        let in_reply_to = [self.ids("In-Reply-To"), self.ids("References").into_iter().rev().collect()].concat();
        Ok(Inbound {
            at: Some(self.at),
            in_reply_to,
            known_as: self.header("X-Thread").map(str::to_owned).into_iter().collect(),
            automatic: self.header("Auto-Submitted").map(str::to_owned),
            ..Inbound::of(self.own_id(), sender, content)
        })
    }
}

fn bounce(id: &str) -> Event {
    let text = "as it was told".to_owned();
    Event::Status(Status {
        message_id: None,
        external_id: Some(id.to_owned()),
        recipient: None,
        state: DeliveryState::Failed,
        at: None,
        reason: Some(Reason { code: ReasonCode::InvalidRecipient, text, provider_code: None, retryable: false }),
    })
}

fn first_id(event: &str) -> Option<String> {
    let event: Value = serde_json::from_str(event).ok()?;
    Some(event["data"]["external_ids"][0].as_str()?.to_owned())
}

fn recipients(message: &Outbound) -> Result<Vec<String>, Fault> {
    let metadata: Value = serde_json::from_str(message.metadata.as_deref().unwrap_or("{}"))?;
    let more = metadata["cc"].as_array().into_iter().flatten().filter_map(|cc| cc.as_str().map(str::to_owned));
    Ok(std::iter::once(message.recipient.value.clone()).chain(more).collect())
}

fn attached(message: &Outbound) -> Result<String, Fault> {
    let mut text = String::new();
    for part in &message.content.parts {
        if let Part::Media(Media { source: MediaSource::Stored(id), .. }) = part {
            let content = files::read(id).map_err(Fault::internal)?;
            text += &format!("attached: {}\r\n", String::from_utf8_lossy(&content));
        }
    }
    Ok(text)
}
