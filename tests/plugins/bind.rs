//! A plugin bound as a case wants it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use omnigate::config::{self, Limits, Secret};
use omnigate::interaction::Time;
use omnigate::plugin::{self, Binding, Contract, Plugin};
use serde_json::{Value, json};

use crate::case::Case;
use crate::peer::Peer;

pub fn bind(case: &Case, plugin: &Plugin, peer: &Peer, path: &Path, limits: &Limits) -> Binding {
    let mut binding = match plugin.manifest().kind() {
        Some(Contract::Connector) => of_connector(case, plugin, peer, path, limits),
        Some(Contract::Processor) => of_processor(case, plugin, path, limits),
        _ => of_channel(case, plugin, peer, path, limits),
    };
    binding.clock = Some(serde_json::from_value::<Time>(json!(case.now)).unwrap());
    binding
}

fn of_channel(case: &Case, plugin: &Plugin, peer: &Peer, path: &Path, limits: &Limits) -> Binding {
    let settings = Value::Object(case.settings.clone()).to_string().replace("{peer}", &peer.url());
    let channel = config::Channel {
        settings: serde_json::from_str(&settings).unwrap(),
        secrets: case.secrets.iter().map(|(slot, value)| (slot.clone(), Secret::new(value))).collect(),
        grants: config::Grants { hosts: vec![peer.address.to_string().parse().unwrap()] },
        ..config::Channel::of(&*plugin.manifest().id)
    };
    let checked = plugin::check(&case.channel, &channel, plugin.manifest());
    assert!(checked.problems.is_empty(), "{}: {:#?}", path.display(), checked.problems);
    let key = Secret::new("a key that a gateway made for this");
    let public_url = case.public_url.parse().unwrap();
    Binding::new(&case.channel, &channel, plugin.manifest(), &public_url, limits, key)
}

fn of_processor(case: &Case, plugin: &Plugin, path: &Path, limits: &Limits) -> Binding {
    let processor = config::Processor {
        name: "case".into(),
        plugin: plugin.manifest().id.clone(),
        settings: case.settings.clone(),
        secrets: case.secrets.iter().map(|(slot, value)| (slot.clone(), Secret::new(value))).collect(),
        oauth: BTreeMap::new(),
        grants: config::Grants::default(),
        on_failure: config::OnFailure::Hold,
        ways: config::Ways::Both,
        channels: Vec::new(),
    };
    let checked = plugin::check_processor("case", &processor, plugin.manifest());
    assert!(checked.problems.is_empty(), "{}: {:#?}", path.display(), checked.problems);
    Binding::of_processor("case", &processor, plugin.manifest(), limits)
}

fn of_connector(case: &Case, plugin: &Plugin, peer: &Peer, path: &Path, limits: &Limits) -> Binding {
    let settings = Value::Object(case.settings.clone()).to_string().replace("{peer}", &peer.url());
    let connector = config::Connector {
        plugin: plugin.manifest().id.clone(),
        settings: serde_json::from_str(&settings).unwrap(),
        secrets: case.secrets.iter().map(|(slot, value)| (slot.clone(), Secret::new(value))).collect(),
        oauth: BTreeMap::new(),
        grants: config::Grants { hosts: vec![peer.address.to_string().parse().unwrap()] },
        fields: config::Fields { read: case.fields.read.clone(), write: case.fields.write.clone() },
        channels: Vec::new(),
        lookup_timeout: Duration::from_secs(2),
        batch: 100,
        concurrency: 1,
        requests_per_second: 1000,
    };
    let checked = plugin::check_connector(&case.channel, &connector, plugin.manifest());
    assert!(checked.problems.is_empty(), "{}: {:#?}", path.display(), checked.problems);
    let key = Secret::new("a key that a gateway made for this");
    Binding::of_connector(&case.channel, &connector, plugin.manifest(), &case.public_url.parse().unwrap(), limits, key)
}
