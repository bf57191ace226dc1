//! A channel's side of a plugin: settings, secrets, grants.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use url::Url;

use super::manifest::Contract;
use super::pace::Pace;
use super::{Manifest, Plugins, Schemes, Transport, settings};
use crate::config::{Channel, Connector, Fields, HostPattern, Limits, OAuth2, Problem, Processor, Secret};
use crate::interaction::{Country, Time};

/// The setting that leads a plugin to another host than the provider's.
const API_BASE: &str = "api_base";

/// A mailbox's adapter holds whole mails and their files: what its calls get at least, enough for mails of 25 MiB.
const MAIL_MEMORY: usize = 256 << 20;
const MAIL_OUTPUT: usize = 96 << 20;
const MAIL_CPU: Duration = Duration::from_secs(5);

/// A connector takes many interactions in one call: a few requests for each kind of thing that it writes, and files.
const CONNECTOR_REQUESTS: u32 = 64;
const CONNECTOR_CPU: Duration = Duration::from_secs(2);
const CONNECTOR_MEMORY: usize = 128 << 20;
const CONNECTOR_OUTPUT: usize = 40 << 20;
/// Before a connector's name: its memory is apart from that of a channel with the same name.
const CONNECTOR: &str = "connector:";
/// Before a processor's name: its memory is apart from that of a channel with the same name.
const PROCESSOR: &str = "processor:";

/// Everything that a call may use, and nothing of any other channel.
#[derive(Clone, Debug)]
pub struct Binding {
    /// Name of the channel; of a connector `connector:{name}`, of a processor `processor:{name}`.
    pub channel: String,
    pub medium: String,
    /// Whose plan telephone numbers without a country's code follow.
    pub country: Option<Country>,
    /// Kinds of addresses of which the plugin may speak.
    pub schemes: Schemes,
    /// JSON, defaults filled in.
    pub settings: String,
    /// `{public_url}/channels/{name}`, or the same of a connector.
    pub url: String,
    pub secrets: BTreeMap<String, Secret>,
    /// Secrets that are fetched when they are needed.
    pub oauth: BTreeMap<String, Arc<OAuth2>>,
    /// Slots of the manifest and where each may be sent.
    pub slots: BTreeMap<String, Vec<HostPattern>>,
    /// What the operator granted.
    pub hosts: Vec<HostPattern>,
    /// Behind the slot `@channel`.
    pub channel_key: Secret,
    pub limits: Limits,
    /// Calls that this channel may have under way at once: the others are for other channels.
    pub(super) places: Arc<Semaphore>,
    /// What a connector calls things in its CRM.
    pub fields: Fields,
    /// How fast requests may leave; `None`: at once.
    pub(super) pace: Option<Arc<Pace>>,
    /// Stands still at this time, and entropy is all zeros: for reproducible cases, never in a running gateway.
    pub clock: Option<Time>,
}

/// What a channel's configuration breaks of its plugin's rules, and what is merely odd.
#[derive(Debug, Default)]
pub struct Checked {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl Binding {
    /// Binds a channel, whose configuration was checked, to its plugin.
    pub fn new(
        name: &str,
        channel: &Channel,
        manifest: &Manifest,
        public_url: &Url,
        limits: &Limits,
        key: Secret,
    ) -> Self {
        let limits = limits_of(manifest.transport, limits);
        let url = format!("{}/channels/{name}", public_url.as_str().trim_end_matches('/'));
        Self { country: channel.country, ..Self::of(name.to_owned(), url, &channel.into(), manifest, limits, key) }
    }

    /// Binds a processor, whose configuration was checked, to its plugin. Nobody reaches it from outside, and it has no key of
    /// its own.
    pub fn of_processor(name: &str, processor: &Processor, manifest: &Manifest, limits: &Limits) -> Self {
        let (name, key) = (format!("{PROCESSOR}{name}"), Secret::new(""));
        Self::of(name, String::new(), &processor.into(), manifest, limits.clone(), key)
    }

    /// Binds a connector, whose configuration was checked, to its plugin.
    pub fn of_connector(
        name: &str,
        connector: &Connector,
        manifest: &Manifest,
        public_url: &Url,
        limits: &Limits,
        key: Secret,
    ) -> Self {
        let limits = Limits {
            http_requests: limits.http_requests.max(CONNECTOR_REQUESTS),
            cpu: limits.cpu.max(CONNECTOR_CPU),
            memory: limits.memory.max(CONNECTOR_MEMORY),
            output: limits.output.max(CONNECTOR_OUTPUT),
            ..limits.clone()
        };
        let url = format!("{}/connectors/{name}", public_url.as_str().trim_end_matches('/'));
        Self {
            fields: connector.fields.clone(),
            pace: Some(Arc::new(Pace::new(connector.requests_per_second))),
            ..Self::of(format!("{CONNECTOR}{name}"), url, &connector.into(), manifest, limits, key)
        }
    }

