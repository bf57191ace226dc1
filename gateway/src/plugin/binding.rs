//! A channel's side of a plugin: settings, secrets, grants.

use std::collections::BTreeMap;

use crate::interaction::Time;
use crate::config::{HostPattern, Limits, Secret};

/// Everything that a call may use, and nothing of any other channel.
#[derive(Clone, Debug)]
pub struct Binding {
    pub channel: String,
    pub medium: String,
    /// JSON, defaults filled in.
    pub settings: String,
    /// `{public_url}/channels/{name}`
    pub url: String,
    pub secrets: BTreeMap<String, Secret>,
    /// Slots of the manifest and where each may be sent.
    pub slots: BTreeMap<String, Vec<HostPattern>>,
    /// What the operator granted.
    pub hosts: Vec<HostPattern>,
    /// Behind the slot `@channel`.
    pub channel_key: Secret,
    pub limits: Limits,
    /// Stands still at this time: for reproducible cases.
    pub clock: Option<Time>,
}
