//! Puts the rooms together, runs them, and takes them down in order.

mod mailboxes;
mod subscribers;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::accept::Accept;
use crate::api::{Api, Keys};
use crate::channels::{Buckets, Channels, GatewayServices, Hub, Quarantine, Rooms};
use crate::config::{Config, Problem, Secret};
use crate::connectors::{Connectors, Lookups, Memory};
use crate::customer::{Consents, Directory};
use crate::deliver::{self, DeadLetters, Deliveries, Shutdown, Subscriber};
use crate::edge::{Edge, Listening};
use crate::egress::{Egress, Tokens};
use crate::interaction::Time;
use crate::media::Media;
use crate::outbound::Permits;
use crate::plugin::{Artefacts, Plugins, Tools};
use crate::privacy::Eraser;
use crate::processors::Processors;
use crate::routes::{self, Routes, Routing};
use crate::store::sqlite::SqliteStore;
use crate::store::{Batch, Cursor, Key, Lease, Partition, ProgressWrite, Store, StoreError, Stream, Usage, Write};

const TRIM_PERIOD: Duration = Duration::from_secs(3600);
/// Duplicates are told for at least so long.
const DEDUPE: Duration = Duration::from_secs(8 * 24 * 3600);

/// All rooms, ready to run.
pub struct Gateway {
    pub config: Config,
    pub store: Arc<dyn Store>,
    pub plugins: Arc<Plugins>,
    pub processors: Arc<Processors>,
    pub edge: Arc<Edge>,
    pub directory: Arc<Directory>,
    pub consents: Arc<Consents>,
    pub permits: Arc<Permits>,
    pub deliveries: Arc<Deliveries>,
    pub egress: Arc<Egress>,
    pub lookups: Arc<Lookups>,
    pub tokens: Arc<Tokens>,
    pub eraser: Arc<Eraser>,
    pub lasting: Lasting,
}

/// What goes on when one configuration follows another.
#[derive(Clone, Default)]
pub struct Lasting {
    /// Open sockets.
    rooms: Arc<Rooms>,
    /// What visitors may still upload.
    uploads: Arc<Buckets>,
}

/// Why the gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration does not fit the plugins.
    #[error("{} problems in the configuration", .0.len())]
    Problems(Vec<Problem>),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Opens the store of a configuration.
///
/// # Errors
/// If it cannot be opened.
pub async fn open_store(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    let path = config.store.path.clone();
    Ok(Arc::new(tokio::task::spawn_blocking(move || SqliteStore::open(&path)).await??))
}

