//! `[connectors.NAME]`

use std::collections::BTreeMap;
use std::time::Duration;

use super::read::Section;
use super::sections::grants;
use super::{Connector, Fields, names, patterns};

const FIELDS_MAX: usize = 64;
const FIELD_MAX: usize = 128;

/// All, by name.
pub(super) fn connectors(root: &Section<'_>) -> BTreeMap<String, Connector> {
    let channels = root.names("channels");
    root.named("connectors", names::name, |section| connector(section, &channels))
}

fn connector(section: &Section<'_>, channels: &[String]) -> Option<Connector> {
    section.require(&[("plugin", "the id of a plugin with the contract connector@1")]);
    let plugin = section.text("plugin", names::name);
    let lookup_timeout =
        section.duration("lookup_timeout", Duration::from_secs(2), Duration::ZERO..=Duration::from_secs(30));
    let (secrets, oauth) = section.slots("secrets");
    let connector = Connector {
        plugin: String::new(),
        settings: section.json("settings"),
        secrets,
        oauth,
        grants: section.table("grants", grants),
        fields: section.table("fields", fields),
        channels: patterns::channels(section, channels),
        lookup_timeout,
        batch: section.count("batch", 50, 1..=100),
        concurrency: section.count("concurrency", 2, 1..=16),
        requests_per_second: section.count("requests_per_second", 6, 1..=1000),
    };
    Some(Connector { plugin: plugin?, ..connector })
}

fn fields(section: &Section<'_>) -> Fields {
    let fields =
        Fields { read: section.words("read", names::field, field), write: section.words("write", names::field, field) };
    for (key, count) in [("read", fields.read.len()), ("write", fields.write.len())] {
        if count > FIELDS_MAX {
            section.problem(key, &format!("must have at most {FIELDS_MAX} fields"));
        }
    }
    fields
}

fn field(text: &str) -> Result<String, String> {
    match text.is_empty() || text.len() > FIELD_MAX || text.chars().any(char::is_control) {
        true => Err(format!("must be what the CRM calls it: 1 to {FIELD_MAX} bytes without control characters")),
        false => Ok(text.to_owned()),
    }
}
