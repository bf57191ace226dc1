//! Which channels lead to a person, the best first, and the person's address on each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use uuid::Uuid;

use super::Api;
use super::json::{shortened, unprocessable};
use super::outgoing::{Checked, Whom};
use crate::accept::Addressed;
use crate::channels::Bound;
use crate::customer::{Contact, Preferences};
use crate::edge::Problem;
use crate::interaction::{Event, Identity, Kind, Why};
use crate::store::{Filter, Order, StoreError};

/// The person that a message goes to, as far as it is known.
pub(super) struct Person {
    /// Nobody yet, where an address is new.
    pub(super) contact: Option<Arc<Contact>>,
    /// The only address to use, where the caller named one.
    pub(super) address: Option<Identity>,
    conversation: Option<Uuid>,
}

/// A channel that may carry a message.
pub(super) struct Candidate {
    pub(super) channel: String,
    pub(super) why: Why,
    /// Known already from where the person was heard.
    to: Option<Identity>,
}

/// A channel that can be used, and an address that it can reach.
pub(super) struct Found {
    pub(super) bound: Arc<Bound>,
    pub(super) to: Identity,
}

impl Person {
    /// Whom the caller means.
    ///
    /// # Errors
    /// 422 if there is no such contact or conversation.
    pub(super) async fn of(api: &Api, whom: &Whom) -> Result<Self, Problem> {
        match whom {
            Whom::Address(to) => {
                let contact = match api.directory.find(to).await? {
                    Some(id) => Some(contact(api, id).await?),
                    None => None,
                };
                Ok(Self { contact, address: Some(to.clone()), conversation: None })
            }
            Whom::Contact(id) => {
                Ok(Self { contact: Some(contact(api, *id).await?), address: None, conversation: None })
            }
            Whom::Conversation(id) => {
                let missing =
                    || unprocessable(format!("conversation_id: there is no conversation {id}"), "conversation_id");
                let conversation = api.directory.conversation(*id).await?.ok_or_else(missing)?;
                let contact = Some(contact(api, conversation.contact).await?);
                Ok(Self { contact, address: None, conversation: Some(*id) })
            }
        }
    }

    /// Ids under which the person is known, the first for callers; none where an address is new.
    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.contact.as_ref().map_or_else(Vec::new, |contact| contact.members.clone())
    }

    /// Channels in the order in which they are tried: the one that was named alone; else where the conversation is, what the
    /// person prefers, where the person was last heard of, and whatever else reaches one of the addresses.
    ///
    /// # Errors
    /// 422 if nothing is known that leads to the person.
    pub(super) async fn candidates(&self, api: &Api, new: &Checked) -> Result<Vec<Candidate>, Problem> {
        if let Some(channel) = &new.channel {
            return Ok(vec![Candidate { channel: channel.clone(), why: Why::Asked, to: None }]);
        }
        let ids = self.ids();
        let Some(id) = ids.first() else {
            return Err(no_address("nobody with this address is known: name the channel"));
        };
        let mut all = Vec::new();
        if let Some(conversation) = self.conversation {
            let filter = Filter { conversation: Some(conversation), ..Filter::default() };
            all.extend(newest_sender(api, filter).await?.map(|heard| Candidate::heard(heard, Why::Conversation)));
        }
        let preferred = Preferences::of(&*api.store, &ids).await?.channels;
        all.extend(preferred.into_iter().map(|channel| Candidate { channel, why: Why::Preferred, to: None }));
        all.extend(api.edge.accept.last_address(*id).await?.map(|heard| Candidate::heard(heard, Why::LastUsed)));
        let others = api.edge.channels.iter().map(|channel| channel.name.clone());
        all.extend(others.map(|channel| Candidate { channel, why: Why::Reachable, to: None }));
        Ok(self.usable(api, all).await?)
    }

    /// Each channel once, and only where there is an address. A channel that was removed is no candidate.
    async fn usable(&self, api: &Api, all: Vec<Candidate>) -> Result<Vec<Candidate>, StoreError> {
        let mut seen = BTreeSet::new();
        let mut usable = Vec::new();
        for candidate in all {
            let Some(channel) = api.edge.channels.get(&candidate.channel) else { continue };
            if !seen.insert(candidate.channel.clone()) {
                continue;
            }
            let Some(bound) = channel.bound() else { continue };
            let to = match self.fitting(candidate.to, &bound) {
                Some(to) => Some(to),
                None => self.on(api, &bound).await?,
            };
            usable.extend(to.map(|to| Candidate { to: Some(to), ..candidate }));
        }
        Ok(usable)
    }

    /// Where the caller named an address, no other is used.
    fn fitting(&self, heard: Option<Identity>, bound: &Bound) -> Option<Identity> {
        let Some(address) = &self.address else { return heard };
        let same = heard.is_some_and(|heard| heard.same_address(address));
        (same || (address.scope.is_none() && reaches(bound, address))).then(|| address.clone())
    }

    /// The address under which the person came on that channel; else one of a scheme that the channel reaches and that
    /// means the same everywhere.
    async fn on(&self, api: &Api, bound: &Bound) -> Result<Option<Identity>, StoreError> {
        if self.address.is_some() {
            return Ok(None);
        }
        let Some(contact) = &self.contact else { return Ok(None) };
        let channel = Some(bound.reference.name.clone());
        let came = Filter { contacts: contact.members.clone(), channel, ..Filter::default() };
        if let Some(addressed) = newest_sender(api, came).await? {
            return Ok(Some(addressed.to));
        }
        let schemes = &bound.plugin.manifest().identity_schemes;
        let of = |scheme: &String| contact.identities.iter().find(|i| i.scheme == *scheme && i.scope.is_none());
        Ok(schemes.iter().find_map(of).cloned())
    }

    /// The channel's plugin, and the person's address there. `to`: the address to use, where the caller named one.
    ///
    /// # Errors
    /// 422 if there is no such channel, or none of the person's addresses fits it; 503 while it has no plugin.
    pub(super) async fn by(&self, api: &Api, candidate: &Candidate, path: &str) -> Result<Found, Problem> {
        let bound = bound(api, &candidate.channel, path)?;
        let to = match candidate.to.as_ref().or(self.address.as_ref()) {
            Some(to) => to.clone(),
            None => self.on(api, &bound).await?.ok_or_else(|| unreached(&candidate.channel))?,
        };
        check_scheme(&bound, &to)?;
        Ok(Found { bound, to })
    }

    /// The same for a way after the first: an address that the caller named for another channel does not bind it.
    ///
    /// # Errors
    /// As [`Person::by`].
    pub(super) async fn next_by(
        &self,
        api: &Api,
        channel: &str,
        to: Option<&Identity>,
        path: &str,
    ) -> Result<Found, Problem> {
        let bound = bound(api, channel, &format!("{path}.channel"))?;
        let named = self.address.as_ref().filter(|address| address.scope.is_none() && reaches(&bound, address));
        let free = Self { contact: self.contact.clone(), address: None, conversation: None };
        let to = match to.or(named) {
            Some(to) => Some(to.clone()),
            None => free.on(api, &bound).await?,
        };
        let to = to.ok_or_else(|| unreached(channel).with("path", path))?;
        check_scheme(&bound, &to).map_err(|problem| problem.with("path", format!("{path}.to")))?;
        Ok(Found { bound, to })
    }
}

