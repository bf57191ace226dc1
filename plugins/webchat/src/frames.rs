//! Frames of the socket: `PROTOCOL.md` says what they mean.

use std::borrow::Cow;

use omnigate_plugin::prelude::*;
use serde_json::value::RawValue;

use crate::limits::{FILE_BYTES_MAX, TEXT_MAX};
use crate::settings::Settings;

/// The first frame of a client.
#[derive(Deserialize)]
pub(crate) struct Hello<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Cow<'a, str>,
    #[serde(default)]
    pub(crate) token: Option<String>,
    #[serde(default)]
    pub(crate) after: Option<String>,
    #[serde(default)]
    pub(crate) identity: Option<Claim>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Typed into a form: nobody has checked it.
    #[serde(default)]
    pub(crate) email: Option<String>,
    /// The same.
    #[serde(default)]
    pub(crate) phone: Option<String>,
    #[serde(default)]
    pub(crate) page: Option<Page>,
    #[serde(default)]
    pub(crate) lang: Option<String>,
}

/// Whom the site says the visitor is.
#[derive(Deserialize)]
pub(crate) struct Claim {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) hash: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Page {
    #[serde(default)]
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) title: String,
}

/// Every later frame of a client. What it needs by its type is checked where it is read.
#[derive(Deserialize)]
pub(crate) struct Frame<'a> {
    #[serde(borrow, rename = "type")]
    pub(crate) kind: Cow<'a, str>,
    #[serde(default)]
    pub(crate) client_id: Option<String>,
    #[serde(borrow, default)]
    pub(crate) parts: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) on: bool,
    #[serde(default, rename = "ref")]
    pub(crate) reference: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) bytes: Option<u64>,
}

/// Why a session ends for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bye {
    IdentityRequired,
    IdentityInvalid,
    Origin,
}

impl Bye {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::IdentityRequired => "identity-required",
            Self::IdentityInvalid => "identity-invalid",
            Self::Origin => "origin",
        }
    }
}

pub(crate) fn bye(why: Bye) -> String {
    json!({ "type": "bye", "code": why.code(), "text": null }).to_string()
}

pub(crate) fn welcome(visitor: &str, token: &str, settings: &Settings) -> String {
    let Settings { title, greeting, color, .. } = settings;
    let limits = json!({ "text": TEXT_MAX, "bytes": FILE_BYTES_MAX });
    json!({
        "type": "welcome", "visitor": visitor, "token": token, "title": title, "greeting": greeting, "color": color, "limits": limits,
    })
    .to_string()
}

pub(crate) fn ready() -> String {
    json!({ "type": "ready" }).to_string()
}

/// It is on disk.
pub(crate) fn ack(client_id: &str, at: &str) -> String {
    json!({ "type": "ack", "client_id": client_id, "at": at }).to_string()
}

/// It was not taken, and will not be.
pub(crate) fn error(client_id: Option<&str>, code: &str, text: &str) -> String {
    json!({ "type": "error", "code": code, "text": text, "retry": false, "client_id": client_id }).to_string()
}

/// Our message to the visitor.
pub(crate) fn message(id: &str, from: &str, at: &str, parts: &[Value]) -> String {
    json!({ "type": "message", "id": id, "from": from, "name": null, "client_id": null, "at": at, "parts": parts })
        .to_string()
}

/// The visitor's own message, for other tabs. Its id is not known before it is on disk.
pub(crate) fn own(client_id: &str, at: &str, parts: &RawValue) -> String {
    #[derive(Serialize)]
    struct Own<'a> {
        r#type: &'static str,
        id: Option<&'a str>,
        from: &'static str,
        name: Option<&'a str>,
        client_id: &'a str,
        at: &'a str,
        parts: &'a RawValue,
    }
    let own = Own { r#type: "message", id: None, from: "visitor", name: None, client_id, at, parts };
    serde_json::to_string(&own).unwrap_or_default()
}

pub(crate) fn typing(on: bool) -> String {
    json!({ "type": "typing", "on": on }).to_string()
}

/// The visitor's message, and all before it, was read.
pub(crate) fn read(client_id: &str) -> String {
    json!({ "type": "status", "client_id": client_id, "status": "read" }).to_string()
}

pub(crate) fn ticket(reference: &str, id: &str, url: &str) -> String {
    json!({ "type": "upload", "ref": reference, "id": id, "url": url }).to_string()
}

pub(crate) fn refused(reference: &str, text: &str) -> String {
    json!({ "type": "refused", "ref": reference, "text": text }).to_string()
}
