use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use uuid::Uuid;

use super::answer::{Answer, Page, event, ok};
use super::input::{Id, NoParams, Params, unprocessable_query};
use super::{Api, contacts};
use crate::config::suggestion;
use crate::edge::Problem;
use crate::interaction::Kind;
use crate::store::{Filter, Order, Record};

const LIMIT: usize = 50;
pub(super) const LIMIT_MAX: usize = 200;

/// Which interactions, and how many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    after: Option<Uuid>,
    channel: Option<String>,
    contact: Option<Uuid>,
    conversation: Option<Uuid>,
    r#type: Option<String>,
    limit: Option<usize>,
    order: Option<Sorting>,
}

/// Which come first.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sorting {
    Oldest,
    Newest,
}

impl From<Sorting> for Order {
    fn from(sorting: Sorting) -> Self {
        match sorting {
            Sorting::Oldest => Self::OldestFirst,
            Sorting::Newest => Self::NewestFirst,
        }
    }
}

/// A page's size.
///
/// # Errors
/// 422 outside 1 to 200.
pub(super) fn limit(given: Option<usize>) -> Result<usize, Problem> {
    let limit = given.unwrap_or(LIMIT);
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(unprocessable_query(&format!("limit: must be 1 to {LIMIT_MAX}")))
}

/// The kind by its name, with or without `omnigate.`.
///
/// # Errors
/// 422 for a name that no kind has.
pub(super) fn kind(name: Option<&str>) -> Result<Option<Kind>, Problem> {
    let Some(name) = name else { return Ok(None) };
    let unknown = || {
        let known: Vec<&str> = Kind::ALL.into_iter().map(Kind::as_str).collect();
        unprocessable_query(&format!("type: there is no such type; {}", suggestion(name, &known)))
    };
    Kind::parse(name).map(Some).ok_or_else(unknown)
}

/// `GET /v1/interactions`
pub(super) async fn list(State(api): State<Arc<Api>>, Params(listing): Params<Listing>) -> Answer {
    let filter = Filter {
        channel: listing.channel,
        contacts: contacts::members(&api, listing.contact).await?,
        conversation: listing.conversation,
        kinds: kind(listing.r#type.as_deref())?.into_iter().collect(),
        ..Filter::default()
    };
    let order = listing.order.unwrap_or(Sorting::Oldest).into();
    page(&api, &filter, listing.after, order, limit(listing.limit)?).await
}

/// A page of the log.
pub(super) async fn page(api: &Api, filter: &Filter, after: Option<Uuid>, order: Order, limit: usize) -> Answer {
    let records = api.store.page(filter, after, order, limit + 1).await?;
    ok(Page::of(&api.edge.media, records, limit)?)
}

/// `GET /v1/interactions/{id}`
pub(super) async fn show(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    let record = find(&api, id).await?;
    ok(event(&api.edge.media, &record)?)
}

/// One record.
///
/// # Errors
/// 404 if it is not there.
pub(super) async fn find(api: &Api, id: Uuid) -> Result<Arc<Record>, Problem> {
    api.store.find(id).await?.ok_or_else(|| Problem::not_found(format!("there is no interaction {id}")))
}

/// `GET /v1/interactions/{id}/raw`: bytes of a stranger; nothing may take them for anything else.
pub(super) async fn raw(State(api): State<Arc<Api>>, Id(id): Id, _: NoParams) -> Answer {
    find(&api, id).await?;
    let missing = || Problem::not_found(format!("no request was kept with interaction {id}"));
    let body = api.store.raw(id).await?.ok_or_else(missing)?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.bin\"")),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}
