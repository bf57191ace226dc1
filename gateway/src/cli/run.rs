use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{print, say};
use crate::assembly::{Gateway, Lasting, StartError, open_store};
use crate::config::{Config, Loaded, Problem};
use crate::edge::Listening;
use crate::store::{Durability, Store};

const WATCH_PERIOD: Duration = Duration::from_secs(1);

/// What serves: a configuration, everything that was made of it, and the socket.
struct Present {
    loaded: Loaded,
    /// When the file had been written that was loaded.
    written: Option<SystemTime>,
    gateway: Arc<Gateway>,
    listening: Arc<Listening>,
    /// Ends it.
    stop: CancellationToken,
}

/// What ended a generation.
enum Turn {
    Stop,
    Exchange(Box<Present>),
}

/// One configuration after the other, until the process is to end. The next one is ready before the present one stops, and
/// connections stay open in between: the next one answers while the present one ends, and no caller is refused.
pub(super) async fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let written = modified(path);
    let Some(loaded) = load(path) else { return Ok(ExitCode::FAILURE) };
    let mut signals = Signals::new()?;
    let store = open_store(&loaded.config).await?;
    warn_of_durability(&*store);
    let listening = listen(&loaded.config).await?;
    warn_of_files(&loaded.config, &listening);
    let mut present = match assemble(loaded, written, listening, store, Lasting::default()).await {
        Ok(present) => present,
        Err(StartError::Failed(error)) => return Err(error),
        Err(StartError::Problems(problems)) => {
            problems.iter().for_each(|problem| say(&problem.to_string()));
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut first = Some(began);
    loop {
        match generation(&present, &mut signals, path, first.take()).await? {
            Turn::Stop => return Ok(ExitCode::SUCCESS),
            Turn::Exchange(next) => present = *next,
        }
    }
}

async fn assemble(
    loaded: Loaded,
    written: Option<SystemTime>,
    listening: Arc<Listening>,
    store: Arc<dyn Store>,
    lasting: Lasting,
) -> Result<Present, StartError> {
    let public_url = public_url(&loaded.config, &listening)?;
    match Gateway::assemble(loaded.config.clone(), &public_url, store, lasting).await {
        Ok(gateway) => {
            let (gateway, stop) = (Arc::new(gateway), CancellationToken::new());
            Ok(Present { loaded, written, gateway, listening, stop })
        }
        Err(StartError::Problems(problems)) => {
            Err(StartError::Problems(problems.into_iter().map(|problem| loaded.place(problem)).collect()))
        }
        Err(failed) => Err(failed),
    }
}

async fn generation(
    present: &Present,
    signals: &mut Signals,
    path: &Path,
    began: Option<Instant>,
) -> anyhow::Result<Turn> {
    let Present { gateway, listening, stop, .. } = present;
    let ready = || tell_ready(gateway, listening, began);
    let running = gateway.clone().run(listening, stop.clone(), ready);
    tokio::pin!(running);
    let turn = tokio::select! {
        ended = running.as_mut() => return ended.map(|()| Turn::Stop),
        turn = next_turn(signals, path, present) => turn,
    };
    let mut turn = turn;
    hand_over(present, &turn);
    stop.cancel();
    loop {
        tokio::select! {
            ended = running.as_mut() => return ended.map(|()| turn),
            () = signals.end() => match turn {
                Turn::Stop => {
                    tracing::warn!("ended at once by a second signal");
                    return Ok(turn);
                }
                Turn::Exchange(next) => {
                    tracing::info!("draining: the next configuration is not taken any more");
                    next.listening.close();
                    listening.close();
                    next.stop.cancel();
                    turn = Turn::Stop;
                }
            }
        }
    }
}

/// From here on whoever comes next answers: nobody waits for what the present one has in hand.
fn hand_over(present: &Present, turn: &Turn) {
    match turn {
        Turn::Stop => present.listening.close(),
        Turn::Exchange(next) => {
            next.gateway.deliveries.succeed(&present.gateway.deliveries);
            next.listening.follow(next.gateway.edge.clone(), next.gateway.router(&next.stop));
            // Visitors come back at once, to the rules that hold from now on, however long the present one has work in hand.
            present.gateway.edge.hub.close();
            if !Arc::ptr_eq(&next.listening, &present.listening) {
                present.listening.close();
            }
            tracing::info!("the configuration is exchanged");
        }
    }
}

/// A configuration that is wrong is told, and the one in use stays.
async fn next_turn(signals: &mut Signals, path: &Path, present: &Present) -> Turn {
    let mut seen = present.written;
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
        if let Some(next) = prepare(path, present).await {
            return Turn::Exchange(Box::new(next));
        }
    }
}

/// Makes everything of the changed file that can fail, while the present configuration still serves.
async fn prepare(path: &Path, present: &Present) -> Option<Present> {
    let written = modified(path);
    let loaded = changed_config(path, &present.loaded)?;
    let listening = match loaded.config.server.listen == present.loaded.config.server.listen {
        true => Ok(present.listening.clone()),
        false => listen(&loaded.config).await.map_err(StartError::Failed),
    };
    let prepared = match listening {
        Ok(listening) => {
            let (store, lasting) = (present.gateway.store.clone(), present.gateway.lasting.clone());
            assemble(loaded, written, listening, store, lasting).await
        }
        Err(error) => Err(error),
    };
    match prepared {
        Ok(next) => Some(next),
        Err(StartError::Problems(problems)) => {
            problems.iter().for_each(tell_refused);
            None
        }
        Err(StartError::Failed(error)) => {
            tracing::error!(error = %format!("{error:#}"), "the changed configuration is refused");
            None
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
            errors.problems.iter().for_each(tell_refused);
            None
        }
    }
}

fn tell_refused(problem: &Problem) {
    tracing::error!(%problem, "the changed configuration is refused");
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

async fn listen(config: &Config) -> anyhow::Result<Arc<Listening>> {
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

fn warn_of_files(config: &Config, listening: &Listening) {
    if let Some(possible) = listening.fewer_than(config.server.connections_max) {
        tracing::warn!(
            possible,
            "server.connections_max is more than this process may have: allow it more open files (LimitNOFILE, ulimit -n)"
        );
    }
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

    /// A wish to reload waits until somebody can fulfil it.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
