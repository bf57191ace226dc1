//! Which channel carries a message, and to which address.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use uuid::Uuid;

use super::Api;
use super::json::{shortened, unprocessable};
use super::outgoing::{Checked, Whom};
use crate::accept::Addressed;
use crate::channels::Bound;
use crate::customer::Contact;
use crate::edge::Problem;
use crate::interaction::{Event, Identity, Kind};
use crate::store::{Filter, Order, StoreError};

/// A channel that can be used, and an address that it can reach.
pub(super) struct Found {
    pub(super) bound: Arc<Bound>,
    pub(super) to: Identity,
}

/// Finds both.
///
/// # Errors
/// 422 if there is no such channel or person, or none of the person's addresses fits the channel; 503 while the channel
/// has no plugin.
pub(super) async fn find(api: &Api, new: &Checked) -> Result<Found, Problem> {
    let (channel, to) = match (&new.whom, &new.channel) {
        (Whom::Address(to), Some(channel)) => (channel.clone(), to.clone()),
        (Whom::Address(to), None) => (channel_of(api, to).await?, to.clone()),
        (Whom::Contact(id), Some(channel)) => (channel.clone(), on_channel(api, *id, channel).await?),
        (Whom::Contact(id), None) => split(last_address(api, *id).await?),
        (Whom::Conversation(id), channel) => in_conversation(api, *id, channel.as_deref()).await?,
    };
    let bound = bound(api, &channel)?;
    check_scheme(&bound, &to)?;
    Ok(Found { bound, to })
}

fn split(addressed: Addressed) -> (String, Identity) {
    (addressed.channel, addressed.to)
}

/// The plugin of a channel.
fn bound(api: &Api, name: &str) -> Result<Arc<Bound>, Problem> {
    let Some(channel) = api.edge.channels.get(name) else {
        let known: Vec<&str> = api.edge.channels.iter().map(|channel| channel.name.as_str()).collect();
        let detail = format!("channel: there is no channel {:?}; there are: {}", shortened(name), known.join(", "));
        return Err(unprocessable(detail, "channel"));
    };
    let stopped =
        || Problem::unavailable(format!("channel {name} has no plugin at the moment"), Duration::from_secs(5));
    channel.bound().ok_or_else(stopped)
}

fn check_scheme(bound: &Bound, to: &Identity) -> Result<(), Problem> {
    let schemes = &bound.plugin.manifest().identity_schemes;
    if schemes.contains(&to.scheme) {
        return Ok(());
    }
    let (channel, known) = (&bound.reference.name, schemes.join(", "));
    let detail = format!("to.scheme: channel {channel} cannot reach {:?}; it reaches: {known}", to.scheme);
    Err(unprocessable(detail, "to.scheme"))
}

async fn contact(api: &Api, id: Uuid) -> Result<Contact, Problem> {
    let known = api.directory.person(id).await?;
    known
        .map(|known| known.contact.clone())
        .ok_or_else(|| unprocessable(format!("contact_id: there is no contact {id}"), "contact_id"))
}

async fn last_address(api: &Api, id: Uuid) -> Result<Addressed, Problem> {
    contact(api, id).await?;
    api.edge.accept.last_address(id).await?.ok_or_else(|| no_address("this contact was never heard of on any channel"))
}

/// Where the owner of an address was last heard of.
async fn channel_of(api: &Api, to: &Identity) -> Result<String, Problem> {
    let unknown = || no_address("nobody with this address is known: name the channel");
    let id = api.directory.find(to).await?.ok_or_else(unknown)?;
    Ok(last_address(api, id).await?.channel)
}

/// The address under which a contact came on that channel; else one of a scheme that the channel reaches and that means
/// the same everywhere.
async fn on_channel(api: &Api, id: Uuid, channel: &str) -> Result<Identity, Problem> {
    let contact = contact(api, id).await?;
    let bound = bound(api, channel)?;
    let came = Filter { contacts: contact.members.clone(), channel: Some(channel.to_owned()), ..Filter::default() };
    if let Some(addressed) = newest_sender(api, came).await? {
        return Ok(addressed.to);
    }
    let schemes = &bound.plugin.manifest().identity_schemes;
    let of = |scheme: &String| contact.identities.iter().find(|i| i.scheme == *scheme && i.scope.is_none());
    let none = || no_address(&format!("none of this contact's addresses can be reached by channel {channel}"));
    schemes.iter().find_map(of).cloned().ok_or_else(none)
}

async fn in_conversation(api: &Api, id: Uuid, channel: Option<&str>) -> Result<(String, Identity), Problem> {
    let missing = || unprocessable(format!("conversation_id: there is no conversation {id}"), "conversation_id");
    let conversation = api.directory.conversation(id).await?.ok_or_else(missing)?;
    if let Some(channel) = channel {
        return Ok((channel.to_owned(), on_channel(api, conversation.contact, channel).await?));
    }
    let heard = newest_sender(api, Filter { conversation: Some(id), ..Filter::default() }).await?;
    match heard {
        Some(addressed) => Ok(split(addressed)),
        None => Ok(split(last_address(api, conversation.contact).await?)),
    }
}

/// Channel and sender of the newest message that came.
async fn newest_sender(api: &Api, filter: Filter) -> Result<Option<Addressed>, StoreError> {
    let filter = Filter { kinds: vec![Kind::MessageReceived], ..filter };
    let newest = api.store.page(&filter, None, Order::NewestFirst, 1).await?;
    let event = newest.first().and_then(|record| serde_json::from_slice::<Event>(&record.body).ok());
    Ok(event.and_then(|event| Some(Addressed { channel: event.data.channel?.name, to: event.data.from? })))
}

fn no_address(detail: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no-address", detail)
}
