//! What a channel cannot carry, by its plugin's manifest. Everything here can be told before the provider is asked.

use crate::interaction::{ChoiceOption, ChoicesStyle, MediaKind, Part};
use crate::plugin::{Capabilities, ChoicesCapability, MediaCapability};

/// Why a part cannot be sent as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// As in the manifest: `parts`, `text_max`, `media.bytes_max`, ...
    pub ability: &'static str,
    /// Goes on after "channel NAME".
    pub why: String,
    /// The channel has the ability, but only so much of it.
    pub limit: Option<u64>,
}

impl Lack {
    fn of(ability: &'static str, why: String) -> Self {
        Self { ability, why, limit: None }
    }
}

/// The first part that cannot be sent as it is, by its index.
pub fn first(abilities: &Capabilities, parts: &[Part]) -> Option<(usize, Lack)> {
    parts.iter().enumerate().find_map(|(index, part)| Some((index, lack(abilities, part)?)))
}

/// What the channel lacks for a part; `None` if it carries it as it is.
pub(super) fn lack(abilities: &Capabilities, part: &Part) -> Option<Lack> {
    let name = part.type_name();
    if !abilities.parts.iter().any(|known| known == name) {
        let known = abilities.parts.join(", ");
        return Some(Lack::of("parts", format!("carries no {name}; it carries: {known}")));
    }
    match part {
        Part::Text { html: Some(_), .. } if !abilities.html => {
            Some(Lack::of("html", "shows no formatted text".to_owned()))
        }
        Part::Text { text, .. } => text_lack(abilities.text_max, text),
        Part::Media { kind, content_type, bytes, .. } => {
            media_lack(&abilities.media, *kind, content_type.as_deref(), *bytes)
        }
        Part::Choices { style, options } => choices_lack(abilities.choices.as_ref(), *style, options),
        _ => None,
    }
}

pub(super) fn text_lack(max: Option<usize>, text: &str) -> Option<Lack> {
    let (max, length) = (max?, text.chars().count());
    (length > max)
        .then(|| too_many("text_max", format!("takes texts of at most {max} characters, this one has {length}"), max))
}

pub(super) fn media_lack(
    offered: &[MediaCapability],
    kind: MediaKind,
    content_type: Option<&str>,
    bytes: Option<u64>,
) -> Option<Lack> {
    let name = kind_name(kind);
    let Some(ability) = offered.iter().find(|ability| ability.kind == kind) else {
        let known: Vec<&str> = offered.iter().map(|ability| kind_name(ability.kind)).collect();
        return Some(Lack::of("media", format!("carries no {name}; it carries: {}", known.join(", "))));
    };
    let foreign =
        content_type.filter(|given| !ability.content_types.is_empty() && !takes(&ability.content_types, given));
    if foreign.is_some() {
        let known = ability.content_types.join(", ");
        let why = format!("takes no {name} of this content type; it takes: {known}");
        return Some(Lack::of("media.content_types", why));
    }
    let (max, bytes) = (ability.bytes_max?, bytes?);
    let why = || format!("takes {name} of at most {max} bytes, this one has {bytes}");
    (bytes > max).then(|| Lack { ability: "media.bytes_max", why: why(), limit: Some(max) })
}

pub(super) fn choices_lack(
    ability: Option<&ChoicesCapability>,
    style: ChoicesStyle,
    options: &[ChoiceOption],
) -> Option<Lack> {
    let ability = ability?;
    let (name, max) = match style {
        ChoicesStyle::Buttons => ("buttons", ability.buttons_max),
        ChoicesStyle::List => ("list", ability.list_max),
    };
    if max == 0 {
        return Some(Lack::of("choices", format!("carries no choices as {name}")));
    }
    if options.len() > max {
        let why = format!("takes at most {max} choices as {name}, these are {}", options.len());
        return Some(too_many("choices", why, max));
    }
    let longest = |of: fn(&ChoiceOption) -> &str| options.iter().map(|o| of(o).chars().count()).max().unwrap_or(0);
    overlong("choices.title_max", "titles", ability.title_max, longest(|option| &option.title))
        .or_else(|| overlong("choices.id_max", "ids", ability.id_max, longest(|option| &option.id)))
}

