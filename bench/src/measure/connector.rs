//! What waited while a CRM was away, handed over within the CRM's limits.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Plan;
use super::servers::API_KEY;
use crate::crm::{Crm, Figures, Limit};
use crate::load::Load;
use crate::place::{self, Workplace};
use crate::process::Server;
use crate::table::{Row, Unit};
use crate::webhook::{APP_SECRET, CONVERSATIONS, PHONE_NUMBER_ID, Webhooks};

const INTERACTIONS: usize = 50_000;
/// A quarter of the time.
const INTERACTIONS_QUICK: usize = 12_500;
/// HubSpot gives a private app of the larger plans 190 calls in any ten seconds. Here time goes faster.
const SCALE: u32 = 10;
const LIMIT: Limit = Limit { calls: 190, window: Duration::from_secs(10).checked_div(SCALE).unwrap() };
/// Of the 19 a second, as an operator would set it who leaves some to others.
const UNSCALED_PER_SECOND: usize = 15;
const PER_SECOND: usize = UNSCALED_PER_SECOND * SCALE as usize;
const BATCH: usize = 100;
const PATIENCE: Duration = Duration::from_secs(180);

pub(super) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let count = if plan.rounds > 1 { INTERACTIONS } else { INTERACTIONS_QUICK };
    let place = Workplace::new("connector")?;
    let crm = Crm::start(LIMIT).await?;
    let server = gateway(place.path(), crm.address)?;
    let webhooks = Webhooks::new();
    let write = Arc::new(move |number, request: &mut Vec<u8>| webhooks.write(number, request));
    let load = Load { address: server.address, connections: plan.connections, expected: 200, write };
    load.some(&Arc::default(), count).await?;
    crm.come_back();
    let began = Instant::now();
    resume(&server)?;
    crm.wait_for(count, PATIENCE).await?;
    let took = began.elapsed();
    let figures = crm.figures();
    check(figures)?;
    Ok(vec![Row {
        machine: Some(told(figures, took, count)),
        ..Row::new(
            "backlog of a CRM",
            Unit::PerSecond,
            count as f64 / took.as_secs_f64(),
            "50,000 interactions (12,500 with --quick) of 500 people wait in the log while the CRM is away; from its return until all are written there, each person's in order. The CRM counts calls as HubSpot does, 190 in any ten seconds, and refuses what is beyond: none may be. Its time goes 10 times faster here, and so does the connector's: `requests_per_second` is 15 times 10, `batch` 100.",
        )
    }])
}

fn check(figures: Figures) -> Result<()> {
    let Figures { refused, out_of_order, contacts, .. } = figures;
    ensure!(refused == 0, "{refused} calls were beyond the CRM's limit: {figures:?}");
    ensure!(out_of_order == 0, "{out_of_order} messages came before an older one of the same person");
    ensure!(contacts == CONVERSATIONS, "{contacts} contacts for {CONVERSATIONS} people");
    Ok(())
}

fn told(figures: Figures, took: Duration, count: usize) -> String {
    let Figures { calls, writes, busiest, .. } = figures;
    let allowed = LIMIT.calls as f64 * took.as_secs_f64() / LIMIT.window.as_secs_f64();
    let used = 100.0 * calls as f64 / allowed;
    let together = count as f64 / writes as f64;
    let minutes = calls as f64 / UNSCALED_PER_SECOND as f64 / 60.0;
    format!(
        "{calls} calls, none refused, {used:.0} % of the limit used (at most {busiest} of {} in a window), {together:.0} interactions in a write; at {UNSCALED_PER_SECOND} calls a second it is {minutes:.1} min",
        LIMIT.calls
    )
}

fn resume(server: &Server) -> Result<()> {
    let mut stream = TcpStream::connect(server.address)?;
    write!(
        stream,
        "POST /v1/connectors/crm/resume HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {API_KEY}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let head = answer.lines().next().context("no answer")?;
    ensure!(head.contains(" 202 "), "the connector does not resume: {head}");
    Ok(())
}

fn gateway(place: &Path, crm: SocketAddr) -> Result<Server> {
    let config = place.join("gateway.toml");
    std::fs::write(&config, configuration(&place.join("gateway"), crm)?)?;
    let mut command = Command::new(place::gateway()?);
    command.arg("run").arg("--config").arg(&config);
    Server::start(command, &place.join("gateway.log"))
}

/// A retry a second: the backlog is told of the CRM's absence by each conversation's first interaction, and must outlast it.
fn configuration(data: &Path, crm: SocketAddr) -> Result<String> {
    let (data, plugins, retries) = (data.display(), place::plugins()?, vec!["\"1s\""; 50].join(", "));
    Ok(format!(
        r#"
[server]
listen = "127.0.0.1:0"
[store]
path = "{data}"
[plugins]
directory = "{plugins}"
[delivery]
retries = [{retries}]
[api.keys.bench]
key = "{API_KEY}"
scopes = ["messages", "admin"]
[channels.whatsapp]
adapter = "whatsapp"
settings = {{ phone_number_id = "{PHONE_NUMBER_ID}", api_base = "http://127.0.0.1:9" }}
secrets = {{ access_token = "bench-token", app_secret = "{APP_SECRET}", verify_token = "bench" }}
[connectors.crm]
plugin = "hubspot"
batch = {BATCH}
requests_per_second = {PER_SECOND}
settings = {{ api_base = "http://{crm}" }}
secrets = {{ access_token = "bench-token" }}
grants = {{ hosts = ["{crm}"] }}
"#,
        plugins = plugins.display()
    ))
}
