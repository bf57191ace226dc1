use std::collections::BTreeMap;

use omnigate_plugin::prelude::*;
use omnigate_plugin::serde_json::Map;

/// As the operator typed them.
#[derive(Deserialize)]
pub(crate) struct Settings {
    pub(crate) rules: Vec<RuleSettings>,
    pub(crate) hours: Option<String>,
    pub(crate) opening: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) language: String,
    pub(crate) reply_every: String,
}

#[derive(Deserialize)]
pub(crate) struct RuleSettings {
    pub(crate) words: Option<ByLanguage<Vec<String>>>,
    pub(crate) pattern: Option<String>,
    #[serde(default)]
    pub(crate) when: When,
    #[serde(default)]
    pub(crate) tags: Map<String, Value>,
    pub(crate) priority: Option<Priority>,
    pub(crate) reply: Option<ByLanguage<String>>,
}

/// One for all, or one for each language.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum ByLanguage<T> {
    All(T),
    Each(BTreeMap<String, T>),
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum When {
    #[default]
    Always,
    Open,
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Priority {
    Low,
    Normal,
    High,
    Urgent,
}

/// `90m`, `12h`, `2d` in milliseconds; what is more than the gateway can count is as much as it can.
pub(crate) fn milliseconds(text: &str) -> Result<u32, Fault> {
    let wrong = || Fault::internal(format!("settings.reply_every {text:?} must be a number and m, h or d"));
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let minutes = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 24 * 60,
        _ => return Err(wrong()),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(number.saturating_mul(minutes).saturating_mul(60_000))
}
