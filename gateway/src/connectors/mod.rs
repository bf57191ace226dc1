//! The configured accounts of CRMs: each bound to its plugin, with its state and its figures; what is remembered of people
//! there; and asking them before a backend hears of a conversation.

mod lookups;
mod memory;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::Url;

pub use lookups::Lookups;
pub(crate) use lookups::person;
pub use memory::{CONTACTS_THERE, Memory, Subject, notes_of};

use crate::channels::{ChannelState, Leg, StateCell, StateInfo};
use crate::config::{self, Config, Limits, Problem, Secret};
use crate::interaction::Kind;
use crate::plugin::{self, Binding, Plugin, Plugins};

/// Before a connector's name, where names of channels stand beside it: none begins so.
const SUBSCRIBER: &str = "connector:";

/// One configured account of a CRM.
pub struct Connector {
    pub name: String,
    pub config: config::Connector,
    pub counters: Counters,
    /// Requests in hand at once.
    pub requests: Semaphore,
    state: StateCell,
    bound: ArcSwapOption<Bound>,
    /// The CRM asked for patience until then.
    rest: Mutex<Option<Instant>>,
}

/// A connector's plugin and what it may use.
pub struct Bound {
    pub plugin: Arc<Plugin>,
    pub binding: Arc<Binding>,
    /// Kinds of interactions that it wants.
    pub kinds: Vec<Kind>,
}

/// Figures since start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Interactions that the CRM took.
    pub taken: AtomicU64,
    /// Calls that carried them.
    pub calls: AtomicU64,
    /// Interactions that the CRM or the plugin did not take at an attempt.
    pub failed: AtomicU64,
    /// Questions who somebody is.
    pub lookups: AtomicU64,
    /// Questions that brought no answer.
    pub lookups_failed: AtomicU64,
    /// First events of conversations that went on without an answer, because it took too long.
    pub lookups_late: AtomicU64,
    /// Changes that the CRM told of.
    pub changes: AtomicU64,
    /// Requests refused, whatever the reason.
    pub refused: AtomicU64,
    /// Authentic requests kept because the plugin failed on them.
    pub quarantined: AtomicU64,
    /// Calls in which the plugin broke.
    pub broken: AtomicU64,
}

/// All connectors.
pub struct Connectors {
    connectors: BTreeMap<String, Arc<Connector>>,
    keys: BTreeMap<String, Secret>,
    public_url: Url,
    limits: Limits,
}

impl Connectors {
    /// Of the configuration; none is bound yet. `keys`: the secret behind `@channel`, by connector.
    pub fn new(config: &Config, public_url: &Url, keys: BTreeMap<String, Secret>) -> Self {
        let connector = |(name, connector): (&String, &config::Connector)| {
            let connector = Connector {
                name: name.clone(),
                config: connector.clone(),
                counters: Counters::default(),
                requests: Semaphore::new(config.server.channel_requests_max),
                state: StateCell::default(),
                bound: ArcSwapOption::empty(),
                rest: Mutex::default(),
            };
            (name.clone(), Arc::new(connector))
        };
        let connectors = config.connectors.iter().map(connector).collect();
        Self { connectors, keys, public_url: public_url.clone(), limits: config.plugins.limits.clone() }
    }

    /// The connector with that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Connector>> {
        self.connectors.get(name)
    }

    /// All, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Connector>> {
        self.connectors.values()
    }

    /// Their names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Send {
        self.connectors.keys().map(String::as_str)
    }

    /// Names of those that a channel concerns, in order.
    pub fn covering(&self, channel: &str) -> impl Iterator<Item = &str> + Send {
        let covering = self.connectors.iter().filter(move |(_, connector)| connector.config.covers(channel));
        covering.map(|(name, _)| name.as_str())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.connectors.is_empty()
    }

    /// Binds every connector to what is loaded now. One whose plugin does not fit any more keeps the one that it had.
    pub fn bind(&self, plugins: &Plugins) -> Vec<Problem> {
        self.connectors.values().flat_map(|connector| self.bind_one(connector, plugins)).collect()
    }

    fn bind_one(&self, connector: &Connector, plugins: &Plugins) -> Vec<Problem> {
        let Some(plugin) = plugins.get(&connector.config.plugin) else {
            return vec![plugin::missing_connector(&connector.name, &connector.config.plugin, plugins)];
        };
        if connector.bound().is_some_and(|bound| Arc::ptr_eq(&bound.plugin, &plugin)) {
            return Vec::new();
        }
        let checked = plugin::check_connector(&connector.name, &connector.config, plugin.manifest());
        if checked.problems.is_empty() {
            connector.bound.store(Some(Arc::new(self.bound(connector, plugin))));
            connector.set_state(ChannelState::Connected, None);
        }
        checked.problems
    }

    fn bound(&self, connector: &Connector, plugin: Arc<Plugin>) -> Bound {
        let key = self.keys.get(&connector.name).cloned().unwrap_or_else(|| Secret::new(""));
        let (name, manifest) = (&connector.name, plugin.manifest());
        let binding = Binding::of_connector(name, &connector.config, manifest, &self.public_url, &self.limits, key);
        let kinds = manifest.interactions.iter().filter_map(|kind| Kind::parse(kind)).collect();
        Bound { plugin, binding: Arc::new(binding), kinds }
    }
}

impl Connector {
    /// Its plugin, once there is one that fits.
    pub fn bound(&self) -> Option<Arc<Bound>> {
        self.bound.load_full()
    }

    /// How it is.
    pub fn state(&self) -> StateInfo {
        self.state.get()
    }

    /// Notes how it is; tells whether that is news.
    pub fn set_state(&self, state: ChannelState, why: Option<String>) -> bool {
        let is_news = self.state.set(Leg::Sending, state, why.clone());
        if is_news {
            tracing::info!(connector = self.name, state = state.as_str(), why, "the connector's state changed");
        }
        is_news
    }

    /// The CRM wants to be left alone for so long; a shorter wish does not end a longer one.
    pub fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        *rest = (*rest).max(Some(until));
    }

    /// How long the CRM still wants to be left alone.
    pub fn resting(&self) -> Option<Duration> {
        let rest = *self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.map(|until| until.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }
}

/// What a connector's subscriber is called; also under what the quarantine keeps its requests, beside those of channels.
pub fn subscriber(connector: &str) -> String {
    format!("{SUBSCRIBER}{connector}")
}

/// The connector whose subscriber has that name.
pub fn of_subscriber(name: &str) -> Option<&str> {
    name.strip_prefix(SUBSCRIBER)
}
