//! The plugin engine with everything behind it, and nothing in front of it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use omnigate::channels::{GatewayServices, Hub};
use omnigate::config::{self, Config, Limits, Secret};
use omnigate::customer::Directory;
use omnigate::egress::{Egress, Tokens};
use omnigate::media::Media;
use omnigate::plugin::exchange::{Broken, Called, Failure, Outcome, Request};
use omnigate::plugin::{Artefacts, Binding, Plugin, Plugins, Tools};
use omnigate::store::Store;
use omnigate::store::sqlite::SqliteStore;
use serde_json::Value;
use tempfile::TempDir;

/// Small, so that each is met soon; `output` leaves room for the answers that break other rules.
const LIMITS: &str = r#"
memory = "8MiB"
cpu = "100ms"
wall = "20s"
output = "4MiB"
log_lines = 5
http_requests = 4
http_response = "16KiB"
kv_bytes = "64KiB"
kv_keys = 20
concurrency = 4
"#;

pub const TOKEN: &str = "token-0123456789+/=";
pub const WEBHOOK: &str = "webhook-0123456789";

/// One engine with the hostile adapter.
pub struct Bench {
    pub plugin: Arc<Plugin>,
    pub limits: Limits,
    pub hub: Arc<Hub>,
    pub home: TempDir,
}

/// The component, as `cargo xtask test` built it.
pub fn component() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/hostile/hostile.wasm");
    assert!(path.is_file(), "{} is missing: cargo xtask test builds it", path.display());
    path
}

/// The same component with other bytes in some places.
pub fn rebuilt(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = std::fs::read(component()).unwrap();
    for (from, to) in changes {
        assert_eq!(from.len(), to.len());
        let places: Vec<_> = memchr::memmem::find_iter(&bytes, from).collect();
        assert!(!places.is_empty(), "{from} is not in the component");
        places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
    }
    bytes
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(LIMITS).await
    }

    /// With other lines in `[plugins.limits]`.
    pub async fn with(limits: &str) -> Self {
        Self::reaching(limits, Egress::new()).await
    }

    /// The same, whose requests leave by this way.
    pub async fn reaching(limits: &str, egress: Egress) -> Self {
        let home = tempfile::tempdir().unwrap();
        let hub = Arc::new(Hub::default());
        let (plugins, limits) = engine(home.path(), limits, hub.clone(), egress).await;
        Self { plugin: Arc::new(plugins.admit(&component()).unwrap()), limits, hub, home }
    }

    /// A channel that may call these hosts, and send its token there.
    pub fn channel(&self, name: &str, hosts: &[&str]) -> Arc<Binding> {
        let channel = config::Channel {
            secrets: [("token", TOKEN), ("webhook", WEBHOOK)]
                .map(|(slot, value)| (slot.into(), Secret::new(value)))
                .into(),
            grants: config::Grants { hosts: hosts.iter().map(|host| host.parse().unwrap()).collect() },
            ..config::Channel::of("hostile")
        };
        let (manifest, url) = (self.plugin.manifest(), "https://gate.example".parse().unwrap());
        let mut binding = Binding::new(name, &channel, manifest, &url, &self.limits, Secret::new("of the channel"));
        let token = binding.slots.get_mut("token").unwrap();
        token.extend(hosts.iter().map(|host| host.parse().unwrap()));
        Arc::new(binding)
    }

    pub async fn act(&self, channel: &Arc<Binding>, name: &str, argument: &str) -> Called<Outcome> {
        let request = Request {
            method: "POST".into(),
            path: format!("/{name}"),
            url: format!("{}/{name}", channel.url),
            body: argument.into(),
            ..Request::default()
        };
        self.plugin.handle_request(channel, request).await
    }

    /// How it broke; it must break.
    pub async fn broken(&self, channel: &Arc<Binding>, name: &str, argument: &str) -> Broken {
        match self.act(channel, name, argument).await.result {
            Err(Failure::Broken(broken)) => broken,
            other => panic!("{name} {argument:.20}: {other:?}"),
        }
    }

    /// What the adapter answers; it must answer.
    pub async fn told(&self, channel: &Arc<Binding>, name: &str, argument: &str) -> String {
        match self.act(channel, name, argument).await.result {
            Ok(outcome) => String::from_utf8(outcome.reply.body).unwrap(),
            other => panic!("{name} {argument:.200}: {other:?}"),
        }
    }

    /// The results of a list of host calls.
    pub async fn script(&self, channel: &Arc<Binding>, calls: Value) -> Vec<Value> {
        let text = self.told(channel, "script", &calls.to_string()).await;
        serde_json::from_str(&text).unwrap()
    }

    /// Every place can be had at once, by two channels that did nothing wrong.
    pub async fn is_whole(&self) {
        let (one, other) = (self.channel("good", &[]), self.channel("another", &[]));
        for _ in 0..3 {
            let both = (0..self.limits.concurrency).map(|n| if n % 2 == 0 { &one } else { &other });
            let calls = both.map(|channel| self.told(channel, "good", ""));
            let answers = tokio::time::timeout(Duration::from_secs(10), futures_util::future::join_all(calls)).await;
            assert!(answers.unwrap().iter().all(|answer| answer == "good"));
        }
    }
}

/// An engine with everything behind it, and these lines in `[plugins.limits]`.
pub async fn engine(home: &Path, limits: &str, hub: Arc<Hub>, egress: Egress) -> (Plugins, Limits) {
    let text = format!("[media]\nbytes_max = \"1MiB\"\n[plugins.limits]\n{limits}");
    let config = Config::parse(&text, home, &|_| None).unwrap().config;
    let services = services(home, &config, hub).await;
    let tools = Tools { egress: Arc::new(egress), services: Arc::new(services) };
    let limits = config.plugins.limits;
    (plugins(&limits, tools), limits)
}

/// Compiled once for all tests, in the same way as the program does it.
pub fn plugins(limits: &Limits, tools: Tools) -> Plugins {
    static COMPILING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = Artefacts::open(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox")).unwrap();
    let plugins = Plugins::new(Path::new("nowhere"), limits, Some(kept), tools).unwrap();
    plugins.admit(&component()).unwrap();
    plugins
}

async fn services(home: &Path, config: &Config, hub: Arc<Hub>) -> GatewayServices {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&home.join("data")).unwrap());
    let directory = Arc::new(Directory::new(store.clone(), config.conversations.clone()));
    let url = "https://gate.example".parse().unwrap();
    let media = Media::open(store.clone(), home, &url, config.media.clone(), config.retention()).await.unwrap();
    let tokens = Arc::new(Tokens::new(Arc::new(Egress::new()), store.clone()));
    GatewayServices::new(store, hub, directory, Arc::new(media), tokens, &config.plugins.limits)
}

/// Everything that was logged in this process, as JSON lines.
pub static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().json().with_writer(move || writer.clone()).init();
    log
});

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }

    /// Lines of one channel.
    pub fn of(&self, channel: &str) -> Vec<Value> {
        let lines = self.lines();
        let lines = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["fields"]["channel"] == channel).collect()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
