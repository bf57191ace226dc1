use bytes::Bytes;

use super::drafting::{Drafting, dedupe_key};
use super::{Accept, Rounds, Trace};
use crate::interaction::{ChannelRef, Kind, Time};
use crate::plugin::exchange::{Happening, StatusReport};
use crate::store::{Appended, Batch, StoreError};

/// What became of a request's happenings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    pub appended: usize,
    pub duplicates: usize,
}

/// The circumstances that all happenings of a request share.
pub(super) struct Scene<'a> {
    pub(super) channel: &'a ChannelRef,
    pub(super) raw: Option<&'a Bytes>,
    pub(super) trace: &'a Trace,
    pub(super) now: Time,
}

impl Accept {
    /// Appends what happened on a channel: all of it or nothing, durable when it returns.
    ///
    /// `raw` is the request, kept with what is not understood.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn happened(
        &self,
        channel: &ChannelRef,
        happenings: &[Happening],
        raw: Option<&Bytes>,
        trace: &Trace,
    ) -> Result<Accepted, StoreError> {
        if happenings.is_empty() {
            return Ok(Accepted::default());
        }
        let mut rounds = Rounds::default();
        loop {
            match self.append(&Scene { channel, raw, trace, now: Time::now() }, happenings).await {
                Err(StoreError::Conflict(_)) => self.lost(&mut rounds)?,
                decided => return decided,
            }
        }
    }

    /// Receipts come last: the message that they speak of may be in the same request.
    async fn append(&self, scene: &Scene<'_>, happenings: &[Happening]) -> Result<Accepted, StoreError> {
        let others = happenings.iter().filter(|happening| !matches!(happening, Happening::Status(_)));
        let mut accepted = self.append_new(scene, others.collect()).await?;
        for happening in happenings {
            if let Happening::Status(report) = happening {
                accepted.count(self.report(scene, report).await?);
            }
        }
        Ok(accepted)
    }

    /// The store leaves duplicates out by itself; but one that would open a conversation or make a contact must not get so far.
    async fn append_new(&self, scene: &Scene<'_>, happenings: Vec<&Happening>) -> Result<Accepted, StoreError> {
        let drafting = self.drafted(scene, &happenings).await?;
        if drafting.changes_nothing_else() {
            return self.commit(drafting).await;
        }
        let mut fresh = Vec::with_capacity(happenings.len());
        for happening in &happenings {
            if !self.is_duplicate(scene, happening).await? {
                fresh.push(*happening);
            }
        }
        let duplicates = happenings.len() - fresh.len();
        let drafting = if duplicates == 0 { drafting } else { self.drafted(scene, &fresh).await? };
        let accepted = self.commit(drafting).await?;
        Ok(Accepted { duplicates: accepted.duplicates + duplicates, ..accepted })
    }

    async fn drafted<'a>(
        &'a self,
        scene: &'a Scene<'a>,
        happenings: &[&Happening],
    ) -> Result<Drafting<'a>, StoreError> {
        let mut drafting = Drafting::new(self, scene);
        for happening in happenings {
            drafting.add(happening).await?;
        }
        drafting.finish().await?;
        Ok(drafting)
    }

    async fn commit(&self, drafting: Drafting<'_>) -> Result<Accepted, StoreError> {
        let Drafting { session, events, writes: others, .. } = drafting;
        if events.is_empty() {
            return Ok(Accepted::default());
        }
        let mut writes = session.writes();
        let people = writes.len();
        writes.extend(others);
        let committed = self.store.commit(Batch { events, writes, ..Batch::default() }).await?;
        session.committed(&committed.versions[..people]);
        let mut accepted = Accepted::default();
        committed.events.iter().for_each(|appended| accepted.count(matches!(appended, Appended::New { .. })));
        Ok(accepted)
    }

    async fn is_duplicate(&self, scene: &Scene<'_>, happening: &Happening) -> Result<bool, StoreError> {
        let Some((kind, id)) = name_of(happening) else { return Ok(false) };
        Ok(self.store.find_duplicate(&dedupe_key(&scene.channel.name, kind, id)).await?.is_some())
    }

    /// Receipts are folded one by one: each names the version of the message that it changes.
    async fn report(&self, scene: &Scene<'_>, report: &StatusReport) -> Result<bool, StoreError> {
        let mut rounds = Rounds::default();
        loop {
            match self.fold(scene.channel, report, scene.trace, scene.now).await {
                Err(StoreError::Conflict(_)) => self.lost(&mut rounds)?,
                decided => return decided,
            }
        }
    }
}

impl Accepted {
    fn count(&mut self, is_new: bool) {
        if is_new { self.appended += 1 } else { self.duplicates += 1 }
    }
}

/// What tells one happening from another, where anything does.
fn name_of(happening: &Happening) -> Option<(Kind, &str)> {
    Some(match happening {
        Happening::Message(message) => (Kind::MessageReceived, &message.id),
        Happening::Echo(message) => (Kind::MessageEchoed, &message.id),
        Happening::Edit { id, .. } => (Kind::MessageEdited, id),
        Happening::Deletion { id, .. } => (Kind::MessageDeleted, id),
        Happening::Reaction { id, .. } => (Kind::MessageReaction, id),
        Happening::Consent { id, .. } => (Kind::ContactConsent, id),
        Happening::IdentityChange { id, .. } => (Kind::ContactLinked, id),
        Happening::Referral { id, .. } => (Kind::ConversationReferred, id),
        Happening::Unsupported { id, .. } => (Kind::ChannelUnsupported, id),
        Happening::Status(_) | Happening::Typing { .. } => return None,
    })
}
