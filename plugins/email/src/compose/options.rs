use omnigate_plugin::prelude::*;
use omnigate_plugin::serde_json;

use super::bad_address;
use crate::mime::Address;
use crate::settings::Settings;

/// `metadata.email` of a message.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Options {
    pub(super) cc: Vec<String>,
    pub(super) bcc: Vec<String>,
    /// Copies for everybody who got the mail that is answered.
    pub(super) reply_all: bool,
    list_unsubscribe: Option<Unsubscribe>,
    read_receipt: bool,
    importance: Option<Importance>,
}

/// RFC 2369 and RFC 8058.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Unsubscribe {
    /// Takes a POST with `List-Unsubscribe=One-Click`.
    url: Option<String>,
    mailto: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Importance {
    High,
    Normal,
    Low,
}

impl Options {
    /// Metadata of other kinds belong to the backend.
    pub(super) fn of(message: &Outbound) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Metadata {
            email: Option<Options>,
        }
        let Some(metadata) = &message.metadata else { return Ok(Self::default()) };
        let metadata: Metadata = serde_json::from_str(metadata)
            .map_err(|error| Fault::rejected(ReasonCode::Rejected, format!("metadata.email: {error}")))?;
        Ok(metadata.email.unwrap_or_default())
    }

    /// `Ann <ann@example.org>` or the address alone.
    pub(super) fn addresses(&self, texts: &[String], field: &str) -> Result<Vec<Address>, Fault> {
        texts
            .iter()
            .map(|text| one(text).ok_or_else(|| bad_address(&format!("an entry of metadata.email.{field}"))))
            .collect()
    }

    pub(super) fn fields(&self, settings: &Settings) -> Result<Vec<(&'static str, String)>, Fault> {
        let mut fields = self.list_unsubscribe.as_ref().map(Unsubscribe::fields).transpose()?.unwrap_or_default();
        if self.read_receipt {
            fields.push(("Disposition-Notification-To", format!("<{}>", settings.address)));
        }
        match self.importance {
            Some(Importance::High) => fields.push(("Importance", "high".to_owned())),
            Some(Importance::Low) => fields.push(("Importance", "low".to_owned())),
            Some(Importance::Normal) | None => {}
        }
        Ok(fields)
    }
}

fn one(text: &str) -> Option<Address> {
    match text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) => Address::new(address, Some(name.trim().trim_matches('"'))),
        None => Address::new(text, None),
    }
}

impl Unsubscribe {
    fn fields(&self) -> Result<Vec<(&'static str, String)>, Fault> {
        let rule = |name: &str, what: &str| {
            Fault::rejected(ReasonCode::Rejected, format!("metadata.email.list_unsubscribe.{name} must be {what}"))
        };
        let is_url = |url: &&String| url.starts_with("https://") && url.len() <= 900 && is_plain(url);
        let url = self
            .url
            .as_ref()
            .map(|url| Some(url).filter(is_url).ok_or_else(|| rule("url", "an address that begins with https://")));
        let mailto = self.mailto.as_ref().map(|to| {
            Address::new(to, None).filter(|to| is_plain(&to.address)).ok_or_else(|| rule("mailto", "an e-mail address"))
        });
        let (url, mailto) = (url.transpose()?, mailto.transpose()?);
        let places =
            url.map(|url| format!("<{url}>")).into_iter().chain(mailto.map(|to| format!("<mailto:{}>", to.address)));
        let places = places.collect::<Vec<_>>().join(", ");
        if places.is_empty() {
            return Err(rule("url", "given, or mailto"));
        }
        let one_click = url.map(|_| ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
        Ok([("List-Unsubscribe", places)].into_iter().chain(one_click).collect())
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"\\".contains(&b))
}