fn overlong(ability: &'static str, what: &str, max: Option<usize>, length: usize) -> Option<Lack> {
    let max = max?;
    let why = || format!("takes {what} of choices of at most {max} characters, one has {length}");
    (length > max).then(|| too_many(ability, why(), max))
}

fn too_many(ability: &'static str, why: String, limit: usize) -> Lack {
    Lack { ability, why, limit: Some(limit as u64) }
}

/// `image/*` takes every image, `*/*` everything; parameters and case do not count.
fn takes(patterns: &[String], content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    patterns.iter().any(|pattern| match pattern.strip_suffix("/*") {
        Some("*") => true,
        Some(kind) => essence.split('/').next() == Some(kind),
        None => *pattern == essence,
    })
}

pub(super) fn kind_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
        MediaKind::File => "file",
        MediaKind::Sticker => "sticker",
        MediaKind::Voice => "voice",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(part: Value) -> Option<String> {
        let abilities: Capabilities = serde_json::from_value(json!({
            "parts": ["text", "media", "choices", "location"],
            "text_max": 5,
            "media": [{"kind": "image", "content_types": ["image/png", "audio/*"], "bytes_max": 100}, {"kind": "file"}],
            "choices": {"buttons_max": 2, "title_max": 3, "id_max": 4}
        }))
        .unwrap();
        let part: Part = serde_json::from_value(part).unwrap();
        lack(&abilities, &part).map(|lack| lack.why)
    }

    fn media(kind: &str, content_type: &str, bytes: u64) -> Option<String> {
        told(
            json!({"type": "media", "kind": kind, "url": "https://x.example/", "content_type": content_type, "bytes": bytes}),
        )
    }

    fn choices(style: &str, titles: &[&str]) -> Option<String> {
        let options: Vec<Value> = titles.iter().map(|title| json!({"id": title, "title": title})).collect();
        told(json!({"type": "choices", "style": style, "options": options}))
    }

    #[test]
    fn parts_that_a_channel_lacks_are_named() {
        let card = told(json!({"type": "contact_card", "name": "Ann"})).unwrap();
        assert_eq!(card, "carries no contact_card; it carries: text, media, choices, location");
        assert_eq!(told(json!({"type": "location", "latitude": 1.0, "longitude": 2.0})), None);
    }

    #[test]
    fn texts_are_counted_in_characters() {
        assert_eq!(told(json!({"type": "text", "text": "äöüß€"})), None);
        let long = told(json!({"type": "text", "text": "äöüß€!"})).unwrap();
        assert_eq!(long, "takes texts of at most 5 characters, this one has 6");
    }

    #[test]
    fn files_have_kinds_types_and_sizes() {
        assert_eq!(media("image", "image/png; x=y", 100), None);
        assert_eq!(media("image", "AUDIO/ogg", 1), None);
        assert_eq!(media("file", "anything/else", u64::MAX), None);
        assert_eq!(media("image", "image/png", 101).unwrap(), "takes image of at most 100 bytes, this one has 101");
        assert_eq!(media("video", "video/mp4", 1).unwrap(), "carries no video; it carries: image, file");
        let foreign = media("image", "image/gif", 1).unwrap();
        assert_eq!(foreign, "takes no image of this content type; it takes: image/png, audio/*");
    }

    #[test]
    fn choices_are_counted_and_measured() {
        assert_eq!(choices("buttons", &["yes", "no"]), None);
        assert_eq!(choices("buttons", &["a", "b", "c"]).unwrap(), "takes at most 2 choices as buttons, these are 3");
        assert_eq!(
            choices("buttons", &["maybe"]).unwrap(),
            "takes titles of choices of at most 3 characters, one has 5"
        );
        assert_eq!(choices("list", &["a"]).unwrap(), "carries no choices as list");
    }

    #[test]
    fn limits_are_told() {
        let lack = text_lack(Some(3), "long").unwrap();
        assert_eq!((lack.ability, lack.limit), ("text_max", Some(3)));
    }

    #[test]
    fn formatted_text_is_an_ability() {
        assert_eq!(told(json!({"type": "text", "text": "a", "html": "<b>a</b>"})).unwrap(), "shows no formatted text");
    }
}
