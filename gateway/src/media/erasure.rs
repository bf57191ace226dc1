use uuid::Uuid;

use super::files::Name;
use super::{Media, MediaError, State, key};
use crate::interaction::{Event, Message, Part};
use crate::store::{Expect, StoreError, Write};

/// What becomes of a file's entry when contacts are erased.
pub struct Forgotten {
    pub write: Write,
    /// Name of the file that the entry was for; `None` if the entry stays, or there was no file yet.
    pub file: Option<String>,
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
            return Ok(Some(Forgotten { write, file: None, gone }));
        }
        let file = match entry.state {
            State::Stored(stored) => Some(Name { sha256: stored.sha256, id }.to_string()),
            _ => None,
        };
        let write = Write { key: key(id), value: None, expect: Expect::Version(version), expires: None };
        Ok(Some(Forgotten { write, file, gone }))
    }

    /// Removes files whose entries went, by their names. Gives of how many the content went, too: a file that others have stays
    /// theirs.
    ///
    /// # Errors
    /// If a file cannot be removed.
    pub async fn unlink(&self, names: &[&str]) -> Result<u64, MediaError> {
        let mut removed = 0;
        for name in names.iter().filter_map(|name| name.parse::<Name>().ok()) {
            removed += u64::from(self.files.remove(&name).await?);
        }
        Ok(removed)
    }
}
