//! The load: keep-alive connections over plain sockets, so that little of the machine goes into making it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Replaces the buffer by request `number` as it goes over the wire.
pub(crate) type Write = dyn Fn(usize, &mut Vec<u8>) + Send + Sync;

/// Longest wait for one answer: whoever needs longer is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is sent where.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    /// The status that every answer must have.
    pub(crate) expected: u16,
    pub(crate) write: Arc<Write>,
}

/// One request that was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    pub(crate) number: usize,
    pub(crate) at: Instant,
    pub(crate) latency: Duration,
}

/// All of them.
pub(crate) struct Answers {
    pub(crate) answered: Vec<Answered>,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

impl Answers {
    pub(crate) fn per_second(&self) -> f64 {
        self.answered.len() as f64 / self.took.as_secs_f64()
    }

    pub(crate) fn latencies(&self) -> Vec<Duration> {
        self.answered.iter().map(|answered| answered.latency).collect()
    }
}

impl Load {
    /// Every connection sends its next request as soon as it has its answer. Numbers are taken from `numbers`.
    pub(crate) async fn closed(&self, numbers: &Arc<AtomicUsize>, length: Duration) -> Result<Answers> {
        let end = Instant::now() + length;
        self.run(|_| {
            let numbers = numbers.clone();
            move || (Instant::now() < end).then(|| (numbers.fetch_add(1, Ordering::Relaxed), None))
        })
        .await
    }

    /// So many requests, as fast as they are answered.
    pub(crate) async fn some(&self, numbers: &Arc<AtomicUsize>, count: usize) -> Result<Answers> {
        let end = numbers.load(Ordering::Relaxed) + count;
        self.run(|_| {
            let numbers = numbers.clone();
            move || {
                let number = numbers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < end).then_some(n + 1));
                number.ok().map(|number| (number, None))
            }
        })
        .await
    }

    /// Requests leave at fixed times whether or not earlier ones were answered; latency counts from the time at which a request should
    /// have left, so that waiting for a slow answer hides nothing.
    pub(crate) async fn open(&self, numbers: &Arc<AtomicUsize>, rate: usize, length: Duration) -> Result<Answers> {
        let start = Instant::now() + Duration::from_millis(20);
        let (count, connections) = ((rate as f64 * length.as_secs_f64()) as usize, self.connections);
        self.run(|connection| {
            let (numbers, mut turn) = (numbers.clone(), connection);
            move || {
                let due = (turn < count).then(|| start + Duration::from_secs_f64(turn as f64 / rate as f64))?;
                turn += connections;
                Some((numbers.fetch_add(1, Ordering::Relaxed), Some(due)))
            }
        })
        .await
    }

    async fn run<F>(&self, plan: impl Fn(usize) -> F) -> Result<Answers>
    where
        F: FnMut() -> Option<(usize, Option<Instant>)> + Send + 'static,
    {
        let mut connections = JoinSet::new();
        let began = Instant::now();
        for connection in 0..self.connections {
            connections.spawn(one_connection(self.clone(), plan(connection)));
        }
        let mut answered = Vec::new();
        while let Some(ended) = connections.join_next().await {
            answered.extend(ended??);
        }
        Ok(Answers { answered, took: began.elapsed() })
    }
}

async fn one_connection(
    load: Load,
    mut next: impl FnMut() -> Option<(usize, Option<Instant>)>,
) -> Result<Vec<Answered>> {
    let mut connection = Connection::open(load.address).await?;
    let (mut answered, mut request) = (Vec::new(), Vec::new());
    while let Some((number, due)) = next() {
        (load.write)(number, &mut request);
        if let Some(due) = due {
            tokio::time::sleep_until(due.into()).await;
        }
        let began = due.unwrap_or_else(Instant::now);
        let status = tokio::time::timeout(PATIENCE, connection.exchange(&request)).await.context("no answer")??;
        ensure!(status == load.expected, "request {number} was answered {status}: {}", connection.last());
        let at = Instant::now();
        answered.push(Answered { number, at, latency: at - began });
    }
    Ok(answered)
}

/// One connection, as much HTTP/1.1 as the servers here speak: every answer tells its length.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("nobody answers at {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a request and reads the whole answer; gives its status.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
            if let Some(head) = find(&self.buffer, b"\r\n\r\n") {
                let length = content_length(&self.buffer[..head]).context("an answer without content-length")?;
                if self.buffer.len() >= head + 4 + length {
                    return status(&self.buffer).context("no status in the answer");
                }
            }
        }
    }

    /// The last answer, for telling what went wrong.
    pub(crate) fn last(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn status(answer: &[u8]) -> Option<u16> {
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

fn content_length(head: &[u8]) -> Option<usize> {
    let lines = head.split(|byte| *byte == b'\n');
    let mut value = lines.filter_map(|line| {
        line.get(..15).filter(|name| name.eq_ignore_ascii_case(b"content-length:")).map(|_| &line[15..])
    });
    std::str::from_utf8(value.next()?).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let answer = b"HTTP/1.1 202 Accepted\r\ndate: x\r\nContent-Length: 12\r\n\r\n";
        assert_eq!((status(answer), content_length(answer)), (Some(202), Some(12)));
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\ndate: x"), None);
    }
}
