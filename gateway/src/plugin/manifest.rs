//! What a plugin says of itself: a JSON text in the custom section `omnigate:manifest`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use wasmparser::{Parser, Payload};

use crate::config::{HostPattern, parse_duration, show_duration};
use crate::interaction::Kind;

/// Of what is shown in one line of a log.
const LINE_MAX: usize = 128;
const SECTION: &str = "omnigate:manifest";

/// The manifest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The name by which the configuration calls it.
    pub id: String,
    pub version: String,
    /// `channel@1`, `connector@1` or `processor@1`
    pub contract: String,
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// Of a channel.
    #[serde(default)]
    pub medium: String,
    /// Other media by a setting's prefix; the first that fits counts.
    #[serde(default)]
    pub mediums: Vec<MediumRule>,
    #[serde(default)]
    pub transport: Transport,
    /// Hosts that it wants to call; the host of the setting `api_base` is always one.
    #[serde(default)]
    pub hosts: Vec<String>,
    #[serde(default)]
    pub slots: BTreeMap<String, Slot>,
    /// JSON Schema of the channel's settings.
    #[serde(default = "empty_schema")]
    pub settings: Value,
    /// Of a channel: addresses that it speaks of and sends to.
    #[serde(default)]
    pub identity_schemes: Vec<String>,
    /// Of a channel: addresses besides for which its provider vouches as a person's own. Nothing is sent there.
    #[serde(default)]
    pub alias_schemes: Vec<String>,
    #[serde(default)]
    pub capabilities: Capabilities,
    /// Of a connector: kinds of interactions that it wants, such as `message.received`.
    #[serde(default)]
    pub interactions: Vec<String>,
    /// Of a connector: the same interaction handed over twice is there once. Else an attempt is written down before it
    /// leaves, so that the connector learns of a crash.
    #[serde(default)]
    pub idempotent: bool,
    /// Of a processor: it takes out what must not be stored. Raw requests are then not kept beside what an adapter made of them.
    #[serde(default)]
    pub redacts: bool,
}

/// What kind of plugin it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    Channel,
    Connector,
    Processor,
}

impl Contract {
    /// By its name and major version, if this gateway offers it.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "channel@1" => Some(Self::Channel),
            "connector@1" => Some(Self::Connector),
            "processor@1" => Some(Self::Processor),
            _ => None,
        }
    }

    /// Where the configuration names plugins of this kind.
    pub fn section(self) -> &'static str {
        match self {
            Self::Channel => "channels",
            Self::Connector => "connectors",
            Self::Processor => "processors",
        }
    }
}

/// A medium that a setting chooses.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediumRule {
    pub setting: String,
    pub prefix: String,
    pub medium: String,
    /// What a channel of this medium can do, where that is not what the others can.
    #[serde(default)]
    pub capabilities: Option<Capabilities>,
}

/// How the outside reaches it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    #[default]
    Http,
    Socket,
    /// A mailbox; the settings say which.
    Mail,
}

/// A secret that it uses by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub required: bool,
    /// Where it may be sent; the host of `api_base` besides. Without hosts it is sent nowhere.
    #[serde(default)]
    pub hosts: Vec<String>,
}

/// What the channel can do outbound.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    #[serde(default)]
    pub parts: Vec<String>,
    /// Characters of one text.
    #[serde(default)]
    pub text_max: Option<usize>,
    #[serde(default)]
    pub media: Vec<MediaCapability>,
    #[serde(default)]
    pub choices: Option<ChoicesCapability>,
    #[serde(default)]
    pub receipts: Vec<String>,
    #[serde(default)]
    pub typing: bool,
    #[serde(default)]
    pub read_marks: bool,
    #[serde(default)]
    pub edits: bool,
    #[serde(default)]
    pub replies: bool,
    /// Formatted text is shown as such.
    #[serde(default)]
    pub html: bool,
    /// Texts leave as SMS segments, counted by the rules of GSM-7 and UCS-2.
    #[serde(default)]
    pub segments: bool,
    /// When people may be written to freely; without one, always.
    #[serde(default)]
    pub window: Option<Window>,
}

/// The time in which people may be written to freely.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// So long after the person's newest message on the channel: `24h`.
    pub after_inbound: Span,
    /// Types of parts that may be sent outside: each part must be one of them.
    #[serde(default)]
    pub outside: Vec<String>,
    /// Tags with which everything may be sent outside, each until so long after the person's newest message.
    #[serde(default)]
    pub tags: BTreeMap<String, Span>,
}

/// A duration as the configuration writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let rule =
            || serde::de::Error::custom("must be a duration such as \"24h\": a whole number and ms, s, m, h or d");
        parse_duration(&text).map(Self).ok_or_else(rule)
    }
}

