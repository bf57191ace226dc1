//! Every section of the file: its keys, defaults and ranges. `docs/configuration.md` repeats them, checked by a test.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::keywords::{START, STOP};
use super::read::Section;
use super::units::show_duration;
use super::{
    ApiKey, Backend, Channel, Config, Consent, Conversations, Delivery, Engine, Grants, Grouping, Limits, Loops, Mail,
    Marketing, Media, OnUncertain, Plugins, Receives, Server, StoreConfig, addresses, connectors, credentials, names,
    processors, routes,
};
use crate::interaction::Country;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Pauses between the attempts of a delivery, in seconds: 5s, 30s, 2m, 10m, 30m, 2h, 6h, 12h, 24h.
const RETRIES: [u64; 9] = [5, 30, 120, 600, 1800, 7200, 21_600, 43_200, 86_400];

/// Earlier messages with the first event of a conversation.
const HISTORY_MAX: u64 = 100;

/// The whole document.
pub(super) fn config(root: &Section<'_>) -> Config {
    let store = root.table("store", store);
    let delivery = root.table("delivery", |section| delivery(section, store.retention));
    let rules = Keeping { retention: store.retention, retries: delivery.retries.iter().sum() };
    let backends = root.named("backends", names::name, backend);
    let known = Backends { typed: root.names_below("backends"), read: &backends };
    let conversations = root.table("conversations", |section| conversations(section, &known));
    let api_keys = root.table("api", |section| api_keys(section, &known));
    Config {
        server: root.table("server", server),
        plugins: root.table("plugins", plugins),
        conversations,
        consent: root.table("consent", consent),
        media: root.table("media", media),
        mail: root.table("mail", mail),
        loops: root.table("loops", loops),
        api_keys,
        backends,
        channels: root.named("channels", names::name, |section| channel(section, &rules)),
        connectors: connectors::connectors(root),
        processors: processors::processors(root),
        routes: routes::routes(root),
        delivery,
        store,
    }
}

/// Backends by their names: what was typed, and what is known of those without a mistake.
struct Backends<'a> {
    typed: Vec<String>,
    read: &'a BTreeMap<String, Backend>,
}

impl Backends<'_> {
    /// Checks that a key names one of them that may be in control.
    fn check(&self, section: &Section<'_>, key: &'static str, name: Option<&String>) {
        let Some(name) = name else { return };
        if !self.typed.contains(name) {
            let known = self.typed.join(", ");
            section.problem(key, &format!("there is no backend {name:?}; there are: {known}"));
        } else if self.read.get(name).is_some_and(|backend| backend.listen) {
            section.problem(key, &format!("backend {name:?} only listens (listen = true) and is never in control"));
        }
    }
}

fn server(section: &Section<'_>) -> Server {
    let listen = section.text("listen", addresses::listen).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
    Server {
        listen,
        public_url: public_url(section, listen),
        drain_timeout: section.duration("drain_timeout", secs(30), secs(1)..=mins(10)),
        request_timeout: section.duration("request_timeout", secs(15), secs(1)..=mins(5)),
        answer_rate_min: section.size("answer_rate_min", KIB, 0..=MIB) as u64,
        request_bytes_max: section.size("request_bytes_max", 4 * MIB, KIB..=256 * MIB),
        connections_max: section.count("connections_max", 4096, 1..=1_000_000),
        channel_requests_max: section.count("requests_max", 256, 1..=65_536),
    }
}

/// Where nothing was typed, the address on which the gateway listens, with its port even if that is 0.
fn public_url(section: &Section<'_>, listen: SocketAddr) -> Url {
    let typed = section.text("public_url", addresses::public_url);
    let url = typed.unwrap_or_else(|| origin(listen));
    if url.scheme() != "https" && !addresses::is_loopback(&url) {
        let advice = "is not https: providers refuse it, and whoever is on the way reads along; use https://...";
        section.warn("public_url", Some(format!("\"{}\"", url.as_str().trim_end_matches('/'))), advice);
    }
    url
}

/// `http://` and the address: always a URL.
fn origin(listen: SocketAddr) -> Url {
    #[expect(clippy::expect_used, reason = "an IP address and a port are a host and a port of a URL")]
    Url::parse(&format!("http://{listen}")).expect("socket address in a URL")
}

fn store(section: &Section<'_>) -> StoreConfig {
    section.refuse("url", "is for the PostgreSQL store, which is not in this version: remove it");
    StoreConfig {
        engine: section.text("engine", engine).unwrap_or(Engine::Sqlite),
        path: path(section, "path", "data"),
        retention: section.duration("retention", days(90), days(7)..=days(3650)),
        scrub_bytes_max: section.size("scrub_bytes_max", 2 * GIB, 0..=TIB) as u64,
    }
}

