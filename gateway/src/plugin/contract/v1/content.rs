//! Messages from the guest's words to ours: every list has a length, every text a size.

use serde_json::{Map, Value};

use super::inward::Broken;
use super::{events, types};
use crate::interaction::{ChoiceOption, ChoicesStyle, MediaKind, Part};
use crate::plugin::exchange::{Content, Media, MediaSource, Piece};

const PARTS_MAX: usize = 100;
const TEXT_MAX: usize = 1 << 20;
/// Names, titles, types: whatever is shown in one line.
const LINE_MAX: usize = 4 << 10;
/// One JSON text: parsed it takes many times its length.
const JSON_MAX: usize = 256 << 10;
const OPTIONS_MAX: usize = 100;
/// All JSON texts of one answer.
const JSON_TOTAL_MAX: usize = 2 << 20;

pub(super) fn few(count: usize, max: usize, what: &str) -> Result<(), Broken> {
    if count > max { Err(format!("{count} {what} are more than {max}")) } else { Ok(()) }
}

pub(super) fn short(text: String, max: usize, what: &str) -> Result<String, Broken> {
    if text.len() > max {
        return Err(format!("{what} of {} bytes is longer than {max}", text.len()));
    }
    Ok(text)
}

pub(super) fn line(text: String, what: &str) -> Result<String, Broken> {
    short(text, LINE_MAX, what)
}

pub(super) fn some_line(text: Option<String>, what: &str) -> Result<Option<String>, Broken> {
    text.map(|text| line(text, what)).transpose()
}

/// Parsed, JSON takes up to sixteen times its length: checked before any of it is.
pub(super) fn check_json_total(events: &[events::Event]) -> Result<(), Broken> {
    let total: usize = events.iter().map(json_bytes).sum();
    if total > JSON_TOTAL_MAX {
        return Err(format!("{total} bytes of JSON are more than {JSON_TOTAL_MAX}"));
    }
    Ok(())
}

fn json_bytes(event: &events::Event) -> usize {
    use events::Event;
    match event {
        Event::Message(message) | Event::Echo(message) => {
            message.metadata.as_ref().map_or(0, String::len) + json_bytes_of(&message.content)
        }
        Event::Edit(edit) => json_bytes_of(&edit.content),
        Event::Referral(referral) => referral.data.len(),
        _ => 0,
    }
}

fn json_bytes_of(content: &types::Content) -> usize {
    let bytes = content.parts.iter().map(|part| match part {
        types::Part::Template(template) => template.parameters.len(),
        types::Part::Extension(extension) => extension.data.len(),
        _ => 0,
    });
    bytes.sum()
}

pub(super) fn content(content: types::Content) -> Result<Content, Broken> {
    few(content.parts.len(), PARTS_MAX, "parts")?;
    Ok(Content {
        subject: some_line(content.subject, "a subject")?,
        parts: content.parts.into_iter().map(piece).collect::<Result<_, _>>()?,
        quoted_text: content.quoted_text.map(text).transpose()?,
    })
}

fn text(text: String) -> Result<String, Broken> {
    short(text, TEXT_MAX, "a text")
}

fn piece(part: types::Part) -> Result<Piece, Broken> {
    Ok(Piece::Part(match part {
        types::Part::Media(file) => return media(file).map(Piece::Media),
        types::Part::Text(rich) => Part::Text { text: text(rich.text)?, html: rich.html.map(text).transpose()? },
        types::Part::Location(place) => location(place)?,
        types::Part::ContactCard(card) => contact_card(card)?,
        types::Part::Choices(choices) => choices_part(choices)?,
        types::Part::Choice(choice) => {
            Part::Choice { id: line(choice.id, "the id of a choice")?, title: line(choice.title, "a title")? }
        }
        types::Part::Template(template) => Part::Template {
            name: line(template.name, "a template's name")?,
            language: line(template.language, "a language")?,
            parameters: json(&template.parameters)?,
            text: None,
        },
        types::Part::Extension(extension) => {
            Part::Extension { kind: line(extension.kind, "a kind")?, data: json(&extension.data)? }
        }
    }))
}

fn contact_card(card: types::ContactCard) -> Result<Part, Broken> {
    few(card.phones.len() + card.emails.len(), OPTIONS_MAX, "addresses of one contact card")?;
    let lines =
        |list: Vec<String>| list.into_iter().map(|text| line(text, "an address")).collect::<Result<Vec<_>, _>>();
    Ok(Part::ContactCard { name: line(card.name, "a name")?, phones: lines(card.phones)?, emails: lines(card.emails)? })
}

fn location(place: types::Location) -> Result<Part, Broken> {
    if !(place.latitude.abs() <= 90.0 && place.longitude.abs() <= 180.0) {
        return Err("a location must lie within 90 degrees of latitude and 180 of longitude".into());
    }
    Ok(Part::Location {
        latitude: place.latitude,
        longitude: place.longitude,
        name: some_line(place.name, "a place's name")?,
        address: some_line(place.address, "a place's address")?,
    })
}

fn choices_part(choices: types::Choices) -> Result<Part, Broken> {
    few(choices.options.len(), OPTIONS_MAX, "options")?;
    let style = match choices.style {
        types::ChoicesStyle::Buttons => ChoicesStyle::Buttons,
        types::ChoicesStyle::List => ChoicesStyle::List,
    };
    let options = choices.options.into_iter().map(choice_option).collect::<Result<_, _>>()?;
    Ok(Part::Choices { style, options })
}

fn choice_option(option: types::ChoiceOption) -> Result<ChoiceOption, Broken> {
    Ok(ChoiceOption {
        id: line(option.id, "the id of an option")?,
        title: line(option.title, "a title")?,
        description: some_line(option.description, "a description")?,
        url: some_line(option.url, "an address")?,
    })
}

fn media(file: types::Media) -> Result<Media, Broken> {
    let source = match file.source {
        types::MediaSource::Reference(reference) => MediaSource::Reference(line(reference, "a reference")?),
        types::MediaSource::Stored(id) => MediaSource::Stored(line(id, "the id of a file")?),
        types::MediaSource::Url(url) => MediaSource::Url(line(url, "an address")?),
    };
    Ok(Media {
        kind: media_kind(file.kind),
        source,
        content_type: some_line(file.content_type, "a content type")?,
        name: some_line(file.name, "a file's name")?,
        bytes: file.bytes.map(u64::from),
        caption: file.caption.map(text).transpose()?,
    })
}

fn media_kind(kind: types::MediaKind) -> MediaKind {
    match kind {
        types::MediaKind::Image => MediaKind::Image,
        types::MediaKind::Audio => MediaKind::Audio,
        types::MediaKind::Video => MediaKind::Video,
        types::MediaKind::File => MediaKind::File,
        types::MediaKind::Sticker => MediaKind::Sticker,
        types::MediaKind::Voice => MediaKind::Voice,
    }
}

pub(super) fn json(text: &str) -> Result<Value, Broken> {
    bounded_json(text)?;
    serde_json::from_str(text).map_err(|error| format!("a field that must be JSON is not: {error}"))
}

fn bounded_json(text: &str) -> Result<(), Broken> {
    if text.len() > JSON_MAX {
        return Err(format!("a JSON text of {} bytes is longer than {JSON_MAX}", text.len()));
    }
    Ok(())
}

pub(super) fn object(text: Option<&str>) -> Result<Map<String, Value>, Broken> {
    match text {
        None => Ok(Map::new()),
        Some(text) => {
            bounded_json(text)?;
            serde_json::from_str(text).map_err(|error| format!("metadata must be a JSON object: {error}"))
        }
    }
}