/// One kind of media.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaCapability {
    pub kind: crate::interaction::MediaKind,
    /// Empty: every type.
    #[serde(default)]
    pub content_types: Vec<String>,
    #[serde(default)]
    pub bytes_max: Option<u64>,
}

/// Options to pick from.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChoicesCapability {
    #[serde(default)]
    pub buttons_max: usize,
    #[serde(default)]
    pub list_max: usize,
    #[serde(default)]
    pub title_max: Option<usize>,
    #[serde(default)]
    pub id_max: Option<usize>,
}

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("holds no manifest: embed one with the SDK's channel! macro, or as custom section \"{SECTION}\"")]
    Missing,
    #[error("holds a manifest that cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("holds a wrong manifest: {0}")]
    Wrong(String),
    #[error("is broken WebAssembly: {0}")]
    Binary(String),
}

impl Manifest {
    /// Reads the manifest of a component, parsing the whole binary first.
    ///
    /// # Errors
    /// If there is none, or it breaks a rule.
    pub fn of(component: &[u8]) -> Result<Self, ManifestError> {
        let section = find_section(component).map_err(ManifestError::Binary)?.ok_or(ManifestError::Missing)?;
        let manifest: Self = serde_json::from_slice(section)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), ManifestError> {
        let plain = |text: &str| !text.is_empty() && text.len() <= 64 && text.bytes().all(is_name_byte);
        if !plain(&self.id) {
            return Err(ManifestError::Wrong(format!("id {:?} must be 1 to 64 of a-z 0-9 - _", self.id)));
        }
        let lines = [("version", &self.version), ("contract", &self.contract), ("name", &self.name)];
        let is_connector = self.kind() == Some(Contract::Connector);
        let no_channel = matches!(self.kind(), Some(Contract::Connector | Contract::Processor));
        let medium = (!no_channel).then_some(("medium", &self.medium));
        for (name, text) in lines.into_iter().chain(medium) {
            if text.is_empty() || text.len() > LINE_MAX || text.chars().any(char::is_control) {
                let rule = format!("{name} must be 1 to {LINE_MAX} bytes without control characters");
                return Err(ManifestError::Wrong(rule));
            }
        }
        let unknown = self.interactions.iter().find(|kind| Kind::parse(kind).is_none());
        if let Some(kind) = unknown {
            return Err(ManifestError::Wrong(format!("interactions: there is no kind {kind:?}")));
        }
        if is_connector && self.interactions.is_empty() {
            return Err(ManifestError::Wrong("interactions must name the kinds that the connector wants".into()));
        }
        if let Some(slot) = self.slots.keys().find(|slot| !plain(slot)) {
            return Err(ManifestError::Wrong(format!("slot {slot:?} must be 1 to 64 of a-z 0-9 - _")));
        }
        let hosts = self.hosts.iter().chain(self.slots.values().flat_map(|slot| &slot.hosts));
        for host in hosts {
            host.parse::<HostPattern>().map_err(|why| ManifestError::Wrong(format!("host {host:?}: {why}")))?;
        }
        if !self.settings.is_object() {
            return Err(ManifestError::Wrong("settings must be a JSON Schema object".into()));
        }
        Ok(())
    }

    /// What kind of plugin it is, if this gateway knows the kind.
    pub fn kind(&self) -> Option<Contract> {
        Contract::parse(&self.contract)
    }

    /// The medium of a channel with these settings.
    pub fn medium(&self, settings: &Map<String, Value>) -> &str {
        self.rule(settings).map_or(&self.medium, |rule| &rule.medium)
    }

    /// What a channel with these settings can do.
    pub fn abilities(&self, settings: &Map<String, Value>) -> &Capabilities {
        self.rule(settings).and_then(|rule| rule.capabilities.as_ref()).unwrap_or(&self.capabilities)
    }

    fn rule(&self, settings: &Map<String, Value>) -> Option<&MediumRule> {
        let fits = |rule: &&MediumRule| {
            settings.get(&rule.setting).and_then(Value::as_str).is_some_and(|value| value.starts_with(&rule.prefix))
        };
        self.mediums.iter().find(fits)
    }

    /// The settings with the schema's defaults where the operator gave no value.
    pub fn with_defaults(&self, settings: &Map<String, Value>) -> Map<String, Value> {
        let mut filled = settings.clone();
        let properties = self.settings.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            if let Some(default) = schema.get("default") {
                filled.entry(name.clone()).or_insert_with(|| default.clone());
            }
        }
        filled
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
}

fn empty_schema() -> Value {
    serde_json::json!({"type": "object", "additionalProperties": false})
}

fn find_section(component: &[u8]) -> Result<Option<&[u8]>, String> {
    let mut found = None;
    for payload in Parser::new(0).parse_all(component) {
        if let Payload::CustomSection(section) = payload.map_err(|error| error.to_string())?
            && section.name() == SECTION
        {
            found = Some(section.data());
        }
    }
    Ok(found)
}
