//! A message as the bodies of calls to `/{phone_number_id}/messages`: WhatsApp has one part to a message.

use omnigate_plugin::prelude::*;
use omnigate_plugin::{ChoiceOption, Choices, ChoicesStyle, ContactCard, Extension};

use crate::settings::Settings;
use crate::template;

/// Longest text of a message, and of the question over choices, in characters.
const TEXT_MAX: usize = 4096;
const QUESTION_MAX: usize = 1024;
const CAPTION_MAX: usize = 1024;
const BUTTONS_MAX: usize = 3;
const BUTTON_TITLE_MAX: usize = 20;
const BUTTON_ID_MAX: usize = 256;
const ROWS_MAX: usize = 10;
const ROW_TITLE_MAX: usize = 24;
const ROW_ID_MAX: usize = 200;
const ROW_DESCRIPTION_MAX: usize = 72;

/// Type of a message and what stands under the key of that name.
type Typed = (&'static str, Value);

/// The messages made of the first parts, and the parts that are left.
type Taken<'p> = (Vec<Typed>, &'p [Part]);

/// One body for each message that it takes.
///
/// # Errors
/// `unsupported` and `rejected` for what WhatsApp cannot carry.
pub(crate) fn bodies(message: &Outbound, settings: &Settings<'_>) -> Result<Vec<Value>, Fault> {
    let mut all = Vec::new();
    let mut parts = message.content.parts.as_slice();
    while let [first, rest @ ..] = parts {
        let (typed, rest) = take(parts, first, rest, message, settings)?;
        all.extend(typed);
        parts = rest;
    }
    if all.is_empty() {
        return Err(Fault::rejected(ReasonCode::Rejected, "there is nothing to send"));
    }
    all.into_iter().enumerate().map(|(nth, typed)| envelope(message, typed, nth == 0)).collect()
}

fn take<'p>(
    parts: &'p [Part],
    first: &Part,
    rest: &'p [Part],
    message: &Outbound,
    settings: &Settings<'_>,
) -> Result<Taken<'p>, Fault> {
    Ok(match (first, rest) {
        (Part::Text(question), [Part::Choices(choices), rest @ ..]) => {
            (vec![offer(&question.text, choices, settings)?], rest)
        }
        (Part::Text(words), rest) => (text(&words.text)?, rest),
        (Part::ContactCard(_), _) => contacts(parts),
        (Part::Media(file), rest) => (media(file)?, rest),
        (Part::Location(place), rest) => (vec![location(place)], rest),
        (Part::Template(filled), rest) => (vec![("template", template::content(filled)?)], rest),
        (Part::Extension(extension), rest) => (vec![special(extension, message)?], rest),
        (Part::Choices(_), _) => return Err(Fault::rejected(ReasonCode::Rejected, "choices need a text before them")),
        (Part::Choice(_), _) => return Err(unsupported("a business cannot pick a choice")),
    })
}

/// What all messages share. Meta hands `biz_opaque_callback_data` back in receipts.
fn envelope(message: &Outbound, (kind, content): Typed, is_first: bool) -> Result<Value, Fault> {
    let mut body = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "type": kind,
        "biz_opaque_callback_data": message.id,
    });
    let (key, address) = recipient(&message.recipient)?;
    body[key] = address.into();
    if let Some(answered) = message.in_reply_to.as_deref().filter(|_| is_first && kind != "reaction") {
        body["context"] = json!({ "message_id": answered });
    }
    body[kind] = content;
    Ok(body)
}

fn recipient(identity: &Identity) -> Result<(&'static str, &str), Fault> {
    match identity.scheme.as_str() {
        "tel" => Ok(("to", identity.value.strip_prefix('+').unwrap_or(&identity.value))),
        "whatsapp" => Ok(("recipient", &identity.value)),
        _ => Err(Fault::rejected(
            ReasonCode::InvalidRecipient,
            "WhatsApp sends to identities of scheme tel and whatsapp only",
        )),
    }
}

fn text(text: &str) -> Result<Vec<Typed>, Fault> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    within(text, TEXT_MAX, "the text")?;
    let has_link = text.contains("https://") || text.contains("http://");
    Ok(vec![("text", json!({ "body": text, "preview_url": has_link }))])
}

/// By link. Where WhatsApp takes no caption, it follows as a text.
fn media(file: &Media) -> Result<Vec<Typed>, Fault> {
    let MediaSource::Url(link) = &file.source else {
        return Err(unsupported("a file needs an address from which WhatsApp can fetch it"));
    };
    let (kind, takes_caption) = match file.kind {
        MediaKind::Image => ("image", true),
        MediaKind::Video => ("video", true),
        MediaKind::File => ("document", true),
        MediaKind::Audio | MediaKind::Voice => ("audio", false),
        MediaKind::Sticker => ("sticker", false),
    };
    let mut content = json!({ "link": link });
    let caption = file.caption.as_deref().filter(|caption| !caption.is_empty());
    if let Some(caption) = caption.filter(|_| takes_caption) {
        within(caption, CAPTION_MAX, "the caption")?;
        content["caption"] = caption.into();
    }
    if let (MediaKind::File, Some(name)) = (file.kind, &file.name) {
        content["filename"] = name.as_str().into();
    }
    if file.kind == MediaKind::Voice {
        content["voice"] = true.into();
    }
    let mut typed = vec![(kind, content)];
    typed.extend(text(caption.filter(|_| !takes_caption).unwrap_or_default())?);
    Ok(typed)
}

