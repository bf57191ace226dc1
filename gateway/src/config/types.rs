use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::{NamePattern, Secret, SigningKey};
use crate::interaction::Country;
use crate::store::Retention;

/// The configuration, checked: no later code meets a value that breaks a rule.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: Server,
    pub store: StoreConfig,
    pub plugins: Plugins,
    pub conversations: Conversations,
    pub consent: Consent,
    pub media: Media,
    pub mail: Mail,
    pub loops: Loops,
    pub delivery: Delivery,
    pub api_keys: BTreeMap<String, ApiKey>,
    pub backends: BTreeMap<String, Backend>,
    pub channels: BTreeMap<String, Channel>,
    pub connectors: BTreeMap<String, Connector>,
    /// In the order in which messages pass them.
    pub processors: Vec<Processor>,
    /// The first that matches wins; none: everything goes to every backend.
    pub routes: Vec<Route>,
}

impl Config {
    /// For how long interactions are kept.
    pub fn retention(&self) -> Retention {
        let channels = self.channels.iter().map(|(name, channel)| (name.clone(), channel.retention)).collect();
        Retention { rest: self.store.retention, channels }
    }
}

/// `[server]`
#[derive(Clone, Debug)]
pub struct Server {
    /// `listen`, default `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// `public_url`: scheme, host and port as providers and backends reach it; no path. Default `http://` + listen
    /// (then its port is 0 where that of listen is; a typed one never is).
    pub public_url: Url,
    /// `drain_timeout`: how long a shutdown waits for work in hand. Default `30s`.
    pub drain_timeout: Duration,
    /// `request_timeout`: from the first byte to the end of a request's body, for its headers, and for the next byte of an answer
    /// to be taken. Headers and bodies get an eighth of it while more than half of the places are taken. Default `15s`.
    pub request_timeout: Duration,
    /// `answer_rate_min`: bytes a second that whoever reads an answer must take, on average over what he is waited for; 0: any.
    /// Default `1KiB`.
    pub answer_rate_min: u64,
    /// `request_bytes_max`: body of a request to a channel or the API. Default `4MiB`.
    pub request_bytes_max: usize,
    /// `connections_max`: open at once. Default 4096.
    pub connections_max: usize,
    /// `requests_max`: to one channel in hand at once; more get 503. Default 256.
    pub channel_requests_max: usize,
}

/// `[store]`
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `engine`: `sqlite` is the only one yet.
    pub engine: Engine,
    /// `path`: a directory. Default `data`.
    pub path: PathBuf,
    /// `retention`: interactions older than this are removed; at least the 7 days during which duplicates are told. Default `90d`.
    pub retention: Duration,
    /// `scrub_bytes_max`: after an erasure the database is written anew, unless it has more bytes. Default `2GiB`.
    pub scrub_bytes_max: u64,
}

/// Store engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
}

/// `[plugins]`
#[derive(Clone, Debug)]
pub struct Plugins {
    /// `directory`: every `*.wasm` in it. Default `target/plugins`.
    pub directory: PathBuf,
    /// `[plugins.limits]`
    pub limits: Limits,
}

/// `[plugins.limits]`: for one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// `memory`: all linear memories together. Default `64MiB`, at most `256MiB`.
    pub memory: usize,
    /// `cpu`: time on a processor. Default `500ms`.
    pub cpu: Duration,
    /// `wall`: with everything it waits for. Default `20s`.
    pub wall: Duration,
    /// `output`: bytes that it hands to the host in one call. Default `8MiB`.
    pub output: usize,
    /// `log_lines`: Default 100.
    pub log_lines: u32,
    /// `http_requests`: Default 16.
    pub http_requests: u32,
    /// `http_response`: bytes kept of one response. Default `4MiB`.
    pub http_response: usize,
    /// `kv_bytes`: all values of one channel. Default `1MiB`.
    pub kv_bytes: usize,
    /// `kv_keys`: Default 10000.
    pub kv_keys: usize,
    /// `concurrency`: calls at once, over all plugins; one channel gets half of them at most. Default 64.
    pub concurrency: usize,
    /// `quarantine`: requests kept for one channel or connector whose plugin failed on them. Default 10000.
    pub quarantine: usize,
    /// `quarantine_bytes`: of these requests, as they lie in the store. Default `256MiB`.
    pub quarantine_bytes: u64,
}

