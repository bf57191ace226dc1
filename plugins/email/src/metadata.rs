//! What a backend may want to know of a mail besides, and what an answer to it needs.

use omnigate_plugin::serde_json::Map;
use omnigate_plugin::{Value, json};

use crate::content::Written;
use crate::inbound::Arrival;
use crate::mime::{Address, Headers};
use crate::read::Mail;
use crate::settings::Settings;
use crate::thread::Thread;

/// What is told of a long list: the whole of it must stay below 256 KiB.
const CC_MAX: usize = 50;

/// A JSON object. Its names are documented in the plugin's README.
pub(crate) fn of(
    settings: &Settings,
    mail: &Mail<'_>,
    written: &Written,
    thread: &Thread,
    arrival: &Arrival<'_>,
) -> Option<String> {
    let headers = &mail.headers;
    let mut all = arrival.extra.clone();
    let entries = [
        ("references", list(&thread.references)),
        ("cc", addresses(headers.addresses("cc"))),
        ("reply_to", addresses(headers.addresses("reply-to"))),
        ("sent_at", headers.date("date").map(|date| rfc3339(date).into())),
        ("subject_changed", thread.subject_changed.then_some(Value::Bool(true))),
        ("signed", mail.signed.map(Value::from)),
        ("encrypted", mail.encrypted.map(Value::from)),
        ("incomplete", written.limit.map(Value::from)),
        ("inline_images", inline(written)),
        ("refused_files", refused(written)),
        ("importance", importance(headers)),
        ("authentication", authentication(settings, headers)),
    ];
    all.extend(entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    (!all.is_empty()).then(|| Value::Object(all).to_string())
}

fn list(ids: &[String]) -> Option<Value> {
    (!ids.is_empty()).then(|| json!(ids))
}

fn addresses(list: Vec<Address>) -> Option<Value> {
    let shown: Vec<Value> = list
        .iter()
        .take(CC_MAX)
        .map(|one| match &one.name {
            Some(name) => json!({"address": one.address, "name": name}),
            None => json!({"address": one.address}),
        })
        .collect();
    (!shown.is_empty()).then_some(Value::Array(shown))
}

fn inline(written: &Written) -> Option<Value> {
    let images: Vec<Value> = written.inline.iter().map(|(cid, part)| json!({"cid": cid, "part": part})).collect();
    (!images.is_empty()).then_some(Value::Array(images))
}

fn refused(written: &Written) -> Option<Value> {
    let files: Vec<Value> = written.refused.iter().map(|(name, why)| json!({"name": name, "why": why})).collect();
    (!files.is_empty()).then_some(Value::Array(files))
}

/// `high` or `low`.
fn importance(headers: &Headers<'_>) -> Option<Value> {
    let word =
        headers.word("importance").or_else(|| headers.word("x-priority")).or_else(|| headers.word("priority"))?;
    match word.as_str() {
        "high" | "1" | "2" | "urgent" => Some("high".into()),
        "low" | "4" | "5" | "non-urgent" => Some("low".into()),
        _ => None,
    }
}

/// RFC 8601: the results of our own server, if the operator named it; whoever sends mail can write such a field too, so only the
/// topmost one counts.
fn authentication(settings: &Settings, headers: &Headers<'_>) -> Option<Value> {
    let own = settings.authserv_id.as_deref()?;
    let text = headers.text("authentication-results")?.to_ascii_lowercase();
    let (server, results) = text.split_once(';')?;
    if server.split_whitespace().next()? != own.to_ascii_lowercase() {
        return None;
    }
    let mut all = Map::new();
    for result in results.split(';') {
        let Some((method, word)) = result.trim().split_once('=') else { continue };
        let word: String = word.chars().take_while(char::is_ascii_alphanumeric).collect();
        if matches!(method, "spf" | "dkim" | "dmarc") && all.get(method).is_none_or(|known| known != "pass") {
            all.insert(method.to_owned(), word.into());
        }
    }
    (!all.is_empty()).then_some(Value::Object(all))
}

/// UTC, in seconds.
pub(crate) fn rfc3339(ms: i64) -> String {
    mail_parser::DateTime::from_timestamp(ms.div_euclid(1000)).to_rfc3339()
}
