//! What Meta sends: Graph API v25.0, webhook object `whatsapp_business_account`.
//!
//! Texts are borrowed from the body. Everything but `field` and `value` may be absent, because it has been.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

#[derive(serde::Deserialize)]
pub(crate) struct Webhook<'a> {
    #[serde(borrow, default)]
    pub object: Option<Text<'a>>,
    #[serde(borrow)]
    pub entry: Vec<Entry<'a>>,
}

/// Changes of one WhatsApp business account.
#[derive(serde::Deserialize)]
pub(crate) struct Entry<'a> {
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    pub time: Option<Stamp>,
    #[serde(borrow)]
    pub changes: Vec<Change<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Change<'a> {
    #[serde(borrow)]
    pub field: Text<'a>,
    #[serde(borrow)]
    pub value: Value<'a>,
}

/// The values of all fields that are read, in one.
#[derive(serde::Deserialize)]
pub(crate) struct Value<'a> {
    #[serde(borrow)]
    pub metadata: Option<Metadata<'a>>,
    #[serde(borrow, default)]
    pub contacts: Vec<Contact<'a>>,
    #[serde(borrow, default)]
    pub messages: Vec<Loose<'a, Message<'a>>>,
    #[serde(borrow, default)]
    pub message_echoes: Vec<Loose<'a, Message<'a>>>,
    #[serde(borrow, default)]
    pub statuses: Vec<Loose<'a, Status<'a>>>,
    #[serde(borrow, default)]
    pub user_preferences: Vec<Loose<'a, Preference<'a>>>,
    #[serde(borrow, default)]
    pub user_id_update: Vec<Loose<'a, IdUpdate<'a>>>,
    #[serde(borrow, default)]
    pub errors: Vec<Loose<'a, Problem<'a>>>,
}

/// The business number.
#[derive(serde::Deserialize)]
pub(crate) struct Metadata<'a> {
    #[serde(borrow)]
    pub display_phone_number: Option<Text<'a>>,
    #[serde(borrow)]
    pub phone_number_id: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Contact<'a> {
    #[serde(borrow)]
    pub wa_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub user_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub profile: Option<Profile<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Profile<'a> {
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
    #[serde(borrow)]
    pub username: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    #[serde(borrow)]
    pub from: Option<Text<'a>>,
    #[serde(borrow)]
    pub from_user_id: Option<Text<'a>>,
    /// Of an echo: the person.
    #[serde(borrow)]
    pub to: Option<Text<'a>>,
    #[serde(borrow)]
    pub to_user_id: Option<Text<'a>>,
    pub timestamp: Option<Stamp>,
    #[serde(borrow)]
    pub group_id: Option<Text<'a>>,
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub text: Option<Body<'a>>,
    #[serde(
        borrow,
        alias = "image",
        alias = "video",
        alias = "audio",
        alias = "voice",
        alias = "document",
        alias = "sticker"
    )]
    pub media: Option<Media<'a>>,
    #[serde(borrow)]
    pub location: Option<Location<'a>>,
    #[serde(borrow)]
    pub contacts: Option<Vec<Card<'a>>>,
    #[serde(borrow)]
    pub reaction: Option<Reaction<'a>>,
    #[serde(borrow)]
    pub interactive: Option<Box<Interactive<'a>>>,
    #[serde(borrow)]
    pub button: Option<Button<'a>>,
    #[serde(borrow)]
    pub order: Option<&'a RawValue>,
    #[serde(borrow)]
    pub system: Option<Box<System<'a>>>,
    #[serde(borrow)]
    pub edit: Option<Box<Edit<'a>>>,
    #[serde(borrow)]
    pub revoke: Option<Revoke<'a>>,
    #[serde(borrow)]
    pub context: Option<Box<Context<'a>>>,
    #[serde(borrow)]
    pub referral: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub errors: Vec<Problem<'a>>,
    #[serde(borrow)]
    pub unsupported: Option<Typed<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Body<'a> {
    #[serde(borrow)]
    pub body: Text<'a>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Media<'a> {
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    #[serde(borrow)]
    pub url: Option<Text<'a>>,
    #[serde(borrow)]
    pub mime_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub filename: Option<Text<'a>>,
    #[serde(borrow)]
    pub caption: Option<Text<'a>>,
    #[serde(default)]
    pub voice: Option<bool>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Location<'a> {
    pub latitude: f64,
    pub longitude: f64,
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
    #[serde(borrow)]
    pub address: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Card<'a> {
    #[serde(borrow)]
    pub name: Option<CardName<'a>>,
    #[serde(borrow, default)]
    pub phones: Vec<CardPhone<'a>>,
    #[serde(borrow, default)]
    pub emails: Vec<CardEmail<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct CardName<'a> {
    #[serde(borrow)]
    pub formatted_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub first_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub last_name: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct CardPhone<'a> {
    #[serde(borrow)]
    pub phone: Option<Text<'a>>,
    #[serde(borrow)]
    pub wa_id: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct CardEmail<'a> {
    #[serde(borrow)]
    pub email: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Reaction<'a> {
    #[serde(borrow)]
    pub message_id: Text<'a>,
    #[serde(borrow)]
    pub emoji: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Interactive<'a> {
    #[serde(borrow, alias = "list_reply")]
    pub button_reply: Option<Picked<'a>>,
    #[serde(borrow)]
    pub nfm_reply: Option<FormReply<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Picked<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub title: Text<'a>,
}

