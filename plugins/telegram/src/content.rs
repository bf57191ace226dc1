//! What a message says.

use omnigate_plugin::prelude::*;
use omnigate_plugin::{ContactCard, Extension, Location};

use crate::html;
use crate::wire::{Contact, File, Message, full_name};

/// The parts of a message; none if there is nothing in it that we understand.
pub(crate) fn parts(message: &Message) -> Vec<Part> {
    let parts = [
        text(message),
        media(message),
        place(message).map(Part::Location),
        message.contact.as_ref().map(card),
        message.web_app_data.as_ref().map(web_app_data),
    ];
    parts.into_iter().flatten().collect()
}

pub(crate) fn of(message: &Message) -> Content {
    let quoted_text = message.quote.as_ref().map(|quote| quote.text.clone());
    Content { quoted_text, ..Content::of(parts(message)) }
}

fn text(message: &Message) -> Option<Part> {
    let text = message.text.clone()?;
    let html = html::render(&text, &message.entities);
    Some(Part::Text(RichText { text, html }))
}

fn media(message: &Message) -> Option<Part> {
    let (kind, content_type, file) = file(message)?;
    Some(Part::Media(Media {
        kind,
        source: MediaSource::Reference(file.file_id.clone()),
        content_type: file.mime_type.clone().or_else(|| content_type.map(str::to_owned)),
        name: file.file_name.clone(),
        bytes: file.file_size.and_then(|bytes| bytes.try_into().ok()),
        caption: message.caption.clone(),
    }))
}

/// The file, what it is for the person, and its content type where Telegram does not name it. An animation is told twice,
/// also as a document.
fn file(message: &Message) -> Option<(MediaKind, Option<&'static str>, &File)> {
    let candidates = [
        (MediaKind::Image, Some("image/jpeg"), message.photo.last()),
        (MediaKind::Video, Some("video/mp4"), message.animation.as_ref()),
        (MediaKind::Video, Some("video/mp4"), message.video.as_ref()),
        (MediaKind::Video, Some("video/mp4"), message.video_note.as_ref()),
        (MediaKind::Voice, Some("audio/ogg"), message.voice.as_ref()),
        (MediaKind::Audio, None, message.audio.as_ref()),
        (MediaKind::Sticker, message.sticker.as_ref().map(sticker_type), message.sticker.as_ref()),
        (MediaKind::File, None, message.document.as_ref()),
    ];
    candidates.into_iter().find_map(|(kind, content_type, file)| Some((kind, content_type, file?)))
}

fn sticker_type(sticker: &File) -> &'static str {
    match sticker {
        File { is_animated: true, .. } => "application/x-tgsticker",
        File { is_video: true, .. } => "video/webm",
        _ => "image/webp",
    }
}

/// A venue comes with a bare location besides.
fn place(message: &Message) -> Option<Location> {
    let venue = message.venue.as_ref();
    let point = venue.map(|venue| &venue.location).or(message.location.as_ref())?;
    Some(Location {
        latitude: point.latitude,
        longitude: point.longitude,
        name: venue.and_then(|venue| venue.title.clone()),
        address: venue.and_then(|venue| venue.address.clone()),
    })
}

fn card(contact: &Contact) -> Part {
    Part::ContactCard(ContactCard {
        name: full_name(Some(&contact.first_name), contact.last_name.as_deref()),
        phones: vec![e164(&contact.phone_number).unwrap_or_else(|| contact.phone_number.clone())],
        emails: Vec::new(),
    })
}

/// Telegram leaves out the plus of its own users' numbers.
pub(crate) fn e164(number: &str) -> Option<String> {
    let digits: String = number.chars().filter(|c| !matches!(c, '+' | ' ' | '-' | '(' | ')')).collect();
    let valid =
        (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    valid.then(|| format!("+{digits}"))
}

fn web_app_data(data: &Value) -> Part {
    Part::Extension(Extension { kind: "telegram.web_app_data".to_owned(), data: data.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_get_their_plus() {
        assert_eq!(e164("15550100123").as_deref(), Some("+15550100123"));
        assert_eq!(e164("+1 (555) 010-0123").as_deref(), Some("+15550100123"));
        assert_eq!(e164("0171 5550100"), None);
        assert_eq!(e164("112"), None);
    }
}
