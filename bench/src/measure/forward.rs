//! Webhooks in, events out to a backend.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::servers::{Peers, Subject};
use super::{MODEST_RATE, Plan};
use crate::backend::Backend;
use crate::load::Answered;
use crate::place::Workplace;
use crate::process::all_at_rest;
use crate::statistics::{median_pair, percentile};
use crate::table::{Aim, Row, Unit};
use crate::webhook::{CONVERSATIONS, number_of};

/// One round of full load.
struct Round {
    /// Events that arrived, for each second until the last one did.
    rate: f64,
    /// Seconds of processor time for each of them.
    cpu: f64,
}

/// A server and its backend.
struct Pair {
    subject: Subject,
    backend: Backend,
}

pub(super) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let place = Workplace::new("forward")?;
    let backend = Backend::start(number_of, |_| String::new()).await?;
    let peers = Peers { backend: Some(backend.address), provider: None };
    let gateway = Pair { subject: Subject::gateway(&place, "gateway", plan.connections, peers)?, backend };
    let backend = Backend::start(number_of, |_| String::new()).await?;
    let twin = Subject::twin(&place, "twin", plan.connections, Some(backend.address))?;
    let twin = Pair { subject: twin, backend };
    gateway.warm_up().await?;
    twin.warm_up().await?;
    let idle = gateway.subject.server.memory()?;
    let servers = [&gateway.subject.server, &twin.subject.server];
    all_at_rest(servers).await?;
    let (mut rates, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let own = gateway.loaded(plan.closed).await?;
        all_at_rest(servers).await?;
        let native = twin.loaded(plan.closed).await?;
        all_at_rest(servers).await?;
        rates.push((own.rate, native.rate));
        cpu.push((own.cpu, native.cpu));
    }
    let loaded = gateway.subject.server.memory()?;
    let native = twin.subject.server.memory()?;
    let (mut own, mut other) = (gateway.latencies(plan.open).await?, twin.latencies(plan.open).await?);
    gateway.subject.verify().await?;
    twin.subject.verify().await?;
    let (rate, twin_rate) = median_pair(rates);
    let (cpu, twin_cpu) = median_pair(cpu);
    let latency = |name, share, own: &mut [_], other: &mut [_]| Row {
        twin: Some(percentile(other, share).as_secs_f64()),
        ..Row::new(
            name,
            Unit::Millis,
            percentile(own, share).as_secs_f64(),
            "From a webhook's 200 to the arrival of its event at the backend, at 200 webhooks/s; 0 where it arrives before.",
        )
    };
    Ok(vec![
        Row {
            twin: Some(twin_rate),
            aim: Some(Aim::ShareOfTwin(0.85)),
            ..Row::new(
                "events forwarded",
                Unit::PerSecond,
                rate,
                "The same load with one backend, which answers 200 and must get every event exactly once, in signed requests, each conversation in order. Counted until the last one has arrived.",
            )
        },
        Row {
            twin: Some(twin_cpu),
            ..Row::new(
                "processor time, forwarded",
                Unit::Micros,
                cpu,
                "Of all threads of the server, for one webhook of the row above, accepted and forwarded.",
            )
        },
        latency("to the backend, median", 0.5, &mut own, &mut other),
        latency("to the backend, p99", 0.99, &mut own, &mut other),
        Row {
            twin: Some(native.now as f64 * 1024.0),
            machine: Some(format!("{} MiB after the first 2,000 webhooks", idle.now / 1024)),
            ..Row::new(
                "memory under load",
                Unit::Mebibytes,
                loaded.now as f64 * 1024.0,
                "Resident memory after full load.",
            )
        },
        Row {
            twin: Some(native.peak as f64 * 1024.0),
            ..Row::new(
                "memory, highest",
                Unit::Mebibytes,
                loaded.peak as f64 * 1024.0,
                "The most that was ever resident.",
            )
        },
    ])
}

impl Pair {
    async fn warm_up(&self) -> Result<()> {
        self.subject.warm_up().await?;
        self.backend.take(CONVERSATIONS * 4).await.map(drop)
    }

    async fn loaded(&self, length: Duration) -> Result<Round> {
        let (began, used) = (Instant::now(), self.subject.server.cpu()?);
        let answered = self.subject.load.closed(&self.subject.numbers, length).await?.answered;
        let arrivals = self.arrivals(answered).await?;
        let last = arrivals.iter().map(|(_, arrived)| *arrived).max().unwrap_or(began);
        let (events, used) = (arrivals.len() as f64, self.subject.server.cpu()? - used);
        Ok(Round { rate: events / (last - began).as_secs_f64(), cpu: used.as_secs_f64() / events })
    }

    async fn latencies(&self, length: Duration) -> Result<Vec<Duration>> {
        let answered = self.subject.load.open(&self.subject.numbers, MODEST_RATE, length).await?.answered;
        let arrivals = self.arrivals(answered).await?;
        Ok(arrivals.iter().map(|(answered, arrived)| arrived.saturating_duration_since(answered.at)).collect())
    }

    /// Every acknowledged webhook with the one arrival that it must have.
    async fn arrivals(&self, mut answered: Vec<Answered>) -> Result<Vec<(Answered, Instant)>> {
        let arrivals = self.backend.take(answered.len()).await?;
        answered.sort_unstable_by_key(|answered| answered.number);
        let same = answered.iter().zip(&arrivals).all(|(answered, (number, _))| answered.number == *number);
        ensure!(same, "other messages arrived than were acknowledged");
        Ok(answered.into_iter().zip(arrivals).map(|(answered, (_, at))| (answered, at)).collect())
    }
}
