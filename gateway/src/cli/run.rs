use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{print, say};
use crate::assembly::{Gateway, StartError, open_store};
use crate::config::{Config, Loaded};
use crate::edge::Listening;
use crate::store::{Durability, Store};

const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// What ended a generation.
enum Turn {
    Stop,
    Reload(Box<Loaded>),
}

/// One configuration after the other, until the process is to end. The listening socket stays open in between: callers wait in
/// its queue for the moment that the exchange takes, and none is refused.
pub(super) async fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let Some(mut loaded) = load(path) else { return Ok(ExitCode::FAILURE) };
    let mut signals = Signals::new()?;
    let store = open_store(&loaded.config).await?;
    warn_of_durability(&*store);
    let mut listening = listen(&loaded.config).await?;
    let mut first = Some(began);
    let mut previous: Option<Loaded> = None;
    loop {
        let public_url = public_url(&loaded.config, &listening)?;
        let gateway = match Gateway::assemble(loaded.config.clone(), &public_url, store.clone()).await {
            Ok(gateway) => Arc::new(gateway),
            Err(error) => {
                tell(error, &loaded)?;
                let Some(previous) = previous.take() else { return Ok(ExitCode::FAILURE) };
                tracing::error!("the changed configuration does not start; the one before goes on");
                loaded = previous;
                continue;
            }
        };
        match generation(gateway, &listening, &mut signals, path, &loaded, first.take()).await? {
            Turn::Stop => return Ok(ExitCode::SUCCESS),
            Turn::Reload(next) => {
                if next.config.server.listen != loaded.config.server.listen {
                    listening = listen(&next.config).await?;
                }
                previous = Some(std::mem::replace(&mut loaded, *next));
            }
        }
    }
}

/// Problems with their lines; anything else ends the program.
fn tell(error: StartError, loaded: &Loaded) -> anyhow::Result<()> {
    match error {
        StartError::Problems(problems) => {
            problems.into_iter().for_each(|problem| say(&loaded.place(problem).to_string()));
            Ok(())
        }
        StartError::Failed(error) => Err(error),
    }
}

async fn generation(
    gateway: Arc<Gateway>,
    listening: &Listening,
    signals: &mut Signals,
    path: &Path,
    loaded: &Loaded,
    began: Option<Instant>,
) -> anyhow::Result<Turn> {
    let stop = CancellationToken::new();
    let ready = || tell_ready(&gateway, listening, began);
    let running = gateway.clone().run(listening, stop.clone(), ready);
    tokio::pin!(running);
    let turn = tokio::select! {
        ended = running.as_mut() => return ended.map(|()| Turn::Stop),
        turn = next_turn(signals, path, loaded) => turn,
    };
    stop.cancel();
    tokio::select! {
        ended = running.as_mut() => ended?,
        () = signals.end() => tracing::warn!("ended at once by a second signal"),
    }
    Ok(turn)
}

/// A configuration that is wrong is told, and the one in use stays.
async fn next_turn(signals: &mut Signals, path: &Path, loaded: &Loaded) -> Turn {
    let mut seen = modified(path);
    loop {
        tokio::select! {
            signalled = signals.any() => if signalled == Signalled::End {
                tracing::info!("draining: nothing new is taken, work in hand ends");
                return Turn::Stop;
            },
            () = tokio::time::sleep(WATCH_PERIOD) => {
                let now = modified(path);
                if now == seen { continue }
                seen = now;
            }
        }
        if let Some(next) = changed_config(path, loaded) {
            tracing::info!("the configuration is exchanged");
            return Turn::Reload(Box::new(next));
        }
    }
}

fn changed_config(path: &Path, loaded: &Loaded) -> Option<Loaded> {
    match Config::load(path) {
        Ok(next) if next.config.store.path != loaded.config.store.path => {
            tracing::error!(
                "store.path cannot change while the gateway runs: restart it; the configuration in use stays"
            );
            None
        }
        Ok(next) => Some(next),
        Err(errors) => {
            errors
                .problems
                .iter()
                .for_each(|problem| tracing::error!(%problem, "the changed configuration is refused"));
            None
        }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

fn load(path: &Path) -> Option<Loaded> {
    match Config::load(path) {
        Ok(loaded) => {
            loaded.warnings.iter().for_each(|warning| tracing::warn!(%warning, "configuration"));
            Some(loaded)
        }
        Err(errors) => {
            say(&errors.to_string());
            None
        }
    }
}

async fn listen(config: &Config) -> anyhow::Result<Listening> {
    let address = config.server.listen;
    Listening::on(address).await.with_context(|| format!("server.listen = \"{address}\": cannot listen there"))
}

/// Port 0 stands for the port that was bound.
fn public_url(config: &Config, listening: &Listening) -> anyhow::Result<Url> {
    let mut url = config.server.public_url.clone();
    if url.port() == Some(0) && url.set_port(Some(listening.address.port())).is_err() {
        anyhow::bail!("server.public_url = \"{url}\": cannot hold a port");
    }
    Ok(url)
}

fn warn_of_durability(store: &dyn Store) {
    if let Durability::CrashSafe { why } = store.durability() {
        tracing::warn!(why, "a power cut may lose what was acknowledged");
    }
}

fn tell_ready(gateway: &Gateway, listening: &Listening, began: Option<Instant>) {
    let event = serde_json::json!({
        "event": "ready",
        "listen": listening.address.to_string(),
        "plugins": gateway.plugins.ids(),
        "channels": gateway.config.channels.len(),
        "ready_ms": began.map(|began| began.elapsed().as_millis() as u64),
    });
    if let Err(error) = print(&event.to_string()) {
        tracing::warn!(%error, "nobody reads standard output");
    }
}

#[derive(PartialEq, Eq)]
enum Signalled {
    End,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) -> Signalled {
        tokio::select! {
            _ = self.terminate.recv() => Signalled::End,
            _ = self.interrupt.recv() => Signalled::End,
            _ = self.hangup.recv() => Signalled::Reload,
        }
    }

    async fn end(&mut self) {
        while self.any().await != Signalled::End {}
    }
}