    /// Name of the connector.
    pub(super) fn connector(&self) -> &str {
        self.channel.strip_prefix(CONNECTOR).unwrap_or(&self.channel)
    }

    /// Waits until a request may leave: who begins a call earlier lets it wait with what it has in hand.
    pub async fn opening(&self) {
        if let Some(pace) = &self.pace {
            pace.opening().await;
        }
    }

    fn of(
        channel: String,
        url: String,
        account: &Account<'_>,
        manifest: &Manifest,
        limits: Limits,
        key: Secret,
    ) -> Self {
        let settings = manifest.with_defaults(account.settings);
        Self {
            channel,
            medium: manifest.medium(&settings).to_owned(),
            country: None,
            schemes: Schemes::of(manifest),
            url,
            secrets: account.secrets.clone(),
            oauth: account.oauth.clone(),
            slots: slots(manifest, &settings),
            hosts: account.hosts.to_vec(),
            channel_key: key,
            places: places(&limits),
            limits,
            fields: Fields::default(),
            pace: None,
            clock: None,
            settings: Value::Object(settings).to_string(),
        }
    }

    /// Of nobody, with no rights: for trying whether a component starts.
    pub(super) fn of_nobody(limits: &Limits) -> Self {
        Self {
            channel: String::new(),
            medium: String::new(),
            country: None,
            schemes: Schemes::default(),
            settings: "{}".to_owned(),
            url: String::new(),
            secrets: BTreeMap::new(),
            oauth: BTreeMap::new(),
            slots: BTreeMap::new(),
            hosts: Vec::new(),
            channel_key: Secret::new(""),
            limits: Limits { log_lines: 0, ..limits.clone() },
            places: places(limits),
            fields: Fields::default(),
            pace: None,
            clock: None,
        }
    }
}

fn limits_of(transport: Transport, limits: &Limits) -> Limits {
    let limits = limits.clone();
    match transport {
        Transport::Http | Transport::Socket => limits,
        Transport::Mail => Limits {
            memory: limits.memory.max(MAIL_MEMORY),
            output: limits.output.max(MAIL_OUTPUT),
            cpu: limits.cpu.max(MAIL_CPU),
            ..limits
        },
    }
}

/// Half of all: a channel whose plugin hangs leaves the other half to the others.
fn places(limits: &Limits) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((limits.concurrency / 2).max(1)))
}

/// What the operator gave a plugin to work with.
struct Account<'a> {
    settings: &'a Map<String, Value>,
    secrets: &'a BTreeMap<String, Secret>,
    oauth: &'a BTreeMap<String, Arc<OAuth2>>,
    hosts: &'a [HostPattern],
}

impl<'a> From<&'a Channel> for Account<'a> {
    fn from(channel: &'a Channel) -> Self {
        let (settings, secrets, oauth) = (&channel.settings, &channel.secrets, &channel.oauth);
        Self { settings, secrets, oauth, hosts: &channel.grants.hosts }
    }
}

impl<'a> From<&'a Connector> for Account<'a> {
    fn from(connector: &'a Connector) -> Self {
        let (settings, secrets, oauth) = (&connector.settings, &connector.secrets, &connector.oauth);
        Self { settings, secrets, oauth, hosts: &connector.grants.hosts }
    }
}

impl<'a> From<&'a Processor> for Account<'a> {
    fn from(processor: &'a Processor) -> Self {
        let (settings, secrets, oauth) = (&processor.settings, &processor.secrets, &processor.oauth);
        Self { settings, secrets, oauth, hosts: &processor.grants.hosts }
    }
}

/// What is wrong with a channel whose adapter is not there.
pub fn missing(channel: &str, adapter: &str, plugins: &Plugins) -> Problem {
    missing_at(format!("channels.{channel}.adapter"), adapter, plugins)
}

/// What is wrong with a connector whose plugin is not there.
pub fn missing_connector(connector: &str, plugin: &str, plugins: &Plugins) -> Problem {
    missing_at(format!("connectors.{connector}.plugin"), plugin, plugins)
}

/// What is wrong with a processor whose plugin is not there.
pub fn missing_processor(processor: &str, plugin: &str, plugins: &Plugins) -> Problem {
    missing_at(format!("processors.{processor}.plugin"), plugin, plugins)
}

fn missing_at(path: String, id: &str, plugins: &Plugins) -> Problem {
    let rule = match plugins.ids().join(", ") {
        none if none.is_empty() => "there is no plugin in plugins.directory: does it name the right one?".to_owned(),
        ids => format!("no plugin with this id in plugins.directory; there are: {ids}"),
    };
    Problem::new(path, Some(format!("{id:?}")), rule)
}

