//! What goes to a plugin and comes back, in the gateway's own types.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::KeptFile;
pub use super::passing::{AutoReply, Change, Passing, Verdict};
use crate::interaction::{AuthorKind, Identity, MediaKind, Part, Reason, ReasonCode, Status, Time};

/// A request to a channel, as it came.
#[derive(Clone, Debug, Default, Serialize, serde::Deserialize)]
pub struct Request {
    pub method: String,
    /// Below the channel, beginning with a slash.
    pub path: String,
    pub query: String,
    /// The address that the caller used.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The adapter's answer to the caller.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// An answer, and what happened.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub reply: Reply,
    pub happenings: Vec<Happening>,
    /// Files that were kept meanwhile.
    pub files: Vec<KeptFile>,
}

impl Outcome {
    /// Of a mail that is told like a request: nobody waits for a reply.
    pub fn of_mail(Received { happenings, files }: Received) -> Self {
        Self { reply: Reply { status: 200, headers: Vec::new(), body: Vec::new() }, happenings, files }
    }
}

/// One thing that happened on a channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Happening {
    Message(Inbound),
    Echo(Inbound),
    Status(StatusReport),
    Edit {
        id: String,
        target: String,
        sender: Identity,
        at: Option<Time>,
        content: Content,
    },
    Deletion {
        id: String,
        target: String,
        sender: Identity,
        at: Option<Time>,
    },
    Reaction {
        id: String,
        target: String,
        sender: Identity,
        at: Option<Time>,
        emoji: Option<String>,
    },
    Typing {
        sender: Identity,
        on: bool,
    },
    Consent {
        id: String,
        sender: Identity,
        at: Option<Time>,
        granted: bool,
        category: Option<String>,
        evidence: Option<String>,
    },
    IdentityChange {
        id: String,
        previous: Identity,
        current: Identity,
        at: Option<Time>,
    },
    Referral {
        id: String,
        sender: Identity,
        at: Option<Time>,
        data: Value,
    },
    Unsupported {
        id: String,
        what: String,
        sender: Option<Identity>,
        at: Option<Time>,
    },
}

/// A message of a person, or one that the business sent elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Inbound {
    pub id: String,
    pub sender: Identity,
    pub aliases: Vec<Identity>,
    /// Addresses that the person claims to have; nobody vouches for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Identity>,
    pub recipients: Vec<Identity>,
    pub at: Option<Time>,
    /// Ids of what it answers, the nearest first.
    #[serde(serialize_with = "none_one_or_many", deserialize_with = "from_none_one_or_many")]
    pub in_reply_to: Vec<String>,
    /// Further names of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known_as: Vec<String>,
    /// No person wrote it, but this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automatic: Option<String>,
    pub content: Content,
    pub metadata: Map<String, Value>,
    /// What processors made of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub tags: Map<String, Value>,
}

/// Most messages answer one or none.
fn none_one_or_many<S: Serializer>(ids: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match ids {
        [] => serializer.serialize_none(),
        [one] => one.serialize(serializer),
        many => many.serialize(serializer),
    }
}

fn from_none_one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Ids {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => Vec::new(),
        Some(Ids::One(id)) => vec![id],
        Some(Ids::Many(ids)) => ids,
    })
}

/// Parts with references to media that are still at the provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Content {
    pub subject: Option<String>,
    pub parts: Vec<Piece>,
    pub quoted_text: Option<String>,
}

/// A part, or a file on its way to be one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Piece {
    Part(Part),
    Media(Media),
}

/// A file that an adapter speaks of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Media {
    pub kind: MediaKind,
    pub source: MediaSource,
    pub content_type: Option<String>,
    pub name: Option<String>,
    pub bytes: Option<u64>,
    pub caption: Option<String>,
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaSource {
    /// At the provider; `locate` tells how to fetch it.
    Reference(String),
    /// Here already, by id.
    Stored(String),
    /// At a public address.
    Url(String),
}

/// A delivery receipt from the provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StatusReport {
    pub message_id: Option<Uuid>,
    pub external_id: Option<String>,
    pub recipient: Option<Identity>,
    pub status: Status,
    pub at: Option<Time>,
    pub reason: Option<Reason>,
}

