//! The body of `POST /v1/messages`: what was typed, and what it means after every rule was checked.

use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::json::{Object, unprocessable};
use crate::config::parse_duration;
use crate::edge::Problem;
use crate::interaction::{AuthorKind, Category, Identity, Part, Trigger};
use crate::outbound;

const PARTS_MAX: usize = 20;
const METADATA_BYTES_MAX: usize = 16 << 10;
const SUBJECT_MAX: usize = 998;
const NAME_MAX: usize = 256;
const TAG_MAX: usize = 64;
const HTML_BYTES_MAX: usize = 256 << 10;
const FALLBACK_MAX: usize = 5;
const AFTER: Duration = Duration::from_secs(10 * 60);
const AFTER_MIN: Duration = Duration::from_secs(1);
const AFTER_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
const EXPIRY_MIN: Duration = Duration::from_secs(1);
const EXPIRY_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// As it was sent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMessage {
    channel: Option<String>,
    to: Option<Object<Identity>>,
    contact_id: Option<Uuid>,
    conversation_id: Option<Uuid>,
    message: Object<Content>,
    in_reply_to: Option<Uuid>,
    #[serde(default)]
    fallback: Vec<Object<NewFallback>>,
    #[serde(default)]
    category: Category,
    #[serde(default)]
    lossless: bool,
    tag: Option<String>,
    expires_in: Option<String>,
    #[serde(default)]
    metadata: Map<String, Value>,
    #[serde(default)]
    author: Object<Sender>,
}

/// Where it goes next.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFallback {
    channel: String,
    to: Option<Object<Identity>>,
    after: Option<String>,
    on: Option<Vec<Trigger>>,
}

/// What is to be said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    subject: Option<String>,
    parts: Vec<Object<Part>>,
}

/// Who says it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sender {
    #[serde(default)]
    pub(super) kind: SenderKind,
    pub(super) name: Option<String>,
}

/// All but the contact.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SenderKind {
    #[default]
    Agent,
    Bot,
    System,
}

impl From<SenderKind> for AuthorKind {
    fn from(kind: SenderKind) -> Self {
        match kind {
            SenderKind::Agent => Self::Agent,
            SenderKind::Bot => Self::Bot,
            SenderKind::System => Self::System,
        }
    }
}

/// Following every rule that needs no look at channels and contacts.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) channel: Option<String>,
    pub(super) whom: Whom,
    pub(super) subject: Option<String>,
    pub(super) parts: Vec<Part>,
    pub(super) in_reply_to: Option<Uuid>,
    pub(super) fallback: Vec<Step>,
    pub(super) category: Category,
    /// Whether it is refused rather than sent otherwise than as it is.
    pub(super) lossless: bool,
    pub(super) tag: Option<String>,
    pub(super) expires_in: Option<Duration>,
    pub(super) metadata: Map<String, Value>,
    pub(super) author: Sender,
}

/// Where it goes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) channel: String,
    pub(super) to: Option<Identity>,
    pub(super) after: Duration,
    pub(super) on: Vec<Trigger>,
}

/// Whom it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    Address(Identity),
    Contact(Uuid),
    Conversation(Uuid),
}

impl NewMessage {
    /// Checks it.
    ///
    /// # Errors
    /// 422 with the path of what breaks a rule.
    pub(super) fn checked(self) -> Result<Checked, Problem> {
        let (Object(Content { subject, parts }), Object(author)) = (self.message, self.author);
        let parts: Vec<Part> = parts.into_iter().map(|Object(part)| worded(part)).collect();
        check_length("message.subject", subject.as_deref(), SUBJECT_MAX)?;
        check_parts(&parts)?;
        check_metadata(&self.metadata)?;
        check_length("author.name", author.name.as_deref(), NAME_MAX)?;
        check_length("tag", self.tag.as_deref(), TAG_MAX)?;
        Ok(Checked {
            whom: whom(self.to.map(|Object(to)| to), self.contact_id, self.conversation_id)?,
            subject,
            parts,
            in_reply_to: self.in_reply_to,
            fallback: fallback(self.channel.as_deref(), self.fallback)?,
            category: self.category,
            lossless: self.lossless,
            tag: self.tag,
            expires_in: self.expires_in.as_deref().map(expiry).transpose()?,
            channel: self.channel,
            metadata: self.metadata,
            author,
        })
    }
}

fn whom(to: Option<Identity>, contact: Option<Uuid>, conversation: Option<Uuid>) -> Result<Whom, Problem> {
    match (to, contact, conversation) {
        (Some(to), None, None) => {
            let to = to.checked().map_err(|error| unprocessable(format!("to: {error}"), "to"))?;
            Ok(Whom::Address(to))
        }
        (None, Some(contact), None) => Ok(Whom::Contact(contact)),
        (None, None, Some(conversation)) => Ok(Whom::Conversation(conversation)),
        _ => Err(unprocessable("exactly one of to, contact_id and conversation_id must be given", "/")),
    }
}

