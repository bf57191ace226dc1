//! How a person wants to be reached.

use std::sync::Arc;

use axum::extract::State;

use super::answer::{Answer, ok};
use super::input::{Id, NoParams, Sent};
use super::json::{shortened, unprocessable};
use super::{Api, contacts};
use crate::customer::Preferences;
use crate::edge::Problem;

const CHANNELS_MAX: usize = 20;

/// `GET /v1/contacts/{id}/preferences`
pub(super) async fn show(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    let known = contacts::find_known(&api, id).await?;
    ok(Preferences::of(&*api.store, &known.ids()).await?)
}

/// `PUT /v1/contacts/{id}/preferences`
pub(super) async fn keep(
    State(api): State<Arc<Api>>,
    Id(id): Id,
    _: NoParams,
    Sent { value, .. }: Sent<Preferences>,
) -> Answer {
    let known = contacts::find_known(&api, id).await?;
    check(&api, &value)?;
    value.keep(&*api.store, known.contact.id).await?;
    ok(value)
}

fn check(api: &Api, preferences: &Preferences) -> Result<(), Problem> {
    if preferences.channels.len() > CHANNELS_MAX {
        return Err(unprocessable(format!("channels: at most {CHANNELS_MAX}"), "channels"));
    }
    let unknown = preferences.channels.iter().find(|name| api.edge.channels.get(name).is_none());
    match unknown {
        Some(name) => Err(unprocessable(format!("channels: there is no channel {:?}", shortened(name)), "channels")),
        None => Ok(()),
    }
}