/// A message on its way out.
#[derive(Clone, Debug)]
pub struct Outbound {
    pub id: Uuid,
    pub recipient: Identity,
    pub author: AuthorKind,
    pub in_reply_to: Option<String>,
    pub last_inbound: Option<String>,
    pub subject: Option<String>,
    pub parts: Vec<Part>,
    pub expires_in: Option<Duration>,
    pub metadata: Map<String, Value>,
    /// Files of ours among the parts, by the address that stands there.
    pub files: BTreeMap<String, Uuid>,
}

/// A mail as it lies in a mailbox.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The same for the same mail, however often it is handed over.
    pub id: String,
    pub at: Time,
    /// RFC 5322.
    pub raw: Vec<u8>,
}

/// What happened by a mail.
#[derive(Clone, Debug, Serialize)]
pub struct Received {
    pub happenings: Vec<Happening>,
    pub files: Vec<KeptFile>,
}

/// A mail ready for SMTP, checked: no line of it can end the message or begin another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// Where bounces go; `None` for nowhere.
    pub sender: Option<String>,
    pub recipients: Vec<String>,
    /// RFC 5322, lines ended by CRLF.
    #[serde(skip)]
    pub raw: Vec<u8>,
    pub external_ids: Vec<String>,
}

/// What the provider answered to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    pub external_ids: Vec<String>,
    pub status: Status,
    /// Further names under which later messages may speak of it; statuses do not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Who does not get it, where others do.
    #[serde(skip)]
    pub refused: Vec<(Identity, Reason)>,
    /// Addresses to which copies go, besides the person that the message is for.
    #[serde(skip)]
    pub copies: Vec<String>,
}

impl Receipt {
    /// Without a name.
    pub fn of(status: Status) -> Self {
        Self { external_ids: Vec::new(), status, names: Vec::new(), refused: Vec::new(), copies: Vec::new() }
    }
}

/// Typing or reading, to be shown to the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    Typing(bool),
    /// The provider's id of what was read.
    Read(String),
}

/// How to fetch a file: run by the gateway with the channel's credentials.
#[derive(Clone, Debug)]
pub struct Download {
    pub request: crate::egress::Request,
}

/// A socket that was opened.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    pub query: String,
    pub origin: Option<String>,
    pub headers: Vec<(String, String)>,
}

/// What an adapter keeps about a socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionState {
    pub address: Option<String>,
    /// JSON.
    pub memory: String,
}

/// One step of a socket.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub state: SessionState,
    pub happenings: Vec<Happening>,
    /// Files that were kept meanwhile.
    pub files: Vec<KeptFile>,
    pub frames: Vec<String>,
    pub close: Option<(u16, String)>,
}

/// What the plugin says went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub kind: FaultKind,
    pub message: String,
    pub reason: Option<ReasonCode>,
    pub code: Option<String>,
    pub retry_after: Option<Duration>,
}

/// What to do about it; see `wit/types`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    Invalid,
    Unauthorized,
    NotFound,
    Rejected,
    RateLimited,
    Unavailable,
    Uncertain,
    Unsupported,
    Internal,
}

/// Why a call brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The plugin says so.
    Fault(Fault),
    /// The plugin broke; it said nothing.
    Broken(Broken),
    /// No room for the call now.
    Busy,
}

/// How a plugin broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("it trapped: {0}")]
    Trap(String),
    #[error("it used more processor time than plugins.limits.cpu")]
    CpuLimit,
    #[error("it took longer than plugins.limits.wall")]
    WallLimit,
    #[error("it asked for more memory than plugins.limits.memory")]
    MemoryLimit,
    #[error("it handed over more than plugins.limits.output")]
    OutputLimit,
    #[error("its answer breaks the contract: {0}")]
    Contract(String),
    #[error("the gateway failed in serving it: {0}")]
    Host(String),
}

/// A call and what the gateway saw during it.
#[derive(Clone, Debug)]
pub struct Called<T> {
    pub result: Result<T, Failure>,
    /// A signature or token of the request was found genuine.
    pub authentic: bool,
    pub used: Used,
}

/// What a call took of its limits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Bytes of all its memories at their largest.
    pub memory: usize,
    /// Time on a processor, in whole ticks; work of the host on its behalf included.
    pub cpu: Duration,
}

/// A file's body on its way; bounded by the reader.
pub type Body = Bytes;
