//! Messages from the API to a provider.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::servers::{API_KEY, Peers, Subject};
use super::{MODEST_RATE, Plan};
use crate::backend::Backend;
use crate::load::{Connection, Load};
use crate::place::Workplace;
use crate::statistics::{median, percentile};
use crate::table::{Row, Unit};
use crate::webhook::CONVERSATIONS;

/// Before the number, in a message's text.
const MARK: &str = "Your lamp is on its way, parcel ";

pub(super) async fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let place = Workplace::new("outbound")?;
    let provider = Backend::start(number_of, answer_to).await?;
    let peers = Peers { backend: None, provider: Some(provider.address) };
    let gateway = Subject::gateway(&place, "gateway", plan.connections, peers)?;
    // Only people who wrote may be answered freely.
    gateway.warm_up().await?;
    let sends = Load { expected: 202, write: Arc::new(write), ..gateway.load.clone() };
    if !is_offered(&sends).await? {
        return Ok(Vec::new());
    }
    let numbers = Arc::new(AtomicUsize::new(0));
    let mut rates = Vec::new();
    for _ in 0..plan.rounds {
        let began = Instant::now();
        let count = sends.closed(&numbers, plan.closed).await?.answered.len();
        let last = provider.take(count).await?.into_iter().map(|(_, arrived)| arrived).max().unwrap_or(began);
        rates.push(count as f64 / (last - began).as_secs_f64());
    }
    let mut latencies = latencies(plan, &sends, &numbers, &provider).await?;
    let explanation = "From the 202 of POST /v1/messages to the request at the provider, at 200 messages/s.";
    let mut at = |share| percentile(&mut latencies, share).as_secs_f64();
    Ok(vec![
        Row::new(
            "messages sent",
            Unit::PerSecond,
            median(rates),
            "POST /v1/messages for 500 people, answered 202 when durable; counted until the provider has got the last one, each exactly once. The channel sends 16 at once.",
        ),
        Row::new("to the provider, median", Unit::Millis, at(0.5), explanation),
        Row::new("to the provider, p99", Unit::Millis, at(0.99), explanation),
    ])
}

async fn latencies(plan: &Plan, sends: &Load, numbers: &Arc<AtomicUsize>, provider: &Backend) -> Result<Vec<Duration>> {
    let mut answered = sends.open(numbers, MODEST_RATE, plan.open).await?.answered;
    answered.sort_unstable_by_key(|answered| answered.number);
    let arrivals = provider.take(answered.len()).await?;
    Ok(answered.iter().zip(arrivals).map(|(answered, (_, at))| at.saturating_duration_since(answered.at)).collect())
}

/// Whether this gateway has the API at all.
async fn is_offered(sends: &Load) -> Result<bool> {
    let mut connection = Connection::open(sends.address).await?;
    let request = "GET /v1/messages/none HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // Without a key: whoever has it, refuses.
    Ok(connection.exchange(request.as_bytes()).await? == 401)
}

fn write(number: usize, request: &mut Vec<u8>) {
    let phone = 5_511_999_000_000 + (number % CONVERSATIONS) as u64;
    let body = format!(
        r#"{{"channel":"whatsapp","to":{{"scheme":"tel","value":"+{phone}"}},"message":{{"parts":[{{"type":"text","text":"{MARK}{number:010}"}}]}}}}"#
    );
    request.clear();
    let head = write!(
        request,
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {API_KEY}\r\n\
         content-type: application/json\r\nidempotency-key: bench-{number}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    head.unwrap_or_else(|_| unreachable!("a vector takes every byte"));
}

fn number_of(body: &[u8]) -> Option<usize> {
    let start = body.windows(MARK.len()).position(|window| window == MARK.as_bytes())? + MARK.len();
    std::str::from_utf8(body.get(start..start + 10)?).ok()?.parse().ok()
}

fn answer_to(number: usize) -> String {
    format!(r#"{{"messaging_product":"whatsapp","contacts":[],"messages":[{{"id":"wamid.OUT{number:010}"}}]}}"#)
}
