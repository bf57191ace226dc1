//! Servers as processes of their own.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A server that ends when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From before the process was made to its line that it is ready.
    pub(crate) ready: Duration,
}

/// What a process holds, in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    /// The most that it ever held.
    pub(crate) peak: u64,
}

impl Server {
    /// Starts a program that tells its address as `{"event":"ready","listen":"..."}`; its log goes to a file.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self> {
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(log)?).spawn();
        let mut child = child.with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let output = child.stdout.take().context("no standard output")?;
        // Held from here on, so that the process ends whatever is read.
        let mut server = Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)), ready: Duration::ZERO };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        server.ready = began.elapsed();
        let told = || format!("{} did not start: {}", command.get_program().display(), log_tail(log));
        let event: serde_json::Value = serde_json::from_str(&line).with_context(told)?;
        server.address = event["listen"].as_str().unwrap_or_default().parse().with_context(told)?;
        Ok(server)
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).context("no such field of /proc")
        };
        Ok(Memory { now: field("VmRSS:")?, peak: field("VmHWM:")? })
    }

    /// Processor time since the start, of all threads.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).context("/proc/pid/stat")?;
        // A tick of /proc is 1/100 s on every Linux that Rust runs on.
        Ok(Duration::from_millis((user + system) * 10))
    }
}

/// Longer than any server waits before it uses idle time for what it has put off.
const REST: Duration = Duration::from_millis(400);
/// What a server at rest may use of it.
const REST_CPU: Duration = Duration::from_millis(20);
const REST_TRIES: usize = 150;

/// Waits until none of the servers works any more: what one has put off, another one must not pay for.
pub(crate) async fn all_at_rest<'a>(servers: impl IntoIterator<Item = &'a Server> + Clone) -> Result<()> {
    let used = || servers.clone().into_iter().map(Server::cpu).sum::<Result<Duration>>();
    for _ in 0..REST_TRIES {
        let before = used()?;
        tokio::time::sleep(REST).await;
        if used()? - before <= REST_CPU {
            return Ok(());
        }
    }
    bail!("a server still works {:?} after its load ended", REST * REST_TRIES as u32)
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