fn engine(text: &str) -> Result<Engine, String> {
    match text {
        "sqlite" => Ok(Engine::Sqlite),
        "postgres" => Err("the PostgreSQL store is not in this version: write \"sqlite\" or leave it out".into()),
        _ => Err("must be \"sqlite\"".into()),
    }
}

fn plugins(section: &Section<'_>) -> Plugins {
    Plugins { directory: path(section, "directory", "target/plugins"), limits: section.table("limits", limits) }
}

fn limits(section: &Section<'_>) -> Limits {
    let limits = Limits {
        memory: section.size("memory", 64 * MIB, MIB..=256 * MIB),
        cpu: section.duration("cpu", millis(500), millis(1)..=mins(1)),
        wall: section.duration("wall", secs(20), millis(10)..=mins(5)),
        output: section.size("output", 8 * MIB, 64 * KIB..=64 * MIB),
        log_lines: section.count("log_lines", 100, 0..=10_000) as u32,
        http_requests: section.count("http_requests", 16, 0..=256) as u32,
        http_response: section.size("http_response", 4 * MIB, KIB..=64 * MIB),
        kv_bytes: section.size("kv_bytes", MIB, KIB..=GIB),
        kv_keys: section.count("kv_keys", 10_000, 1..=1_000_000),
        concurrency: section.count("concurrency", 64, 1..=1024),
        quarantine: section.count("quarantine", 10_000, 1..=1_000_000),
        quarantine_bytes: section.size("quarantine_bytes", 256 * MIB, MIB..=TIB) as u64,
    };
    if limits.cpu > limits.wall {
        section.problem("cpu", "must not be longer than wall, which contains it");
    }
    limits
}

fn conversations(section: &Section<'_>, backends: &Backends<'_>) -> Conversations {
    let control = section.text("control", names::name);
    backends.check(section, "control", control.as_ref());
    let groupings = [("contact", Grouping::Contact), ("channel", Grouping::Channel)];
    Conversations {
        group_by: section.text("group_by", |text| choice(text, &groupings)).unwrap_or(Grouping::Contact),
        idle: section.duration("idle", hours(24), secs(1)..=days(365)),
        reopen_within: section.duration("reopen_within", hours(1), secs(0)..=days(365)),
        control,
    }
}

fn consent(section: &Section<'_>) -> Consent {
    let words = |key, default: &[&str]| {
        let typed = section.texts(key, 0..=500, names::keyword);
        typed.unwrap_or_else(|| default.iter().map(ToString::to_string).collect())
    };
    let rules = [("opt-out", Marketing::OptOut), ("opt-in", Marketing::OptIn)];
    let marketing = section.text("marketing", |text| choice(text, &rules)).unwrap_or(Marketing::OptOut);
    Consent { stop: words("stop", &STOP), start: words("start", &START), marketing }
}

fn media(section: &Section<'_>) -> Media {
    Media {
        bytes_max: section.size("bytes_max", 25 * MIB, KIB..=GIB) as u64,
        content_types: section.texts("content_types", 0..=100, names::content_type).unwrap_or(vec!["*/*".into()]),
        url_lifetime: section.duration("url_lifetime", hours(24), secs(1)..=days(30)),
        disk_reserve: section.size("disk_reserve", 512 * MIB, 0..=TIB) as u64,
        uploads_per_hour: section.size("uploads_per_hour", 2 * GIB, 0..=TIB) as u64,
        upload_timeout: section.duration("upload_timeout", mins(5), secs(1)..=hours(1)),
    }
}

fn mail(section: &Section<'_>) -> Mail {
    Mail {
        bytes_max: section.size("bytes_max", 25 * MIB, KIB..=50 * MIB) as u64,
        rate: section.count("rate", 500, 1..=100_000),
    }
}

fn loops(section: &Section<'_>) -> Loops {
    Loops {
        bot_messages_per_hour: section.count("bot_messages_per_hour", 200, 1..=10_000),
        bot_mails_per_hour: section.count("bot_mails_per_hour", 20, 1..=10_000),
    }
}

fn delivery(section: &Section<'_>, retention: Duration) -> Delivery {
    let default = || RETRIES.map(secs).to_vec();
    let retries = section.durations("retries", 0..=50, millis(1)..=days(30)).unwrap_or_else(default);
    let together = retries.iter().sum();
    if together >= retention {
        let (together, retention) = (show_duration(together), show_duration(retention));
        let rule = format!("must be shorter together ({together}) than store.retention ({retention})");
        section.problem("retries", &rule);
    }
    Delivery { retries }
}

/// Keys that were read, and where: two callers with one key could not be told apart.
type SeenKeys = RefCell<BTreeMap<String, String>>;

fn api_keys(section: &Section<'_>, backends: &Backends<'_>) -> BTreeMap<String, ApiKey> {
    let seen = SeenKeys::default();
    section.named("keys", names::name, |section| api_key(section, &seen, backends))
}

