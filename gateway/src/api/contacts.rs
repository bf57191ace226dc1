use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::Api;
use super::answer::{Answer, ok};
use super::input::{Id, NoParams, Params, unprocessable_query};
use crate::customer::{Contact, Known, Link, Suggestion};
use crate::edge::Problem;
use crate::interaction::{Country, Identity, Time};
use crate::store::StoreError;

/// A contact as callers see it.
#[derive(Serialize)]
pub(super) struct Shown {
    id: Uuid,
    /// Where the contact was asked for by an id that it had before it was joined: the id that it has now.
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<Uuid>,
    /// Every id under which this person is found, `id` first.
    contact_ids: Vec<Uuid>,
    name: Option<String>,
    identities: Vec<Identity>,
    /// The one that goes on; else the newest.
    conversation_id: Option<Uuid>,
    created_at: Time,
    /// What joined them, in order of time.
    links: Vec<Link>,
    suggestions: Vec<Suggested>,
    /// What connectors know of the person, by connector.
    #[serde(skip_serializing_if = "Map::is_empty")]
    attributes: Map<String, Value>,
}

/// A claim, and whose address it is now.
#[derive(Serialize)]
struct Suggested {
    #[serde(flatten)]
    suggestion: Suggestion,
    contact_id: Option<Uuid>,
}

/// Whose contact.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    identity: String,
    scope: Option<String>,
    country: Option<String>,
}

/// `GET /v1/contacts?identity=`
pub(super) async fn find(State(api): State<Arc<Api>>, Params(wanted): Params<Wanted>) -> Answer {
    let country = wanted.country.as_deref().map(country).transpose()?;
    let identity = identity(&wanted.identity, wanted.scope, country)?;
    let missing = || Problem::not_found("there is no contact with this identity");
    let id = api.directory.find(&identity).await?.ok_or_else(missing)?;
    answer(&api, id).await
}

fn country(code: &str) -> Result<Country, Problem> {
    let rule = "country: must be a country of ISO 3166-1 in two capital letters, such as DE";
    Country::parse(code).ok_or_else(|| unprocessable_query(rule))
}

/// `scheme:value`. In a query `+` means a space: a number's plus is taken as it was meant.
fn identity(text: &str, scope: Option<String>, country: Option<Country>) -> Result<Identity, Problem> {
    let (scheme, value) = text
        .split_once(':')
        .ok_or_else(|| unprocessable_query("identity: must be scheme:value, such as tel:+15551234567"))?;
    let value = match value.strip_prefix(' ') {
        Some(digits) if scheme == "tel" => format!("+{digits}"),
        _ => value.to_owned(),
    };
    let identity = Identity { scheme: scheme.to_owned(), value, scope, name: None };
    identity.normalized(country).checked().map_err(|error| unprocessable_query(&format!("identity: {error}")))
}

/// `GET /v1/contacts/{id}`
pub(super) async fn show(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    answer(&api, id).await
}

/// The contact behind an id, whether that is its own or one that it had before it was joined.
pub(super) async fn answer(api: &Api, id: Uuid) -> Answer {
    ok(shown(api, id).await?)
}

/// A contact as callers see it.
///
/// # Errors
/// 404 if there is none.
pub(super) async fn shown(api: &Api, id: Uuid) -> Result<Shown, Problem> {
    let known = find_known(api, id).await?;
    let mut suggestions = Vec::new();
    for suggestion in known.members().flat_map(|member| member.suggestions.iter()) {
        let contact_id = owner(api, &suggestion.identity).await?;
        suggestions.push(Suggested { suggestion: suggestion.clone(), contact_id });
    }
    let mut links: Vec<Link> = known.members().flat_map(|member| member.links.iter().cloned()).collect();
    links.sort_by_key(|link| (link.at, link.id));
    let contact = Contact::clone(&known.contact);
    let attributes = api.edge.memory.all_attributes(api.edge.connectors.names(), &contact.members).await?;
    Ok(Shown {
        id: contact.id,
        merged_into: Some(contact.id).filter(|now| *now != id),
        contact_ids: contact.members,
        name: contact.name,
        identities: contact.identities,
        conversation_id: contact.conversation,
        created_at: contact.created_at,
        links,
        suggestions,
        attributes,
    })
}

/// The contact that has an address.
async fn owner(api: &Api, identity: &Identity) -> Result<Option<Uuid>, StoreError> {
    match api.directory.find(identity).await? {
        Some(member) => leader(api, member).await.map(Some),
        None => Ok(None),
    }
}

/// The id that a contact has now; one that is gone keeps its own.
pub(super) async fn leader(api: &Api, id: Uuid) -> Result<Uuid, StoreError> {
    Ok(api.directory.person(id).await?.map_or(id, |known| known.contact.id))
}

/// The ids under which the log has a contact's interactions; one that is not there has its own.
pub(super) async fn members(api: &Api, id: Option<Uuid>) -> Result<Vec<Uuid>, StoreError> {
    let Some(id) = id else { return Ok(Vec::new()) };
    Ok(api.directory.person(id).await?.map_or_else(|| vec![id], |known| known.ids()))
}

/// The person behind an id.
///
/// # Errors
/// 404 if there is none.
pub(super) async fn find_known(api: &Api, id: Uuid) -> Result<Arc<Known>, Problem> {
    let known = api.directory.person(id).await?;
    known.ok_or_else(|| Problem::not_found(format!("there is no contact {id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_read_as_they_are_typed() {
        for text in ["tel:+15551234567", "tel: 15551234567"] {
            assert_eq!(identity(text, None, None).unwrap().value, "+15551234567");
        }
        let scoped = identity("visitor:a:b", Some("bot".into()), None).unwrap();
        assert_eq!((scoped.value.as_str(), scoped.scope.as_deref()), ("a:b", Some("bot")));
    }

    #[test]
    fn numbers_are_read_as_they_are_dialled() {
        let dialled = |country| identity("tel:030 901820", None, country);
        assert_eq!(dialled(Country::parse("DE")).unwrap().value, "+4930901820");
        assert_eq!(dialled(None).err().unwrap().status(), 422);
    }

    #[test]
    fn what_is_no_identity_is_told() {
        for (text, why) in
            [("tel", "must be scheme:value"), ("tel:1", "E.164"), (":x", "scheme"), ("visitor:", "value")]
        {
            let problem = identity(text, None, None).err().unwrap();
            assert!(problem.status() == 422 && problem.detail().contains(why), "{text}: {}", problem.detail());
        }
    }
}
