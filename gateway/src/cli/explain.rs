//! Why an interaction goes where it goes.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use crate::config::{Config, Connector};
use crate::interaction::Kind;
use crate::plugin::Plugins;
use crate::routes::{Facts, Routes};

/// Larger ones do not come out of a gateway.
const INTERACTION_MAX: u64 = 16 << 20;

/// Events of the log say nothing of what connectors know: whoever asks with one is not to be misled.
const NO_ATTRIBUTES: &str = "note: this interaction tells no attributes of the contact, as in the log; put those of \
    GET /v1/contacts/{id} into data.contact.attributes\n";

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    kind: Option<Kind>,
}

/// Every route, and why an interaction takes it or not; then every connector, and whether it gets it.
///
/// # Errors
/// If the file cannot be read or holds no interaction.
pub(super) fn explained(config: &Config, plugins: &Plugins, file: &Path) -> anyhow::Result<String> {
    let name = file.display();
    let json = read(file).with_context(|| format!("{name}: cannot be read"))?;
    let facts = Facts::read(&json).with_context(|| {
        format!("{name}: is no interaction; `GET /v1/interactions` and what backends get are in the right form")
    })?;
    let kind = serde_json::from_slice::<Typed>(&json).ok().and_then(|typed| typed.kind);
    let mut told = Routes::new(&config.routes).explain(&facts).to_string();
    if asks_attributes(config) && facts.contact.as_ref().is_some_and(|contact| contact.attributes.is_empty()) {
        told.push_str(NO_ATTRIBUTES);
    }
    let channel = facts.channel.as_ref().map_or("", |channel| channel.name.as_str());
    for (name, connector) in &config.connectors {
        let wanted = plugins.get(&connector.plugin).map(|plugin| plugin.manifest().interactions.clone());
        let why = why(connector, &wanted.unwrap_or_default(), channel, kind);
        let _ = writeln!(told, "connector {name}: {why}");
    }
    Ok(told)
}

fn asks_attributes(config: &Config) -> bool {
    config.routes.iter().any(|route| !route.matches.attribute.is_empty())
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut json = Vec::new();
    match file.to_str() {
        Some("-") => std::io::stdin().take(INTERACTION_MAX).read_to_end(&mut json)?,
        _ => File::open(file)?.take(INTERACTION_MAX).read_to_end(&mut json)?,
    };
    Ok(json)
}

/// `wanted`: kinds of interactions that the plugin takes. Where the file tells no kind, the channel alone counts.
fn why(connector: &Connector, wanted: &[String], channel: &str, kind: Option<Kind>) -> String {
    if let Some(kind) = kind.filter(|kind| !wanted.iter().any(|wanted| wanted == kind.as_str())) {
        return format!("takes no {}", kind.as_str());
    }
    if connector.covers(channel) {
        return "gets it".to_owned();
    }
    let patterns: Vec<_> = connector.channels.iter().map(|pattern| format!("\"{pattern}\"")).collect();
    let elsewhere = format!("channel is {channel:?}, not {}", patterns.join(" or "));
    match kind.is_some_and(|kind| !kind.is_message()) {
        true => format!("{elsewhere}: gets it only if it has what this changes"),
        false => elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_is_told_by_channel_and_kind() {
        let text = "[connectors.care]\nplugin = \"x\"\nchannels = [\"support-*\", \"chat\"]\n";
        let config = Config::parse(text, Path::new(""), &|_| None).unwrap().config;
        let wanted = ["message.received".to_owned(), "message.status".to_owned()];
        let why = |channel: &str, kind| why(&config.connectors["care"], &wanted, channel, kind);
        let elsewhere = "channel is \"sales\", not \"support-*\" or \"chat\"";
        for (channel, kind, expected) in [
            ("support-sms", Some(Kind::MessageReceived), "gets it".to_owned()),
            ("chat", None, "gets it".to_owned()),
            ("sales", Some(Kind::MessageReceived), elsewhere.to_owned()),
            ("sales", None, elsewhere.to_owned()),
            ("sales", Some(Kind::MessageStatus), format!("{elsewhere}: gets it only if it has what this changes")),
            ("chat", Some(Kind::MessageReaction), "takes no message.reaction".to_owned()),
        ] {
            assert_eq!(why(channel, kind), expected, "{channel} {kind:?}");
        }
    }
}
