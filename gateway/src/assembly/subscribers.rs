//! Who hears of what is in the log, and by which way.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::task::JoinSet;

use super::Gateway;
use crate::accept;
use crate::channels::Channel;
use crate::config;
use crate::connectors::{self, Connector};
use crate::deliver::{Attributed, Backend, ChannelSender, Fetcher, Handover, Living, Story, Subscriber, Target};
use crate::media;
use crate::store::Stream;

/// Files that are fetched at once.
const FETCHES: usize = 8;

impl Gateway {
    /// Backends, connectors, channels and the fetcher of media: all the same to the engine.
    pub(super) fn subscribers(&self, chores: &mut JoinSet<()>) -> anyhow::Result<Vec<Subscriber>> {
        let mut subscribers = vec![self.fetcher()];
        for (name, backend) in &self.config.backends {
            subscribers.push(self.backend(name, backend)?);
        }
        subscribers.extend(self.edge.connectors.iter().map(|connector| self.connector(connector.clone(), chores)));
        subscribers.extend(self.edge.channels.iter().map(|channel| self.sender(channel.clone())));
        Ok(subscribers)
    }

    fn backend(&self, name: &str, backend: &config::Backend) -> anyhow::Result<Subscriber> {
        let (media, store, directory) = (self.edge.media.clone(), self.store.clone(), self.directory.clone());
        let story = Arc::new(Story::new(name, backend, media, store, directory));
        let url = backend.url.clone();
        let target = Backend::new(name, self.egress.clone(), url, &backend.secret, backend.timeout, story)
            .with_context(|| format!("backends.{name}.secret"))?;
        let target = self.attributed(Arc::new(target));
        Ok(self.subscriber(format!("backend:{name}"), Stream::All, backend.concurrency, false, target))
    }

    /// Where there are connectors, events tell what they know.
    fn attributed(&self, target: Arc<dyn Target>) -> Arc<dyn Target> {
        let connectors = self.edge.connectors.clone();
        if connectors.is_empty() {
            return target;
        }
        let (lookups, memory, directory) = (self.lookups.clone(), self.edge.memory.clone(), self.directory.clone());
        Arc::new(Attributed { target, connectors, lookups, memory, directory })
    }

    /// Every interaction of a batch waits for a place of its own, and the next batch gathers while calls are under way.
    fn connector(&self, connector: Arc<Connector>, chores: &mut JoinSet<()>) -> Subscriber {
        let name = connectors::subscriber(&connector.name);
        let places = connector.config.batch * (connector.config.concurrency + 1);
        let idempotent = connector.bound().is_some_and(|bound| bound.plugin.manifest().idempotent);
        let handover = Handover {
            connector,
            memory: self.edge.memory.clone(),
            lookups: self.lookups.clone(),
            directory: self.directory.clone(),
            media: self.edge.media.clone(),
        };
        let (target, work) = handover.start();
        chores.spawn(work);
        self.subscriber(name, Stream::All, places, !idempotent, Arc::new(target))
    }

    fn sender(&self, channel: Arc<Channel>) -> Subscriber {
        let (name, concurrency) = (accept::target(&channel.name), channel.config.concurrency);
        let post = self.post(&channel);
        let mark = channel.config.on_uncertain == config::OnUncertain::Hold;
        let target = ChannelSender {
            channel,
            accept: self.edge.accept.clone(),
            directory: self.directory.clone(),
            media: self.edge.media.clone(),
            permits: self.permits.clone(),
            store: self.store.clone(),
            post,
            retention: self.config.store.retention,
            attempts_max: self.attempts_max(),
        };
        self.subscriber(name.clone(), Stream::Target(name), concurrency, mark, Arc::new(target))
    }

    fn fetcher(&self) -> Subscriber {
        let target = Fetcher {
            channels: self.edge.channels.clone(),
            media: self.edge.media.clone(),
            egress: self.egress.clone(),
            attempts_max: self.attempts_max(),
        };
        self.subscriber(media::TARGET.into(), Stream::Target(media::TARGET.into()), FETCHES, false, Arc::new(target))
    }

    fn subscriber(
        &self,
        name: String,
        stream: Stream,
        concurrency: usize,
        mark_uncertain: bool,
        target: Arc<dyn Target>,
    ) -> Subscriber {
        let target = Arc::new(Living { store: self.store.clone(), target });
        Subscriber { name, stream, concurrency, retries: self.config.delivery.retries.clone(), mark_uncertain, target }
    }

    fn attempts_max(&self) -> u32 {
        u32::try_from(self.config.delivery.retries.len()).unwrap_or(u32::MAX).saturating_add(1)
    }
}