impl Gateway {
    /// Puts everything together; nothing is served or delivered yet. `lasting`: of the configuration before, or new.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn assemble(
        config: Config,
        public_url: &Url,
        store: Arc<dyn Store>,
        lasting: Lasting,
    ) -> Result<Self, StartError> {
        let base = public_url.as_str().trim_end_matches('/');
        let retention = config.retention();
        let media =
            Media::open(store.clone(), &config.store.path, public_url, config.media.clone(), retention.clone()).await?;
        let media = Arc::new(media);
        let directory = Arc::new(Directory::new(store.clone(), config.conversations.clone()));
        let consents = Arc::new(Consents::new(store.clone(), &config.consent, &config.channels));
        let permits = Arc::new(Permits { store: store.clone(), consents: consents.clone() });
        let processors = Arc::new(Processors::new(&config));
        let (people, will) = (directory.clone(), consents.clone());
        let routing = Arc::new(Routing::new(&store, directory.clone(), &config));
        let log = routes::around(&store, &routing, retention.clone());
        let accept = Accept::new(log, people, will, media.clone(), base, retention);
        let accept = accept.guarded(config.loops.clone()).routed(routing);
        let limits = &config.plugins.limits;
        let kept_max = Usage { entries: limits.quarantine as u64, bytes: limits.quarantine_bytes };
        let accept = Arc::new(accept.behind(processors.clone(), kept_max));
        let hub = Arc::new(Hub::of(lasting.rooms.clone()));
        let egress = Arc::new(Egress::new());
        let tokens = Arc::new(Tokens::new(egress.clone(), store.clone()));
        let services =
            GatewayServices::new(store.clone(), hub.clone(), directory.clone(), media.clone(), tokens.clone(), limits);
        let services = Arc::new(services.counting(lasting.uploads.clone()));
        let tools = Tools { egress: egress.clone(), services };
        let plugins = Arc::new(load_plugins(&config, tools).await?);
        let channels = Channels::new(&config, public_url, kept_keys(&*store, "channel", config.channels.keys()).await?);
        let keys = kept_keys(&*store, "connector", config.connectors.keys()).await?;
        let connectors = Arc::new(Connectors::new(&config, public_url, keys));
        let memory = Arc::new(Memory::new(store.clone(), config.store.retention));
        let lookups = Arc::new(Lookups::new(&connectors, directory.clone(), memory.clone()));
        let mut problems = channels.bind(&plugins);
        problems.extend(connectors.bind(&plugins));
        problems.extend(processors.bind(&plugins, limits));
        problems.extend(processors.try_out(limits).await);
        if !problems.is_empty() {
            return Err(StartError::Problems(problems));
        }
        let edge = Edge {
            rules: config.server.clone(),
            public_url: public_url.clone(),
            channels: Arc::new(channels),
            connectors,
            memory,
            accept,
            quarantine: Arc::new(Quarantine::new(store.clone(), kept_max)),
            hub,
            media,
        };
        let deliveries = Arc::new(Deliveries::default());
        let edge = Arc::new(edge);
        let (accept, media) = (edge.accept.clone(), edge.media.clone());
        let scrub_bytes_max = config.store.scrub_bytes_max;
        let eraser = Arc::new(Eraser::new(store.clone(), accept, media, directory.clone(), scrub_bytes_max));
        Ok(Self {
            config,
            store,
            plugins,
            processors,
            edge,
            directory,
            consents,
            permits,
            deliveries,
            egress,
            lookups,
            tokens,
            eraser,
            lasting,
        })
    }

    /// Serves and delivers until `stop`: then nothing new is taken, what is in hand ends, and at last progress is written.
    ///
    /// # Errors
    /// If a partition cannot be taken or a backend's secret is no key.
    pub async fn run(
        self: Arc<Self>,
        listening: &Listening,
        stop: CancellationToken,
        ready: impl FnOnce(),
    ) -> anyhow::Result<()> {
        // What was read while the generation before this one still wrote may be old.
        self.directory.forget();
        let end_of_work = CancellationToken::new();
        let (mut work, mut chores) = (JoinSet::new(), JoinSet::new());
        self.start_deliveries(&end_of_work, &mut work, &mut chores).await?;
        self.start_mailboxes(&end_of_work, &mut work);
        chores.spawn(self.plugins.clone().watch());
        chores.spawn(rebind(self.clone()));
        chores.spawn(trim(self.clone()));
        chores.spawn(answer_owed(self.clone()));
        chores.spawn(self.eraser.clone().run());
        let accept = self.edge.accept.clone();
        chores.spawn(async move { accept.watch_fallbacks().await });
        ready();
        crate::edge::serve(listening, self.edge.clone(), self.router(&stop), stop).await;
        end_of_work.cancel();
        while let Some(ended) = work.join_next().await {
            if let Ok(Err(error)) = ended {
                tracing::error!(%error, "a subscriber ended badly");
            }
        }
        self.edge.hub.close();
        chores.shutdown().await;
        Ok(())
    }

    /// What answers requests; `stop` ends those that follow what happens.
    pub fn router(&self, stop: &CancellationToken) -> Router {
        let api = Api {
            keys: Keys::new(&self.config.api_keys),
            store: self.store.clone(),
            directory: self.directory.clone(),
            consents: self.consents.clone(),
            permits: self.permits.clone(),
            edge: self.edge.clone(),
            deliveries: self.deliveries.clone(),
            processors: self.processors.clone(),
            dead_letters: DeadLetters::new(self.store.clone()),
            controllers: self.controllers(),
            stop: stop.clone(),
            eraser: self.eraser.clone(),
        };
        crate::edge::router(self.edge.clone()).merge(crate::api::router(Arc::new(api)))
    }

    fn controllers(&self) -> Vec<String> {
        let backends = self.config.backends.iter().filter(|(_, backend)| !backend.listen);
        backends.map(|(name, _)| name.clone()).collect()
    }

    async fn start_deliveries(
        &self,
        stop: &CancellationToken,
        work: &mut JoinSet<Result<(), StoreError>>,
        chores: &mut JoinSet<()>,
    ) -> anyhow::Result<()> {
        let subscribers = self.subscribers(chores)?;
        for partition in 0..self.store.partitions() {
            let lease = self.store.claim(Partition(partition)).await?;
            let lease = lease.with_context(|| format!("partition {partition} is served by another gateway"))?;
            for subscriber in &subscribers {
                self.begin_at_the_end(lease, subscriber).await?;
                self.start_subscriber(lease, subscriber.clone(), stop, work);
            }
            self.watch_backends(lease, chores);
        }
        self.deliveries.forget_others(|name| subscribers.iter().any(|subscriber| subscriber.name == name));
        Ok(())
    }

    /// Where routes name who stands in.
    fn watch_backends(&self, lease: Lease, chores: &mut JoinSet<()>) {
        for stand_in in Routes::new(&self.config.routes).stand_ins() {
            let (deliveries, store) = (self.deliveries.clone(), self.store.clone());
            let (accept, retention) = (self.edge.accept.clone(), self.config.store.retention);
            let watch = deliver::Watch { stand_in, deliveries, store, lease, retention, accept };
            chores.spawn(watch.run());
        }
    }

    /// A backend that is new gets what happens from now on, and not the history of years; the log has that for whoever asks.
    async fn begin_at_the_end(&self, lease: Lease, subscriber: &Subscriber) -> Result<(), StoreError> {
        let known = Key::of(&["subscriber", &subscriber.name, &lease.partition.0.to_string()]);
        if subscriber.stream != Stream::All || self.store.get(&known).await?.is_some() {
            return Ok(());
        }
        let floor = *self.store.watch(lease.partition, &Stream::All).borrow();
        let cursor = Cursor { floor, done: Vec::new() };
        let progress = vec![ProgressWrite::Cursor { lease, subscriber: subscriber.name.clone(), cursor }];
        let writes = vec![Write::create(known, subscriber.name.clone())];
        self.store.commit(Batch { writes, progress, ..Batch::default() }).await.map(drop)
    }

    fn start_subscriber(
        &self,
        lease: Lease,
        subscriber: Subscriber,
        stop: &CancellationToken,
        work: &mut JoinSet<Result<(), StoreError>>,
    ) {
        let shutdown = Shutdown { stop: stop.clone(), grace: self.config.server.drain_timeout };
        let (handle, task) = deliver::start(self.store.clone(), lease, subscriber, shutdown);
        self.deliveries.insert(handle);
        work.spawn(async move { task.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string()))) });
    }
}

