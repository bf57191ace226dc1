//! Messages of people: <https://www.twilio.com/docs/messaging/guides/webhook-request>

use omnigate_plugin::prelude::*;
use omnigate_plugin::serde_json::Map;
use omnigate_plugin::{Choice, Consent, Location, Referral};

use crate::settings::Settings;
use crate::{address, consent};

/// The message, and what else it tells: consent, and where the person came from. `None` if it is no message.
pub(crate) fn events(settings: &Settings, fields: &Form) -> Option<Vec<Event>> {
    let message = message(settings, fields)?;
    let consent = consent(&message, fields);
    let referral = referral(&message, fields);
    Some([Some(Event::Message(message)), consent, referral].into_iter().flatten().collect())
}

fn message(settings: &Settings, fields: &Form) -> Option<Inbound> {
    let id = sid(fields)?;
    let from = fields.text("From")?;
    let account = settings.account_sid.as_str();
    let sender = address::identity(from, account).named(fields.text("ProfileName"));
    Some(Inbound {
        aliases: aliases(&sender, fields),
        recipients: fields.text("To").map(|to| address::identity(to, account)).into_iter().collect(),
        in_reply_to: fields.text("OriginalRepliedMessageSid").map(str::to_owned).into_iter().collect(),
        metadata: metadata(from, fields),
        ..Inbound::of(id, sender, Content::of(parts(fields)?))
    })
}

/// The id of the message; the others are older names of it.
pub(crate) fn sid<'a>(fields: &'a Form) -> Option<&'a str> {
    ["MessageSid", "SmsMessageSid", "SmsSid"].into_iter().find_map(|name| fields.text(name))
}

/// WhatsApp may know a person by another number than the one that it was written to (Brazil, Mexico).
fn aliases(sender: &Identity, fields: &Form) -> Vec<Identity> {
    let number = fields.text("WaId").map(|digits| format!("+{digits}"));
    let number = number.filter(|number| address::is_e164(number) && *number != sender.value);
    number.map(|number| Identity::new("tel", number)).into_iter().collect()
}

/// `None` for a kind of message whose content Twilio does not hand over. An empty SMS is a message all the same.
fn parts(fields: &Form) -> Option<Vec<Part>> {
    let choice = choice(fields);
    let text = fields.text("Body").filter(|body| choice.as_ref().is_none_or(|choice| choice.title != *body));
    let mut parts: Vec<Part> = text.map(Part::plain).into_iter().collect();
    parts.extend(choice.map(Part::Choice));
    parts.extend(location(fields).map(Part::Location));
    parts.extend(media(fields));
    if parts.is_empty() && matches!(fields.text("MessageType"), None | Some("text")) {
        parts.push(Part::plain(""));
    }
    (!parts.is_empty()).then_some(parts)
}

/// A pressed button or a picked row of a list; WhatsApp repeats its title as the body.
fn choice(fields: &Form) -> Option<Choice> {
    let (id, title) = match (fields.text("ButtonText"), fields.text("ListTitle")) {
        (Some(title), _) => (fields.text("ButtonPayload"), title),
        (None, Some(title)) => (fields.text("ListId"), title),
        (None, None) => return None,
    };
    Some(Choice { id: id.unwrap_or(title).to_owned(), title: title.to_owned() })
}

fn location(fields: &Form) -> Option<Location> {
    let degrees = |name, max: f64| fields.text(name)?.parse::<f64>().ok().filter(|degrees| degrees.abs() <= max);
    Some(Location {
        latitude: degrees("Latitude", 90.0)?,
        longitude: degrees("Longitude", 180.0)?,
        name: fields.text("Label").map(str::to_owned),
        address: fields.text("Address").map(str::to_owned),
    })
}

fn media(fields: &Form) -> impl Iterator<Item = Part> {
    let urls = (0..).map_while(|n| Some((n, fields.text(&format!("MediaUrl{n}"))?)));
    urls.map(|(n, url)| {
        let content_type = fields.text(&format!("MediaContentType{n}")).map(str::to_owned);
        Part::Media(Media {
            kind: kind(fields.text("MessageType"), content_type.as_deref().unwrap_or_default()),
            source: MediaSource::Reference(url.to_owned()),
            content_type,
            name: None,
            bytes: None,
            caption: None,
        })
    })
}

