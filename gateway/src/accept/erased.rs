//! What is left of people who were erased: enough to know their messages when somebody speaks of them late, and no more.

use std::time::Duration;

use uuid::Uuid;

use super::envelope::{blank, event};
use super::messages::MessageState;
use super::{Accept, Trace, external_key, name_key};
use crate::interaction::{ContactRef, Direction, Event, Kind, Time};
use crate::store::{DedupeKey, Key, NewEvent, StoreError, Write};

/// As long as providers repeat themselves: the same as for duplicates.
const LATE: Duration = Duration::from_secs(8 * 24 * 3600);

/// The end of an interaction.
#[derive(Default)]
pub struct Parting {
    /// What is in the table for this interaction alone.
    pub entries: Vec<Key>,
    /// Its names as digests, so that late receipts and echoes of it are not taken for news.
    pub late: Vec<Write>,
    /// It was a message of ours.
    pub was_sent: bool,
}

impl Accept {
    /// What goes with an interaction that is erased, and what stays of it.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn parting(&self, event: &Event) -> Result<Parting, StoreError> {
        let state = self.message(event.id).await?;
        let channel = event.data.channel.as_ref().map(|channel| channel.name.as_str());
        let told = event.data.external_ids.iter().filter_map(|id| Some((channel?, id)));
        let ways = state.iter().flat_map(|state| &state.ways);
        let learnt = ways.flat_map(|way| way.external_ids.iter().map(|id| (way.channel.name.as_str(), id)));
        let names: Vec<_> = told.chain(learnt).collect();
        let pointers = names.iter().flat_map(|(channel, id)| [external_key(channel, id), name_key(channel, id)]);
        let entries = pointers.chain(state.iter().map(|state| MessageState::key(state.id))).collect();
        let end = Time::now().plus(LATE);
        let late =
            names.iter().map(|(channel, id)| Write::put(late_key(channel, id), Vec::new()).expiring(end)).collect();
        Ok(Parting { entries, late, was_sent: state.is_some() })
    }

    pub(super) async fn was_erased(&self, channel: &str, external_id: &str) -> Result<bool, StoreError> {
        Ok(self.store.get(&late_key(channel, external_id)).await?.is_some())
    }

    /// What backends hear of an erasure: the ids, and nothing that tells who it was.
    pub fn erased_event(&self, contact: Uuid, members: &[Uuid]) -> NewEvent {
        let now = Time::now();
        let mut data = blank(None, Direction::Inbound, now, now);
        data.contact =
            Some(ContactRef { id: contact, name: None, identities: Vec::new(), attributes: serde_json::Map::new() });
        data.detail = Some(serde_json::json!({ "contact_ids": members }));
        let made = event(Kind::ContactErased, None, data, &self.schema_url, &Trace::from_header(None), None, None);
        // The log takes nothing of him any more: this belongs to nobody.
        NewEvent { lane: contact, ..made }
    }
}

fn late_key(channel: &str, external_id: &str) -> Key {
    let digest = hex::encode(DedupeKey::of(&[channel, "erased", external_id]).bytes());
    Key::of(&["erased-message", &digest])
}
