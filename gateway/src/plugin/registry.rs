//! The plugins of a directory, exchanged while calls go on.

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use wasmtime::Engine;

use super::admission::{self, AdmissionError, Workshop};
use super::artefacts::Artefacts;
use super::call::{Call, bounded, panic_text};
use super::connecting::{Answers, Found, Item, Note, Person, Report};
use super::exchange::{
    Arrived, Called, Download, Failure, Letter, Opening, Outbound, Outcome, Passing, Receipt, Received, Request,
    SessionState, Signal, Step, Used, Verdict,
};
use super::state::Shared;
use super::{Binding, Manifest, Services, contract, engine};
use crate::config::Limits;
use crate::egress::Egress;
use crate::interaction::Identity;

const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// A plugin that can be called.
pub struct Plugin {
    name: Arc<str>,
    manifest: Manifest,
    digest: String,
    bytes: u64,
    imports: Vec<String>,
    exports: Vec<String>,
    calls: contract::v1::Calls,
    engine: Engine,
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

/// Why a file of the directory is not in use.
#[derive(Debug)]
pub struct Refused {
    pub file: PathBuf,
    pub error: AdmissionError,
}

/// All plugins.
pub struct Plugins {
    engine: Engine,
    artefacts: Option<Artefacts>,
    limits: Limits,
    directory: PathBuf,
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    loaded: ArcSwap<BTreeMap<String, Arc<Plugin>>>,
    seen: Mutex<BTreeMap<PathBuf, Fingerprint>>,
    changed: tokio::sync::watch::Sender<u64>,
}

/// What tells that a file was written anew.
type Fingerprint = (SystemTime, u64);

/// What plugins are given to work with.
pub struct Tools {
    pub egress: Arc<Egress>,
    pub services: Arc<dyn Services>,
}

impl Plugins {
    /// Starts the engine; loads nothing yet.
    ///
    /// # Errors
    /// If the engine does not start.
    pub fn new(directory: &Path, limits: &Limits, artefacts: Option<Artefacts>, tools: Tools) -> anyhow::Result<Self> {
        let engine =
            engine::start(limits).map_err(|error| anyhow::anyhow!("the plugin engine does not start: {error:#}"))?;
        let shared = Arc::new(Shared { egress: tools.egress, services: tools.services });
        Ok(Self {
            engine,
            artefacts,
            limits: limits.clone(),
            directory: directory.to_owned(),
            shared,
            permits: Arc::new(Semaphore::new(limits.concurrency)),
            loaded: ArcSwap::default(),
            seen: Mutex::default(),
            changed: tokio::sync::watch::Sender::new(0),
        })
    }

    /// The plugin with that id.
    pub fn get(&self, id: &str) -> Option<Arc<Plugin>> {
        self.loaded.load().get(id).cloned()
    }

    /// Ids of what is loaded.
    pub fn ids(&self) -> Vec<String> {
        self.loaded.load().keys().cloned().collect()
    }

    /// Tells when a plugin was exchanged.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Loads what is new or changed in the directory. A file that is refused leaves its predecessor in use. Blocks while compiling.
    pub fn refresh(&self) -> Vec<Refused> {
        let mut refused = Vec::new();
        for file in self.changed_files() {
            match self.admit(&file) {
                Ok(plugin) => self.exchange(plugin),
                Err(error) => refused.push(Refused { file, error }),
            }
        }
        refused
    }

    /// Checks and compiles one file without taking it into use.
    ///
    /// # Errors
    /// If it is refused.
    pub fn admit(&self, file: &Path) -> Result<Plugin, AdmissionError> {
        let workshop = Workshop { engine: &self.engine, artefacts: self.artefacts.as_ref(), limits: &self.limits };
        // A file that makes the compiler panic must not keep the others from being loaded.
        let admitted = catch_unwind(AssertUnwindSafe(|| admission::admit(&workshop, file)));
        let admitted = admitted.unwrap_or_else(|panic| Err(AdmissionError::Panicked(panic_text(&*panic))))?;
        Ok(Plugin {
            name: admission::name(&admitted.manifest),
            manifest: admitted.manifest,
            digest: admitted.digest,
            bytes: admitted.bytes,
            imports: admitted.imports,
            exports: admitted.exports,
            calls: admitted.calls,
            engine: self.engine.clone(),
            shared: self.shared.clone(),
            permits: self.permits.clone(),
        })
    }

    fn exchange(&self, plugin: Plugin) {
        let plugin = Arc::new(plugin);
        self.loaded.rcu(|loaded| {
            let mut next = BTreeMap::clone(loaded);
            next.insert(plugin.manifest.id.clone(), plugin.clone());
            next
        });
        self.changed.send_modify(|count| *count += 1);
        tracing::info!(plugin = %plugin.name, version = plugin.manifest.version, digest = &plugin.digest[..12], "plugin loaded");
    }

    fn changed_files(&self) -> Vec<PathBuf> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let files = wasm_files(&self.directory);
        let changed =
            files.iter().filter(|(path, print)| seen.get(*path) != Some(print)).map(|(path, _)| path.clone()).collect();
        *seen = files;
        changed
    }

