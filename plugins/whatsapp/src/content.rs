//! What a message says, as parts.

use omnigate_plugin::{
    Choice, ContactCard, Extension, Location, Media, MediaKind, MediaSource, Part, Value, json, serde_json,
};
use serde_json::value::RawValue;

use crate::wire::{self, Card, Message, text};

/// Parts that the gateway takes in one message.
const CARDS_MAX: usize = 100;

/// `None` for what is not understood.
pub(crate) fn parts(message: &Message<'_>) -> Option<Vec<Part>> {
    Some(match &**message.kind.as_ref()? {
        "text" => vec![Part::plain(&*message.text.as_ref()?.body)],
        "image" => media(MediaKind::Image, message)?,
        "video" => media(MediaKind::Video, message)?,
        "audio" => media(MediaKind::Audio, message)?,
        "voice" => media(MediaKind::Voice, message)?,
        "document" => media(MediaKind::File, message)?,
        "sticker" => media(MediaKind::Sticker, message)?,
        "location" => vec![location(message.location.as_ref()?)?],
        "contacts" => message.contacts.as_ref().filter(|cards| cards.len() <= CARDS_MAX)?.iter().map(card).collect(),
        "interactive" => vec![interactive(message)?],
        "button" => vec![button(message.button.as_ref()?)],
        "order" => order(message.order?),
        "request_welcome" => vec![extension("request_welcome", "{}")],
        _ => return None,
    })
}

/// `locate` turns the id into an address; where there is none, the address itself is what we know.
fn media(kind: MediaKind, message: &Message<'_>) -> Option<Vec<Part>> {
    let media = message.media.as_ref()?;
    let owned = |field| text(field).map(str::to_owned);
    let kind = if media.voice == Some(true) { MediaKind::Voice } else { kind };
    Some(vec![Part::Media(Media {
        kind,
        source: MediaSource::Reference(owned(media.id.as_ref()).or(owned(media.url.as_ref()))?),
        content_type: owned(media.mime_type.as_ref()),
        name: owned(media.filename.as_ref()),
        bytes: None,
        caption: owned(media.caption.as_ref()),
    })])
}

/// `None` for a place that is not on earth.
fn location(location: &wire::Location<'_>) -> Option<Part> {
    let is_place = location.latitude.abs() <= 90.0 && location.longitude.abs() <= 180.0;
    is_place.then(|| {
        Part::Location(Location {
            latitude: location.latitude,
            longitude: location.longitude,
            name: text(location.name.as_ref()).map(str::to_owned),
            address: text(location.address.as_ref()).map(str::to_owned),
        })
    })
}

fn card(card: &Card<'_>) -> Part {
    let phones = card.phones.iter().filter_map(|phone| {
        let wa_id = || text(phone.wa_id.as_ref()).map(|digits| format!("+{digits}"));
        text(phone.phone.as_ref()).map(str::to_owned).or_else(wa_id)
    });
    let emails = card.emails.iter().filter_map(|email| text(email.email.as_ref()).map(str::to_owned));
    Part::ContactCard(ContactCard { name: card_name(card), phones: phones.collect(), emails: emails.collect() })
}

fn card_name(card: &Card<'_>) -> String {
    let Some(name) = &card.name else { return String::new() };
    let full = || {
        [&name.first_name, &name.last_name]
            .into_iter()
            .filter_map(|part| text(part.as_ref()))
            .collect::<Vec<_>>()
            .join(" ")
    };
    text(name.formatted_name.as_ref()).map_or_else(full, str::to_owned)
}

fn interactive(message: &Message<'_>) -> Option<Part> {
    let interactive = message.interactive.as_ref()?;
    let picked = interactive.button_reply.as_ref();
    let picked = picked.map(|reply| Part::Choice(Choice { id: reply.id.to_string(), title: reply.title.to_string() }));
    picked.or_else(|| interactive.nfm_reply.as_ref().map(form))
}

fn button(button: &wire::Button<'_>) -> Part {
    let title = button.text.to_string();
    let id = text(button.payload.as_ref()).map_or_else(|| title.clone(), str::to_owned);
    Part::Choice(Choice { id, title })
}

/// The answer of a flow, its JSON taken out of the string that it comes in. A person made it: what is no JSON, or too
/// deep, stays a string.
fn form(reply: &wire::FormReply<'_>) -> Part {
    let mut form = json!({ "name": text(reply.name.as_ref()), "body": text(reply.body.as_ref()) });
    match serde_json::from_str::<Value>(&reply.response_json) {
        Ok(response) => form["response"] = response,
        Err(_) => form["response_json"] = (*reply.response_json).into(),
    }
    extension("nfm_reply", &form.to_string())
}

fn order(order: &RawValue) -> Vec<Part> {
    #[derive(serde::Deserialize)]
    struct Note<'a> {
        #[serde(borrow)]
        text: Option<wire::Text<'a>>,
    }
    let note = serde_json::from_str::<Note<'_>>(order.get()).ok().and_then(|note| note.text);
    let note = text(note.as_ref()).map(Part::plain);
    note.into_iter().chain([extension("order", order.get())]).collect()
}

fn extension(kind: &str, data: &str) -> Part {
    Part::Extension(Extension { kind: kind.to_owned(), data: data.to_owned() })
}
