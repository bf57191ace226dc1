//! Webhooks in, answered when they are durable; nobody to forward to.

use anyhow::Result;

use super::servers::{Peers, Subject};
use super::{MODEST_RATE, Plan};
use crate::machine;
use crate::place::Workplace;
use crate::process::all_at_rest;
use crate::statistics::{median, median_pair, percentile};
use crate::table::{Aim, Row, Unit};

/// Figures of one server, a value for each round.
#[derive(Default)]
struct Rounds {
    rate: Vec<f64>,
    cpu: Vec<f64>,
}

pub(super) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let place = Workplace::new("accept")?;
    let gateway = Subject::gateway(&place, "gateway", plan.connections, Peers::default())?;
    let twin = Subject::twin(&place, "twin", plan.connections, None)?;
    let bare = Subject::bare(&place, plan.connections)?;
    let subjects = [&gateway, &twin, &bare];
    for subject in subjects {
        subject.warm_up().await?;
    }
    let mut rounds = [Rounds::default(), Rounds::default(), Rounds::default()];
    for _ in 0..plan.rounds {
        for (subject, rounds) in subjects.iter().zip(&mut rounds) {
            all_at_rest(subjects.map(|subject| &subject.server)).await?;
            let (answers, cpu) = subject.loaded(plan.closed).await?;
            rounds.rate.push(answers.per_second());
            rounds.cpu.push(cpu.as_secs_f64());
        }
    }
    let syncs = machine::syncs_per_second(place.path(), plan.closed / 2)?;
    let mut rows = rows_of(rounds, syncs);
    all_at_rest(subjects.map(|subject| &subject.server)).await?;
    rows.extend(latencies(plan, &gateway, &twin).await?);
    gateway.verify().await?;
    twin.verify().await?;
    Ok(rows)
}

fn rows_of([gateway, twin, bare]: [Rounds; 3], syncs: f64) -> Vec<Row> {
    let (rate, twin_rate) = median_pair(std::iter::zip(gateway.rate, twin.rate).collect());
    let (cpu, twin_cpu) = median_pair(std::iter::zip(gateway.cpu, twin.cpu).collect());
    let bare_rate = median(bare.rate);
    vec![
        Row {
            twin: Some(twin_rate),
            aim: Some(Aim::ShareOfTwin(0.75)),
            machine: Some(format!("{bare_rate:.0} requests/s bare hyper; {syncs:.0} fdatasync/s")),
            ..Row::new(
                "webhooks accepted",
                Unit::PerSecond,
                rate,
                "Signed WhatsApp texts of 500 people, each answered 200 when its interaction is on disk; every connection sends the next one after the answer. Group commit is why it can be more than one a sync.",
            )
        },
        Row {
            twin: Some(twin_cpu),
            machine: Some(format!("{:.0} µs bare hyper", median(bare.cpu) * 1e6)),
            ..Row::new(
                "processor time for one",
                Unit::Micros,
                cpu,
                "Of all threads of the server, for the row above. Hardly moved by whoever else uses the machine.",
            )
        },
    ]
}

async fn latencies(plan: &Plan, gateway: &Subject, twin: &Subject) -> Result<Vec<Row>> {
    let mut of = [Vec::new(), Vec::new()];
    for (subject, latencies) in [gateway, twin].into_iter().zip(&mut of) {
        *latencies = subject.load.open(&subject.numbers, MODEST_RATE, plan.open).await?.latencies();
    }
    let [mut gateway, mut twin] = of;
    let row = |name, share, gateway: &mut [_], twin: &mut [_]| Row {
        twin: Some(percentile(twin, share).as_secs_f64()),
        ..Row::new(
            name,
            Unit::Millis,
            percentile(gateway, share).as_secs_f64(),
            "From the time at which a webhook should have left to its durable 200, at 200 webhooks/s.",
        )
    };
    Ok(vec![
        row("acknowledgement, median", 0.5, &mut gateway, &mut twin),
        row("acknowledgement, p99", 0.99, &mut gateway, &mut twin),
    ])
}