    /// Takes changes of the directory into use as they come.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(WATCH_PERIOD).await;
            let plugins = self.clone();
            let refused = tokio::task::spawn_blocking(move || plugins.refresh()).await.unwrap_or_default();
            for Refused { file, error } in refused {
                tracing::error!(file = %file.display(), %error, "the changed plugin is refused; what was in use stays");
            }
        }
    }
}

fn wasm_files(directory: &Path) -> BTreeMap<PathBuf, Fingerprint> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let wasm = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "wasm"));
    let printed = wasm.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        Some((entry.path(), (metadata.modified().ok()?, metadata.len())))
    });
    printed.collect()
}

/// Begins a call, runs the guest's part, ends it. A macro, since a closure over the store would hide from the compiler that
/// the future may change threads.
macro_rules! called {
    ($plugin:expr, $binding:expr, |$store:ident| $guest:expr) => {{
        let Some(mut call) = $plugin.begin($binding).await else {
            return Called { result: Err(Failure::Busy), authentic: false, used: Used::default() };
        };
        let wall = call.wall();
        let $store = &mut call.store;
        let ended = bounded(wall, $guest).await;
        call.end(ended)
    }};
}

impl Plugin {
    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the file, hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Size of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it may ask for files of messages: what it never calls is not among its imports.
    pub fn reads_files(&self) -> bool {
        self.imports.iter().any(|import| import.starts_with("omnigate:host/files"))
    }

    /// Interfaces that it imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Interfaces that it exports.
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    /// Instantiates once, to see whether it can be.
    pub async fn try_out(&self, binding: &Arc<Binding>) -> Called<()> {
        called!(self, binding, |store| self.calls.try_out(store))
    }

    /// A request to the channel.
    pub async fn handle_request(&self, binding: &Arc<Binding>, request: Request) -> Called<Outcome> {
        called!(self, binding, |store| self.calls.handle_request(store, request))
    }

    /// Sends a message; `attempt` counts from 1.
    pub async fn send(&self, binding: &Arc<Binding>, attempt: u32, message: Outbound) -> Called<Receipt> {
        called!(self, binding, |store| self.calls.send(store, attempt, message))
    }

    /// How to fetch a file.
    pub async fn locate(&self, binding: &Arc<Binding>, attempt: u32, reference: &str) -> Called<Download> {
        called!(self, binding, |store| self.calls.locate(store, attempt, reference))
    }

    /// Shows typing or reading.
    pub async fn show(
        &self,
        binding: &Arc<Binding>,
        recipient: Identity,
        last_inbound: Option<&str>,
        signal: Signal,
    ) -> Called<()> {
        called!(self, binding, |store| self.calls.show(store, recipient, last_inbound, signal))
    }

    /// A socket was opened.
    pub async fn open(&self, binding: &Arc<Binding>, opening: Opening) -> Called<Step> {
        called!(self, binding, |store| self.calls.open(store, opening))
    }

    /// A frame came in.
    pub async fn frame(&self, binding: &Arc<Binding>, state: SessionState, frame: &str) -> Called<Step> {
        called!(self, binding, |store| self.calls.frame(store, state, frame))
    }

    /// A mail came into the mailbox.
    pub async fn receive(&self, binding: &Arc<Binding>, mail: Arrived) -> Called<Received> {
        called!(self, binding, |store| self.calls.receive(store, mail))
    }

    /// Writes the letter that carries a message; `answered` is the interaction that it answers, as JSON.
    pub async fn compose(
        &self,
        binding: &Arc<Binding>,
        attempt: u32,
        message: Outbound,
        answered: Option<String>,
    ) -> Called<Letter> {
        called!(self, binding, |store| self.calls.compose(store, attempt, message, answered))
    }

    /// Hands interactions to a connector, at most one of each conversation.
    pub async fn deliver(&self, binding: &Arc<Binding>, items: Vec<Item>) -> Called<Answers> {
        called!(self, binding, |store| self.calls.deliver(store, items))
    }

    /// Asks a connector who somebody is.
    pub async fn find(&self, binding: &Arc<Binding>, person: Person, known: Option<Note>) -> Called<Found> {
        called!(self, binding, |store| self.calls.find(store, person, known))
    }

    /// A request to the connector.
    pub async fn report(&self, binding: &Arc<Binding>, request: Request) -> Called<Report> {
        called!(self, binding, |store| self.calls.report(store, request))
    }

    /// A message passes by a processor.
    pub async fn process(&self, binding: &Arc<Binding>, passing: Passing) -> Called<Verdict> {
        called!(self, binding, |store| self.calls.process(store, passing))
    }

    /// The semaphore stands before the pool: an exhausted pool is an error, a semaphore a queue.
    async fn begin(&self, binding: &Arc<Binding>) -> Option<Call> {
        let places = async {
            let of_channel = binding.places.clone().acquire_owned().await.ok()?;
            Some([of_channel, self.permits.clone().acquire_owned().await.ok()?])
        };
        let places = tokio::time::timeout(binding.limits.wall, places).await.ok()??;
        Some(Call::new(&self.engine, self.name.clone(), binding.clone(), self.shared.clone(), places))
    }
}