/// The answer of a flow: JSON inside a string.
#[derive(serde::Deserialize)]
pub(crate) struct FormReply<'a> {
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
    #[serde(borrow)]
    pub body: Option<Text<'a>>,
    #[serde(borrow)]
    pub response_json: Text<'a>,
}

/// A quick-reply button of a template.
#[derive(serde::Deserialize)]
pub(crate) struct Button<'a> {
    #[serde(borrow)]
    pub payload: Option<Text<'a>>,
    #[serde(borrow)]
    pub text: Text<'a>,
}

#[derive(serde::Deserialize)]
pub(crate) struct System<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    /// The new number.
    #[serde(borrow, alias = "new_wa_id")]
    pub wa_id: Option<Text<'a>>,
    /// The old number.
    #[serde(borrow)]
    pub customer: Option<Text<'a>>,
    #[serde(borrow)]
    pub user_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub previous_user_id: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Edit<'a> {
    #[serde(borrow)]
    pub original_message_id: Text<'a>,
    #[serde(borrow)]
    pub message: Message<'a>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Revoke<'a> {
    #[serde(borrow)]
    pub original_message_id: Text<'a>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Context<'a> {
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    #[serde(default)]
    pub forwarded: bool,
    #[serde(default)]
    pub frequently_forwarded: bool,
    #[serde(borrow)]
    pub referred_product: Option<&'a RawValue>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Typed<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Status<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub status: Text<'a>,
    pub timestamp: Option<Stamp>,
    #[serde(borrow)]
    pub recipient_type: Option<Text<'a>>,
    #[serde(borrow)]
    pub recipient_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub recipient_participant_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub recipient_user_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub biz_opaque_callback_data: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub errors: Vec<Problem<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Problem<'a> {
    pub code: Option<u32>,
    #[serde(borrow)]
    pub title: Option<Text<'a>>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Preference<'a> {
    #[serde(borrow)]
    pub wa_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub user_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub category: Option<Text<'a>>,
    #[serde(borrow)]
    pub value: Text<'a>,
    #[serde(borrow)]
    pub detail: Option<Text<'a>>,
    pub timestamp: Option<Stamp>,
}

#[derive(serde::Deserialize)]
pub(crate) struct IdUpdate<'a> {
    #[serde(borrow)]
    pub wa_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub user_id: Replaced<'a>,
    pub timestamp: Option<Stamp>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Replaced<'a> {
    #[serde(borrow)]
    pub previous: Text<'a>,
    #[serde(borrow)]
    pub current: Text<'a>,
}

/// One thing of a batch: if its shape is unknown, the others are still read.
pub(crate) struct Loose<'a, T> {
    pub known: Option<T>,
    pub raw: &'a RawValue,
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Loose<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        Ok(Self { known: serde_json::from_str(raw.get()).ok(), raw })
    }
}

/// A text, borrowed unless it holds escapes; ids have also come as numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text<'a>(pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(number.to_string()))
    }
}

/// A point in time in milliseconds. Documented as text of Unix seconds; has come as a number, and in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stamp(pub Option<f64>);

impl Stamp {
    /// Smaller numbers are seconds: in milliseconds this is March 1973.
    const MS_MIN: u64 = 100_000_000_000;

    fn new(number: u64) -> Self {
        let ms = if number < Self::MS_MIN { number as f64 * 1000.0 } else { number as f64 };
        Self((number > 0).then_some(ms))
    }
}

impl<'de> Deserialize<'de> for Stamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StampVisitor)
    }
}

struct StampVisitor;

/// What is no time is no reason to lose a message.
impl Visitor<'_> for StampVisitor {
    type Value = Stamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Stamp, E> {
        Ok(text.parse().map_or(Stamp(None), Stamp::new))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Stamp, E> {
        Ok(Stamp::new(number))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Stamp, E> {
        Ok(Stamp(None))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Stamp, E> {
        Ok(Stamp::new(number as u64))
    }
}

/// The time of something that may have none.
pub(crate) fn time(stamp: Option<Stamp>) -> Option<f64> {
    stamp.and_then(|stamp| stamp.0)
}

/// The text of something that may be absent or empty.
pub(crate) fn text<'a>(field: Option<&'a Text<'_>>) -> Option<&'a str> {
    field.map(|text| &**text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_by_their_magnitude() {
        for json in ["\"1767225600\"", "1767225600", "1767225600000", "\"1767225600000\"", "1767225600.0"] {
            let stamp: Stamp = serde_json::from_str(json).unwrap();
            assert_eq!(stamp.0, Some(1_767_225_600_000.0), "{json}");
        }
        for json in ["\"soon\"", "-5", "0", "\"\""] {
            assert_eq!(serde_json::from_str::<Stamp>(json).unwrap().0, None, "{json}");
        }
    }

    #[test]
    fn texts_are_borrowed_where_they_can_be() {
        let plain: Text<'_> = serde_json::from_str("\"abc\"").unwrap();
        assert!(matches!(plain.0, Cow::Borrowed("abc")));
        let escaped: Text<'_> = serde_json::from_str("\"a\\nc\"").unwrap();
        assert_eq!(&*escaped, "a\nc");
        assert_eq!(&*serde_json::from_str::<Text<'_>>("42").unwrap(), "42");
    }

    #[test]
    fn one_unreadable_thing_leaves_the_others() {
        let all: Vec<Loose<'_, Reaction<'_>>> =
            serde_json::from_str("[{\"message_id\":\"a\"},{\"message_id\":[]},7]").unwrap();
        assert_eq!(all.iter().map(|one| one.known.is_some()).collect::<Vec<_>>(), [true, false, false]);
    }
}