fn kind(message_type: Option<&str>, content_type: &str) -> MediaKind {
    match content_type.split('/').next() {
        _ if message_type == Some("sticker") => MediaKind::Sticker,
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::File,
    }
}

/// What a backend may want besides, by Twilio's name and ours.
const DETAILS: [(&str, &str); 8] = [
    ("MessagingServiceSid", "messaging_service_sid"),
    ("ExternalUserId", "external_user_id"),
    ("FromCountry", "from_country"),
    ("FromState", "from_state"),
    ("FromCity", "from_city"),
    ("FromZip", "from_zip"),
    ("Forwarded", "forwarded"),
    ("FrequentlyForwarded", "frequently_forwarded"),
];

fn metadata(from: &str, fields: &Form) -> Option<String> {
    let details =
        DETAILS.into_iter().filter_map(|(theirs, ours)| Some((ours.to_owned(), detail(fields.text(theirs)?))));
    let mut all: Map<String, Value> = details.collect();
    if let Some((network, _)) = from.split_once(':') {
        all.insert("network".to_owned(), network.into());
    }
    (!all.is_empty()).then(|| Value::Object(all).to_string())
}

fn detail(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => Value::from(text),
    }
}

fn consent(message: &Inbound, fields: &Form) -> Option<Event> {
    let body = fields.text("Body").unwrap_or_default();
    Some(Event::Consent(Consent {
        id: format!("{}:consent", message.id),
        sender: message.sender.clone(),
        at: None,
        granted: consent::given(fields.text("OptOutType"), body)?,
        category: None,
        evidence: Some(body.to_owned()),
    }))
}

/// An advertisement that opens a WhatsApp chat.
const REFERRAL: [(&str, &str); 8] = [
    ("ReferralSourceType", "source_type"),
    ("ReferralSourceId", "source_id"),
    ("ReferralSourceUrl", "source_url"),
    ("ReferralHeadline", "headline"),
    ("ReferralBody", "body"),
    ("ReferralMediaContentType", "media_content_type"),
    ("ReferralMediaUrl", "media_url"),
    ("ReferralCtwaClid", "ctwa_clid"),
];

fn referral(message: &Inbound, fields: &Form) -> Option<Event> {
    let known = REFERRAL.into_iter().filter_map(|(theirs, ours)| Some((ours.to_owned(), fields.text(theirs)?.into())));
    let data: Map<String, Value> = known.collect();
    (!data.is_empty()).then(|| {
        Event::Referral(Referral {
            id: format!("{}:referral", message.id),
            sender: message.sender.clone(),
            at: None,
            data: Value::Object(data).to_string(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message_of(form: &str) -> Inbound {
        let form = format!("MessageSid=SM1&From=%2B15550100123&{form}");
        message(&Settings::example("+15550100999"), &Form::parse(form.as_bytes())).unwrap()
    }

    #[test]
    fn media_are_counted_by_their_addresses_and_not_by_a_number() {
        let message = message_of("NumMedia=99&MediaUrl0=u0&MediaContentType0=image/png&MediaUrl1=u1");
        assert_eq!(message.content.parts.len(), 2);
    }

    #[test]
    fn places_off_the_globe_are_no_places() {
        let message = message_of("Latitude=91&Longitude=0");
        assert_eq!(message.content.parts, [Part::plain("")]);
        assert!(matches!(message_of("Latitude=-90&Longitude=180").content.parts[..], [Part::Location(_)]));
    }

    #[test]
    fn a_content_that_is_kept_back_is_no_message() {
        let form = Form::parse(b"MessageSid=SM1&From=whatsapp%3A%2B15550100123&MessageType=reaction");
        assert_eq!(message(&Settings::example("+15550100999"), &form), None);
    }
}
