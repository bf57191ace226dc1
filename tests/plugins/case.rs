//! What a case file says.

use std::collections::BTreeMap;

use omnigate::interaction::{AuthorKind, Direction, Identity, Part};
use omnigate::plugin::connecting::Note;
use omnigate::plugin::exchange::Piece;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub call: Call,
    #[serde(default = "default_channel")]
    pub channel: String,
    #[serde(default = "default_public_url")]
    pub public_url: String,
    #[serde(default)]
    pub settings: Map<String, Value>,
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    #[serde(default = "default_now")]
    pub now: String,
    #[serde(default = "first")]
    pub attempt: u32,
    pub request: Option<Request>,
    pub message: Option<Message>,
    pub signal: Option<Signal>,
    pub reference: Option<String>,
    pub opening: Option<Opening>,
    pub state: Option<State>,
    pub frame: Option<String>,
    pub mail: Option<Mail>,
    pub passing: Option<Passing>,
    /// For a connector: what it is handed.
    #[serde(default)]
    pub items: Vec<Item>,
    /// For a connector: who is sought, and what was noted of them.
    pub person: Option<Person>,
    pub known: Option<Note>,
    /// For a connector: what things are called in the CRM.
    #[serde(default)]
    pub fields: Fields,
    /// The interaction that the message answers, for `compose`.
    pub answered: Option<Value>,
    /// Files of ours: a part of the message whose address ends with the name speaks of it.
    #[serde(default)]
    pub files: BTreeMap<String, File>,
    /// Interactions that the host knows of the person, for `socket.history`.
    #[serde(default)]
    pub history: Vec<Value>,
    /// Sockets open for any address, for `socket.push`.
    #[serde(default)]
    pub sockets: u32,
    /// What the channel remembers, for `kv`.
    #[serde(default)]
    pub kv: BTreeMap<String, String>,
    /// The same from files beside the case; in what came out a file's name stands for its text.
    #[serde(default)]
    pub kv_files: BTreeMap<String, String>,
    #[serde(default)]
    pub provider: Vec<Answer>,
}

/// An interaction on its way to a CRM: `data` and what the envelope lacks are filled in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    pub id: String,
    pub kind: String,
    pub data: Value,
    pub person: Option<Person>,
    #[serde(default)]
    pub known: Known,
    #[serde(default)]
    pub uncertain: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    pub contact: Option<Note>,
    pub conversation: Option<Note>,
    pub activity: Option<Note>,
    pub about: Option<Note>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    pub id: String,
    pub name: Option<String>,
    pub identities: Vec<Identity>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fields {
    #[serde(default)]
    pub read: BTreeMap<String, String>,
    #[serde(default)]
    pub write: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    HandleRequest,
    Send,
    Locate,
    Show,
    Open,
    Frame,
    Receive,
    Compose,
    Process,
    Deliver,
    Find,
    Report,
}

/// A message on its way past a processor.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passing {
    #[serde(default = "default_medium")]
    pub medium: String,
    #[serde(default = "default_direction")]
    pub direction: Direction,
    #[serde(default = "default_writer")]
    pub author: AuthorKind,
    pub sender: Option<Identity>,
    #[serde(default)]
    pub recipients: Vec<Identity>,
    pub automatic: Option<String>,
    #[serde(default)]
    pub edited: bool,
    pub subject: Option<String>,
    pub quoted_text: Option<String>,
    /// As in interactions; or files as adapters tell of them.
    pub parts: Vec<Piece>,
    #[serde(default)]
    pub metadata: Map<String, Value>,
    #[serde(default)]
    pub tags: Map<String, Value>,
    /// The text of the first part that many times over: for what is too long to write down.
    pub times: Option<usize>,
}

fn default_medium() -> String {
    "sms".into()
}

fn default_direction() -> Direction {
    Direction::Inbound
}

fn default_writer() -> AuthorKind {
    AuthorKind::Contact
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    #[serde(default = "default_method")]
    pub method: String,
    #[serde(default = "default_path")]
    pub path: String,
    #[serde(default)]
    pub query: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// `{peer}` stands for the recording peer.
    #[serde(default)]
    pub body: String,
    pub body_hex: Option<String>,
    /// `body` that many times over, between these two: for bodies too large to write down.
    pub repeat: Option<Repeat>,
    pub sign: Option<Sign>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    pub text: String,
    pub times: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    pub header: String,
    #[serde(default)]
    pub prefix: String,
    pub algorithm: String,
    pub slot: String,
    pub encoding: String,
    pub text: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub id: String,
    pub recipient: Identity,
    #[serde(default = "default_author")]
    pub author: String,
    pub in_reply_to: Option<String>,
    pub last_inbound: Option<String>,
    pub subject: Option<String>,
    pub parts: Vec<Part>,
    pub expires_in_ms: Option<u64>,
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    pub recipient: Identity,
    pub last_inbound: Option<String>,
    pub typing: Option<bool>,
    pub read: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    #[serde(default)]
    pub query: String,
    pub origin: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub address: Option<String>,
    pub memory: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    #[serde(default)]
    pub status: u16,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: String,
    /// The body from a file beside the case.
    pub file: Option<String>,
    #[serde(default)]
    pub close: bool,
}

/// A mail: as text with lines of any ending, as a file beside the case, or as bytes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    #[serde(default = "default_mail_id")]
    pub id: String,
    #[serde(default = "default_now")]
    pub at: String,
    /// Line ends become CRLF.
    pub text: Option<String>,
    /// Beside the case; taken as it is.
    pub file: Option<String>,
    pub hex: Option<String>,
    pub repeat: Option<Repeat>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default)]
    pub text: String,
    pub hex: Option<String>,
}

fn default_mail_id() -> String {
    "1.1".into()
}

fn default_channel() -> String {
    "test".into()
}

fn default_public_url() -> String {
    "https://gw.example".into()
}

fn default_now() -> String {
    "2026-01-01T00:00:00Z".into()
}

fn default_method() -> String {
    "POST".into()
}

fn default_path() -> String {
    "/".into()
}

fn default_author() -> String {
    "agent".into()
}

fn first() -> u32 {
    1
}