/// `[conversations]`
#[derive(Clone, Debug)]
pub struct Conversations {
    /// `group_by`: one conversation for a contact over all channels, or one for each of them. Default `contact`.
    pub group_by: Grouping,
    /// `idle`: after that long without an interaction the next one opens a new conversation. Default `24h`.
    pub idle: Duration,
    /// `reopen_within`: a message that comes so soon after the closing opens the conversation again; later, a new one.
    /// `0s`: always a new one. Default `1h`.
    pub reopen_within: Duration,
    /// `control`: the backend that is in control of a new conversation. Default: none in particular.
    pub control: Option<String>,
}

/// What shares a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    Contact,
    Channel,
}

/// `[consent]`
#[derive(Clone, Debug)]
pub struct Consent {
    /// `stop`: texts with which a person refuses messages, instead of the words that the gateway knows.
    pub stop: Vec<String>,
    /// `start`: texts with which a person allows them again.
    pub start: Vec<String>,
    /// `marketing`: Default `opt-out`.
    pub marketing: Marketing,
}

/// Who may be sent marketing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marketing {
    /// Who did not refuse it.
    OptOut,
    /// Who allowed it.
    OptIn,
}

/// `[media]`
#[derive(Clone, Debug)]
pub struct Media {
    /// `bytes_max`: of one file. Default `25MiB`.
    pub bytes_max: u64,
    /// `content_types`: what is stored; `image/*` matches all of a kind, `*/*` everything; an empty list nothing. Default `*/*`.
    pub content_types: Vec<String>,
    /// `url_lifetime`: how long an address inside an event is valid. Default `24h`.
    pub url_lifetime: Duration,
    /// `disk_reserve`: while the disk has less room than this, no files are stored; messages are. Default `512MiB`.
    pub disk_reserve: u64,
    /// `uploads_per_hour`: bytes that visitors of one channel may upload. Default `2GiB`.
    pub uploads_per_hour: u64,
    /// `upload_timeout`: from the first byte of an upload to its last. Default `5m`.
    pub upload_timeout: Duration,
}

/// `[mail]`
#[derive(Clone, Debug)]
pub struct Mail {
    /// `bytes_max`: larger mails are not fetched, but their header. Default `25MiB`.
    pub bytes_max: u64,
    /// `rate`: mails that are taken from one mailbox in a second, when many wait. Default 500.
    pub rate: usize,
}

/// `[loops]`
#[derive(Clone, Debug)]
pub struct Loops {
    /// `bot_messages_per_hour`: by bots to one address on one channel. Default 200.
    pub bot_messages_per_hour: usize,
    /// `bot_mails_per_hour`: the same, where the channel is a mailbox. Default 20.
    pub bot_mails_per_hour: usize,
}

/// `[delivery]`
#[derive(Clone, Debug)]
pub struct Delivery {
    /// `retries`: pauses before the second, third, ... attempt; after the last one a dead letter.
    /// Default: 5s, 30s, 2m, 10m, 30m, 2h, 6h, 12h, 24h.
    pub retries: Vec<Duration>,
}

/// `[api.keys.NAME]`
#[derive(Clone, Debug)]
pub struct ApiKey {
    pub key: Secret,
    pub scopes: BTreeSet<Scope>,
    /// `backend`: the backend that holds the key; it does not send where another one is in control.
    pub backend: Option<String>,
}

/// What an API key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Send; read messages, interactions, events, channels and media.
    Messages,
    /// Read and link contacts.
    Contacts,
    /// Everything else: dead letters, raw requests.
    Admin,
}

/// `[backends.NAME]`
#[derive(Clone, Debug)]
pub struct Backend {
    /// `url`: http or https; private addresses are allowed, since the operator typed it.
    pub url: Url,
    /// `secret`: Standard Webhooks: `whsec_` + base64 of 24 to 64 bytes.
    pub secret: Secret,
    /// `timeout`: Default `15s`.
    pub timeout: Duration,
    /// `concurrency`: deliveries at once. Default 16.
    pub concurrency: usize,
    /// `history`: earlier messages of the person that travel with the first event of a conversation. Default 0.
    pub history: usize,
    /// `receives`: everything, or what happens in conversations that it controls. Default `all`.
    pub receives: Receives,
    /// `listen`: it only listens and is never in control. Default false.
    pub listen: bool,
}

/// What a backend gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receives {
    All,
    Controlled,
}

