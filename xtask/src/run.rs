//! The demo: gateway and desk, side by side.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::build;
use crate::tools::{cargo, root, say, target};

const DESK: &str = "127.0.0.1:8090";
/// How often it is looked whether one of both has ended.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn run() -> Result<()> {
    build::plugins()?;
    cargo(&["build", "--package", "omnigate", "--package", "desk"])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // From here on, so that whoever ends this program while the others start leaves none of them behind.
    let wishes = runtime.block_on(async { Wishes::new() })?;
    let mut desk = Running::start("desk", &["--listen", DESK], &desk_secrets()?)?;
    desk.wait_until_ready()?;
    let mut gateway = Running::start("omnigate", &["run", "--config", "config.toml"], &[])?;
    let listen = gateway.wait_until_ready()?;
    say(&format!(
        "\n  The visitor writes at  http://{listen}/chat/website\n  The agent answers at   http://{DESK}/\n\n  Ctrl-C ends both."
    ));
    runtime.block_on(watch(wishes, &mut gateway, &mut desk))
}

/// Until somebody wants an end, or one of both ends by itself. A second wish ends the gateway at once.
async fn watch(mut wishes: Wishes, gateway: &mut Running, desk: &mut Running) -> Result<()> {
    let mut look = tokio::time::interval(LOOK_EVERY);
    let mut is_wanted = false;
    loop {
        tokio::select! {
            () = wishes.next() => is_wanted = gateway.ask_to_end()?,
            _ = look.tick() => {
                if let Some(status) = gateway.child.try_wait()? {
                    ensure!(is_wanted && status.success(), "the gateway ended: {status}");
                    return Ok(());
                }
                if let Some(status) = desk.child.try_wait()? {
                    bail!("the desk ended: {status}");
                }
            }
        }
    }
}

/// Signals to end.
struct Wishes {
    interrupt: Signal,
    terminate: Signal,
}

impl Wishes {
    fn new() -> Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The development literals of `config.toml`, which the desk must share.
fn desk_secrets() -> Result<[(&'static str, String); 2]> {
    let config = std::fs::read_to_string(root().join("config.toml"))?;
    let literal = |key: &str| {
        let line = config.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"'));
        line.map(str::to_owned)
            .with_context(|| format!("config.toml has no line {key} = \"...\" for the desk to share"))
    };
    Ok([("OMNIGATE_API_KEY", literal("key")?), ("DESK_SECRET", literal("secret")?)])
}

/// A program that ends with this one.
struct Running {
    name: &'static str,
    child: Child,
}

impl Running {
    fn start(name: &'static str, arguments: &[&str], environment: &[(&str, String)]) -> Result<Self> {
        let program = target().join("debug").join(name);
        let mut command = Command::new(&program);
        command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value))).current_dir(root());
        // Signals of the terminal are for this program, which passes them on in order.
        let child = command.stdout(Stdio::piped()).process_group(0).spawn();
        Ok(Self { name, child: child.with_context(|| format!("cannot start {}", program.display()))? })
    }

    /// Waits for the line `{"event":"ready","listen":"..."}` and gives the address in it.
    fn wait_until_ready(&mut self) -> Result<String> {
        let output = self.child.stdout.take().context("the output was taken before")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let listen = line.split("\"listen\":\"").nth(1).and_then(|rest| rest.split('"').next());
        Ok(listen.with_context(|| format!("{} did not start; see above", self.name))?.to_owned())
    }
}

impl Running {
    fn ask_to_end(&self) -> Result<bool> {
        let asked = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        Ok(asked.context("cannot run kill")?.success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
