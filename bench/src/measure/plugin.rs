//! One call of a plugin, in this process.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use omnigate::config::{self, Config, Secret};
use omnigate::egress::Egress;
use omnigate::plugin::exchange::Request;
use omnigate::plugin::{Binding, NoServices, Plugin, Plugins, Tools};

use super::Plan;
use crate::place;
use crate::statistics::percentile;
use crate::table::{Aim, Row, Unit};
use crate::twin::whatsapp::{SIGNATURE, Verifier};
use crate::webhook::{APP_SECRET, PATH, PHONE_NUMBER_ID, Webhooks};

const WARM_UP: usize = 500;

pub(super) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let calls = 5_000 * plan.rounds;
    let (sandbox, webhooks) = (Sandbox::start()?, Webhooks::new());
    let mut sandboxed = sandbox.calls(WARM_UP + calls).await?;
    let verifier = Verifier::new();
    let mut native = Vec::with_capacity(calls);
    for number in 0..WARM_UP + calls {
        native.push(read(&verifier, &request(&webhooks, number))?);
    }
    let (sandboxed, native) = (&mut sandboxed[WARM_UP..], &mut native[WARM_UP..]);
    let mut row = |name, share| Row {
        twin: Some(percentile(native, share).as_secs_f64()),
        ..Row::new(
            name,
            Unit::Micros,
            percentile(sandboxed, share).as_secs_f64(),
            "A signed WhatsApp text from request to interaction in a fresh instance of the adapter; beside it the same in Rust. Inside the program, one after the other.",
        )
    };
    let median = row("plugin call, median", 0.5);
    Ok(vec![Row { aim: Some(Aim::AtMost(25e-6)), ..median }, row("plugin call, p99", 0.99)])
}

/// An engine with the adapter whose calls are timed.
pub(super) struct Sandbox {
    pub(super) plugins: Plugins,
    pub(super) limits: config::Limits,
    plugin: Arc<Plugin>,
    binding: Arc<Binding>,
    webhooks: Webhooks,
}

impl Sandbox {
    pub(super) fn start() -> Result<Self> {
        let config =
            Config::parse("", std::path::Path::new("."), &|_| None).map_err(|errors| anyhow::anyhow!("{errors}"))?;
        let limits = config.config.plugins.limits;
        let tools = Tools { egress: Arc::new(Egress::new()), services: Arc::new(NoServices) };
        let plugins = Plugins::new(&place::plugins()?, &limits, None, tools)?;
        plugins.refresh();
        let plugin = plugins.get("whatsapp").context("the adapter whatsapp is refused")?;
        let binding = bound(&plugin, &channel()?, &limits)?;
        Ok(Self { plugins, limits, plugin, binding, webhooks: Webhooks::new() })
    }

    /// How long each of so many calls took.
    pub(super) async fn calls(&self, count: usize) -> Result<Vec<Duration>> {
        let mut took = Vec::with_capacity(count);
        for number in 0..count {
            took.push(called(&self.plugin, &self.binding, request(&self.webhooks, number)).await?);
        }
        Ok(took)
    }
}

/// A plugin with a channel of its own.
pub(super) fn bound(plugin: &Plugin, channel: &config::Channel, limits: &config::Limits) -> Result<Arc<Binding>> {
    let (manifest, url) = (plugin.manifest(), "http://localhost".parse()?);
    let key = Secret::new("key of the channel");
    Ok(Arc::new(Binding::new(&channel.adapter, channel, manifest, &url, limits, key)))
}

fn channel() -> Result<config::Channel> {
    let secrets = [("access_token", "bench-token"), ("app_secret", APP_SECRET)];
    Ok(config::Channel {
        settings: serde_json::from_value(serde_json::json!({ "phone_number_id": PHONE_NUMBER_ID }))?,
        secrets: secrets.into_iter().map(|(slot, value)| (slot.to_owned(), Secret::new(value))).collect(),
        ..config::Channel::of("whatsapp")
    })
}

fn request(webhooks: &Webhooks, number: usize) -> Request {
    let body = webhooks.body(number);
    let headers = [
        ("host", "localhost".to_owned()),
        ("accept", "*/*".to_owned()),
        ("user-agent", "facebookexternalua".to_owned()),
        ("content-type", "application/json".to_owned()),
        (SIGNATURE, webhooks.signature(&body)),
        ("content-length", body.len().to_string()),
    ];
    Request {
        method: "POST".into(),
        path: "/".into(),
        query: String::new(),
        url: format!("http://localhost{PATH}"),
        headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        body: body.into_bytes(),
    }
}

async fn called(plugin: &Plugin, binding: &Arc<Binding>, request: Request) -> Result<Duration> {
    let began = Instant::now();
    let called = plugin.handle_request(binding, request).await;
    let took = began.elapsed();
    let outcome = called.result.map_err(|failure| anyhow::anyhow!("the call failed: {failure:?}"))?;
    ensure!(called.authentic && outcome.happenings.len() == 1, "the text was not understood");
    Ok(took)
}

fn read(verifier: &Verifier, request: &Request) -> Result<Duration> {
    let began = Instant::now();
    let signature = request.headers.iter().find(|(name, _)| name == SIGNATURE).map_or("", |(_, value)| value);
    let received = black_box(verifier.read(signature.as_bytes(), &request.body));
    let took = began.elapsed();
    ensure!(received.is_ok_and(|received| received.len() == 1), "the text was not understood");
    Ok(took)
}
