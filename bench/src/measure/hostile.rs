//! Calls of a good adapter after calls of a hostile one, in one engine.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use omnigate::config;
use omnigate::plugin::exchange::Request;
use omnigate::plugin::{Binding, Plugin};

use super::Plan;
use super::plugin::{Sandbox, bound};
use crate::place;
use crate::statistics::percentile;
use crate::table::{Aim, Row, Unit};

/// What the hostile adapter of `tests/hostile` does when it is told so.
const ATTACKS: [(&str, &str); 14] = [
    ("loop", ""),
    ("recurse", ""),
    ("recurse-with-luggage", ""),
    ("memory", ""),
    ("reply", "100000000"),
    ("events", "100000"),
    ("log", "100000"),
    ("calls", "1000000"),
    ("trap", ""),
    ("panic", "in words"),
    ("half", ""),
    ("script", r#"[{"call":"http","url":"https://not-granted.example/"}]"#),
    ("script", r#"[{"call":"http","url":"http://169.254.169.254/latest/meta-data/"}]"#),
    ("script", r#"[{"call":"repeat","times":2000,"what":{"call":"entropy","len":4096}}]"#),
];
/// As many as may be under way at once on one channel, and more that wait.
const AT_ONCE: usize = 8;
const CALLS: usize = 500;

pub(super) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let sandbox = Sandbox::start()?;
    let (hostile, channel) = attacker(&sandbox)?;
    sandbox.calls(CALLS).await?;
    let mut measured = Vec::new();
    for (act, argument) in ATTACKS {
        let undisturbed = typical(&sandbox, plan).await?;
        attack(&hostile, &channel, act, argument).await;
        let disturbed = typical(&sandbox, plan).await?;
        measured.push((act, undisturbed, disturbed));
    }
    let ratio = |(_, before, after): &(&str, f64, f64)| after / before;
    let worst = measured.into_iter().max_by(|one, other| ratio(one).total_cmp(&ratio(other)));
    let (act, before, after) = worst.context("no attacks")?;
    Ok(vec![Row {
        twin: Some(before),
        aim: Some(Aim::RatioAtMost(1.2)),
        machine: Some(format!("worst after: {act}")),
        ..Row::new(
            "plugin call after attacks",
            Unit::Micros,
            after,
            "The same call on another channel right after eight calls at once of a hostile plugin; in the twin's column, right before them. Of the worst of fourteen attacks: loops, recursion, memory, output, events, log, host calls, traps, forbidden addresses.",
        )
    }])
}

/// Median of some calls, in seconds.
async fn typical(sandbox: &Sandbox, plan: &Plan) -> Result<f64> {
    Ok(percentile(&mut sandbox.calls(CALLS * plan.rounds).await?, 0.5).as_secs_f64())
}

fn attacker(sandbox: &Sandbox) -> Result<(Plugin, Arc<Binding>)> {
    let plugin = sandbox.plugins.admit(&place::hostile()?).map_err(|error| anyhow!("{error}"))?;
    let limits = config::Limits { cpu: Duration::from_millis(100), ..sandbox.limits.clone() };
    let binding = bound(&plugin, &config::Channel::of("hostile"), &limits)?;
    Ok((plugin, binding))
}

/// How it ends is the matter of tests.
async fn attack(hostile: &Plugin, channel: &Arc<Binding>, act: &str, argument: &str) {
    let request = Request {
        method: "POST".into(),
        path: format!("/{act}"),
        url: format!("{}/{act}", channel.url),
        body: argument.into(),
        ..Request::default()
    };
    let calls = (0..AT_ONCE).map(|_| hostile.handle_request(channel, request.clone()));
    futures_util::future::join_all(calls).await;
}
