//! What stands on the way into the log: each message passes the configured processors in their order, and what they take out
//! is never written down.

mod chain;
mod counters;
mod trial;

use std::sync::Arc;

use arc_swap::ArcSwapOption;

pub use chain::{Came, Stopped, Why};
pub use counters::{Counters, Figure};
pub use trial::trial;

use crate::config::{self, Config, Limits, NamePattern, OnFailure, Problem, Ways};
use crate::interaction::Direction;
use crate::plugin::{self, Binding, Plugin, Plugins};

/// All processors, in the order in which messages pass them; none by default.
#[derive(Default)]
pub struct Processors {
    chain: Vec<Processor>,
}

/// One of them.
pub struct Processor {
    pub config: config::Processor,
    pub counters: Counters,
    bound: ArcSwapOption<Bound>,
}

/// A processor's plugin and what it may use.
struct Bound {
    plugin: Arc<Plugin>,
    binding: Arc<Binding>,
}

impl Processors {
    /// Of the configuration; none is bound yet.
    pub fn new(config: &Config) -> Self {
        let processor = |processor: &config::Processor| Processor {
            config: processor.clone(),
            counters: Counters::default(),
            bound: ArcSwapOption::empty(),
        };
        Self { chain: config.processors.iter().map(processor).collect() }
    }

    /// All, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Processor> {
        self.chain.iter()
    }

    /// Binds each to what is loaded now. One whose plugin does not fit any more keeps the one that it had.
    pub fn bind(&self, plugins: &Plugins, limits: &Limits) -> Vec<Problem> {
        self.chain.iter().flat_map(|processor| processor.bind(plugins, limits)).collect()
    }

    /// Shows each a message of nobody: what is wrong inside of its settings, it says then, and not at the first message.
    pub async fn try_out(&self, limits: &Limits) -> Vec<Problem> {
        let mut problems = Vec::new();
        for processor in &self.chain {
            if let Some(bound) = processor.bound.load_full() {
                problems.extend(trial(&processor.config, &bound.plugin, limits).await);
            }
        }
        problems
    }

    /// Whether any processor sees such messages of one of the channels.
    pub fn see(&self, direction: Direction, channels: &[&str]) -> bool {
        self.on_the_way(direction, channels).next().is_some()
    }

    /// Whether something is taken out of such messages: then nothing may be kept beside them that still has it.
    pub fn redact(&self, direction: Direction, channel: &str) -> bool {
        self.on_the_way(direction, &[channel]).any(Processor::redacts)
    }

    /// Whether a request of the channel may be kept as it came, although no processor has seen what is in it.
    pub fn let_keep(&self, channel: &str) -> bool {
        let forbids = |processor: &Processor| processor.redacts() && processor.config.on_failure == OnFailure::Reject;
        !self.on_the_way(Direction::Inbound, &[channel]).any(forbids)
    }

    fn on_the_way(&self, direction: Direction, channels: &[&str]) -> impl Iterator<Item = &Processor> {
        let sees = move |processor: &&Processor| channels.iter().any(|channel| processor.sees(direction, channel));
        self.chain.iter().filter(sees)
    }
}

impl Processor {
    fn sees(&self, direction: Direction, channel: &str) -> bool {
        let way = match self.config.ways {
            Ways::Both => true,
            Ways::In => direction == Direction::Inbound,
            Ways::Out => direction == Direction::Outbound,
        };
        way && NamePattern::any(&self.config.channels, channel)
    }

    /// One without a plugin may be one that takes out.
    fn redacts(&self) -> bool {
        self.bound.load().as_ref().is_none_or(|bound| bound.plugin.manifest().redacts)
    }

    fn bind(&self, plugins: &Plugins, limits: &Limits) -> Vec<Problem> {
        let name = &self.config.name;
        let Some(plugin) = plugins.get(&self.config.plugin) else {
            return vec![plugin::missing_processor(name, &self.config.plugin, plugins)];
        };
        if self.bound.load().as_ref().is_some_and(|bound| Arc::ptr_eq(&bound.plugin, &plugin)) {
            return Vec::new();
        }
        let checked = plugin::check_processor(name, &self.config, plugin.manifest());
        if checked.problems.is_empty() {
            let binding = Arc::new(Binding::of_processor(name, &self.config, plugin.manifest(), limits));
            self.bound.store(Some(Arc::new(Bound { plugin, binding })));
        }
        checked.problems
    }
}