impl Candidate {
    fn heard(heard: Addressed, why: Why) -> Self {
        Self { channel: heard.channel, why, to: Some(heard.to) }
    }
}

/// The plugin of a channel.
fn bound(api: &Api, name: &str, path: &str) -> Result<Arc<Bound>, Problem> {
    let Some(channel) = api.edge.channels.get(name) else {
        let known: Vec<&str> = api.edge.channels.iter().map(|channel| channel.name.as_str()).collect();
        let detail = format!("{path}: there is no channel {:?}; there are: {}", shortened(name), known.join(", "));
        return Err(unprocessable(detail, path));
    };
    let stopped =
        || Problem::unavailable(format!("channel {name} has no plugin at the moment"), Duration::from_secs(5));
    channel.bound().ok_or_else(stopped)
}

fn reaches(bound: &Bound, to: &Identity) -> bool {
    bound.plugin.manifest().identity_schemes.contains(&to.scheme)
}

fn check_scheme(bound: &Bound, to: &Identity) -> Result<(), Problem> {
    if reaches(bound, to) {
        return Ok(());
    }
    let (channel, known) = (&bound.reference.name, bound.plugin.manifest().identity_schemes.join(", "));
    let detail = format!("to.scheme: channel {channel} cannot reach {:?}; it reaches: {known}", to.scheme);
    Err(unprocessable(detail, "to.scheme"))
}

async fn contact(api: &Api, id: Uuid) -> Result<Arc<Contact>, Problem> {
    let known = api.directory.person(id).await?;
    known
        .map(|known| Arc::clone(&known.contact))
        .ok_or_else(|| unprocessable(format!("contact_id: there is no contact {id}"), "contact_id"))
}

/// Channel and sender of the newest message that came.
async fn newest_sender(api: &Api, filter: Filter) -> Result<Option<Addressed>, StoreError> {
    let filter = Filter { kinds: vec![Kind::MessageReceived], ..filter };
    let newest = api.store.page(&filter, None, Order::NewestFirst, 1).await?;
    let event = newest.first().and_then(|record| serde_json::from_slice::<Event>(&record.body).ok());
    Ok(event.and_then(|event| Some(Addressed { channel: event.data.channel?.name, to: event.data.from? })))
}

fn unreached(channel: &str) -> Problem {
    no_address(&format!("none of this contact's addresses can be reached by channel {channel}"))
}

/// 422: nothing leads to the person.
pub(super) fn no_address(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no-address", detail)
}
