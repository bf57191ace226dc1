//! Past the processors: inbound before anything is attributed, outbound before anything is answered.

use std::borrow::Cow;

use serde_json::Map;

use super::held::Held;
use super::replies::Reply;
use super::{Accept, Accepted, Submission, SubmitError, Told, Trace};
use crate::interaction::{AuthorKind, ChannelRef, Direction, Identity, Message, Part};
use crate::plugin::exchange::{Content, Happening, Inbound, Media, MediaSource, Passing, Piece};
use crate::processors::{Came, Stopped, Why};
use crate::store::{StoreError, Write};

/// What processors left of what adapters told.
#[derive(Default)]
struct Passed {
    /// For each that told: what goes on.
    happenings: Vec<Vec<Happening>>,
    /// What is held, and what is to be answered: written together with the rest.
    writes: Vec<Write>,
    replies: Vec<Reply>,
}

/// What becomes of a happening.
pub(super) enum Fate {
    /// It goes on, perhaps otherwise, with what is to be answered.
    Goes(Box<Happening>, Vec<Reply>),
    Dropped,
    Held {
        processor: String,
        reason: String,
    },
}

impl Accept {
    /// Appends what happened on a channel, past the processors: all of it or nothing, durable when it returns.
    ///
    /// `position`: how far a mailbox was read, written with the last of it.
    ///
    /// # Errors
    /// As the store's commit; [`StoreError::Refused`] if a processor failed that must see it.
    pub async fn happened(
        &self,
        channel: &ChannelRef,
        told: &[Told<'_>],
        position: &[Write],
        trace: &Trace,
    ) -> Result<Accepted, StoreError> {
        let sees = |direction| self.processors.see(direction, &[&channel.name]);
        if !sees(Direction::Inbound) && !sees(Direction::Outbound) {
            return self.append_told(channel, told, position, trace).await;
        }
        let passed = self.past_processors(channel, told, trace).await?;
        let keep_raw = !self.processors.redact(Direction::Inbound, &channel.name);
        let left: Vec<_> = std::iter::zip(told, &passed.happenings)
            .map(|(told, happenings)| Told { happenings, raw: told.raw.filter(|_| keep_raw), ..*told })
            .collect();
        let writes = [position, &passed.writes].concat();
        let accepted = self.append_told(channel, &left, &writes, trace).await?;
        self.answer_all(passed.replies).await;
        Ok(accepted)
    }

    async fn past_processors(
        &self,
        channel: &ChannelRef,
        told: &[Told<'_>],
        trace: &Trace,
    ) -> Result<Passed, StoreError> {
        let mut passed = Passed::default();
        for one in told {
            let mut left = Vec::with_capacity(one.happenings.len());
            for happening in one.happenings {
                match self.fate(channel, happening).await? {
                    Fate::Goes(happening, replies) => {
                        passed.answer(replies);
                        left.push(*happening);
                    }
                    Fate::Dropped => {}
                    Fate::Held { processor, reason } => {
                        let held = Held::of(channel, happening, one.files, trace, processor, reason);
                        passed.writes.extend(self.hold(held).await?);
                    }
                }
            }
            passed.happenings.push(left);
        }
        Ok(passed)
    }

    /// What processors make of one happening.
    pub(super) async fn fate(&self, channel: &ChannelRef, happening: &Happening) -> Result<Fate, StoreError> {
        let Some(passing) = passing_of(channel, happening) else {
            return Ok(Fate::Goes(Box::new(happening.clone()), Vec::new()));
        };
        match self.processors.pass(passing, &[&channel.name]).await {
            Ok(came) => {
                let replies = Reply::to(channel, happening, &came);
                Ok(Fate::Goes(Box::new(with(happening, came.passing)), replies))
            }
            Err(Stopped { processor, why: Why::Dropped(reason) }) => {
                tracing::info!(processor, channel = channel.name, reason, "a message was dropped");
                Ok(Fate::Dropped)
            }
            Err(Stopped { processor, why: Why::Hold(reason) }) => Ok(Fate::Held { processor, reason }),
            Err(Stopped { processor, why: Why::Reject(_) }) => {
                Err(StoreError::Refused(format!("processor {processor} does not work")))
            }
        }
    }

    /// A submission past the processors; one that was taken before stays as it is.
    ///
    /// # Errors
    /// If a processor drops it, or fails and does not let it pass.
    pub async fn passed<'a>(&self, submission: &'a Submission) -> Result<Cow<'a, Submission>, SubmitError> {
        let channels = submission.channels();
        let seen = self.processors.see(Direction::Outbound, &channels);
        if !seen || self.remembered(submission.idempotency.as_ref()).await?.is_some() {
            return Ok(Cow::Borrowed(submission));
        }
        match self.processors.pass(passing_out(submission), &channels).await {
            Ok(came) => Ok(Cow::Owned(submission.with(came))),
            Err(Stopped { processor, why: Why::Dropped(reason) }) => Err(SubmitError::Dropped { processor, reason }),
            Err(Stopped { processor, why: Why::Hold(_) | Why::Reject(_) }) => {
                Err(SubmitError::NotProcessed { processor })
            }
        }
    }
}

