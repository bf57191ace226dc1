//! `[processors.NAME]`

use super::read::Section;
use super::sections::{choice, grants};
use super::{OnFailure, Processor, Ways, names, patterns};

/// In the order of the file, which is the order in which messages pass.
pub(super) fn processors(root: &Section<'_>) -> Vec<Processor> {
    let channels = root.names("channels");
    let named = root.named("processors", names::name, |section| processor(section, &channels));
    let mut placed: Vec<_> = named.into_values().collect();
    placed.sort_by_key(|(place, _)| *place);
    let order = placed.into_iter().map(|(_, processor)| processor);
    order.collect()
}

fn processor(section: &Section<'_>, channels: &[String]) -> Option<(usize, Processor)> {
    section.require(&[("plugin", "the id of a plugin for processors, such as \"redact\"")]);
    let plugin = section.text("plugin", names::name);
    let settings = section.json("settings");
    let (secrets, oauth) = section.slots("secrets");
    let grants = section.table("grants", grants);
    let on_failure = section.text("on_failure", |text| {
        choice(text, &[("pass", OnFailure::Pass), ("hold", OnFailure::Hold), ("reject", OnFailure::Reject)])
    });
    let ways =
        section.text("direction", |text| choice(text, &[("in", Ways::In), ("out", Ways::Out), ("both", Ways::Both)]));
    let channels = patterns::channels(section, channels);
    let processor = Processor {
        name: section.name().to_owned(),
        plugin: plugin?,
        settings,
        secrets,
        oauth,
        grants,
        on_failure: on_failure.unwrap_or(OnFailure::Hold),
        ways: ways.unwrap_or(Ways::Both),
        channels,
    };
    Some((section.begins_at(), processor))
}
