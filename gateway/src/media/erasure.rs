use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Media, MediaError, State, WriteError, key};
use crate::interaction::{Event, Message, Part};
use crate::store::{Expect, StoreError, Write};

/// What becomes of a file's entry when contacts are erased.
pub struct Forgotten {
    pub write: Write,
    /// Digest of the file that the entry was for; `None` if the entry stays, or there was no file yet.
    pub sha256: Option<String>,
    /// Whether the entry goes.
    pub gone: bool,
}

impl Media {
    /// The files of ours that an event speaks of.
    pub fn ids_in(&self, event: &Event) -> Vec<Uuid> {
        event.data.message.as_ref().map(|message| self.ids_of(message)).unwrap_or_default()
    }

    /// The files of ours that a message has.
    pub fn ids_of(&self, message: &Message) -> Vec<Uuid> {
        let id = |part: &Part| match part {
            Part::Media { url, .. } => self.links.id_in(url),
            _ => None,
        };
        message.parts.iter().filter_map(id).collect()
    }

    /// What is to be written when contacts are erased: what came from them goes, and what was sent to them and to nobody else.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn forget(&self, id: Uuid, contacts: &[Uuid]) -> Result<Option<Forgotten>, StoreError> {
        let Some((mut entry, version)) = self.versioned(id).await? else { return Ok(None) };
        let theirs = entry.announced.channel.is_some();
        let gone = entry.sent.remove(contacts) || theirs;
        if !gone {
            let write = self.write(id, &entry, Expect::Version(version));
            return Ok(Some(Forgotten { write, sha256: None, gone }));
        }
        let sha256 = match entry.state {
            State::Stored(stored) => Some(stored.sha256),
            _ => None,
        };
        let write = Write { key: key(id), value: None, expect: Expect::Version(version), expires: None };
        Ok(Some(Forgotten { write, sha256, gone }))
    }

    /// Removes files that no entry is for any more, by their digests. Gives how many went.
    ///
    /// # Errors
    /// If the store cannot be read or a file cannot be removed.
    pub async fn unlink(&self, digests: &BTreeSet<String>) -> Result<u64, MediaError> {
        if digests.is_empty() {
            return Ok(0);
        }
        let used = self.used(|digest| digests.contains(digest)).await?;
        let mut removed = 0;
        for sha256 in digests.iter().filter(|digest| !used.contains(*digest)) {
            match tokio::fs::remove_file(self.files.path(sha256)).await {
                Ok(()) => removed += 1,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(WriteError::from(error).into()),
            }
        }
        Ok(removed)
    }
}