impl Passed {
    fn answer(&mut self, replies: Vec<Reply>) {
        self.writes.extend(replies.iter().map(Reply::write));
        self.replies.extend(replies);
    }
}

/// Messages alone: nothing else has words of people.
pub(super) fn passing_of(channel: &ChannelRef, happening: &Happening) -> Option<Passing> {
    let inbound = |message: &Inbound, direction, author| Passing {
        automatic: message.automatic.clone(),
        metadata: message.metadata.clone(),
        recipients: message.recipients.clone(),
        ..passing(channel, direction, author, &message.sender, &message.content)
    };
    match happening {
        Happening::Message(message) if message.automatic.is_some() => {
            Some(inbound(message, Direction::Inbound, AuthorKind::Bot))
        }
        Happening::Message(message) => Some(inbound(message, Direction::Inbound, AuthorKind::Contact)),
        Happening::Echo(message) => Some(inbound(message, Direction::Outbound, AuthorKind::Agent)),
        Happening::Edit { sender, content, .. } => {
            Some(Passing { edited: true, ..passing(channel, Direction::Inbound, AuthorKind::Contact, sender, content) })
        }
        _ => None,
    }
}

fn passing(
    channel: &ChannelRef,
    direction: Direction,
    author: AuthorKind,
    sender: &Identity,
    content: &Content,
) -> Passing {
    Passing {
        channel: channel.clone(),
        direction,
        author,
        sender: Some(sender.clone()),
        recipients: Vec::new(),
        automatic: None,
        edited: false,
        content: content.clone(),
        metadata: Map::new(),
        tags: Map::new(),
    }
}

/// The same happening with what processors made of its message.
fn with(happening: &Happening, passing: Passing) -> Happening {
    let Passing { content, metadata, tags, .. } = passing;
    match happening.clone() {
        Happening::Message(message) => Happening::Message(Inbound { content, metadata, tags, ..message }),
        Happening::Echo(message) => Happening::Echo(Inbound { content, metadata, tags, ..message }),
        Happening::Edit { id, target, sender, at, .. } => Happening::Edit { id, target, sender, at, content },
        other => other,
    }
}

fn passing_out(submission: &Submission) -> Passing {
    let Message { subject, parts, quoted_text, .. } = submission.message.clone();
    Passing {
        channel: submission.way.channel.clone(),
        direction: Direction::Outbound,
        author: submission.author.kind,
        sender: None,
        recipients: vec![submission.way.to.clone()],
        automatic: None,
        edited: false,
        content: Content { subject, parts: parts.into_iter().map(Piece::Part).collect(), quoted_text },
        metadata: submission.metadata.clone(),
        tags: submission.tags.clone(),
    }
}

impl Submission {
    /// Every channel that it may take: what one of them must not carry, the log must not hold.
    fn channels(&self) -> Vec<&str> {
        let others = self.fallback.iter().map(|fallback| fallback.channel.name.as_str());
        std::iter::once(self.way.channel.name.as_str()).chain(others).collect()
    }

    fn with(&self, came: Came) -> Self {
        let Passing { content, metadata, tags, .. } = came.passing;
        let parts = content.parts.into_iter().map(part_of).collect();
        let message = Message::new(content.subject, parts, content.quoted_text);
        Self { message, metadata, tags, ..self.clone() }
    }
}

/// Outbound, every file has an address: a processor brings in no other.
fn part_of(piece: Piece) -> Part {
    match piece {
        Piece::Part(part) => part,
        Piece::Media(Media { kind, source, content_type, name, bytes, caption }) => {
            let (MediaSource::Url(url) | MediaSource::Reference(url) | MediaSource::Stored(url)) = source;
            Part::Media { kind, url, content_type, name, bytes, caption }
        }
    }
}
