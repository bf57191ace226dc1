//! The adapter's work for a text, natively: signature, JSON, identities.

use std::borrow::Cow;

use omnigate::interaction::{Identity, Time};
use ring::hmac;
use serde::Deserialize;

use crate::webhook::{APP_SECRET, PHONE_NUMBER_ID};

pub(crate) const SIGNATURE: &str = "x-hub-signature-256";

/// A text that came.
pub(crate) struct Received {
    pub(crate) id: String,
    /// The number, then the user id.
    pub(crate) identities: Vec<Identity>,
    pub(crate) to: Vec<Identity>,
    pub(crate) at: Option<Time>,
    pub(crate) text: String,
}

#[derive(Debug)]
pub(crate) enum Refused {
    Unauthorized,
    Invalid,
}

/// Knows the secret.
pub(crate) struct Verifier(hmac::Key);

impl Verifier {
    pub(crate) fn new() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, APP_SECRET.as_bytes()))
    }

    /// Every text of a webhook.
    pub(crate) fn read(&self, signature: &[u8], body: &[u8]) -> Result<Vec<Received>, Refused> {
        let tag = signature.strip_prefix(b"sha256=").and_then(|digits| hex::decode(digits).ok());
        let tag = tag.ok_or(Refused::Unauthorized)?;
        hmac::verify(&self.0, body, &tag).map_err(|_| Refused::Unauthorized)?;
        let webhook: Webhook<'_> = serde_json::from_slice(body).map_err(|_| Refused::Invalid)?;
        webhook.texts()
    }
}

#[derive(Deserialize)]
struct Webhook<'a> {
    #[serde(borrow)]
    entry: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    changes: Vec<Change<'a>>,
}

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    field: Cow<'a, str>,
    #[serde(borrow)]
    value: Value<'a>,
}

#[derive(Deserialize)]
struct Value<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    contacts: Vec<Contact<'a>>,
    #[serde(borrow, default)]
    messages: Vec<Message<'a>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    display_phone_number: Cow<'a, str>,
    #[serde(borrow)]
    phone_number_id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Contact<'a> {
    #[serde(borrow)]
    wa_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    profile: Option<Profile<'a>>,
}

#[derive(Deserialize)]
struct Profile<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    from_user_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    timestamp: Cow<'a, str>,
    #[serde(borrow)]
    text: Body<'a>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    body: Cow<'a, str>,
}

impl Webhook<'_> {
    fn texts(&self) -> Result<Vec<Received>, Refused> {
        let changes = self.entry.iter().flat_map(|entry| entry.changes.iter().map(move |change| (entry, change)));
        let ours = changes.filter(|(_, change)| {
            change.field == "messages" && change.value.metadata.phone_number_id == PHONE_NUMBER_ID
        });
        ours.flat_map(|(entry, change)| change.value.messages.iter().map(move |m| m.received(entry, &change.value)))
            .collect()
    }
}

impl Message<'_> {
    fn received(&self, entry: &Entry<'_>, value: &Value<'_>) -> Result<Received, Refused> {
        let contact = value.contacts.iter().find(|contact| contact.wa_id.as_deref() == Some(&self.from));
        let name = contact.and_then(|contact| contact.profile.as_ref()?.name.as_deref());
        let number = Identity { name: name.map(str::to_owned), ..telephone(&self.from) };
        let user = self.from_user_id.as_deref().map(|id| scoped(id, &entry.id));
        let identities = std::iter::once(number).chain(user).map(checked).collect::<Result<_, _>>()?;
        Ok(Received {
            id: self.id.clone().into_owned(),
            identities,
            to: vec![checked(telephone(&value.metadata.display_phone_number))?],
            at: self.timestamp.parse().ok().and_then(Time::from_guest),
            text: self.text.body.clone().into_owned(),
        })
    }
}

fn telephone(digits: &str) -> Identity {
    Identity { scheme: "tel".into(), value: format!("+{digits}"), scope: None, name: None }
}

fn scoped(id: &str, account: &str) -> Identity {
    Identity { scheme: "whatsapp".into(), value: id.into(), scope: Some(account.into()), name: None }
}

fn checked(identity: Identity) -> Result<Identity, Refused> {
    identity.checked().map_err(|_| Refused::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::Webhooks;

    #[test]
    fn a_text_is_read_and_a_forged_one_refused() {
        let webhooks = Webhooks::new();
        let body = webhooks.body(7);
        let signature = webhooks.signature(&body);
        let received = Verifier::new().read(signature.as_bytes(), body.as_bytes()).unwrap();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].identities[0].value, "+5511999000007");
        assert_eq!(received[0].identities[0].name.as_deref(), Some("Ana Lima 7"));
        let forged = body.replace("lamp", "sofa");
        assert!(matches!(Verifier::new().read(signature.as_bytes(), forged.as_bytes()), Err(Refused::Unauthorized)));
    }
}
