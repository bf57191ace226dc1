use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::{Contact, Conversation};
use crate::interaction::Kind;

/// Something that the gateway itself decided about people: it goes into the log with what caused it.
#[derive(Clone, Debug)]
pub struct News {
    pub kind: Kind,
    pub contact: Arc<Contact>,
    /// The member that it is about.
    pub owner: Uuid,
    pub conversation: Option<Conversation>,
    /// The conversation is a new one.
    pub opened: bool,
    pub detail: Value,
}