/// `[channels.NAME]`
#[derive(Clone, Debug)]
pub struct Channel {
    /// `adapter`: manifest id of the plugin.
    pub adapter: String,
    /// `country`: how telephone numbers without a country's code are understood, such as `DE`. Default: not at all.
    pub country: Option<Country>,
    /// `settings`: checked against the plugin's schema once it is loaded.
    pub settings: Map<String, Value>,
    /// `secrets`: by slot.
    pub secrets: BTreeMap<String, Secret>,
    /// Secrets that are fetched, by slot.
    pub oauth: BTreeMap<String, Arc<OAuth2>>,
    /// `grants`
    pub grants: Grants,
    /// `on_uncertain`: a provider may or may not have taken a message. Default `resend`.
    pub on_uncertain: OnUncertain,
    /// `concurrency`: sends at once. Default 8.
    pub concurrency: usize,
    /// `retention`: interactions of this channel older than this are removed. Default: the store's.
    pub retention: Duration,
    /// `consent.keywords`: whether words such as STOP count. Default: where the medium is `sms`.
    pub keywords: Option<bool>,
}

impl Channel {
    /// With an adapter, and everything else by default.
    pub fn of(adapter: impl Into<String>) -> Self {
        Self {
            adapter: adapter.into(),
            country: None,
            settings: Map::new(),
            secrets: BTreeMap::new(),
            oauth: BTreeMap::new(),
            grants: Grants::default(),
            on_uncertain: OnUncertain::Resend,
            concurrency: 8,
            retention: Duration::from_secs(90 * 86_400),
            keywords: None,
        }
    }
}

/// `{ oauth2 = { ... } }`: a token that the gateway fetches and renews.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    /// `token_url`: private addresses are allowed, since the operator typed it.
    pub token_url: Url,
    /// `client_id`: an assertion tells by itself who asks.
    pub client_id: Option<String>,
    /// `client_secret`: public clients have none.
    pub client_secret: Option<Secret>,
    /// `grant`
    pub grant: OAuthGrant,
    /// `scope`
    pub scope: Option<String>,
}

/// What a token is given for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OAuthGrant {
    /// `refresh_token`: RFC 6749 section 6.
    RefreshToken(Secret),
    /// `client_credentials`: RFC 6749 section 4.4.
    ClientCredentials,
    /// `jwt-bearer`: RFC 7523 section 2.1.
    JwtBearer(Assertion),
}

/// What the gateway signs to get a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// `private_key`
    pub key: SigningKey,
    /// `issuer`: the name under which the gateway is registered there.
    pub issuer: String,
    /// `subject`: for whom it acts.
    pub subject: String,
    /// `audience`: for whom the assertion is. Default: the token server's origin.
    pub audience: String,
}

/// `[connectors.NAME]`
#[derive(Clone, Debug)]
pub struct Connector {
    /// `plugin`: manifest id of the plugin.
    pub plugin: String,
    /// `settings`: checked against the plugin's schema once it is loaded.
    pub settings: Map<String, Value>,
    /// `secrets`: by slot.
    pub secrets: BTreeMap<String, Secret>,
    /// `secrets` that are tokens of OAuth 2: by slot.
    pub oauth: BTreeMap<String, Arc<OAuth2>>,
    /// `grants`
    pub grants: Grants,
    /// `fields`
    pub fields: Fields,
    /// `channels`: what happens on these alone concerns it. Default: on all.
    pub channels: Vec<NamePattern>,
    /// `lookup_timeout`: how long after its reception the first event of a conversation waits for what the CRM knows of the
    /// person, at most; 0 asks nobody. Default `2s`.
    pub lookup_timeout: Duration,
    /// `batch`: interactions handed over in one call, at most. Default 50.
    pub batch: usize,
    /// `concurrency`: such calls at once. Default 2.
    pub concurrency: usize,
    /// `requests_per_second`: to the CRM, evenly spread. Default 6.
    pub requests_per_second: usize,
}

impl Connector {
    /// Whether what happens on a channel concerns it; what happens on none, `""`, only where all channels do.
    pub fn covers(&self, channel: &str) -> bool {
        NamePattern::any(&self.channels, channel)
    }
}

/// `fields` of a connector: what things are called in the CRM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// `read`: attributes that are brought back, by our names.
    pub read: BTreeMap<String, String>,
    /// `write`: `name`, or an identity scheme.
    pub write: BTreeMap<String, String>,
}

/// `grants` of a channel or a connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// `hosts`: `api.example.com`, `*.example.com`, or `127.0.0.1:9000`. Only an entry with a port allows a private or
    /// loopback address and plain http.
    pub hosts: Vec<HostPattern>,
}

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

/// One granted host, lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern {
    /// Without the `*.`, as `Url::host_str` gives it: punycode, IPv6 in brackets.
    pub host: String,
    /// Any name below `host`, not `host` itself.
    pub wildcard: bool,
    pub port: Option<u16>,
}

/// What to do when nobody knows whether a message went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUncertain {
    /// Send again: it may arrive twice.
    Resend,
    /// Give up into a dead letter and let a person decide: it may not have arrived.
    Hold,
}
