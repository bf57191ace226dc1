//! Sending: <https://core.telegram.org/bots/api#available-methods>

use std::ops::RangeInclusive;

use omnigate_plugin::prelude::*;
use omnigate_plugin::serde_json::Map;
use omnigate_plugin::{ChoiceOption, Choices, ContactCard, Location, pieces};

use crate::api::{Api, Refusal};
use crate::chat::Target;

/// Sends each part as a message of its own; choices hang on the message before them.
pub(crate) fn send(ctx: &Context, message: &Outbound) -> Result<Receipt, Fault> {
    let api = Api::of(ctx)?;
    let mut target = Target::of(&message.recipient)?;
    let calls = calls(message, &target)?;
    let external_ids = pieces::send_each(&message.id, &calls, |call| deliver(&api, &mut target, call))?;
    Ok(Receipt::sent(external_ids))
}

/// One call of the Bot API.
#[derive(Clone, Debug)]
struct Call {
    method: &'static str,
    body: Map<String, Value>,
    /// The text without its formatting.
    plain: Option<String>,
}

impl Call {
    fn new(method: &'static str, body: Value) -> Self {
        let body = if let Value::Object(body) = body { body } else { Map::new() };
        Self { method, body, plain: None }
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.body.insert(name.to_owned(), value.into());
    }

    fn address(&mut self, target: &Target) {
        self.set("chat_id", target.chat_id);
        if let Some(connection) = &target.business {
            self.set("business_connection_id", connection.as_str());
        }
    }

    /// The same without formatting, if it has any.
    fn make_plain(&mut self) -> bool {
        let plain = self.plain.take();
        self.body.remove("parse_mode");
        plain.map(|text| self.set("text", text)).is_some()
    }
}

#[derive(Deserialize)]
struct Sent {
    message_id: i64,
}

/// Follows a group to its new id and drops formatting that Telegram does not know, each at most once.
fn deliver(api: &Api, target: &mut Target, call: &Call) -> Result<String, Fault> {
    let mut call = call.clone();
    call.address(target);
    let mut answer = api.call::<Sent>(call.method, &call.body)?;
    if let Some(new) = answer.as_ref().err().and_then(|refusal| refusal.parameters.migrate_to_chat_id) {
        target.chat_id = new;
        call.address(target);
        answer = api.call(call.method, &call.body)?;
    }
    if answer.as_ref().is_err_and(Refusal::is_about_markup) && call.make_plain() {
        answer = api.call(call.method, &call.body)?;
    }
    let Sent { message_id } = answer.map_err(|refusal| refusal.fault())?;
    Ok(target.message_key(message_id))
}

fn calls(message: &Outbound, target: &Target) -> Result<Vec<Call>, Fault> {
    let mut calls = Vec::with_capacity(message.content.parts.len());
    for part in &message.content.parts {
        add(&mut calls, part)?;
    }
    let answered = message.in_reply_to.as_deref().and_then(|key| target.message_id(key));
    let first = calls.first_mut().ok_or_else(|| Fault::rejected(ReasonCode::Rejected, "the message has no content"))?;
    if let Some(message_id) = answered {
        first.set("reply_parameters", json!({ "message_id": message_id, "allow_sending_without_reply": true }));
    }
    Ok(calls)
}

fn add(calls: &mut Vec<Call>, part: &Part) -> Result<(), Fault> {
    match part {
        Part::Text(text) if text.text.is_empty() => {}
        Part::Text(text) => calls.push(say(text)?),
        Part::Media(media) => calls.extend(show(media)?),
        Part::Location(place) => calls.push(point_at(place)),
        Part::ContactCard(card) => calls.push(introduce(card)?),
        Part::Choices(choices) => {
            let keyboard = keyboard(choices)?;
            let question = calls.last_mut().ok_or_else(|| unsupported("choices need a question before them"))?;
            question.set("reply_markup", keyboard);
        }
        Part::Choice(_) | Part::Template(_) | Part::Extension(_) => {
            return Err(unsupported("Telegram sends text, media, locations, contacts and choices"));
        }
    }
    Ok(())
}

fn unsupported(what: &str) -> Fault {
    Fault::unsupported(what).because(ReasonCode::Unsupported)
}

/// After its formatting is taken out.
const TEXT_CHARS_MAX: usize = 4096;
const CAPTION_CHARS_MAX: usize = 1024;

fn say(text: &RichText) -> Result<Call, Fault> {
    if text.text.chars().count() > TEXT_CHARS_MAX {
        return Err(Fault::rejected(ReasonCode::TooLarge, "a text is longer than 4096 characters"));
    }
    Ok(match &text.html {
        None => Call::new("sendMessage", json!({ "text": text.text })),
        Some(html) => Call {
            plain: Some(text.text.clone()),
            ..Call::new("sendMessage", json!({ "text": html, "parse_mode": "HTML" }))
        },
    })
}

/// The file, and its caption as a text of its own where it is too long, or the kind has none.
fn show(media: &Media) -> Result<Vec<Call>, Fault> {
    let MediaSource::Url(url) = &media.source else {
        return Err(unsupported("Telegram fetches media from an address"));
    };
    let (method, field) = method(media);
    let mut call = Call::new(method, json!({ field: url }));
    let caption = media.caption.as_deref().filter(|caption| !caption.is_empty());
    match caption {
        Some(caption) if method == "sendSticker" || caption.chars().count() > CAPTION_CHARS_MAX => {
            let text = RichText { text: caption.to_owned(), html: None };
            Ok(vec![call, say(&text)?])
        }
        caption => {
            caption.into_iter().for_each(|caption| call.set("caption", caption));
            Ok(vec![call])
        }
    }
}

