//! What somebody decides about people and conversations: written down with who, when and why.

use std::sync::Arc;

use uuid::Uuid;

use super::envelope::news_event;
use super::{Accept, Rounds, Trace};
use crate::customer::{Change, Contact, Conversation, NoLink, Refused, Session, Standing, Why};
use crate::interaction::{ChannelRef, Identity, Time};
use crate::store::{Batch, StoreError};

/// Who joins a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    Contact(Uuid),
    /// Its owner; nobody's address becomes the contact's.
    Identity(Identity),
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    #[error("there is no contact {0}")]
    UnknownContact(Uuid),
    #[error(transparent)]
    NoLink(#[from] NoLink),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Decided<T> = Result<T, PeopleError>;

impl Accept {
    /// Joins two contacts, led by `id`'s person. Gives the person; who is one already is left as he is.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn link(&self, id: Uuid, whom: &Whom, why: &Why, trace: &Trace) -> Decided<Arc<Contact>> {
        let mut rounds = Rounds::default();
        loop {
            self.check_contact(id).await?;
            let mut session = self.directory.session(Time::now());
            match whom {
                Whom::Contact(other) => {
                    self.check_contact(*other).await?;
                    session.link(id, *other, why.clone()).await?;
                }
                Whom::Identity(identity) => {
                    session.link_identity(id, identity.clone(), why.clone()).await?;
                }
            }
            let contact = session.contact(id).await?;
            match self.settle(session, None, trace).await {
                Err(StoreError::Conflict(key)) => self.lost(&key, &mut rounds)?,
                decided => return Ok(decided.map(|()| contact)?),
            }
        }
    }

    /// Takes a link back. Gives the person that `id` belongs to then.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn unlink(&self, id: Uuid, link: Uuid, why: &Why, trace: &Trace) -> Decided<Arc<Contact>> {
        let mut rounds = Rounds::default();
        loop {
            self.check_contact(id).await?;
            let mut session = self.directory.session(Time::now());
            session.unlink(id, link, why.clone()).await??;
            let contact = session.contact(id).await?;
            match self.settle(session, None, trace).await {
                Err(StoreError::Conflict(key)) => self.lost(&key, &mut rounds)?,
                decided => return Ok(decided.map(|()| contact)?),
            }
        }
    }

    /// An address changed hands: it begins anew. Gives the person that `id` belongs to then.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn release(&self, id: Uuid, identity: &Identity, why: &Why, trace: &Trace) -> Decided<Arc<Contact>> {
        let mut rounds = Rounds::default();
        loop {
            self.check_contact(id).await?;
            let mut session = self.directory.session(Time::now());
            session.release(id, identity, why.clone()).await??;
            let contact = session.contact(id).await?;
            match self.settle(session, None, trace).await {
                Err(StoreError::Conflict(key)) => self.lost(&key, &mut rounds)?,
                decided => return Ok(decided.map(|()| contact)?),
            }
        }
    }

    /// Closes a conversation, opens it again or passes it on. `backend`: on whose behalf; `channel`: one of its channels, to
    /// say where it happened.
    ///
    /// # Errors
    /// See [`PeopleError`].
    pub async fn change_conversation(
        &self,
        id: Uuid,
        change: &Change,
        backend: Option<&str>,
        why: &Why,
        channel: Option<&ChannelRef>,
        trace: &Trace,
    ) -> Decided<Conversation> {
        let mut rounds = Rounds::default();
        loop {
            let mut session = self.directory.session(Time::now());
            let conversation = session.change(id, change, backend, why).await??;
            match self.settle(session, channel, trace).await {
                Err(StoreError::Conflict(key)) => self.lost(&key, &mut rounds)?,
                decided => return Ok(decided.map(|()| conversation)?),
            }
        }
    }

    /// A backend stands in for another one in a conversation, or gives it back.
    ///
    /// # Errors
    /// As the store's commit.
    pub async fn stand_in(&self, id: Uuid, what: &Standing, channel: Option<&ChannelRef>) -> Result<(), StoreError> {
        let mut rounds = Rounds::default();
        loop {
            let mut session = self.directory.session(Time::now());
            session.stand_in(id, what).await?;
            match self.settle(session, channel, &Trace::from_header(None)).await {
                Err(StoreError::Conflict(key)) => self.lost(&key, &mut rounds)?,
                decided => return decided,
            }
        }
    }

    async fn check_contact(&self, id: Uuid) -> Decided<()> {
        self.directory.person(id).await?.map(drop).ok_or(PeopleError::UnknownContact(id))
    }

    async fn settle(
        &self,
        mut session: Session<'_>,
        channel: Option<&ChannelRef>,
        trace: &Trace,
    ) -> Result<(), StoreError> {
        let now = Time::now();
        let news = session.take_news().into_iter();
        let events: Vec<_> = news.map(|news| news_event(news, channel, &self.schema_url, trace, now, None)).collect();
        let writes = session.writes();
        if events.is_empty() && writes.is_empty() {
            return Ok(());
        }
        let committed = self.store.commit(Batch { events, writes, ..Batch::default() }).await?;
        session.committed(&committed.versions);
        Ok(())
    }
}
