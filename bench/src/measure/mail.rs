//! Mails that wait in a mailbox, taken in by the gateway, beside fetching the same mails and throwing them away.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Plan;
use super::dovecot::{Dovecot, PASSWORD, USER};
use super::servers::API_KEY;
use crate::place::{self, Workplace};
use crate::process::Server;
use crate::statistics::median;
use crate::table::{Row, Unit};

const MAILS: usize = 1_000;
/// As many as the gateway asks for at once.
const GROUP: usize = 50;
/// Longest wait for all of them.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let place = Workplace::new("mail")?;
    let dovecot = Dovecot::start();
    dovecot.deliver(&(0..MAILS).map(mail).collect::<Vec<_>>());
    let (mut gateway, mut fetch) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        fetch.push(per_second(plainly(&dovecot)?));
        gateway.push(per_second(taken_in(&place, &dovecot, round)?));
    }
    Ok(vec![Row {
        twin: Some(median(fetch)),
        ..Row::new(
            "waiting mails taken in",
            Unit::PerSecond,
            median(gateway),
            "A thousand mails of 3 KiB that wait in a mailbox (Dovecot, TLS), from the gateway's start until all are on disk as interactions, each read in a sandbox of its own. The twin is a plain IMAP fetch of the same mailbox, fifty at once, whose mails are thrown away.",
        )
    }])
}

fn per_second(taken: Duration) -> f64 {
    MAILS as f64 / taken.as_secs_f64()
}

fn mail(number: usize) -> String {
    let text = "All work and no play makes a dull day of it, says everybody.\r\n".repeat(45);
    format!(
        "From: ann{}@example.com\r\nTo: support@example.com\r\nSubject: question {number}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{number}@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}",
        number % 200
    )
}

fn plainly(dovecot: &Dovecot) -> Result<Duration> {
    let began = Instant::now();
    let mut session = dovecot.session();
    session.examine("INBOX")?;
    let mut uids: Vec<u32> = session.uid_search("UID 1:*")?.into_iter().collect();
    uids.sort_unstable();
    let mut fetched = 0;
    for group in uids.chunks(GROUP) {
        let set = group.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        fetched += session.uid_fetch(set, "(UID BODY.PEEK[])")?.iter().filter(|mail| mail.body().is_some()).count();
    }
    ensure!(fetched == MAILS, "{fetched} of {MAILS} mails were fetched");
    Ok(began.elapsed())
}

fn taken_in(place: &Workplace, dovecot: &Dovecot, round: usize) -> Result<Duration> {
    let config = place.path().join(format!("gateway{round}.toml"));
    std::fs::write(&config, configuration(&place.path().join(format!("gateway{round}")), dovecot)?)?;
    let mut command = Command::new(place::gateway()?);
    command.arg("run").arg("--config").arg(&config).env("SSL_CERT_FILE", dovecot.certificate());
    let server = Server::start(command, &place.path().join(format!("gateway{round}.log")))?;
    let began = Instant::now();
    loop {
        let channel = asked(&server)?;
        let received = channel["counts"]["received"].as_u64().context("no count")?;
        if received >= MAILS as u64 {
            ensure!(received == MAILS as u64, "{received} mails were taken in instead of {MAILS}");
            return Ok(began.elapsed());
        }
        ensure!(began.elapsed() < PATIENCE, "{received} of {MAILS} mails: {channel}");
        // The API tells of no event that would be the last mail; to ask without a rest would slow down what is measured.
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn asked(server: &Server) -> Result<Value> {
    let mut stream = TcpStream::connect(server.address)?;
    write!(
        stream,
        "GET /v1/channels/mail HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {API_KEY}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    Ok(serde_json::from_str(body)?)
}

fn configuration(data: &Path, dovecot: &Dovecot) -> Result<String> {
    let (plugins, adapter) = place::mail_adapter()?;
    let (data, plugins, port) = (data.display(), plugins.display(), dovecot.ports().tls);
    let password = Value::from(PASSWORD);
    Ok(format!(
        r#"
[server]
listen = "127.0.0.1:0"
[store]
path = "{data}"
[plugins]
directory = "{plugins}"
[mail]
rate = 100000
[api.keys.bench]
key = "{API_KEY}"
scopes = ["messages"]
[channels.mail]
adapter = "{adapter}"
secrets = {{ imap_password = {password} }}
grants = {{ hosts = ["localhost:{port}"] }}
[channels.mail.settings]
address = "support@example.com"
imap = {{ host = "localhost", port = {port}, user = "{USER}", from = "all" }}
"#
    ))
}
