use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Api;
use super::answer::{Answer, ok};
use super::input::{Id, NoParams, Params, unprocessable_query};
use super::interactions::{limit, page};
use crate::customer::Contact;
use crate::edge::Problem;
use crate::interaction::{Identity, Time};
use crate::store::{Filter, Order};

/// A contact as callers see it.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    id: Uuid,
    name: Option<&'a str>,
    identities: &'a [Identity],
    /// The newest one, open or not.
    conversation_id: Option<Uuid>,
    created_at: Time,
}

impl<'a> From<&'a Contact> for Shown<'a> {
    fn from(contact: &'a Contact) -> Self {
        Self {
            id: contact.id,
            name: contact.name.as_deref(),
            identities: &contact.identities,
            conversation_id: contact.conversation,
            created_at: contact.created_at,
        }
    }
}

/// Whose contact.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    identity: String,
    scope: Option<String>,
}

/// `GET /v1/contacts?identity=`
pub(super) async fn find(State(api): State<Arc<Api>>, Params(wanted): Params<Wanted>) -> Answer {
    let identity = identity(&wanted.identity, wanted.scope)?;
    let missing = || Problem::not_found("there is no contact with this identity");
    let id = api.directory.find(&identity).await?.ok_or_else(missing)?;
    answer(&api, id).await
}

/// `scheme:value`. In a query `+` means a space: a number's plus is taken as it was meant.
fn identity(text: &str, scope: Option<String>) -> Result<Identity, Problem> {
    let (scheme, value) = text
        .split_once(':')
        .ok_or_else(|| unprocessable_query("identity: must be scheme:value, such as tel:+15551234567"))?;
    let value = match value.strip_prefix(' ') {
        Some(digits) if scheme == "tel" => format!("+{digits}"),
        _ => value.to_owned(),
    };
    let identity = Identity { scheme: scheme.to_owned(), value, scope, name: None };
    identity.checked().map_err(|error| unprocessable_query(&format!("identity: {error}")))
}

/// `GET /v1/contacts/{id}`
pub(super) async fn show(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    answer(&api, id).await
}

async fn answer(api: &Api, id: Uuid) -> Answer {
    let known = api.directory.person(id).await?.ok_or_else(|| missing(id))?;
    ok(Shown::from(&known.contact))
}

pub(super) fn missing(id: Uuid) -> Problem {
    Problem::not_found(format!("there is no contact {id}"))
}

/// Which page.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    after: Option<Uuid>,
    limit: Option<usize>,
}

/// `GET /v1/contacts/{id}/timeline`
pub(super) async fn timeline(State(api): State<Arc<Api>>, Id(id): Id, Params(paging): Params<Paging>) -> Answer {
    let limit = limit(paging.limit)?;
    api.directory.person(id).await?.ok_or_else(|| missing(id))?;
    let filter = Filter { contact: Some(id), ..Filter::default() };
    page(&api, &filter, paging.after, Order::NewestFirst, limit).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read_as_they_are_typed() {
        for text in ["tel:+15551234567", "tel: 15551234567"] {
            assert_eq!(identity(text, None).unwrap().value, "+15551234567");
        }
        let scoped = identity("visitor:a:b", Some("bot".into())).unwrap();
        assert_eq!((scoped.value.as_str(), scoped.scope.as_deref()), ("a:b", Some("bot")));
    }

    #[test]
    fn what_is_no_identity_is_told() {
        for (text, why) in
            [("tel", "must be scheme:value"), ("tel:1", "E.164"), (":x", "scheme"), ("visitor:", "value")]
        {
            let problem = identity(text, None).err().unwrap();
            assert!(problem.status() == 422 && problem.detail().contains(why), "{text}: {}", problem.detail());
        }
    }
}