/// Formatted text alone has its words, too.
fn worded(part: Part) -> Part {
    match part {
        Part::Text { text, html: Some(html) } if text.is_empty() && html.len() <= HTML_BYTES_MAX => {
            Part::Text { text: outbound::to_text(&html).unwrap_or_default(), html: Some(html) }
        }
        other => other,
    }
}

fn fallback(first: Option<&str>, steps: Vec<Object<NewFallback>>) -> Result<Vec<Step>, Problem> {
    if steps.len() > FALLBACK_MAX {
        return Err(unprocessable(format!("fallback: at most {FALLBACK_MAX} channels"), "fallback"));
    }
    let mut taken: Vec<Step> = Vec::with_capacity(steps.len());
    for (index, Object(step)) in steps.into_iter().enumerate() {
        let path = format!("fallback[{index}]");
        let twice = first == Some(&step.channel) || taken.iter().any(|known| known.channel == step.channel);
        if twice {
            let rule = "is a way of this message already: nothing is sent twice on one channel";
            return Err(unprocessable(format!("{path}.channel: {rule}"), &format!("{path}.channel")));
        }
        taken.push(step.checked(&path)?);
    }
    Ok(taken)
}

impl NewFallback {
    fn checked(self, path: &str) -> Result<Step, Problem> {
        let at = |field: &str, rule: String| {
            let path = format!("{path}.{field}");
            unprocessable(format!("{path}: {rule}"), &path)
        };
        let to = self.to.map(|Object(to)| to.checked()).transpose().map_err(|error| at("to", error.to_string()))?;
        let after = self
            .after
            .as_deref()
            .map_or(Some(AFTER), |text| parse_duration(text).filter(|after| (AFTER_MIN..=AFTER_MAX).contains(after)));
        let rule = "must be a whole number and a unit, such as \"10m\", from \"1s\" to \"7d\"";
        let after = after.ok_or_else(|| at("after", rule.to_owned()))?;
        let on = self.on.unwrap_or_else(|| vec![Trigger::Failed, Trigger::NotDelivered, Trigger::OutsideWindow]);
        if on.is_empty() {
            return Err(at("on", "must not be empty: failed, not-delivered, outside-window".to_owned()));
        }
        Ok(Step { channel: self.channel, to, after, on })
    }
}

fn check_parts(parts: &[Part]) -> Result<(), Problem> {
    if parts.is_empty() || parts.len() > PARTS_MAX {
        return Err(unprocessable(format!("message.parts: must be 1 to {PARTS_MAX} parts"), "message.parts"));
    }
    let mut numbered = parts.iter().enumerate();
    numbered.try_for_each(|(index, part)| check_part(part, &format!("message.parts[{index}]")))
}

fn check_part(part: &Part, path: &str) -> Result<(), Problem> {
    match part {
        Part::Text { html: Some(html), .. } if html.len() > HTML_BYTES_MAX => {
            wrong(path, "html", "must not have more than 262144 bytes")
        }
        Part::Text { text, html: Some(_) } if text.is_empty() => {
            wrong(path, "text", "must not be empty where html has no words, or is nested more than 100 deep")
        }
        Part::Text { text, .. } if text.is_empty() => wrong(path, "text", "must not be empty"),
        Part::Location { latitude, .. } if latitude.abs() > 90.0 => wrong(path, "latitude", "must be -90 to 90"),
        Part::Location { longitude, .. } if longitude.abs() > 180.0 => wrong(path, "longitude", "must be -180 to 180"),
        Part::ContactCard { name, .. } if name.is_empty() => wrong(path, "name", "must not be empty"),
        Part::Choices { options, .. } if options.is_empty() => wrong(path, "options", "must not be empty"),
        Part::Choices { options, .. }
            if options.iter().any(|option| option.id.is_empty() || option.title.is_empty()) =>
        {
            wrong(path, "options", "each needs an id and a title")
        }
        Part::Template { name, .. } if name.is_empty() => wrong(path, "name", "must not be empty"),
        _ => Ok(()),
    }
}

fn wrong(path: &str, field: &str, rule: &str) -> Result<(), Problem> {
    let path = format!("{path}.{field}");
    Err(unprocessable(format!("{path}: {rule}"), &path))
}

fn check_length(path: &str, text: Option<&str>, max: usize) -> Result<(), Problem> {
    if text.is_none_or(|text| (1..=max).contains(&text.chars().count())) {
        return Ok(());
    }
    Err(unprocessable(format!("{path}: must have 1 to {max} characters"), path))
}

fn check_metadata(metadata: &Map<String, Value>) -> Result<(), Problem> {
    let bytes = serde_json::to_vec(metadata).map_or(usize::MAX, |text| text.len());
    if bytes <= METADATA_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("metadata: has {bytes} bytes as JSON; at most {METADATA_BYTES_MAX} are taken");
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too-large", detail).with("path", "metadata"))
}