/// The method and the name of its file. As a photo a GIF would stand still.
fn method(media: &Media) -> (&'static str, &'static str) {
    match media.kind {
        MediaKind::Image if media.content_type.as_deref() == Some("image/gif") => ("sendAnimation", "animation"),
        MediaKind::Image => ("sendPhoto", "photo"),
        MediaKind::Video => ("sendVideo", "video"),
        MediaKind::Audio => ("sendAudio", "audio"),
        MediaKind::Voice => ("sendVoice", "voice"),
        MediaKind::Sticker => ("sendSticker", "sticker"),
        MediaKind::File => ("sendDocument", "document"),
    }
}

/// A venue wants both a title and an address.
fn point_at(place: &Location) -> Call {
    let Location { latitude, longitude, name, address } = place;
    let point = json!({ "latitude": latitude, "longitude": longitude });
    let (Some(title), Some(address)) = (name.as_ref().or(address.as_ref()), address.as_ref().or(name.as_ref())) else {
        return Call::new("sendLocation", point);
    };
    let mut call = Call::new("sendVenue", point);
    call.set("title", title.as_str());
    call.set("address", address.as_str());
    call
}

fn introduce(card: &ContactCard) -> Result<Call, Fault> {
    let phone = card.phones.first().ok_or_else(|| unsupported("a contact needs a phone number here"))?;
    let mut call = Call::new("sendContact", json!({ "phone_number": phone, "first_name": card.name }));
    let vcard = vcard(card);
    const VCARD_BYTES_MAX: usize = 2048;
    if card.phones.len() + card.emails.len() > 1 && vcard.len() <= VCARD_BYTES_MAX {
        call.set("vcard", vcard);
    }
    Ok(call)
}

/// RFC 2426, for what the method's own fields have no place for.
fn vcard(card: &ContactCard) -> String {
    let name = escaped(&card.name);
    let phones = card.phones.iter().map(|phone| format!("TEL:{}\r\n", escaped(phone)));
    let emails = card.emails.iter().map(|email| format!("EMAIL:{}\r\n", escaped(email)));
    let lines: String = phones.chain(emails).collect();
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{name}\r\nN:{name};;;;\r\n{lines}END:VCARD\r\n")
}

fn escaped(text: &str) -> String {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    plain.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,")
}

/// One button a row, so that titles are not cut.
fn keyboard(choices: &Choices) -> Result<Value, Fault> {
    let rows: Vec<Value> =
        choices.options.iter().map(|option| Ok(json!([button(option)?]))).collect::<Result<_, Fault>>()?;
    Ok(json!({ "inline_keyboard": rows }))
}

fn button(option: &ChoiceOption) -> Result<Value, Fault> {
    const ID_BYTES: RangeInclusive<usize> = 1..=64;
    match &option.url {
        Some(url) => Ok(json!({ "text": option.title, "url": url })),
        None if ID_BYTES.contains(&option.id.len()) => Ok(json!({ "text": option.title, "callback_data": option.id })),
        None => Err(Fault::rejected(ReasonCode::TooLarge, "the id of an option must have 1 to 64 bytes")),
    }
}

#[cfg(test)]
mod tests {
    use omnigate_plugin::ChoicesStyle;

    use super::*;

    fn card(phones: &[&str]) -> ContactCard {
        let phones = phones.iter().map(|&phone| phone.to_owned()).collect();
        ContactCard { name: "Ann; B".into(), phones, emails: vec!["a@b.example\r\nX:1".into()] }
    }

    #[test]
    fn cards_cannot_smuggle_lines() {
        let call = introduce(&card(&["+15550100123"])).unwrap();
        let vcard = call.body["vcard"].as_str().unwrap();
        assert!(vcard.contains("FN:Ann\\; B\r\n") && vcard.contains("EMAIL:a@b.exampleX:1\r\n"), "{vcard}");
        assert!(introduce(&card(&[])).is_err());
    }

    fn choices(id: &str) -> Choices {
        let option = ChoiceOption { id: id.into(), title: "Yes".into(), description: None, url: None };
        Choices { style: ChoicesStyle::Buttons, options: vec![option] }
    }

    #[test]
    fn ids_of_options_are_measured_in_bytes() {
        assert!(keyboard(&choices(&"ä".repeat(32))).is_ok());
        assert!(keyboard(&choices(&"ä".repeat(33))).is_err());
        assert!(keyboard(&choices("")).is_err());
    }

    #[test]
    fn choices_hang_on_the_message_before_them() {
        let mut calls = Vec::new();
        assert!(add(&mut calls, &Part::Choices(choices("y"))).is_err());
        add(&mut calls, &Part::plain("Sure?")).unwrap();
        add(&mut calls, &Part::Choices(choices("y"))).unwrap();
        assert_eq!((calls.len(), calls[0].body.contains_key("reply_markup")), (1, true));
    }

    #[test]
    fn long_captions_become_texts() {
        let media = |caption: String| Media {
            kind: MediaKind::Image,
            source: MediaSource::Url("https://files.example/1".into()),
            content_type: None,
            name: None,
            bytes: None,
            caption: Some(caption),
        };
        let methods = |caption: usize| -> Vec<_> {
            show(&media("a".repeat(caption))).unwrap().iter().map(|call| call.method).collect()
        };
        assert_eq!(methods(1024), ["sendPhoto"]);
        assert_eq!(methods(1025), ["sendPhoto", "sendMessage"]);
        assert!(show(&media("a".repeat(4097))).is_err());
    }
}
