//! Messages whose processor failed, kept as they came beside the dead letters until somebody tries again.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::drafting::dedupe_key;
use super::happened::name_of;
use super::passing::Fate;
use super::replies::Reply;
use super::{Accept, Told, Trace};
use crate::interaction::{ChannelRef, MediaKind, Time};
use crate::plugin::KeptFile;
use crate::plugin::exchange::{Content, Happening, Media, MediaSource, Piece};
use crate::store::{Batch, Full, Key, StoreError, Usage, Write};

/// A message that is held.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Held {
    /// `message`, which tells it from a delivery.
    pub kind: String,
    /// The same for the same message, however often it comes.
    pub id: Uuid,
    /// `processing:{channel}`
    pub subscriber: String,
    pub channel: ChannelRef,
    pub processor: String,
    pub reason: String,
    pub failed_at: Time,
    pub attempts: u32,
    pub happening: Happening,
    /// Files that it speaks of; they are the channel's already.
    pub files: Vec<KeptFile>,
    pub traceparent: String,
}

/// What became of a held message that was tried again.
#[derive(Debug, PartialEq, Eq)]
pub enum Retried {
    /// It is in the log, or was dropped.
    Done,
    /// Its processor failed again, for this reason.
    HeldAgain(String),
}

impl Held {
    pub(super) fn of(
        channel: &ChannelRef,
        happening: &Happening,
        files: &[KeptFile],
        trace: &Trace,
        processor: String,
        reason: String,
    ) -> Self {
        let named = |file: &&KeptFile| files_of(happening).any(|(id, _)| id == file.id.to_string());
        Self {
            kind: "message".into(),
            id: id_of(channel, happening),
            subscriber: subscriber(&channel.name),
            channel: channel.clone(),
            processor,
            reason,
            failed_at: Time::now(),
            attempts: 1,
            happening: happening.clone(),
            files: files.iter().filter(named).cloned().collect(),
            traceparent: trace.as_str().to_owned(),
        }
    }

    fn key(&self) -> Key {
        Key::of(&["dead", &self.subscriber, &self.id.to_string()])
    }

    fn value(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|error| unreachable!("messages have string keys: {error}"))
    }
}

impl Accept {
    /// The writes that keep it.
    ///
    /// # Errors
    /// [`StoreError::Refused`] if the channel has too many already.
    pub(super) async fn hold(&self, held: Held) -> Result<Vec<Write>, StoreError> {
        let channel = held.channel.name.clone();
        if self.store.get(&held.key()).await?.is_some() {
            return Ok(Vec::new());
        }
        let value = held.value();
        let place = self.held.reserve(prefix(&channel), value.len()).await?;
        // Whether the batch is committed, the next count tells.
        place.map_err(|full| too_many(&channel, full))?.fill();
        tracing::error!(channel, id = %held.id, processor = held.processor, "a message is held; retry it once its processor is mended");
        let mut writes = vec![Write::put(held.key(), value)];
        for file in &held.files {
            // A second coming of the same message finds its files kept.
            if self.media.entry(file.id).await?.is_none() {
                writes.push(self.media.kept(file, &channel, kind_of(&held.happening, file.id)));
            }
        }
        Ok(writes)
    }

    /// What is held of a channel, and whether that is all that may be.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn held_of(&self, channel: &str) -> Result<(Usage, bool), StoreError> {
        let usage = self.held.usage(&prefix(channel)).await?;
        Ok((usage, self.held.is_full(usage)))
    }

    /// Leads a held message past the processors again; what comes through is appended and held no longer, in one step.
    ///
    /// # Errors
    /// As [`Accept::happened`].
    pub async fn retry_held(&self, held: Held) -> Result<Retried, StoreError> {
        match self.fate(&held.channel, &held.happening).await {
            Ok(Fate::Goes(happening, replies)) => self.let_in(&held, &happening, replies).await?,
            Ok(Fate::Dropped) => self.drop_held(&held).await?,
            Ok(Fate::Held { reason, .. }) | Err(StoreError::Refused(reason)) => {
                return self.held_again(held, reason).await;
            }
            Err(error) => return Err(error),
        }
        Ok(Retried::Done)
    }

    async fn let_in(&self, held: &Held, happening: &Happening, replies: Vec<Reply>) -> Result<(), StoreError> {
        let told = Told { happenings: std::slice::from_ref(happening), files: &[], raw: None };
        let mut writes = vec![Write::delete(held.key())];
        writes.extend(replies.iter().map(Reply::write));
        let trace = Trace::from_header(Some(&held.traceparent));
        self.append_told(&held.channel, &[told], &writes, &trace).await?;
        self.held.forget(&prefix(&held.channel.name));
        self.answer_all(replies).await;
        Ok(())
    }

    async fn held_again(&self, mut held: Held, reason: String) -> Result<Retried, StoreError> {
        held.attempts += 1;
        held.reason.clone_from(&reason);
        // Meanwhile somebody may have dropped it, or retried it with success: it must not come back.
        let Some(entry) = self.store.get(&held.key()).await? else { return Ok(Retried::Done) };
        let writes = vec![Write::over(held.key(), Some(&entry), held.value())];
        match self.store.commit(Batch { writes, ..Batch::default() }).await {
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(Retried::HeldAgain(reason)),
            Err(error) => Err(error),
        }
    }

    /// Gives a held message up.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn drop_held(&self, held: &Held) -> Result<(), StoreError> {
        self.store.commit(Batch { writes: vec![Write::delete(held.key())], ..Batch::default() }).await?;
        self.held.forget(&prefix(&held.channel.name));
        Ok(())
    }
}

fn too_many(channel: &str, full: Full) -> StoreError {
    StoreError::Refused(format!(
        "channel {channel}: {full}: plugins.limits.quarantine and quarantine_bytes bound the messages that wait for a processor"
    ))
}

fn subscriber(channel: &str) -> String {
    format!("processing:{channel}")
}

fn prefix(channel: &str) -> String {
    Key::prefix(&["dead", &subscriber(channel)])
}

/// Made of what makes the message the same message.
fn id_of(channel: &ChannelRef, happening: &Happening) -> Uuid {
    name_of(happening).map_or_else(Uuid::now_v7, |(kind, id)| {
        uuid::Builder::from_custom_bytes(*dedupe_key(&channel.name, kind, id).bytes()).into_uuid()
    })
}

/// Files here of a message, by id, and what they are.
fn files_of(happening: &Happening) -> impl Iterator<Item = (&str, MediaKind)> {
    let content: Option<&Content> = match happening {
        Happening::Message(message) | Happening::Echo(message) => Some(&message.content),
        Happening::Edit { content, .. } => Some(content),
        _ => None,
    };
    content.into_iter().flat_map(|content| &content.parts).filter_map(|piece| match piece {
        Piece::Media(Media { source: MediaSource::Stored(id), kind, .. }) => Some((id.as_str(), *kind)),
        _ => None,
    })
}

fn kind_of(happening: &Happening, file: Uuid) -> MediaKind {
    let file = file.to_string();
    files_of(happening).find(|(id, _)| *id == file).map_or(MediaKind::File, |(_, kind)| kind)
}
