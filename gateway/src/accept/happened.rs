use bytes::Bytes;

use super::drafting::{Drafting, dedupe_key};
use super::{Accept, Rounds, Trace};
use crate::interaction::{ChannelRef, Kind, Time};
use crate::plugin::KeptFile;
use crate::plugin::exchange::{Happening, StatusReport};
use crate::store::{Appended, Batch, StoreError, Write};

/// What became of a request's happenings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    pub appended: usize,
    pub duplicates: usize,
}

/// What an adapter made of one request, frame or mail.
#[derive(Clone, Copy, Default)]
pub struct Told<'a> {
    pub happenings: &'a [Happening],
    /// Files that it kept meanwhile: those that an appended happening names stay.
    pub files: &'a [KeptFile],
    /// Kept with what is not understood.
    pub raw: Option<&'a Bytes>,
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct One<'a> {
    pub(super) happening: &'a Happening,
    pub(super) told: &'a Told<'a>,
}

/// The circumstances that everything in one commit shares.
pub(super) struct Scene<'a> {
    pub(super) channel: &'a ChannelRef,
    pub(super) trace: &'a Trace,
    pub(super) now: Time,
}

impl Accept {
    /// Appends what came past the processors, and `position` with the last of it.
    pub(super) async fn append_told(
        &self,
        channel: &ChannelRef,
        told: &[Told<'_>],
        position: &[Write],
        trace: &Trace,
    ) -> Result<Accepted, StoreError> {
        let all: Vec<_> =
            told.iter().flat_map(|told| told.happenings.iter().map(|h| One { happening: h, told })).collect();
        if all.is_empty() && position.is_empty() {
            return Ok(Accepted::default());
        }
        let mut rounds = Rounds::default();
        loop {
            match self.append(&Scene { channel, trace, now: Time::now() }, &all, position).await {
                Err(StoreError::Conflict(key)) => self.lost(&key, &mut rounds)?,
                decided => return decided,
            }
        }
    }

    /// Receipts come last: the message that they speak of may be in the same request.
    async fn append(&self, scene: &Scene<'_>, all: &[One<'_>], position: &[Write]) -> Result<Accepted, StoreError> {
        let (reports, others): (Vec<_>, Vec<_>) =
            all.iter().copied().partition(|one| matches!(one.happening, Happening::Status(_)));
        if reports.is_empty() {
            return self.append_new(scene, others, position).await;
        }
        let mut accepted = self.append_new(scene, others, &[]).await?;
        for one in reports {
            if let Happening::Status(report) = one.happening {
                accepted.count(self.report(scene, report).await?);
            }
        }
        if !position.is_empty() {
            self.store.commit(Batch { writes: position.to_vec(), ..Batch::default() }).await?;
        }
        Ok(accepted)
    }

    /// The store leaves duplicates out by itself; but one that would open a conversation or make a contact must not get so far.
    async fn append_new(
        &self,
        scene: &Scene<'_>,
        all: Vec<One<'_>>,
        position: &[Write],
    ) -> Result<Accepted, StoreError> {
        let drafting = self.drafted(scene, &all).await?;
        if drafting.changes_nothing_else() {
            return self.commit(drafting, position).await;
        }
        let mut fresh = Vec::with_capacity(all.len());
        for one in &all {
            if !self.is_duplicate(scene, one.happening).await? {
                fresh.push(*one);
            }
        }
        let duplicates = all.len() - fresh.len();
        let drafting = if duplicates == 0 { drafting } else { self.drafted(scene, &fresh).await? };
        let accepted = self.commit(drafting, position).await?;
        Ok(Accepted { duplicates: accepted.duplicates + duplicates, ..accepted })
    }

    async fn drafted<'a>(&'a self, scene: &'a Scene<'a>, all: &[One<'a>]) -> Result<Drafting<'a>, StoreError> {
        let mut drafting = Drafting::new(self, scene);
        for one in all {
            drafting.add(one).await?;
        }
        drafting.finish().await?;
        Ok(drafting)
    }

    async fn commit(&self, drafting: Drafting<'_>, position: &[Write]) -> Result<Accepted, StoreError> {
        let Drafting { session, events, writes: others, decided, .. } = drafting;
        if events.is_empty() && position.is_empty() {
            return Ok(Accepted::default());
        }
        let mut writes = session.writes();
        let people = writes.len();
        writes.extend(others);
        writes.extend_from_slice(position);
        let committed = self.store.commit(Batch { events, writes, ..Batch::default() }).await?;
        session.committed(&committed.versions[..people]);
        let mut accepted = Accepted::default();
        committed.events.iter().for_each(|appended| accepted.count(matches!(appended, Appended::New { .. })));
        Ok(Accepted { appended: accepted.appended.saturating_sub(decided), ..accepted })
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
                Err(StoreError::Conflict(key)) => self.lost(&key, &mut rounds)?,
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
pub(super) fn name_of(happening: &Happening) -> Option<(Kind, &str)> {
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
