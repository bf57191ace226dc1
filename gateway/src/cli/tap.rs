use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use axum::http::{HeaderMap, Method};
use bytes::BytesMut;
use clap::Args;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;
use uuid::Uuid;

use super::remote::{Connect, Remote, with};
use super::{plain, print, say};
use crate::config::Scope;

/// Longer lines do not come out of a gateway.
const LINE_MAX: usize = 64 << 20;
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// The gateway says something every 15 seconds.
const SILENCE_MAX: Duration = Duration::from_secs(45);

/// Which interactions, and how much of them.
#[derive(Args)]
pub(super) struct Tap {
    #[command(flatten)]
    connect: Connect,
    /// Of one channel
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Of one contact
    #[arg(long, value_name = "ID")]
    contact: Option<Uuid>,
    /// Of one conversation
    #[arg(long, value_name = "ID")]
    conversation: Option<Uuid>,
    /// Of one type, such as message.received
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// First those that came after this interaction
    #[arg(long, value_name = "ID")]
    after: Option<Uuid>,
    /// Also what people wrote, their names and addresses
    #[arg(long)]
    content: bool,
    /// JSON lines on a terminal, too
    #[arg(long)]
    json: bool,
}

/// How lines look.
#[derive(Clone, Copy)]
struct Manner {
    as_json: bool,
    content: bool,
    colours: bool,
}

/// Follows until it is interrupted. Where the gateway restarts, it goes on behind the last interaction that was shown.
pub(super) async fn run(tap: Tap) -> anyhow::Result<ExitCode> {
    let remote = Remote::of(&tap.connect, Scope::Messages)?;
    let is_terminal = std::io::stdout().is_terminal();
    let colours = is_terminal && std::env::var_os("NO_COLOR").is_none();
    let manner = Manner { as_json: tap.json || !is_terminal, content: tap.content, colours };
    let mut place = Place { path: path(&tap), last: tap.after.map(|id| id.to_string()) };
    // What is wrong at first is wrong for good.
    let mut body = open(&remote, &place).await?;
    let mut pause = Duration::from_secs(1);
    loop {
        if let Err(lost) = follow(body, &mut place, manner).await? {
            say(&format!("{lost}: connecting again"));
        }
        body = loop {
            match open(&remote, &place).await {
                Ok(body) => break body,
                Err(error) => say(&format!("{error:#}; trying again in {pause:?}")),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        };
        pause = Duration::from_secs(1);
    }
}

/// What is followed, and how far it was shown.
struct Place {
    path: String,
    last: Option<String>,
}

fn path(tap: &Tap) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(tap.channel.as_deref().map(|name| ("channel", name)));
    query.extend_pairs(tap.contact.map(|id| ("contact", id.to_string())));
    query.extend_pairs(tap.conversation.map(|id| ("conversation", id.to_string())));
    query.extend_pairs(tap.r#type.as_deref().map(|kind| ("type", kind)));
    format!("v1/events?{}", query.finish())
}

async fn open(remote: &Remote, place: &Place) -> anyhow::Result<Incoming> {
    let headers = match &place.last {
        Some(id) => with("last-event-id", id)?,
        None => HeaderMap::new(),
    };
    Ok(remote.open(Method::GET, &place.path, headers).await?.into_body())
}

/// Shows what comes; the inner error says why no more does.
///
/// # Errors
/// If nobody reads standard output.
async fn follow(mut body: Incoming, place: &mut Place, manner: Manner) -> anyhow::Result<Result<(), String>> {
    let (mut buffer, mut id) = (BytesMut::new(), None);
    loop {
        let frame = match tokio::time::timeout(SILENCE_MAX, body.frame()).await {
            Err(_) => return Ok(Err(format!("nothing came for {SILENCE_MAX:?}"))),
            Ok(None) => return Ok(Err("the gateway ended it".into())),
            Ok(Some(Err(error))) => return Ok(Err(error.to_string())),
            Ok(Some(Ok(frame))) => frame,
        };
        buffer.extend(frame.into_data().unwrap_or_default());
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(end + 1);
            let line = String::from_utf8_lossy(&line);
            match line.trim_end().split_once(':').map(|(field, value)| (field, value.trim_start())) {
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("data", value)) => {
                    show(value, manner)?;
                    place.last = id.take().or(place.last.take());
                }
                _ => {}
            }
        }
        if buffer.len() > LINE_MAX {
            return Ok(Err(format!("a line has more than {LINE_MAX} bytes")));
        }
    }
}

