//! Whom it talks with: backends, channels and CRMs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use crate::config::{NamePattern, Secret, SigningKey};
use crate::interaction::Country;

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
