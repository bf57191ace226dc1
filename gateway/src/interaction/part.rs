use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One piece of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// Written words.
    Text {
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        html: Option<String>,
    },
    /// A file. Inbound `url` is an address of this gateway; outbound it is any https address or a stored file of ours.
    Media {
        kind: MediaKind,
        url: String,
        #[serde(default)]
        content_type: Option<String>,
        #[serde(default)]
        name: Option<String>,
        #[serde(default)]
        bytes: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        caption: Option<String>,
    },
    /// A place, WGS 84 degrees.
    Location {
        latitude: f64,
        longitude: f64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// A business card.
    ContactCard {
        name: String,
        #[serde(default)]
        phones: Vec<String>,
        #[serde(default)]
        emails: Vec<String>,
    },
    /// Options to pick from.
    Choices { style: ChoicesStyle, options: Vec<ChoiceOption> },
    /// What the person picked.
    Choice { id: String, title: String },
    /// A text that the provider has approved. `text`: its words, for channels without templates.
    Template {
        name: String,
        language: String,
        parameters: Value,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Anything else.
    Extension { kind: String, data: Value },
}

/// What a file is for the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Image,
    Audio,
    Video,
    File,
    Sticker,
    Voice,
}

/// How options are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoicesStyle {
    Buttons,
    List,
}

/// One option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChoiceOption {
    pub id: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Part {
    /// The part's name in JSON and in an adapter's abilities.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Media { .. } => "media",
            Self::Location { .. } => "location",
            Self::ContactCard { .. } => "contact_card",
            Self::Choices { .. } => "choices",
            Self::Choice { .. } => "choice",
            Self::Template { .. } => "template",
            Self::Extension { .. } => "extension",
        }
    }

    /// The part for readers that know nothing but text; empty where there is nothing to say.
    pub fn plain_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text { text, .. } => Cow::Borrowed(text),
            Self::Media { caption, name, .. } => caption.as_deref().or(name.as_deref()).unwrap_or_default().into(),
            Self::Location { latitude, longitude, name, .. } => match name {
                Some(name) => format!("{name} ({latitude}, {longitude})").into(),
                None => format!("{latitude}, {longitude}").into(),
            },
            Self::ContactCard { name, phones, .. } => [name.as_str()]
                .into_iter()
                .chain(phones.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(" ")
                .into(),
            Self::Choices { options, .. } => {
                options.iter().map(|option| option.title.as_str()).collect::<Vec<_>>().join("\n").into()
            }
            Self::Choice { title, .. } => Cow::Borrowed(title),
            Self::Template { name, text, .. } => Cow::Borrowed(text.as_deref().unwrap_or(name)),
            Self::Extension { .. } => Cow::Borrowed(""),
        }
    }
}
