//! Contacts are joined and separated, by whom and why.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use super::answer::Answer;
use super::auth::Caller;
use super::input::{Asked, Sent};
use super::json::{Object, check_text, unprocessable};
use super::{Api, contacts};
use crate::accept::{PeopleError, Whom};
use crate::customer::{NoLink, Refused, Why};
use crate::edge::Problem;
use crate::interaction::Identity;

/// Characters of a reason.
pub(super) const REASON_MAX: usize = 500;
const EVIDENCE_MAX: usize = 2000;

/// With whom, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Linking {
    contact_id: Option<Uuid>,
    identity: Option<Object<Identity>>,
    reason: String,
    evidence: Option<String>,
}

/// What is undone, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unlinking {
    link_id: Option<Uuid>,
    identity: Option<Object<Identity>>,
    reason: String,
    evidence: Option<String>,
}

/// `POST /v1/contacts/{id}/link`
pub(super) async fn link(
    State(api): State<Arc<Api>>,
    Asked { caller, id, trace }: Asked,
    Sent { value, .. }: Sent<Linking>,
) -> Answer {
    let why = why(&caller, &value.reason, value.evidence)?;
    let whom = match (value.contact_id, value.identity) {
        (Some(contact), None) => Whom::Contact(contact),
        (None, Some(identity)) => Whom::Identity(checked(identity)?),
        _ => return Err(unprocessable("exactly one of contact_id and identity must be given", "/")),
    };
    contacts::find_known(&api, id).await?;
    let joined = api.edge.accept.link(id, &whom, &why, &trace).await?;
    contacts::answer(&api, joined.id).await
}

/// `POST /v1/contacts/{id}/unlink`
pub(super) async fn unlink(
    State(api): State<Arc<Api>>,
    Asked { caller, id, trace }: Asked,
    Sent { value, .. }: Sent<Unlinking>,
) -> Answer {
    let why = why(&caller, &value.reason, value.evidence)?;
    contacts::find_known(&api, id).await?;
    let accept = &api.edge.accept;
    match (value.link_id, value.identity) {
        (Some(link), None) => accept.unlink(id, link, &why, &trace).await?,
        (None, Some(identity)) => accept.release(id, &checked(identity)?, &why, &trace).await?,
        _ => return Err(unprocessable("exactly one of link_id and identity must be given", "/")),
    };
    contacts::answer(&api, id).await
}

fn checked(Object(identity): Object<Identity>) -> Result<Identity, Problem> {
    let checked = identity.normalized(None).checked();
    checked.map_err(|error| unprocessable(format!("identity: {error}"), "identity"))
}

/// Who decides, and on which grounds.
///
/// # Errors
/// 422 for texts that are empty or too long.
fn why(caller: &Caller, reason: &str, evidence: Option<String>) -> Result<Why, Problem> {
    check_text("reason", Some(reason), REASON_MAX)?;
    check_text("evidence", evidence.as_deref(), EVIDENCE_MAX)?;
    Ok(Why { by: caller.signature(), reason: reason.to_owned(), evidence })
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::UnknownContact(id) => {
                unprocessable(format!("contact_id: there is no contact {id}"), "contact_id")
            }
            PeopleError::NoLink(NoLink::Link(id)) => {
                unprocessable(format!("link_id: this contact has no link {id}"), "link_id")
            }
            PeopleError::NoLink(NoLink::Identity) => {
                unprocessable("identity: this contact does not have this identity", "identity")
            }
            PeopleError::Refused(refused) => refused.into(),
            PeopleError::Store(error) => error.into(),
        }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let conflict = |code| Self::new(StatusCode::CONFLICT, code, refused.to_string());
        match &refused {
            Refused::Unknown(id) => Self::not_found(format!("there is no conversation {id}")),
            Refused::Old(_) => conflict("old-conversation"),
            Refused::AnotherOpen { open } => conflict("another-open").with("conversation_id", open.to_string()),
            Refused::Closed(_) => conflict("closed"),
            Refused::Controlled(backend) => conflict("controlled").with("backend", backend.as_str()),
        }
    }
}