fn expiry(text: &str) -> Result<Duration, Problem> {
    let duration = parse_duration(text).filter(|duration| (EXPIRY_MIN..=EXPIRY_MAX).contains(duration));
    let rule = "expires_in: must be a whole number and a unit, such as \"1h\", from \"1s\" to \"30d\"";
    duration.ok_or_else(|| unprocessable(rule, "expires_in"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(changes: Value) -> Result<Checked, Problem> {
        let mut body = json!({"channel": "c", "to": {"scheme": "tel", "value": "+15551234567"},
            "message": {"parts": [{"type": "text", "text": "hi"}]}});
        for (key, value) in changes.as_object().unwrap() {
            body[key] = value.clone();
        }
        serde_json::from_value::<NewMessage>(body).unwrap().checked()
    }

    fn refused(changes: Value) -> String {
        let problem = with(changes).unwrap_err();
        assert_eq!(problem.status(), 422);
        problem.detail().to_owned()
    }

    fn part(part: Value) -> Value {
        json!({"message": {"parts": [part]}})
    }

    #[test]
    fn a_plain_message_is_by_an_agent() {
        let checked = with(json!({"expires_in": "90m"})).unwrap();
        assert_eq!(AuthorKind::from(checked.author.kind), AuthorKind::Agent);
        assert_eq!(checked.expires_in, Some(Duration::from_secs(5400)));
    }

    #[test]
    fn exactly_one_recipient_is_named() {
        let one = "exactly one of to, contact_id and conversation_id must be given";
        assert_eq!(refused(json!({"to": null})), one);
        assert_eq!(refused(json!({"contact_id": Uuid::now_v7()})), one);
        let id = Uuid::now_v7();
        assert_eq!(with(json!({"to": null, "conversation_id": id})).unwrap().whom, Whom::Conversation(id));
        assert!(
            refused(json!({"to": {"scheme": "tel", "value": "5551234567"}})).starts_with("to: tel value must be E.164")
        );
    }

    #[test]
    fn parts_are_told_by_path() {
        assert_eq!(refused(json!({"message": {"parts": []}})), "message.parts: must be 1 to 20 parts");
        assert_eq!(refused(part(json!({"type": "text", "text": ""}))), "message.parts[0].text: must not be empty");
        let place = json!({"type": "location", "latitude": 90.5, "longitude": 0.0});
        assert_eq!(refused(part(place)), "message.parts[0].latitude: must be -90 to 90");
        let choices = json!({"type": "choices", "style": "list", "options": [{"id": "", "title": "A"}]});
        assert_eq!(refused(part(choices)), "message.parts[0].options: each needs an id and a title");
    }

    #[test]
    fn formatted_text_has_its_words() {
        let text = json!({"type": "text", "text": "", "html": "<p>Hello <b>Ann</b></p>"});
        let checked = with(part(text)).unwrap();
        assert!(matches!(&checked.parts[0], Part::Text { text, html: Some(_) } if text == "Hello Ann"));
        let nothing = json!({"type": "text", "text": "", "html": "<p></p>"});
        assert!(refused(part(nothing)).starts_with("message.parts[0].text: must not be empty where html"));
    }

    #[test]
    fn the_next_way_is_another_channel_after_ten_minutes() {
        let step = |step: Value| with(json!({"fallback": [step]})).unwrap().fallback.remove(0);
        let plain = step(json!({"channel": "mail"}));
        assert_eq!((plain.after, plain.on.len()), (Duration::from_secs(600), 3));
        assert_eq!(step(json!({"channel": "mail", "on": ["failed"]})).on, [Trigger::Failed]);
        let twice = "fallback[0].channel: is a way of this message already: nothing is sent twice on one channel";
        assert_eq!(refused(json!({"fallback": [{"channel": "c"}]})), twice);
        assert!(refused(json!({"fallback": [{"channel": "m", "after": "8d"}]})).starts_with("fallback[0].after: "));
        assert!(refused(json!({"fallback": [{"channel": "m", "on": []}]})).starts_with("fallback[0].on: "));
        let many: Vec<Value> = (0..6).map(|n| json!({"channel": n.to_string()})).collect();
        assert_eq!(refused(json!({"fallback": many})), "fallback: at most 5 channels");
    }

    #[test]
    fn everything_has_an_end() {
        for expiry in ["", "1", "0s", "31d", "-1s", "1h30m"] {
            assert!(refused(json!({"expires_in": expiry})).starts_with("expires_in: "), "{expiry}");
        }
        assert!(refused(json!({"metadata": {"k": "x".repeat(METADATA_BYTES_MAX)}})).starts_with("metadata: has "));
        assert_eq!(
            refused(json!({"author": {"kind": "bot", "name": ""}})),
            "author.name: must have 1 to 256 characters"
        );
    }
}