/// Checks a channel's settings, secrets and grants against the manifest.
pub fn check(name: &str, channel: &Channel, manifest: &Manifest) -> Checked {
    let path = format!("channels.{name}");
    match misplaced(&format!("{path}.adapter"), Contract::Channel, manifest) {
        Some(problem) => Checked { problems: vec![problem], warnings: Vec::new() },
        None => check_account(&path, &channel.into(), manifest),
    }
}

/// The same for a connector.
pub fn check_connector(name: &str, connector: &Connector, manifest: &Manifest) -> Checked {
    let path = format!("connectors.{name}");
    match misplaced(&format!("{path}.plugin"), Contract::Connector, manifest) {
        Some(problem) => Checked { problems: vec![problem], warnings: Vec::new() },
        None => check_account(&path, &connector.into(), manifest),
    }
}

/// The same for a processor.
pub fn check_processor(name: &str, processor: &Processor, manifest: &Manifest) -> Checked {
    let path = format!("processors.{name}");
    match misplaced(&format!("{path}.plugin"), Contract::Processor, manifest) {
        Some(problem) => Checked { problems: vec![problem], warnings: Vec::new() },
        None => check_account(&path, &processor.into(), manifest),
    }
}

/// A plugin of the other kind.
fn misplaced(path: &str, wanted: Contract, manifest: &Manifest) -> Option<Problem> {
    let kind = manifest.kind().filter(|kind| *kind != wanted)?;
    let rule = format!("is a plugin for contract {}: its place is under [{}]", manifest.contract, kind.section());
    Some(Problem::new(path.to_owned(), Some(format!("{:?}", manifest.id)), rule))
}

fn check_account(place: &str, account: &Account<'_>, manifest: &Manifest) -> Checked {
    let mut checked = Checked::default();
    let settings = manifest.with_defaults(account.settings);
    checked.problems.extend(settings::check(&format!("{place}.settings"), manifest, &settings));
    check_slots(place, account, manifest, &mut checked.problems);
    let missing = wanted_hosts(manifest, &settings).into_iter().filter(|host| !account.hosts.contains(host));
    checked.warnings.extend(missing.map(|host| {
        let rule = format!("plugin {} wants to call {host}, which is not granted: add \"{host}\"", manifest.id);
        Problem::new(format!("{place}.grants.hosts"), None, rule)
    }));
    checked
}

fn check_slots(place: &str, account: &Account<'_>, manifest: &Manifest, problems: &mut Vec<Problem>) {
    let path = |slot: &str| format!("{place}.secrets.{slot}");
    let given = || account.secrets.keys().chain(account.oauth.keys());
    for slot in given().filter(|slot| !manifest.slots.contains_key(*slot)) {
        let known: Vec<_> = manifest.slots.keys().map(String::as_str).collect();
        let rule = format!("plugin {} has no such slot; it has: {}", manifest.id, known.join(", "));
        problems.push(Problem::new(path(slot), None, rule));
    }
    for (slot, description) in manifest.slots.iter().filter(|(_, slot)| slot.required) {
        if !given().any(|given| given == slot) {
            let rule = format!(
                "is required ({}): set it to {{ env = \"NAME\" }} or {{ file = \"path\" }}",
                description.description
            );
            problems.push(Problem::new(path(slot), None, rule));
        }
    }
}

/// The hosts of the manifest; or, where the operator leads it elsewhere, that host alone.
fn wanted_hosts(manifest: &Manifest, settings: &Map<String, Value>) -> Vec<HostPattern> {
    let mut hosts = patterns(&manifest.hosts);
    if let Some(base) = api_base(settings)
        && !hosts.contains(&base)
    {
        hosts = vec![base];
    }
    hosts
}

fn slots(manifest: &Manifest, settings: &Map<String, Value>) -> BTreeMap<String, Vec<HostPattern>> {
    let base = api_base(settings);
    let bound = |hosts: &[String]| {
        let mut bound = patterns(hosts);
        // Without hosts of its own a slot is never sent anywhere, wherever `api_base` leads.
        if !bound.is_empty() {
            bound.extend(base.clone());
        }
        bound
    };
    manifest.slots.iter().map(|(name, slot)| (name.clone(), bound(&slot.hosts))).collect()
}

/// Manifests were checked when they were read: what does not parse is not there.
fn patterns(hosts: &[String]) -> Vec<HostPattern> {
    hosts.iter().filter_map(|host| host.parse().ok()).collect()
}

fn api_base(settings: &Map<String, Value>) -> Option<HostPattern> {
    let url: Url = settings.get(API_BASE)?.as_str()?.parse().ok()?;
    let host = url.host_str()?;
    let port = (url.scheme() != "https" || url.port().is_some()).then(|| url.port_or_known_default()).flatten();
    port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")).parse().ok()
}