fn show(data: &str, manner: Manner) -> anyhow::Result<()> {
    let event: Value = serde_json::from_str(data).context("the gateway tells something that is no JSON")?;
    print(&match manner {
        Manner { as_json: true, content: true, .. } => data.to_owned(),
        Manner { as_json: true, .. } => outline(&event).to_string(),
        manner => line(&event, manner),
    })
}

/// Ids and names of the configuration: nothing by which a person is known.
fn outline(event: &Value) -> Value {
    let data = &event["data"];
    json!({
        "id": event["id"],
        "time": event["time"],
        "type": event["type"],
        "channel": data["channel"]["name"],
        "direction": data["direction"],
        "author": data["author"]["kind"],
        "contact_id": data["contact"]["id"],
        "conversation_id": data["conversation"]["id"],
        "message_id": data["message_id"],
        "status": data["status"],
        "reason": data["reason"]["code"],
    })
}

fn line(event: &Value, manner: Manner) -> String {
    let facts = outline(event);
    let text = |key: &str| plain(facts[key].as_str().unwrap_or("-"));
    let kind = text("type");
    let kind = kind.strip_prefix("omnigate.").unwrap_or(&kind);
    let mut line = format!("{}  {}  {:<16}  {}", text("time"), coloured(kind, manner), text("channel"), text("id"));
    for key in ["conversation_id", "message_id", "status", "reason"] {
        if let Some(value) = facts[key].as_str() {
            // Nothing can go wrong in writing to a string.
            let _ = write!(line, "  {}={}", key.trim_end_matches("_id"), plain(value));
        }
    }
    if manner.content
        && let Some(said) = event["data"]["message"]["text"].as_str()
    {
        let from = plain(event["data"]["from"]["value"].as_str().unwrap_or("-"));
        let _ = write!(line, "  {from}: {}", plain(said));
    }
    line
}

/// Green what comes in, cyan what goes out, yellow what becomes of it.
fn coloured(kind: &str, manner: Manner) -> String {
    let padded = format!("{kind:<20}");
    let colour = match kind {
        "message.received" | "message.edited" | "message.reaction" => 32,
        "message.submitted" | "message.echoed" => 36,
        "message.status" | "channel.state" | "channel.unsupported" => 33,
        _ => return padded,
    };
    if manner.colours { format!("\u{1b}[{colour}m{padded}\u{1b}[0m") } else { padded }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANNER: Manner = Manner { as_json: false, content: false, colours: false };

    fn event() -> Value {
        json!({
            "id": "1", "time": "2026-11-21T10:00:00.123Z", "type": "omnigate.message.received",
            "data": {
                "channel": {"name": "sms"}, "contact": {"id": "2", "name": "Ann"}, "conversation": {"id": "3"},
                "from": {"scheme": "tel", "value": "+15550100123"},
                "message": {"text": "hi\u{1b}[2J\nforged"},
            },
        })
    }

    #[test]
    fn who_wrote_what_is_shown_to_those_who_ask() {
        let shown = line(&event(), MANNER);
        assert_eq!(shown, "2026-11-21T10:00:00.123Z  message.received      sms               1  conversation=3");
        let outline = outline(&event()).to_string();
        assert!(!outline.contains("Ann") && !outline.contains("555") && !outline.contains("hi"), "{outline}");
        let shown = line(&event(), Manner { content: true, ..MANNER });
        assert!(shown.ends_with("  +15550100123: hi [2J forged"), "{shown}");
    }

    #[test]
    fn colours_are_for_terminals() {
        assert!(!line(&event(), MANNER).contains('\u{1b}'));
        assert!(line(&event(), Manner { colours: true, ..MANNER }).contains("\u{1b}[32mmessage.received"));
    }
}