fn api_key(section: &Section<'_>, seen: &SeenKeys, backends: &Backends<'_>) -> Option<ApiKey> {
    section.require(&[
        ("key", "what callers send as bearer token, such as { env = \"OMNIGATE_API_KEY\" }"),
        ("scopes", "what the key may do, such as [\"messages\", \"contacts\"]"),
    ]);
    let key = section.secret("key", credentials::api_key);
    let scopes = section.texts("scopes", 1..=names::SCOPES.len(), |text| choice(text, &names::SCOPES));
    let backend = section.text("backend", names::name);
    backends.check(section, "backend", backend.as_ref());
    let key = key?;
    if let Some(first) = seen.borrow_mut().insert(key.expose().to_owned(), section.path().to_owned()) {
        section.problem("key", &format!("is the same as {first}.key: every caller needs a key of its own"));
    }
    Some(ApiKey { key, scopes: scopes?.into_iter().collect(), backend })
}

fn backend(section: &Section<'_>) -> Option<Backend> {
    section.require(&[
        ("url", "where interactions are sent, such as \"https://desk.example.com/interactions\""),
        ("secret", "what signs them, such as { env = \"DESK_SECRET\" } with whsec_..."),
    ]);
    let url = section.text("url", addresses::backend);
    let secret = section.secret("secret", credentials::webhook_secret);
    let timeout = section.duration("timeout", secs(15), millis(100)..=mins(5));
    let concurrency = section.count("concurrency", 16, 1..=1024);
    let history = section.count("history", 0, 0..=HISTORY_MAX);
    let what = [("all", Receives::All), ("controlled", Receives::Controlled)];
    let receives = section.text("receives", |text| choice(text, &what)).unwrap_or(Receives::All);
    let listen = section.flag("listen", false);
    if listen && receives == Receives::Controlled {
        section.problem("receives", "a backend that only listens controls nothing and would get nothing: use \"all\"");
    }
    Some(Backend { url: url?, secret: secret?, timeout, concurrency, history, receives, listen })
}

/// What bounds how long a channel's interactions are kept.
struct Keeping {
    retention: Duration,
    retries: Duration,
}

fn channel(section: &Section<'_>, rules: &Keeping) -> Option<Channel> {
    section.require(&[("adapter", "the id of a plugin, such as \"webchat\"")]);
    let adapter = section.text("adapter", names::name);
    let country = section.text("country", country);
    let settings = section.json("settings");
    let (secrets, oauth) = section.slots("secrets");
    let grants = section.table("grants", grants);
    let on_uncertain = section
        .text("on_uncertain", |text| choice(text, &[("resend", OnUncertain::Resend), ("hold", OnUncertain::Hold)]));
    let on_uncertain = on_uncertain.unwrap_or(OnUncertain::Resend);
    let concurrency = section.count("concurrency", 8, 1..=1024);
    let keywords = section.table("consent", |section| section.optional_flag("keywords"));
    let retention = retention(section, rules);
    Some(Channel {
        adapter: adapter?,
        country,
        settings,
        secrets,
        oauth,
        grants,
        on_uncertain,
        concurrency,
        keywords,
        retention,
    })
}

fn country(text: &str) -> Result<Country, String> {
    Country::parse(text).ok_or_else(|| "must be a country of ISO 3166-1 in two capital letters, such as \"DE\"".into())
}

/// What still waits for a backend must not be removed under it.
fn retention(section: &Section<'_>, rules: &Keeping) -> Duration {
    let own = section.optional_duration("retention", hours(1)..=days(3650));
    if own.is_some_and(|own| own <= rules.retries) {
        let retries = show_duration(rules.retries);
        section.problem("retention", &format!("must be longer than all delivery.retries together ({retries})"));
    }
    own.unwrap_or(rules.retention)
}

pub(super) fn grants(section: &Section<'_>) -> Grants {
    Grants { hosts: section.texts("hosts", 0..=100, str::parse).unwrap_or_default() }
}

fn path(section: &Section<'_>, key: &'static str, default: &str) -> PathBuf {
    let is_path = |text: &str| match text.is_empty() || text.contains('\0') || text.len() > 4096 {
        true => Err("must be the path of a directory".to_owned()),
        false => Ok(PathBuf::from(text)),
    };
    section.reading.base_dir.join(section.text(key, is_path).unwrap_or_else(|| default.into()))
}

pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let names = || choices.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let chosen = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    chosen.ok_or_else(|| format!("must be one of {}", names()))
}

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn secs(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn mins(number: u64) -> Duration {
    secs(60 * number)
}

fn hours(number: u64) -> Duration {
    mins(60 * number)
}

fn days(number: u64) -> Duration {
    hours(24 * number)
}