/// Loads every plugin; one that is refused is told, and missed only by channels that want it.
async fn load_plugins(config: &Config, tools: Tools) -> anyhow::Result<Plugins> {
    let (directory, limits) = (config.plugins.directory.clone(), config.plugins.limits.clone());
    let kept = config.store.path.join("plugins");
    tokio::task::spawn_blocking(move || {
        let artefacts = Artefacts::open(&kept).with_context(|| format!("cannot create {}", kept.display()))?;
        let plugins = Plugins::new(&directory, &limits, Some(artefacts), tools)?;
        tell_refused(&directory, &plugins);
        anyhow::Ok(plugins)
    })
    .await?
}

fn tell_refused(directory: &Path, plugins: &Plugins) {
    for refused in plugins.refresh() {
        tracing::error!(file = %refused.file.display(), error = %refused.error, "plugin refused");
    }
    if plugins.ids().is_empty() {
        tracing::warn!(directory = %directory.display(), "no plugin in plugins.directory; `cargo xtask plugins` builds those of this repository");
    }
}

/// The keys behind `@channel`: made at the first start of a channel or connector, and kept.
async fn kept_keys(
    store: &dyn Store,
    kind: &str,
    names: impl Iterator<Item = &String>,
) -> Result<BTreeMap<String, Secret>, StoreError> {
    let mut keys = BTreeMap::new();
    for name in names {
        keys.insert(name.clone(), Secret::new(kept_key(store, kind, name).await?));
    }
    Ok(keys)
}

async fn kept_key(store: &dyn Store, kind: &str, name: &str) -> Result<String, StoreError> {
    let key = Key::of(&["key", kind, name]);
    loop {
        if let Some(entry) = store.get(&key).await? {
            return Ok(hex::encode(&entry.value));
        }
        let mut fresh = [0; 32];
        SystemRandom::new().fill(&mut fresh).map_err(|_| StoreError::Unavailable("no random bytes".into()))?;
        let writes = vec![Write::create(key.clone(), fresh.to_vec())];
        match store.commit(Batch { writes, ..Batch::default() }).await {
            Ok(_) | Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Channels and connectors follow the plugins that are exchanged under them, and what was held for a broken one goes on.
async fn rebind(gateway: Arc<Gateway>) {
    let mut changes = gateway.plugins.changes();
    while changes.changed().await.is_ok() {
        for problem in gateway.edge.channels.bind(&gateway.plugins) {
            tracing::error!(%problem, "a channel does not fit its new plugin and keeps the old one");
        }
        for problem in gateway.edge.connectors.bind(&gateway.plugins) {
            tracing::error!(%problem, "a connector does not fit its new plugin and keeps the old one");
        }
        for problem in gateway.processors.bind(&gateway.plugins, &gateway.config.plugins.limits) {
            tracing::error!(%problem, "a processor does not fit its new plugin and keeps the old one");
        }
        tracing::info!("changed plugins are in use");
    }
}

/// What processors owed before a crash; what comes while the gateway runs is answered as it comes.
async fn answer_owed(gateway: Arc<Gateway>) {
    if let Err(error) = gateway.edge.accept.answer_owed().await {
        tracing::error!(%error, "answers that processors owe cannot be sent");
    }
}

/// Removes what is older than it may be.
async fn trim(gateway: Arc<Gateway>) {
    loop {
        tokio::time::sleep(TRIM_PERIOD).await;
        let now = Time::now();
        match gateway.store.trim(&gateway.config.retention().horizon(now), now.minus(DEDUPE)).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "interactions beyond store.retention removed"),
            Err(error) => tracing::error!(%error, "old interactions cannot be removed"),
        }
        match DeadLetters::new(gateway.store.clone()).sweep().await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "dead letters whose interaction is gone removed"),
            Err(error) => tracing::error!(%error, "old dead letters cannot be removed"),
        }
        match gateway.edge.media.sweep().await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "files that no interaction speaks of any more removed"),
            Err(error) => tracing::error!(%error, "old files cannot be removed"),
        }
    }
}