fn location(place: &omnigate_plugin::Location) -> Typed {
    let mut content = json!({ "latitude": place.latitude, "longitude": place.longitude });
    for (key, value) in [("name", &place.name), ("address", &place.address)] {
        if let Some(value) = value {
            content[key] = value.as_str().into();
        }
    }
    ("location", content)
}

/// Cards that follow each other are one message.
fn contacts(parts: &[Part]) -> Taken<'_> {
    let cards: Vec<Value> = parts.iter().map_while(card).collect();
    let rest = &parts[cards.len()..];
    (vec![("contacts", cards.into())], rest)
}

/// WhatsApp wants the name as a whole and at least one piece of it.
fn card(part: &Part) -> Option<Value> {
    let Part::ContactCard(ContactCard { name, phones, emails }) = part else { return None };
    let (first, last) = name.split_once(' ').map_or((name.as_str(), None), |(first, last)| (first, Some(last)));
    let mut card = json!({ "name": { "formatted_name": name, "first_name": first } });
    if let Some(last) = last {
        card["name"]["last_name"] = last.into();
    }
    if !phones.is_empty() {
        card["phones"] = phones.iter().map(|phone| json!({ "phone": phone })).collect();
    }
    if !emails.is_empty() {
        card["emails"] = emails.iter().map(|email| json!({ "email": email })).collect();
    }
    Some(card)
}

/// A question with options: reply buttons, a list, or one button that opens an address.
fn offer(question: &str, choices: &Choices, settings: &Settings<'_>) -> Result<Typed, Fault> {
    within(question, QUESTION_MAX, "the text over choices")?;
    let (kind, action) = match (choices.options.as_slice(), choices.style) {
        ([], _) => return Err(Fault::rejected(ReasonCode::Rejected, "there are no choices")),
        ([ChoiceOption { title, url: Some(url), .. }], _) => ("cta_url", link(title, url)?),
        (options, _) if options.iter().any(|option| option.url.is_some()) => {
            return Err(unsupported("an option with an address must be the only one"));
        }
        (options, ChoicesStyle::Buttons) => ("button", buttons(options)?),
        (options, ChoicesStyle::List) => ("list", list(options, settings)?),
    };
    Ok(("interactive", json!({ "type": kind, "body": { "text": question }, "action": action })))
}

fn link(title: &str, url: &str) -> Result<Value, Fault> {
    within(title, BUTTON_TITLE_MAX, "the title of a button")?;
    Ok(json!({ "name": "cta_url", "parameters": { "display_text": title, "url": url } }))
}

fn buttons(options: &[ChoiceOption]) -> Result<Value, Fault> {
    count(options, BUTTONS_MAX, "buttons")?;
    let button = |option: &ChoiceOption| {
        within(&option.title, BUTTON_TITLE_MAX, "the title of a button")?;
        within(&option.id, BUTTON_ID_MAX, "the id of a button")?;
        Ok(json!({ "type": "reply", "reply": { "id": option.id, "title": option.title } }))
    };
    Ok(json!({ "buttons": options.iter().map(button).collect::<Result<Vec<_>, Fault>>()? }))
}

fn list(options: &[ChoiceOption], settings: &Settings<'_>) -> Result<Value, Fault> {
    count(options, ROWS_MAX, "rows")?;
    let rows = options.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "button": settings.list_button, "sections": [{ "rows": rows }] }))
}

fn row(option: &ChoiceOption) -> Result<Value, Fault> {
    within(&option.title, ROW_TITLE_MAX, "the title of a row")?;
    within(&option.id, ROW_ID_MAX, "the id of a row")?;
    let mut row = json!({ "id": option.id, "title": option.title });
    if let Some(description) = &option.description {
        within(description, ROW_DESCRIPTION_MAX, "the description of a row")?;
        row["description"] = description.as_str().into();
    }
    Ok(row)
}

/// What only WhatsApp has: `reaction` `{emoji, message_id?}`, to the answered message unless it names one, taken back
/// without an emoji; and `interactive` with whatever Meta documents under that name: flows, products, requests for a
/// location.
fn special(extension: &Extension, message: &Outbound) -> Result<Typed, Fault> {
    let malformed =
        || Fault::rejected(ReasonCode::Rejected, "the data of the extension is not the expected JSON object");
    let data: Value = serde_json::from_str(&extension.data).map_err(|_| malformed())?;
    match extension.kind.as_str() {
        "interactive" if data.is_object() => Ok(("interactive", data)),
        "reaction" if data.is_object() => {
            let target = data["message_id"].as_str().or(message.in_reply_to.as_deref());
            let target = target
                .ok_or_else(|| Fault::rejected(ReasonCode::Rejected, "a reaction needs a message to react to"))?;
            Ok(("reaction", json!({ "message_id": target, "emoji": data["emoji"].as_str().unwrap_or_default() })))
        }
        "interactive" | "reaction" => Err(malformed()),
        _ => Err(unsupported("WhatsApp knows the extensions reaction and interactive only")),
    }
}

fn within(text: &str, max: usize, what: &str) -> Result<(), Fault> {
    if text.chars().count() <= max {
        return Ok(());
    }
    Err(Fault::rejected(ReasonCode::TooLarge, format!("{what} has more than {max} characters")))
}

fn count(options: &[ChoiceOption], max: usize, what: &str) -> Result<(), Fault> {
    if options.len() <= max {
        return Ok(());
    }
    Err(Fault::rejected(ReasonCode::TooLarge, format!("WhatsApp shows at most {max} {what}")))
}

fn unsupported(what: &str) -> Fault {
    Fault::unsupported(what).because(ReasonCode::Unsupported)
}
