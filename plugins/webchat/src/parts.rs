//! Parts between the widget's JSON and ours: what a visitor writes, and what is written to him.

use omnigate_plugin::prelude::*;
use omnigate_plugin::{Choice, ChoiceOption, ChoicesStyle};

use crate::limits::{LABEL_MAX, PARTS_MAX, TEXT_MAX, cut, is_id};

/// Why a message is not taken: a code for programs and a sentence for the visitor.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: &'static str,
    pub(crate) text: String,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, text: &str) -> Self {
        Self { code, text: text.to_owned() }
    }
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    upload: Option<String>,
    #[serde(rename = "kind")]
    media: Option<String>,
    name: Option<String>,
    content_type: Option<String>,
    bytes: Option<u32>,
    caption: Option<String>,
    id: Option<String>,
    title: Option<String>,
}

/// The parts of a visitor's message.
///
/// # Errors
/// Tells the visitor what is wrong.
pub(crate) fn read(json: &str) -> Result<Vec<Part>, Refusal> {
    let written: Vec<Written> =
        serde_json::from_str(json).map_err(|_| Refusal::new("invalid", "The parts of the message cannot be read."))?;
    if written.is_empty() {
        return Err(Refusal::new("empty", "The message is empty."));
    }
    if written.len() > PARTS_MAX {
        return Err(Refusal::new("too-large", &format!("A message may have at most {PARTS_MAX} parts.")));
    }
    written.into_iter().map(part).collect()
}

fn part(written: Written) -> Result<Part, Refusal> {
    match written.kind.as_str() {
        "text" => text(written.text.unwrap_or_default()),
        "media" => media(written),
        "choice" => choice(written),
        _ => Err(Refusal::new("unsupported", "The message has a part of unknown type.")),
    }
}

fn text(text: String) -> Result<Part, Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::new("empty", "The message is empty."));
    }
    if text.chars().count() > TEXT_MAX {
        return Err(Refusal::new("too-large", &format!("A text may have at most {TEXT_MAX} characters.")));
    }
    Ok(Part::plain(text))
}

fn media(written: Written) -> Result<Part, Refusal> {
    let ticket =
        written.upload.filter(|ticket| is_id(ticket)).ok_or(Refusal::new("invalid", "The file was not uploaded."))?;
    let kind = match written.media.as_deref() {
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        Some("voice") => MediaKind::Voice,
        Some("sticker") => MediaKind::Sticker,
        _ => MediaKind::File,
    };
    let label = |text: Option<String>| text.map(|text| cut(&text, LABEL_MAX)).filter(|text| !text.is_empty());
    Ok(Part::Media(Media {
        kind,
        source: MediaSource::Stored(ticket),
        content_type: label(written.content_type),
        name: label(written.name),
        bytes: written.bytes,
        caption: label(written.caption),
    }))
}

fn choice(written: Written) -> Result<Part, Refusal> {
    let id = written.id.filter(|id| !id.is_empty() && id.len() <= LABEL_MAX);
    let id = id.ok_or(Refusal::new("invalid", "The choice has no id."))?;
    let title = written.title.map_or_else(|| id.clone(), |title| cut(&title, LABEL_MAX));
    Ok(Part::Choice(Choice { id, title }))
}

/// A part of ours in the interaction format.
///
/// # Errors
/// `unsupported` for what the widget does not show.
pub(crate) fn shown(part: &Part) -> Result<Value, Fault> {
    Ok(match part {
        Part::Text(text) => json!({ "type": "text", "text": text.text }),
        Part::Media(file) => shown_media(file)?,
        Part::Location(place) => json!({
            "type": "location", "latitude": place.latitude, "longitude": place.longitude, "name": place.name, "address": place.address,
        }),
        Part::ContactCard(card) => {
            json!({ "type": "contact_card", "name": card.name, "phones": card.phones, "emails": card.emails })
        }
        Part::Choices(choices) => {
            let style = if choices.style == ChoicesStyle::List { "list" } else { "buttons" };
            json!({ "type": "choices", "style": style, "options": choices.options.iter().map(option).collect::<Vec<_>>() })
        }
        Part::Choice(_) | Part::Template(_) | Part::Extension(_) => {
            return Err(Fault::unsupported("web chat shows no such part").because(ReasonCode::Unsupported));
        }
    })
}

fn shown_media(file: &Media) -> Result<Value, Fault> {
    let MediaSource::Url(url) = &file.source else {
        return Err(Fault::unsupported("a file needs an address from which a browser can load it")
            .because(ReasonCode::Unsupported));
    };
    let kind = match file.kind {
        MediaKind::Image => "image",
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
        MediaKind::File => "file",
        MediaKind::Sticker => "sticker",
        MediaKind::Voice => "voice",
    };
    Ok(json!({
        "type": "media", "kind": kind, "url": url, "content_type": file.content_type, "name": file.name, "bytes": file.bytes,
        "caption": file.caption,
    }))
}

fn option(option: &ChoiceOption) -> Value {
    json!({ "id": option.id, "title": option.title, "description": option.description, "url": option.url })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(json: &str) -> &'static str {
        read(json).unwrap_err().code
    }

    #[test]
    fn every_part_of_a_visitor_is_read() {
        let parts = read(
            r#"[{"type":"text","text":"hi"},{"type":"media","upload":"t1","kind":"image","name":"a.png"},{"type":"choice","id":"y","title":"Yes"}]"#,
        );
        assert!(matches!(&parts.unwrap()[..], [Part::Text(_), Part::Media(_), Part::Choice(_)]));
    }

    #[test]
    fn refusals_say_why() {
        assert_eq!(code("[]"), "empty");
        assert_eq!(code(r#"[{"type":"text","text":" "}]"#), "empty");
        assert_eq!(code(&format!(r#"[{{"type":"text","text":"{}"}}]"#, "ä".repeat(TEXT_MAX + 1))), "too-large");
        assert_eq!(code(&format!("[{}]", vec![r#"{"type":"text","text":"a"}"#; PARTS_MAX + 1].join(","))), "too-large");
        assert_eq!(code(r#"[{"type":"template"}]"#), "unsupported");
        assert_eq!(code(r#"[{"type":"media","upload":"../x"}]"#), "invalid");
        assert_eq!(code(r#"[{"type":"choice"}]"#), "invalid");
        assert_eq!(code(&"[".repeat(10_000)), "invalid");
    }

    #[test]
    fn longest_text_is_taken() {
        assert!(read(&format!(r#"[{{"type":"text","text":"{}"}}]"#, "ä".repeat(TEXT_MAX))).is_ok());
    }
}
