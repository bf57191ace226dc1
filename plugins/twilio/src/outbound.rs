//! Sending: <https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource>

use omnigate_plugin::prelude::*;
use omnigate_plugin::{Location, Template, pieces};

use crate::settings::Settings;
use crate::{address, errors, status};

/// Sends the message in as few of Twilio's messages as its network allows.
pub(crate) fn send(ctx: &Context, settings: &Settings, message: &Outbound) -> Result<Receipt, Fault> {
    let to = address::of(&message.recipient, settings.network())?;
    let drafts = drafts(&message.content.parts, settings.network())?;
    let frame = frame(ctx, settings, message, to);
    let mut state = DeliveryState::Queued;
    let external_ids = pieces::send_each(&message.id, &drafts, |draft| {
        let taken = create(settings, frame.iter().cloned().chain(draft.fields()))?;
        state = taken.state;
        Ok(taken.sid)
    })?;
    Ok(Receipt { state, ..Receipt::sent(external_ids) })
}

type Field = (&'static str, String);

/// What every one of Twilio's messages carries.
fn frame(ctx: &Context, settings: &Settings, message: &Outbound, to: String) -> Vec<Field> {
    let validity = message.expires_in_ms.map(validity_seconds);
    let fields = [
        ("To", Some(to)),
        ("From", settings.from.clone()),
        ("MessagingServiceSid", settings.messaging_service_sid.clone()),
        ("StatusCallback", Some(status::callback_url(ctx, &message.id))),
        ("ValidityPeriod", validity.map(|seconds| seconds.to_string())),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Twilio takes 1 to 36,000 seconds.
fn validity_seconds(ms: u32) -> u32 {
    (ms / 1000).clamp(1, 36_000)
}

struct Taken {
    sid: String,
    state: DeliveryState,
}

fn create(settings: &Settings, fields: impl Iterator<Item = Field>) -> Result<Taken, Fault> {
    #[derive(Deserialize)]
    struct Answer {
        sid: String,
        #[serde(default)]
        status: String,
        error_code: Option<u32>,
    }
    let fields: Vec<_> = fields.collect();
    let form = fields.iter().map(|(name, value)| (*name, value.as_str()));
    let request = http::post(settings.messages_url()).basic(&settings.account_sid, "auth_token").form(form);
    let response = request.send()?;
    if !response.is_success() {
        return Err(errors::fault(&response));
    }
    let Answer { sid, status, error_code } = response.json()?;
    match status::state(&status, None).unwrap_or(DeliveryState::Sent) {
        DeliveryState::Failed => Err(errors::fault_for(error_code.unwrap_or_default())),
        state => Ok(Taken { sid, state }),
    }
}

/// One message of Twilio's.
#[derive(Debug, Default, PartialEq)]
struct Draft {
    body: String,
    media: Vec<String>,
    place: Option<String>,
    template: Option<(String, String)>,
}

impl Draft {
    fn fields(&self) -> Vec<Field> {
        let body = (!self.body.is_empty()).then(|| ("Body", self.body.clone()));
        let media = self.media.iter().map(|url| ("MediaUrl", url.clone()));
        let place = self.place.iter().map(|place| ("PersistentAction", place.clone()));
        let template = self.template.iter().flat_map(|(sid, variables)| {
            let variables = (variables != "{}").then(|| ("ContentVariables", variables.clone()));
            [("ContentSid", sid.clone())].into_iter().chain(variables)
        });
        body.into_iter().chain(media).chain(place).chain(template).collect()
    }

    fn is_text(&self) -> bool {
        self.media.is_empty() && self.place.is_none() && self.template.is_none()
    }

    fn can_say(&self, text: &str) -> bool {
        self.template.is_none() && self.body.chars().count() + text.chars().count() < BODY_CHARS_MAX
    }

    fn say(&mut self, text: &str) {
        if !self.body.is_empty() {
            self.body.push('\n');
        }
        self.body.push_str(text);
    }
}

const BODY_CHARS_MAX: usize = 1600;
const MEDIA_MAX: usize = 10;

fn drafts(parts: &[Part], network: &str) -> Result<Vec<Draft>, Fault> {
    let mut drafts = Drafts { joined: network.is_empty(), done: Vec::new() };
    for part in parts {
        drafts.add(part)?;
    }
    if drafts.done.is_empty() {
        return Err(Fault::rejected(ReasonCode::Rejected, "the message has no content"));
    }
    Ok(drafts.done)
}

/// An SMS or MMS holds text and up to ten files at once; elsewhere each file is a message with its caption.
struct Drafts {
    joined: bool,
    done: Vec<Draft>,
}

impl Drafts {
    fn add(&mut self, part: &Part) -> Result<(), Fault> {
        match part {
            Part::Text(text) => self.text(&text.text),
            Part::Media(media) => self.media(media),
            Part::Location(place) => self.place(place),
            Part::Template(template) => self.template(template),
            _ => Err(Fault::unsupported("Twilio sends text, media, locations and templates")
                .because(ReasonCode::Unsupported)),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        check_length(text)?;
        let joined = self.joined;
        match self.done.last_mut().filter(|last| last.can_say(text) && (joined || last.is_text())) {
            _ if text.is_empty() => {}
            Some(last) => last.say(text),
            None => self.done.push(Draft { body: text.to_owned(), ..Draft::default() }),
        }
        Ok(())
    }

    fn media(&mut self, media: &Media) -> Result<(), Fault> {
        let MediaSource::Url(url) = &media.source else {
            return Err(Fault::unsupported("Twilio fetches media from an address").because(ReasonCode::Unsupported));
        };
        let caption = media.caption.as_deref().unwrap_or_default();
        if self.joined {
            self.text(caption)?;
            self.attach(url);
            return Ok(());
        }
        // WhatsApp drops the text beside a sound or a sticker.
        let mut body = String::new();
        match media.kind {
            MediaKind::Audio | MediaKind::Voice | MediaKind::Sticker => self.text(caption)?,
            _ => caption.clone_into(&mut body),
        }
        check_length(&body)?;
        self.done.push(Draft { body, media: vec![url.clone()], ..Draft::default() });
        Ok(())
    }

    fn attach(&mut self, url: &str) {
        match self.done.last_mut().filter(|last| last.template.is_none() && last.media.len() < MEDIA_MAX) {
            Some(last) => last.media.push(url.to_owned()),
            None => self.done.push(Draft { media: vec![url.to_owned()], ..Draft::default() }),
        }
    }

    /// WhatsApp shows a map; an SMS can only spell the place.
    fn place(&mut self, place: &Location) -> Result<(), Fault> {
        let Location { latitude, longitude, name, address } = place;
        let label = [name.as_deref(), address.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(", ");
        if self.joined {
            return self.text(format!("{label} ({latitude}, {longitude})").trim_start());
        }
        let geo = format!("geo:{latitude},{longitude}");
        self.done.push(Draft {
            body: name.clone().unwrap_or_else(|| format!("{latitude}, {longitude}")),
            place: Some(if label.is_empty() { geo } else { format!("{geo}|{label}") }),
            ..Draft::default()
        });
        Ok(())
    }

    fn template(&mut self, template: &Template) -> Result<(), Fault> {
        if !template.name.starts_with("HX") {
            return Err(Fault::rejected(ReasonCode::Rejected, "a template's name is its Content SID, HX..."));
        }
        let template = Some((template.name.clone(), variables(&template.parameters)?));
        self.done.push(Draft { template, ..Draft::default() });
        Ok(())
    }
}

fn check_length(text: &str) -> Result<(), Fault> {
    if text.chars().count() <= BODY_CHARS_MAX {
        return Ok(());
    }
    Err(Fault::rejected(ReasonCode::TooLarge, "a text is longer than 1600 characters"))
}

/// Twilio wants an object of texts; a list fills `{{1}}`, `{{2}}`, ...
fn variables(parameters: &str) -> Result<String, Fault> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<(String, String)> = match omnigate_plugin::serde_json::from_str(parameters)? {
        Value::Array(list) => (1..).zip(&list).map(|(n, value): (u32, _)| (n.to_string(), text(value))).collect(),
        Value::Object(object) => object.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        Value::Null => Vec::new(),
        _ => return Err(Fault::rejected(ReasonCode::Rejected, "a template's parameters are a list or an object")),
    };
    Ok(Value::from_iter(pairs).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(kind: MediaKind, caption: Option<&str>) -> Part {
        Part::Media(Media {
            kind,
            source: MediaSource::Url("https://files.example/1".into()),
            content_type: None,
            name: None,
            bytes: None,
            caption: caption.map(str::to_owned),
        })
    }

    fn bodies(drafts: &[Draft]) -> Vec<(&str, usize)> {
        drafts.iter().map(|draft| (draft.body.as_str(), draft.media.len())).collect()
    }

    #[test]
    fn an_mms_holds_text_and_ten_files() {
        let mut parts = vec![Part::plain("Hello"), media(MediaKind::Image, Some("Map"))];
        parts.extend((0..10).map(|_| media(MediaKind::Image, None)));
        assert_eq!(bodies(&drafts(&parts, "").unwrap()), [("Hello\nMap", 10), ("", 1)]);
    }

    #[test]
    fn whatsapp_takes_file_by_file() {
        let parts = [
            Part::plain("Hello"),
            Part::plain("there"),
            media(MediaKind::Image, Some("Map")),
            media(MediaKind::Voice, Some("Listen")),
        ];
        let expected = [("Hello\nthere", 0), ("Map", 1), ("Listen", 0), ("", 1)];
        assert_eq!(bodies(&drafts(&parts, "whatsapp").unwrap()), expected);
    }

    #[test]
    fn texts_are_joined_as_far_as_they_fit() {
        let long = "ä".repeat(1600);
        let parts = [Part::plain("Hello"), Part::plain(long.as_str())];
        assert_eq!(bodies(&drafts(&parts, "").unwrap()), [("Hello", 0), (long.as_str(), 0)]);
        let fault = drafts(&[Part::plain(long + "ä")], "").unwrap_err();
        assert_eq!(fault.reason, Some(ReasonCode::TooLarge));
        assert!(drafts(&[], "").is_err());
    }

    #[test]
    fn template_parameters_become_an_object_of_texts() {
        assert_eq!(variables(r#"["Ann",2]"#), Ok(r#"{"1":"Ann","2":"2"}"#.to_owned()));
        assert_eq!(variables(r#"{"name":"Ann"}"#), Ok(r#"{"name":"Ann"}"#.to_owned()));
        assert_eq!(variables("null"), Ok("{}".to_owned()));
        assert!(variables("7").is_err());
    }

    #[test]
    fn validity_is_kept_in_its_range() {
        assert_eq!([1, 90_000, 360_000_000].map(validity_seconds), [1, 90, 36_000]);
    }
}
