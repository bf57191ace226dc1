//! The gateway itself.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::config::Secret;

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
