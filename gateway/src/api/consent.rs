//! What a person allows and refuses.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::answer::{Answer, ok};
use super::input::{Asked, Id, NoParams, Sent};
use super::json::{check_text, shortened, unprocessable};
use super::{Api, contacts};
use crate::accept::Will;
use crate::customer::{Consent, Decision, Known, Subject};
use crate::edge::Problem;
use crate::interaction::{Category, ChannelRef, Identity};
use crate::store::StoreError;

const EVIDENCE_MAX: usize = 1000;

/// A decision that a caller tells.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDecision {
    channel: Option<String>,
    category: Category,
    granted: bool,
    evidence: Option<String>,
}

/// A decision, and the address that it was made with; without one it is the person's, whatever the address.
#[derive(Serialize)]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<Identity>,
    #[serde(flatten)]
    decision: Decision,
}

/// What is known of a person.
#[derive(Serialize)]
struct All {
    contact_id: Uuid,
    current: Vec<Shown>,
    history: Vec<Shown>,
}

/// `GET /v1/contacts/{id}/consent`
pub(super) async fn show(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    ok(all(&api, &*contacts::find_known(&api, id).await?).await?)
}

/// `PUT /v1/contacts/{id}/consent`
pub(super) async fn decide(
    State(api): State<Arc<Api>>,
    Asked { caller, id, .. }: Asked,
    Sent { value, .. }: Sent<NewDecision>,
) -> Answer {
    let contact = contacts::find_known(&api, id).await?.contact.id;
    let NewDecision { channel, category, granted, evidence } = value;
    check_text("evidence", evidence.as_deref(), EVIDENCE_MAX)?;
    let channel = channel.map(|name| known_channel(&api, &name)).transpose()?;
    api.edge.accept.decide(&Will { contact, channel, category, granted, evidence, by: caller.name }).await?;
    ok(all(&api, &*contacts::find_known(&api, contact).await?).await?)
}

fn known_channel(api: &Api, name: &str) -> Result<ChannelRef, Problem> {
    let unknown = || unprocessable(format!("channel: there is no channel {:?}", shortened(name)), "channel");
    let channel = api.edge.channels.get(name).ok_or_else(unknown)?;
    // Without its plugin a channel's medium is not known; the decision does not wait for that.
    let unbound = || ChannelRef {
        name: channel.name.clone(),
        medium: channel.config.adapter.clone(),
        adapter: channel.config.adapter.clone(),
    };
    Ok(channel.bound().map_or_else(unbound, |bound| bound.reference.clone()))
}

/// What a person allowed and refused, by itself and with each address, in order of time.
pub(super) async fn all(api: &Api, known: &Known) -> Result<impl Serialize + use<>, StoreError> {
    let mut all = All { contact_id: known.contact.id, current: Vec::new(), history: Vec::new() };
    all.add(None, api.consents.of_person(&known.ids()).await?);
    for address in &known.contact.identities {
        all.add(Some(address), api.consents.of(&Subject::Address(address)).await?);
    }
    all.history.sort_by_key(|shown| shown.decision.at);
    Ok(all)
}

impl All {
    fn add(&mut self, address: Option<&Identity>, consent: Consent) {
        let shown = |decision| Shown { address: address.cloned(), decision };
        self.current.extend(consent.current.into_iter().map(shown));
        self.history.extend(consent.history.into_iter().map(shown));
    }
}
