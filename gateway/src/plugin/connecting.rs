//! What goes to a connector and comes back, in the gateway's own types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::exchange::{Fault, Reply};
use crate::interaction::Identity;

/// Something in the CRM that stands for something here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its id there.
    pub id: String,
    /// The connector's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// What a connector noted earlier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    pub contact: Option<Note>,
    pub conversation: Option<Note>,
    /// Of this very interaction.
    pub activity: Option<Note>,
    /// Of the message that this interaction speaks of.
    pub about: Option<Note>,
}

/// A contact with every identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    pub id: Uuid,
    pub name: Option<String>,
    pub identities: Vec<Identity>,
}

/// One interaction on its way to a CRM.
#[derive(Clone, Debug)]
pub struct Item {
    /// CloudEvents JSON.
    pub interaction: String,
    pub person: Option<Person>,
    pub known: Notes,
    /// From 1.
    pub attempt: u32,
    /// An earlier attempt may have got through.
    pub uncertain: bool,
    /// Files of ours that it speaks of, by the address that stands there.
    pub files: BTreeMap<String, Uuid>,
}

/// What is to be noted of an interaction that was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<Note>,
}

/// One answer for each item, in their order.
pub type Answers = Vec<Result<Taken, Fault>>;

/// Who somebody is in the CRM, and what it says of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    pub contact: Option<Note>,
    /// `None`: it says nothing new.
    pub attributes: Option<Map<String, Value>>,
}

/// The answer to a caller, and what changed in the CRM.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub reply: Reply,
    pub changes: Vec<Change>,
}

/// One change of a contact in the CRM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its id there.
    pub contact: String,
    pub what: News,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// These; null takes one away.
    Attributes(Map<String, Value>),
    /// It goes on under this id.
    Merged(String),
    Removed,
}
