//! The servers that are measured, and the load that they get.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use omnigate::interaction::Kind;
use omnigate::store::sqlite::SqliteStore;
use omnigate::store::{Partition, Position, Store, Stream};

use crate::load::{Answers, Load};
use crate::place::{self, Workplace};
use crate::process::Server;
use crate::twin::{CONCURRENCY, SECRET};
use crate::webhook::{APP_SECRET, CONVERSATIONS, PHONE_NUMBER_ID, Webhooks};

/// What the gateway asks of callers of its API.
pub(super) const API_KEY: &str = "bench-key-of-thirty-two-characters";

/// Whom a server works with.
#[derive(Clone, Copy, Default)]
pub(super) struct Peers {
    pub(super) backend: Option<SocketAddr>,
    pub(super) provider: Option<SocketAddr>,
}

/// A server under load, and what it was sent.
pub(super) struct Subject {
    pub(super) server: Server,
    pub(super) load: Load,
    pub(super) numbers: Arc<AtomicUsize>,
    data: PathBuf,
}

impl Subject {
    pub(super) fn gateway(place: &Workplace, name: &str, connections: usize, peers: Peers) -> Result<Self> {
        let data = place.path().join(name);
        Ok(Self::new(gateway(place.path(), name, peers)?, data, connections))
    }

    pub(super) fn twin(place: &Workplace, name: &str, connections: usize, backend: Option<SocketAddr>) -> Result<Self> {
        let data = place.path().join(name);
        Ok(Self::new(twin(place.path(), name, backend)?, data, connections))
    }

    pub(super) fn bare(place: &Workplace, connections: usize) -> Result<Self> {
        let data = place.path().join("bare");
        Ok(Self::new(own(place.path(), "bare", |command| command.arg("bare"))?, data, connections))
    }

    fn new(server: Server, data: PathBuf, connections: usize) -> Self {
        let webhooks = Webhooks::new();
        let write = Arc::new(move |number, request: &mut Vec<u8>| webhooks.write(number, request));
        let load = Load { address: server.address, connections, expected: 200, write };
        Self { server, load, numbers: Arc::default(), data }
    }

    /// Everybody has written at least once.
    pub(super) async fn warm_up(&self) -> Result<()> {
        self.load.some(&self.numbers, CONVERSATIONS * 4).await.map(drop)
    }

    /// Full load; also the processor time that the server spent on each request.
    pub(super) async fn loaded(&self, length: Duration) -> Result<(Answers, Duration)> {
        let before = self.server.cpu()?;
        let answers = self.load.closed(&self.numbers, length).await?;
        let each = (self.server.cpu()? - before) / u32::try_from(answers.answered.len().max(1))?;
        Ok((answers, each))
    }

    /// Kills the server and looks into its store: everything that was acknowledged must be there, once.
    pub(super) async fn verify(self) -> Result<()> {
        let sent = self.numbers.load(std::sync::atomic::Ordering::Relaxed) as u64;
        drop(self.server);
        let kept = messages(&SqliteStore::open(&self.data)?).await?;
        ensure!(kept == sent, "{sent} webhooks were acknowledged and {kept} are in {}", self.data.display());
        Ok(())
    }
}

/// Messages in the log; what the gateway itself adds, such as that a conversation was opened, nobody has sent.
async fn messages(store: &SqliteStore) -> Result<u64> {
    let (mut count, mut after) = (0, Position::START);
    loop {
        let (records, seen) = store.read(Partition(0), &Stream::All, after, 10_000).await?;
        count += records.iter().filter(|record| record.kind == Kind::MessageReceived).count() as u64;
        if seen == after {
            return Ok(count);
        }
        after = seen;
    }
}

/// The product. Its data lie in `place/name`, so that a second start finds what the first one left.
pub(super) fn gateway(place: &Path, name: &str, peers: Peers) -> Result<Server> {
    let config = place.join(format!("{name}.toml"));
    std::fs::write(&config, configuration(&place.join(name), peers)?)?;
    let mut command = Command::new(place::gateway()?);
    command.arg("run").arg("--config").arg(&config);
    Server::start(command, &place.join(format!("{name}.log")))
}

/// The native twin.
pub(super) fn twin(place: &Path, name: &str, backend: Option<SocketAddr>) -> Result<Server> {
    let data = place.join(name);
    own(place, name, |command| command.arg("twin").arg(data).args(backend.map(|backend| backend.to_string())))
}

fn own(place: &Path, name: &str, arguments: impl FnOnce(&mut Command) -> &mut Command) -> Result<Server> {
    let mut command = Command::new(std::env::current_exe().context("this program cannot be found")?);
    arguments(&mut command);
    Server::start(command, &place.join(format!("{name}.log")))
}

fn configuration(data: &Path, peers: Peers) -> Result<String> {
    let (data, plugins) = (data.display(), place::plugins()?);
    let provider = peers.provider.map_or("127.0.0.1:9".to_owned(), |provider| provider.to_string());
    let backend = peers.backend.map_or(String::new(), |backend| {
        format!("[backends.desk]\nurl = \"http://{backend}/interactions\"\nsecret = \"{SECRET}\"\nconcurrency = {CONCURRENCY}\n")
    });
    Ok(format!(
        r#"
[server]
listen = "127.0.0.1:0"
[store]
path = "{data}"
[plugins]
directory = "{plugins}"
[api.keys.bench]
key = "{API_KEY}"
scopes = ["messages"]
{backend}
[channels.whatsapp]
adapter = "whatsapp"
concurrency = {CONCURRENCY}
settings = {{ phone_number_id = "{PHONE_NUMBER_ID}", api_base = "http://{provider}" }}
secrets = {{ access_token = "bench-token", app_secret = "{APP_SECRET}", verify_token = "bench" }}
grants = {{ hosts = ["{provider}"] }}
"#,
        plugins = plugins.display()
    ))
}
