use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Backend, HubSpot, Provider, Salesforce, Telegram, Twilio, WhatsApp};

/// The API key of every test, with every scope.
pub const KEY: &str = "it-key-0123456789abcdef";
/// As providers reach the gateway: fixed, since signatures cover it and the port is not known beforehand.
pub const PUBLIC_URL: &str = "https://gate.example";

/// Longer than any CRM of a test takes, however busy the machine is.
const PATIENT: &str = "30s";

/// A configuration, section by section.
#[derive(Clone, Debug)]
pub struct ConfigBuilder {
    sections: BTreeMap<String, BTreeMap<String, Value>>,
    routes: Vec<Value>,
    trust: Option<PathBuf>,
}

impl ConfigBuilder {
    /// On port 0, with an API key, and without backends and channels.
    pub fn new() -> Self {
        let empty = Self { sections: BTreeMap::new(), routes: Vec::new(), trust: None };
        empty
            .set("server", "listen", "127.0.0.1:0")
            .set("server", "public_url", PUBLIC_URL)
            .set("store", "path", "data")
            .set("plugins", "directory", "plugins")
            .key("all", KEY, &["messages", "contacts", "admin"])
    }

    /// Sets one key of one section, whatever it was.
    #[must_use]
    pub fn set(mut self, section: &str, key: &str, value: impl Into<Value>) -> Self {
        self.sections.entry(section.to_owned()).or_default().insert(key.to_owned(), value.into());
        self
    }

    /// An API key.
    #[must_use]
    pub fn key(self, name: &str, key: &str, scopes: &[&str]) -> Self {
        let section = format!("api.keys.{name}");
        self.set(&section, "key", key).set(&section, "scopes", json!(scopes))
    }

    /// With the tables and lists of another one's section besides its own.
    #[must_use]
    pub fn joined(mut self, other: &Self, section: &str) -> Self {
        let own = self.sections.entry(section.to_owned()).or_default();
        for (key, value) in &other.sections[section] {
            join(own.entry(key.clone()).or_insert_with(|| value.clone()), value);
        }
        self
    }

