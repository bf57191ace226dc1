//! Forwarding with a minimal cursor: no retries, no parked lanes, no dead letters; a backend that refuses ends it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use omnigate::config::Secret;
use omnigate::deliver::{Attempt, Backend, Outcome, Rendered, Target};
use omnigate::egress::Egress;
use omnigate::store::{Batch, Cursor, Lease, Partition, Position, ProgressWrite, Record, Store, Stream};
use tokio::sync::mpsc;

/// As in the gateway's configuration of the bench.
pub(crate) const SECRET: &str = "whsec_YmVuY2gtc2VjcmV0LW9mLXRoaXJ0eS10d28tYnl0ZXM=";
pub(crate) const CONCURRENCY: usize = 16;

const PARTITION: Partition = Partition(0);
const TIMEOUT: Duration = Duration::from_secs(15);
const READ_MAX: usize = 512;
const QUEUE: usize = 256;

/// Forwards everything that comes to `backend`, from the beginning.
pub(super) async fn start(store: Arc<dyn Store>, backend: SocketAddr) -> Result<()> {
    let lease = store.claim(PARTITION).await?.context("the partition is taken")?;
    let url = format!("http://{backend}/interactions").parse()?;
    let render = Arc::new(Rendered::plain);
    let target = Backend::new("desk", Arc::new(Egress::new()), url, &Secret::new(SECRET), TIMEOUT, render)?;
    let target = Arc::new(target);
    let (done, settled) = mpsc::channel(QUEUE * CONCURRENCY);
    let workers: Vec<_> = (0..CONCURRENCY).map(|_| worker(target.clone(), done.clone())).collect();
    tokio::spawn(ended("reading", read(store.clone(), workers)));
    tokio::spawn(ended("settling", settle(store, lease, settled)));
    Ok(())
}

/// Nobody waits for these tasks: what ends one ends the process, so that no run counts what was not forwarded.
#[expect(clippy::exit, reason = "a hidden server of the bench, which must not go on without its forwarding")]
async fn ended(what: &str, work: impl Future<Output = Result<()>>) {
    let Err(error) = work.await else { return };
    eprintln!("{what}: {error:#}");
    std::process::exit(1);
}

/// A conversation always goes to the same worker, which keeps its order.
async fn read(store: Arc<dyn Store>, workers: Vec<mpsc::Sender<Arc<Record>>>) -> Result<()> {
    let mut head = store.watch(PARTITION, &Stream::All);
    let mut after = Position::START;
    loop {
        let (records, seen) = store.read(PARTITION, &Stream::All, after, READ_MAX).await?;
        if seen == after {
            head.changed().await?;
        }
        after = seen;
        for record in records {
            let worker = record.lane.as_u128() % workers.len() as u128;
            workers[worker as usize].send(record).await?;
        }
    }
}

fn worker(target: Arc<Backend>, done: mpsc::Sender<Position>) -> mpsc::Sender<Arc<Record>> {
    let (sender, mut records) = mpsc::channel::<Arc<Record>>(QUEUE);
    tokio::spawn(ended("forwarding", async move {
        while let Some(record) = records.recv().await {
            let attempt = Attempt { number: 1, uncertain: false, replayed: false };
            match target.deliver(&record, attempt).await {
                Outcome::Done => done.send(record.position).await?,
                other => bail!("not delivered: {other:?}"),
            }
        }
        Ok(())
    }));
    sender
}

/// Writes down how far everything is delivered: one commit at a time, each for all that was done meanwhile.
async fn settle(store: Arc<dyn Store>, lease: Lease, mut settled: mpsc::Receiver<Position>) -> Result<()> {
    let (mut floor, mut beyond) = (Position::START, BTreeSet::new());
    let mut some = Vec::new();
    while settled.recv_many(&mut some, QUEUE * CONCURRENCY).await > 0 {
        beyond.extend(some.drain(..));
        while beyond.first().is_some_and(|next| next.0 == floor.0 + 1) {
            floor = beyond.pop_first().unwrap_or(floor);
        }
        let cursor = Cursor { floor, done: beyond.iter().copied().collect() };
        let progress = vec![ProgressWrite::Cursor { lease, subscriber: "backend:desk".into(), cursor }];
        store.commit(Batch { progress, ..Batch::default() }).await?;
    }
    Ok(())
}
