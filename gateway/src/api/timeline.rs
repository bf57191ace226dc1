//! What was said with one person, over all channels.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use uuid::Uuid;

use super::answer::{Answer, Page, ok};
use super::input::{Id, Params, unprocessable_query};
use super::interactions::{kind, limit, page};
use super::{Api, contacts};
use crate::edge::Problem;
use crate::interaction::{Direction, Kind, Time};
use crate::store::{Filter, Order, Words};

/// Which interactions, and how many.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    after: Option<Uuid>,
    limit: Option<usize>,
    channel: Option<String>,
    conversation: Option<Uuid>,
    r#type: Option<String>,
    direction: Option<Direction>,
    since: Option<Time>,
    until: Option<Time>,
    q: Option<String>,
}

/// `GET /v1/contacts/{id}/timeline`
pub(super) async fn show(State(api): State<Arc<Api>>, Id(id): Id, Params(wanted): Params<Wanted>) -> Answer {
    let limit = limit(wanted.limit)?;
    let kinds = kinds(wanted.r#type.as_deref(), wanted.direction)?;
    let known = contacts::find_known(&api, id).await?;
    let filter = Filter {
        channel: wanted.channel,
        contacts: known.ids(),
        conversation: wanted.conversation,
        kinds,
        since: wanted.since,
        until: wanted.until,
    };
    match wanted.q {
        Some(typed) => found(&api, &filter, &typed, wanted.after, limit).await,
        None => page(&api, &filter, wanted.after, Order::NewestFirst, limit).await,
    }
}

/// A page of the messages with these words.
async fn found(api: &Api, filter: &Filter, typed: &str, after: Option<Uuid>, limit: usize) -> Answer {
    let words = Words::parse(typed).map_err(|error| unprocessable_query(&format!("q: {error}")))?;
    let records = api.store.search(filter, &words, after, limit + 1).await?;
    ok(Page::of(&api.edge.media, records, limit)?)
}

/// The kinds that are of that type and go that way.
fn kinds(name: Option<&str>, direction: Option<Direction>) -> Result<Vec<Kind>, Problem> {
    let only = kind(name)?;
    let Some(direction) = direction else { return Ok(only.into_iter().collect()) };
    let both = |kind: &Kind| kind.direction() == direction && only.is_none_or(|only| only == *kind);
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(both).collect();
    if kinds.is_empty() {
        return Err(unprocessable_query("type: nothing of this type goes in this direction"));
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_and_direction_must_fit() {
        assert_eq!(kinds(None, None).unwrap(), []);
        assert_eq!(kinds(Some("message.received"), Some(Direction::Inbound)).unwrap(), [Kind::MessageReceived]);
        assert!(kinds(None, Some(Direction::Outbound)).unwrap().contains(&Kind::MessageSubmitted));
        assert_eq!(kinds(Some("message.received"), Some(Direction::Outbound)).unwrap_err().status(), 422);
    }
}
