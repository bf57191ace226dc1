mod gateway;
mod partners;
mod passage;

use std::collections::BTreeMap;

pub use gateway::*;
pub use partners::*;
pub use passage::*;

use crate::store::Retention;

/// The configuration, checked: no later code meets a value that breaks a rule.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: Server,
    pub store: StoreConfig,
    pub plugins: Plugins,
    pub conversations: Conversations,
    pub consent: Consent,
    pub media: Media,
    pub mail: Mail,
    pub loops: Loops,
    pub delivery: Delivery,
    pub api_keys: BTreeMap<String, ApiKey>,
    pub backends: BTreeMap<String, Backend>,
    pub channels: BTreeMap<String, Channel>,
    pub connectors: BTreeMap<String, Connector>,
    /// In the order in which messages pass them.
    pub processors: Vec<Processor>,
    /// The first that matches wins; none: everything goes to every backend.
    pub routes: Vec<Route>,
}

impl Config {
    /// For how long interactions are kept.
    pub fn retention(&self) -> Retention {
        let channels = self.channels.iter().map(|(name, channel)| (name.clone(), channel.retention)).collect();
        Retention { rest: self.store.retention, channels }
    }
}