    /// With everything of another one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.sections.extend(other.sections);
        self
    }

    /// Trusts these certificates, and no others.
    #[must_use]
    pub fn trust(self, certificates: &Path) -> Self {
        Self { trust: Some(certificates.to_owned()), ..self }
    }

    pub(super) fn trusted(&self) -> Option<&Path> {
        self.trust.as_deref()
    }

    /// Pauses between attempts.
    #[must_use]
    pub fn retries(self, pauses: &[&str]) -> Self {
        self.set("delivery", "retries", json!(pauses))
    }

    /// A backend of that name.
    #[must_use]
    pub fn backend(self, name: &str, backend: &Backend) -> Self {
        let section = format!("backends.{name}");
        self.set(&section, "url", backend.url()).set(&section, "secret", Backend::SECRET)
    }

    /// A Telegram channel whose provider is `provider`, or nobody.
    #[must_use]
    pub fn telegram(self, channel: &Telegram, provider: Option<&Provider>) -> Self {
        let secrets = json!({ "bot_token": Telegram::BOT_TOKEN, "webhook_secret": Telegram::SECRET });
        self.channel(channel.0, "telegram", json!({}), secrets, provider.map(|provider| provider.address()))
    }

    /// A Twilio channel whose provider is `provider`, or nobody.
    #[must_use]
    pub fn twilio(self, channel: &Twilio, provider: Option<&Provider>) -> Self {
        let settings = json!({ "account_sid": Twilio::ACCOUNT, "from": Twilio::NUMBER });
        let secrets = json!({ "auth_token": Twilio::TOKEN });
        self.channel(channel.0, "twilio", settings, secrets, provider.map(|provider| provider.address()))
    }

    /// A chat for a site.
    #[must_use]
    pub fn webchat(self, name: &str) -> Self {
        self.channel(name, "webchat", json!({}), json!({}), None)
    }

    /// The same, for a site that proves who its visitors are.
    #[must_use]
    pub fn webchat_with_identity(self, name: &str) -> Self {
        self.channel(name, "webchat", json!({}), json!({ "identity_key": super::Visitor::IDENTITY_KEY }), None)
    }

    /// A WhatsApp channel whose provider is `provider`, or nobody.
    #[must_use]
    pub fn whatsapp(self, channel: &WhatsApp, provider: Option<&Provider>) -> Self {
        let settings = json!({ "phone_number_id": WhatsApp::NUMBER_ID });
        let secrets = json!({ "access_token": "EAAtoken", "app_secret": WhatsApp::APP_SECRET });
        self.channel(channel.0, "whatsapp", settings, secrets, provider.map(|provider| provider.address()))
    }

    /// A processor; processors stand in the order of their names here.
    #[must_use]
    pub fn processor(self, name: &str, plugin: &str, settings: Value) -> Self {
        let section = format!("processors.{name}");
        self.set(&section, "plugin", plugin).set(&section, "settings", settings)
    }

    /// One route more.
    #[must_use]
    pub fn route(mut self, route: Value) -> Self {
        self.routes.push(route);
        self
    }

    /// A connector of the plugin `hubspot`.
    #[must_use]
    pub fn hubspot(self, name: &str, crm: &HubSpot) -> Self {
        let (section, address) = (format!("connectors.{name}"), crm.provider().address());
        self.set(&section, "plugin", "hubspot")
            .set(
                &section,
                "settings",
                json!({"api_base": format!("http://{address}"), "status_property": "omnigate_status"}),
            )
            .set(&section, "secrets", json!({"access_token": HubSpot::TOKEN, "client_secret": HubSpot::CLIENT_SECRET}))
            .set(&section, "grants", json!({"hosts": [address.to_string()]}))
            .set(&section, "fields", json!({"read": {"owner": "owner", "vip": "vip"}}))
            .set(&section, "lookup_timeout", PATIENT)
            .set(&section, "requests_per_second", 20)
    }

    /// A connector of the plugin `salesforce`, with a token for client credentials.
    #[must_use]
    pub fn salesforce(self, name: &str, crm: &Salesforce) -> Self {
        let (section, address) = (format!("connectors.{name}"), crm.provider().address());
        let oauth = json!({"oauth2": {"token_url": crm.token_url(), "grant": "client_credentials",
            "client_id": "gateway", "client_secret": "hush"}});
        let settings = json!({"api_base": format!("http://{address}"), "organization_id": Salesforce::ORGANIZATION,
            "status_field": "Omnigate_Status__c", "time_field": "Omnigate_Time__c"});
        self.set(&section, "plugin", "salesforce")
            .set(&section, "settings", settings)
            .set(&section, "secrets", json!({"oauth": oauth, "outbound_message_key": Salesforce::MESSAGE_KEY}))
            .set(&section, "grants", json!({"hosts": [address.to_string()]}))
            .set(&section, "fields", json!({"read": {"owner": "Owner.Name", "vip": "VIP__c"}}))
            .set(&section, "lookup_timeout", PATIENT)
            .set(&section, "requests_per_second", 20)
    }

    fn channel(
        self,
        name: &str,
        adapter: &str,
        mut settings: Value,
        secrets: Value,
        provider: Option<SocketAddr>,
    ) -> Self {
        let section = format!("channels.{name}");
        let mut this = self.set(&section, "adapter", adapter).set(&section, "secrets", secrets);
        if let Some(address) = provider {
            settings["api_base"] = json!(format!("http://{address}"));
            this = this.set(&section, "grants", json!({ "hosts": [address.to_string()] }));
        }
        this.set(&section, "settings", settings)
    }

    /// Plugins that channels, connectors and processors want.
    pub(super) fn plugins(&self) -> Vec<&str> {
        self.sections
            .values()
            .filter_map(|section| section.get("adapter").or(section.get("plugin"))?.as_str())
            .collect()
    }

    /// As TOML.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (section, keys) in &self.sections {
            text.push_str(&format!("[{section}]\n"));
            for (key, value) in keys {
                text.push_str(&format!("{key} = {}\n", toml(value)));
            }
        }
        for route in &self.routes {
            text.push_str("[[routes]]\n");
            for (key, value) in route.as_object().into_iter().flatten() {
                text.push_str(&format!("{key} = {}\n", toml(value)));
            }
        }
        text
    }
}

fn join(own: &mut Value, other: &Value) {
    match (own, other) {
        (Value::Object(own), Value::Object(other)) => {
            for (key, value) in other {
                join(own.entry(key.clone()).or_insert_with(|| value.clone()), value);
            }
        }
        (Value::Array(own), Value::Array(other)) => {
            own.extend(other.iter().cloned());
            own.dedup();
        }
        _ => {}
    }
}

/// Text and numbers are written in TOML as in JSON; tables have another sign between key and value.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(table) => {
            let pairs: Vec<_> = table.iter().map(|(key, value)| format!("{key} = {}", toml(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
