use bytes::Bytes;

use crate::interaction::Time;

/// Name of an entry, `room/kind/id`; compared byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub String);

impl Key {
    /// From its segments; a slash inside a segment is escaped, so that no value from outside reaches another key.
    pub fn of(segments: &[&str]) -> Self {
        let escaped: Vec<String> = segments.iter().map(|s| s.replace('%', "%25").replace('/', "%2F")).collect();
        Self(escaped.join("/"))
    }

    /// The prefix of all keys below these segments.
    pub fn prefix(segments: &[&str]) -> String {
        let mut prefix = Self::of(segments).0;
        prefix.push('/');
        prefix
    }
}

/// A value and its version; versions of one key only grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub value: Bytes,
    pub version: u64,
}

/// Entries, and the bytes of their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub entries: u64,
    pub bytes: u64,
}

impl Usage {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { entries: self.entries.saturating_add(other.entries), bytes: self.bytes.saturating_add(other.bytes) }
    }

    /// What is left without the other.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self { entries: self.entries.saturating_sub(other.entries), bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

/// What must be there for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Anything,
    Absent,
    Version(u64),
}

/// A change of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub key: Key,
    /// `None` deletes.
    pub value: Option<Bytes>,
    pub expect: Expect,
    /// Gone from then on.
    pub expires: Option<Time>,
}

impl Write {
    /// Puts a value under a key that is not there yet.
    pub fn create(key: Key, value: impl Into<Bytes>) -> Self {
        Self { key, value: Some(value.into()), expect: Expect::Absent, expires: None }
    }

    /// Puts a value whatever is there.
    pub fn put(key: Key, value: impl Into<Bytes>) -> Self {
        Self { key, value: Some(value.into()), expect: Expect::Anything, expires: None }
    }

    /// Puts a value over the entry that was read, or creates it if none was.
    pub fn over(key: Key, read: Option<&Entry>, value: impl Into<Bytes>) -> Self {
        let expect = read.map_or(Expect::Absent, |entry| Expect::Version(entry.version));
        Self { key, value: Some(value.into()), expect, expires: None }
    }

    /// Removes an entry if it is there.
    pub fn delete(key: Key) -> Self {
        Self { key, value: None, expect: Expect::Anything, expires: None }
    }

    /// The same, gone from `time` on.
    #[must_use]
    pub fn expiring(mut self, time: Time) -> Self {
        self.expires = Some(time);
        self
    }
}
