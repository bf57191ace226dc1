use bytes::Bytes;
use uuid::Uuid;

use crate::interaction::{Kind, Time};

/// Number of a partition, below `Store::partitions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u16);

/// Place of a record inside its partition; the first is 1, gaps are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl Position {
    /// Before the first record.
    pub const START: Self = Self(0);
}

/// Digest of what makes an inbound event the same event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DedupeKey([u8; 16]);

impl DedupeKey {
    /// From the parts that name it, for example channel, kind and the provider's id.
    pub fn of(parts: &[&str]) -> Self {
        let mut context = ring::digest::Context::new(&ring::digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&context.finish().as_ref()[..16]);
        Self(key)
    }

    /// The digest.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// An event on its way into the log.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// UUIDv7.
    pub id: Uuid,
    pub kind: Kind,
    /// Events of one lane are delivered one after another: the conversation, or the channel where there is none.
    pub lane: Uuid,
    /// Where there is one, it is the lane: the index of lanes finds it.
    pub conversation: Option<Uuid>,
    pub contact: Option<Uuid>,
    pub channel: String,
    /// The stream besides `Stream::All` in which it appears: work for that subscriber.
    pub target: Option<String>,
    pub time: Time,
    pub dedupe: Option<DedupeKey>,
    /// The CloudEvents JSON.
    pub body: Bytes,
    /// The provider's request, where it is kept.
    pub raw: Option<Bytes>,
}

/// An event in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub partition: Partition,
    pub position: Position,
    pub id: Uuid,
    pub kind: Kind,
    pub lane: Uuid,
    pub conversation: Option<Uuid>,
    pub contact: Option<Uuid>,
    pub channel: String,
    pub target: Option<String>,
    pub time: Time,
    pub body: Bytes,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    New {
        position: Position,
    },
    /// It was there already, under this id.
    Duplicate {
        id: Uuid,
    },
}

/// What a subscriber reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Everything.
    All,
    /// Events with this target.
    Target(String),
}

/// Which records; an absent field matches everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub channel: Option<String>,
    pub contact: Option<Uuid>,
    pub conversation: Option<Uuid>,
    pub kind: Option<Kind>,
}

/// Order of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    OldestFirst,
    NewestFirst,
}
