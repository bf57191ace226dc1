//! Calls of the host with any arguments; a JSON list of them in, a JSON list of results out.

use omnigate_plugin::bindings::omnigate::host::{http, kv, secrets};
use omnigate_plugin::{Fault, Header, Identity, Value, clock, entropy, json, socket, uploads};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
enum Call {
    Http(Http),
    Sign { slot: String, data: String },
    Ed25519 { slot: String },
    Equals { slot: String, candidate: String },
    IsSet { slot: String },
    KvGet { key: String },
    KvPut { key: String, size: usize, if_version: Option<String>, ttl_ms: Option<u32> },
    KvDelete { key: String },
    Push { address: String, size: usize },
    History { value: String, after: Option<String>, limit: u32 },
    Upload { name: String, content_type: String, bytes: u32 },
    Entropy { len: u32 },
    Now,
    Repeat { times: usize, what: Box<Call> },
    /// With `{n}` in the key.
    Fill { keys: usize, size: usize },
}

#[derive(Deserialize)]
struct Http {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    credentials: Vec<Credential>,
    timeout_ms: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Credential {
    Bearer(String),
    Path(String),
    Basic(String, String),
    Header(String, String, String),
    Query(String, String, String),
}

fn get() -> String {
    "GET".into()
}

pub(crate) fn run(script: &str) -> Result<String, Fault> {
    let calls: Vec<Call> = serde_json::from_str(script)?;
    Ok(calls.iter().map(made).collect::<Value>().to_string())
}

fn made(call: &Call) -> Value {
    match call {
        Call::Http(call) => sent(call),
        Call::Sign { slot, data } => {
            shown(secrets::sign(slot, secrets::Algorithm::HmacSha256, data.as_bytes()).map(|tag| tag.len()))
        }
        Call::Ed25519 { slot } => shown(secrets::sign(slot, secrets::Algorithm::Ed25519, b"").map(|tag| tag.len())),
        Call::Equals { slot, candidate } => shown(secrets::equals(slot, candidate.as_bytes())),
        Call::IsSet { slot } => secrets::is_set(slot).into(),
        Call::KvGet { key } => shown(kv::get(key).map(|entry| entry.map(|entry| (entry.value.len(), entry.version)))),
        Call::KvPut { key, size, if_version, ttl_ms } => {
            shown(kv::put(key, &vec![1; *size], if_version.as_deref(), *ttl_ms))
        }
        Call::KvDelete { key } => shown(kv::delete(key)),
        Call::Push { address, size } => socket::push(address, &"x".repeat(*size)).into(),
        Call::History { value, after, limit } => {
            socket::history(&Identity::new("visitor", value.as_str()), after.as_deref(), *limit).len().into()
        }
        Call::Upload { name, content_type, bytes } => {
            let upload = uploads::Upload { name: name.clone(), content_type: content_type.clone(), bytes: *bytes };
            uploads::open(&upload).map_or_else(|why| json!({"err": why}), |_| json!({"ok": true}))
        }
        Call::Entropy { len } => entropy::bytes(*len).len().into(),
        Call::Now => clock::now().into(),
        Call::Repeat { times, what } => repeated(*times, what),
        Call::Fill { keys, size } => fill(*keys, *size),
    }
}

/// How often each result came.
fn repeated(times: usize, what: &Call) -> Value {
    let mut counts = serde_json::Map::new();
    for _ in 0..times {
        let count = counts.entry(made(what).to_string()).or_insert(json!(0));
        *count = json!(count.as_u64().unwrap_or_default() + 1);
    }
    Value::Object(counts)
}

fn fill(keys: usize, size: usize) -> Value {
    let value = vec![1; size];
    (0..keys).filter(|n| kv::put(&format!("key {n}"), &value, None, None).is_ok()).count().into()
}

fn shown<T: serde::Serialize, E: std::fmt::Debug>(result: Result<T, E>) -> Value {
    match result {
        Ok(value) => json!({"ok": value}),
        Err(error) => json!({"err": format!("{error:?}")}),
    }
}

fn sent(call: &Http) -> Value {
    let request = http::Request {
        method: call.method.clone(),
        url: call.url.clone(),
        headers: call.headers.iter().map(|(n, v)| Header { name: n.clone(), value: v.clone() }).collect(),
        body: None,
        credentials: call.credentials.iter().map(credential).collect(),
        timeout_ms: call.timeout_ms,
    };
    match http::send(&request) {
        Ok(response) => json!({
            "status": response.status,
            "headers": response.headers.iter().map(|h| (h.name.clone(), h.value.clone())).collect::<Vec<_>>(),
            "bytes": response.body.len(),
            "body": String::from_utf8_lossy(&response.body[..response.body.len().min(2_000)]),
            "truncated": response.truncated,
        }),
        Err(error) => json!({"err": format!("{error:?}")}),
    }
}

fn credential(credential: &Credential) -> http::Credential {
    let named =
        |name: &str, prefix: &str, slot: &str| http::Named { name: name.into(), prefix: prefix.into(), slot: slot.into() };
    match credential {
        Credential::Bearer(slot) => http::Credential::Bearer(slot.clone()),
        Credential::Path(slot) => http::Credential::Path(slot.clone()),
        Credential::Basic(user, slot) => {
            http::Credential::Basic(http::Basic { user: user.clone(), password: slot.clone() })
        }
        Credential::Header(name, prefix, slot) => http::Credential::Header(named(name, prefix, slot)),
        Credential::Query(name, prefix, slot) => http::Credential::Query(named(name, prefix, slot)),
    }
}
