//! What messages pass, and where they go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Grants, OAuth2};
use crate::config::{NamePattern, Secret};

/// `[processors.NAME]`
#[derive(Clone, Debug)]
pub struct Processor {
    pub name: String,
    /// `plugin`: manifest id of the plugin.
    pub plugin: String,
    /// `settings`: checked against the plugin's schema once it is loaded.
    pub settings: Map<String, Value>,
    /// `secrets`: by slot.
    pub secrets: BTreeMap<String, Secret>,
    /// `secrets` that are tokens of OAuth 2, by slot.
    pub oauth: BTreeMap<String, Arc<OAuth2>>,
    /// `grants`: without any it has no network.
    pub grants: Grants,
    /// `on_failure`: Default `hold`.
    pub on_failure: OnFailure,
    /// `direction`: Default `both`.
    pub ways: Ways,
    /// `channels`: Default all.
    pub channels: Vec<NamePattern>,
}

/// What becomes of a message whose processor failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It goes on as it is, and says so in its metadata.
    Pass,
    /// It is kept apart as it came, until somebody tries again. Outbound, the caller still has it: 503.
    Hold,
    /// It is not taken: the provider, or the caller, sends it again.
    Reject,
}

/// Which messages pass a processor, seen from the business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ways {
    In,
    Out,
    Both,
}

/// `[[routes]]`
#[derive(Clone, Debug)]
pub struct Route {
    /// `name`: for whoever reads what was decided; else its number counts.
    pub name: Option<String>,
    /// `match`: every condition that is given must hold.
    pub matches: Match,
    /// `backends`: the first is the one that is to answer.
    pub backends: Vec<String>,
    /// `fallback`
    pub fallback: Option<Fallback>,
    /// `tags`: given to what takes this route.
    pub tags: Map<String, Value>,
    /// `keep`: the conversation keeps this route until it ends.
    pub keep: bool,
}

/// `match` of a route; an empty list and `None` say nothing.
#[derive(Clone, Debug, Default)]
pub struct Match {
    pub channel: Vec<NamePattern>,
    pub medium: Vec<String>,
    /// Lower case; `de` also means `de-at`.
    pub language: Vec<String>,
    pub tag: Vec<Tag>,
    pub attribute: BTreeMap<String, Vec<String>>,
    pub text: Option<Words>,
    pub hours: Option<hours::Hours>,
    /// Percent of the conversations that come so far.
    pub share: Option<u8>,
}

/// A tag that a message has, with a value where one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub name: String,
    pub value: Option<String>,
}

/// A regular expression, or words.
#[derive(Clone, Debug)]
pub struct Words {
    pub regex: regex::Regex,
    /// As typed.
    pub shown: String,
}

/// `fallback` of a route: who gets its interactions while the one that is to answer has taken nothing for a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    pub backend: String,
    /// `after`: Default `5m`.
    pub after: Duration,
}

/// A text, a number, true or false, as text; `None` for anything else.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}
