use serde::{Deserialize, Serialize};

use crate::interaction::Time;
use crate::store::{Entry, Key, Store, StoreError, Write};

/// UIDs behind the newest one that are looked at again: servers of several nodes may show a mail late.
const RECENT: usize = 100;

/// How far a mailbox was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// UIDs mean something under this value alone (RFC 9051 section 2.3.1.1).
    pub(super) uid_validity: u32,
    /// The newest UID that was dealt with.
    pub(super) newest: u32,
    /// The last of those that were dealt with, ascending.
    pub(super) recent: Vec<u32>,
    /// Up to this UID mails are read again, or for the first time, and only those are taken that came after `since`.
    pub(super) again_until: u32,
    pub(super) since: Time,
    /// Appended, and not yet left in the mailbox as it should be: done again after a crash.
    pub(super) to_put_away: Vec<u32>,
    /// Where the server counts changes (RFC 7162): its count when everything had been dealt with.
    pub(super) mod_seq: Option<u64>,
}

/// The position, and the version of the entry that holds it.
pub(super) struct Held {
    pub(super) position: Position,
    version: Option<u64>,
}

impl Position {
    /// Goes on behind `newest`.
    pub(super) fn new(uid_validity: u32, newest: u32, again_until: u32, since: Time) -> Self {
        Self { uid_validity, newest, recent: vec![newest], again_until, since, to_put_away: Vec::new(), mod_seq: None }
    }

    /// Whether a UID must still be dealt with.
    pub(super) fn wants(&self, uid: u32) -> bool {
        uid > self.newest || (uid >= self.lowest() && self.recent.binary_search(&uid).is_err())
    }

    /// The lowest UID that may be wanted.
    pub(super) fn lowest(&self) -> u32 {
        self.recent.first().copied().unwrap_or(self.newest.saturating_add(1))
    }

    /// Notes what was dealt with.
    pub(super) fn pass(&mut self, uid: u32) {
        if uid > self.again_until {
            self.end_reading_again();
        }
        self.newest = self.newest.max(uid);
        if let Err(place) = self.recent.binary_search(&uid) {
            self.recent.insert(place, uid);
        }
        let surplus = self.recent.len().saturating_sub(RECENT);
        self.recent.drain(..surplus);
    }

    /// What lay there before and was not read again is not wanted: it is no mail that shows late.
    pub(super) fn end_reading_again(&mut self) {
        if self.lowest() >= self.again_until {
            return;
        }
        self.recent.retain(|uid| *uid > self.again_until);
        self.recent.insert(0, self.again_until);
        self.newest = self.newest.max(self.again_until);
    }

    /// Whether a mail that is read again came too long ago.
    pub(super) fn is_old(&self, uid: u32, at: Time) -> bool {
        // Mailboxes keep whole seconds.
        uid <= self.again_until && at.seconds() < self.since.seconds()
    }

    pub(super) fn is_reading_again(&self) -> bool {
        self.newest < self.again_until
    }
}

impl Held {
    /// Reads what was written last.
    pub(super) async fn load(store: &dyn Store, channel: &str, folder: &str) -> Result<Option<Self>, StoreError> {
        let Some(Entry { value, version }) = store.get(&key(channel, folder)).await? else { return Ok(None) };
        let position =
            serde_json::from_slice(&value).map_err(|error| StoreError::Corrupt(format!("position: {error}")))?;
        Ok(Some(Self { position, version: Some(version) }))
    }

    pub(super) fn new(position: Position) -> Self {
        Self { position, version: None }
    }

    /// The write that takes the position further: over what was read, so that two readers cannot both.
    pub(super) fn write(&self, channel: &str, folder: &str, next: &Position) -> Write {
        let value = serde_json::to_vec(next).unwrap_or_else(|error| unreachable!("positions are plain: {error}"));
        let read = self.version.map(|version| Entry { value: bytes::Bytes::new(), version });
        Write::over(key(channel, folder), read.as_ref(), value)
    }
}

fn key(channel: &str, folder: &str) -> Key {
    Key::of(&["mailbox", channel, folder])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(newest: u32) -> Position {
        let since = Time::from_ms(0);
        Position::new(1, newest, 0, since)
    }

    #[test]
    fn what_was_there_before_the_start_is_not_wanted() {
        let mut position = at(10);
        assert!(!position.wants(10) && !position.wants(3) && position.wants(11));
        position.pass(13);
        assert!(!position.wants(13) && !position.wants(10) && position.wants(12), "12 may show late");
    }

    #[test]
    fn a_mail_that_shows_late_is_wanted_once() {
        let mut position = at(0);
        for uid in [1, 2, 4, 5] {
            position.pass(uid);
        }
        assert!(position.wants(3) && !position.wants(4));
        position.pass(3);
        assert!(!position.wants(3));
        assert_eq!((position.newest, position.lowest()), (5, 0));
    }

    #[test]
    fn what_is_not_read_again_stays_unwanted() {
        let mut position = Position::new(2, 0, 20, Time::from_ms(5_000));
        assert!(position.is_old(20, Time::from_ms(4_999)) && !position.is_old(21, Time::from_ms(0)));
        [5, 9, 21].into_iter().for_each(|uid| position.pass(uid));
        assert!((0..=20).all(|uid| !position.wants(uid)));
        assert!(position.wants(22) && !position.is_reading_again());
    }

    #[test]
    fn only_the_last_are_remembered() {
        let mut position = at(0);
        (1..=1000).for_each(|uid| position.pass(uid));
        assert_eq!((position.recent.len(), position.lowest()), (RECENT, 901));
        assert!(!position.wants(900) && position.wants(1001));
    }
}
