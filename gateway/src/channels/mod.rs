//! The configured accounts: each bound to its plugin, with its state and its figures.

mod quarantine;
mod services;
mod sockets;
mod state;
mod uploads;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwapOption;
use tokio::sync::Semaphore;
use url::Url;

pub use quarantine::{Quarantine, QuarantineError, Quarantined};
pub use services::GatewayServices;
pub use sockets::{Hub, Rooms, Socket};
pub use state::{ChannelState, Counters, Leg, StateInfo};
pub use uploads::Buckets;

use crate::config::{self, Config, Limits, Problem, Secret};
use crate::interaction::ChannelRef;
use crate::mail;
use crate::plugin::{self, Binding, Capabilities, Plugin, Plugins};
pub(crate) use state::{StateCell, count, count_by};

/// One configured account of an adapter.
pub struct Channel {
    pub name: String,
    pub config: config::Channel,
    pub counters: Counters,
    /// Requests in hand at once.
    pub requests: Semaphore,
    /// Mails that wait in its mailbox.
    pub waiting: AtomicU64,
    state: StateCell,
    bound: ArcSwapOption<Bound>,
}

/// A channel's plugin and what it may use.
pub struct Bound {
    pub plugin: Arc<Plugin>,
    pub binding: Arc<Binding>,
    pub reference: ChannelRef,
    /// With the medium that the settings chose.
    pub abilities: Capabilities,
}

/// All channels.
pub struct Channels {
    channels: BTreeMap<String, Arc<Channel>>,
    keys: BTreeMap<String, Secret>,
    public_url: Url,
    limits: Limits,
}

impl Channels {
    /// Of the configuration; none is bound yet. `keys`: the secret behind `@channel`, by channel.
    pub fn new(config: &Config, public_url: &Url, keys: BTreeMap<String, Secret>) -> Self {
        let channel = |(name, channel): (&String, &config::Channel)| {
            let channel = Channel {
                name: name.clone(),
                config: channel.clone(),
                counters: Counters::default(),
                requests: Semaphore::new(config.server.channel_requests_max),
                waiting: AtomicU64::new(0),
                state: StateCell::default(),
                bound: ArcSwapOption::empty(),
            };
            (name.clone(), Arc::new(channel))
        };
        let channels = config.channels.iter().map(channel).collect();
        Self { channels, keys, public_url: public_url.clone(), limits: config.plugins.limits.clone() }
    }

    /// The channel with that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Channel>> {
        self.channels.get(name)
    }

    /// All, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.channels.values()
    }

    /// Binds every channel to what is loaded now. A channel whose plugin does not fit any more keeps the one that it had.
    pub fn bind(&self, plugins: &Plugins) -> Vec<Problem> {
        self.channels.values().flat_map(|channel| self.bind_one(channel, plugins)).collect()
    }

    fn bind_one(&self, channel: &Channel, plugins: &Plugins) -> Vec<Problem> {
        let Some(plugin) = plugins.get(&channel.config.adapter) else {
            return vec![plugin::missing(&channel.name, &channel.config.adapter, plugins)];
        };
        if channel.bound().is_some_and(|bound| Arc::ptr_eq(&bound.plugin, &plugin)) {
            return Vec::new();
        }
        let mut checked = plugin::check(&channel.name, &channel.config, plugin.manifest());
        if checked.problems.is_empty() {
            checked.problems = mail::check(&channel.name, &channel.config, plugin.manifest());
        }
        if checked.problems.is_empty() {
            channel.bound.store(Some(Arc::new(self.bound(channel, plugin))));
            channel.set_state(ChannelState::Connected, None);
        }
        checked.problems
    }

    fn bound(&self, channel: &Channel, plugin: Arc<Plugin>) -> Bound {
        let key = self.keys.get(&channel.name).cloned().unwrap_or_else(|| Secret::new(""));
        let binding =
            Binding::new(&channel.name, &channel.config, plugin.manifest(), &self.public_url, &self.limits, key);
        let reference = ChannelRef {
            name: channel.name.clone(),
            medium: binding.medium.clone(),
            adapter: channel.config.adapter.clone(),
        };
        let manifest = plugin.manifest();
        let abilities = manifest.abilities(&manifest.with_defaults(&channel.config.settings)).clone();
        Bound { plugin, binding: Arc::new(binding), reference, abilities }
    }
}

impl Channel {
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
        self.set_state_of(Leg::Sending, state, why)
    }

    /// The same, of one half of it.
    pub fn set_state_of(&self, leg: Leg, state: ChannelState, why: Option<String>) -> bool {
        self.state.set(leg, state, why)
    }
}
