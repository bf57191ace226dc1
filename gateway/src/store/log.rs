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

/// Which records; an absent or empty field matches everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub channel: Option<String>,
    /// Of any of these: one person may be several contacts.
    pub contacts: Vec<Uuid>,
    pub conversation: Option<Uuid>,
    /// Of any of these.
    pub kinds: Vec<Kind>,
    /// Inclusive.
    pub since: Option<Time>,
    /// Exclusive.
    pub until: Option<Time>,
}

impl Filter {
    /// Whether a record is one of those.
    pub fn matches(&self, record: &Record) -> bool {
        let any_contact = self.contacts.is_empty() || record.contact.is_some_and(|id| self.contacts.contains(&id));
        any_contact
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && self.channel.as_ref().is_none_or(|channel| *channel == record.channel)
            && self.conversation.is_none_or(|conversation| record.conversation == Some(conversation))
            && self.since.is_none_or(|since| record.time >= since)
            && self.until.is_none_or(|until| record.time < until)
    }
}

/// Order of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    OldestFirst,
    NewestFirst,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_filter_counts() {
        let (contact, conversation, other) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let time = Time::now();
        let record = Record {
            partition: Partition(0),
            position: Position(1),
            id: Uuid::now_v7(),
            kind: Kind::MessageReceived,
            lane: conversation,
            conversation: Some(conversation),
            contact: Some(contact),
            channel: "sms".into(),
            target: None,
            time,
            body: Bytes::new(),
        };
        let all = Filter {
            channel: Some("sms".into()),
            contacts: vec![other, contact],
            conversation: Some(conversation),
            kinds: vec![Kind::MessageEchoed, Kind::MessageReceived],
            since: Some(time),
            until: Some(Time::from_ms(time.ms() + 1)),
        };
        assert!(Filter::default().matches(&record) && all.matches(&record));
        for unlike in [
            Filter { channel: Some("web".into()), ..all.clone() },
            Filter { contacts: vec![other], ..all.clone() },
            Filter { conversation: Some(other), ..all.clone() },
            Filter { kinds: vec![Kind::MessageEchoed], ..all.clone() },
            Filter { since: all.until, ..all.clone() },
            Filter { until: all.since, ..all.clone() },
        ] {
            assert!(!unlike.matches(&record), "{unlike:?}");
        }
    }
}
