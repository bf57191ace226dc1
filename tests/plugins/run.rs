//! Runs one case in the sandbox, against a recording peer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use omnigate::config::{self, Limits, Secret};
use omnigate::egress::Egress;
use omnigate::interaction::{AuthorKind, Identity, Time};
use omnigate::plugin::exchange::{Called, Failure, Opening, Outbound, Outcome, Request, SessionState, Signal, Step};
use omnigate::plugin::{self, Binding, KvEntry, KvError, Plugin, Plugins, Services, Ticket, Tools};
use ring::hmac;
use serde_json::{Map, Value, json};

use crate::case::{self, Case};
use crate::peer::{self, Peer};

pub struct Runner {
    plugins: Plugins,
    services: Arc<CaseServices>,
    limits: Limits,
}

impl Runner {
    pub fn new(directory: &Path) -> Self {
        let limits = config::Config::parse("", Path::new("."), &|_| None).unwrap().config.plugins.limits;
        let services = Arc::new(CaseServices::default());
        let tools = Tools { egress: Arc::new(Egress::new()), services: services.clone() };
        let plugins = Plugins::new(directory, &limits, None, tools).unwrap();
        let refused: Vec<String> =
            plugins.refresh().iter().map(|r| format!("{}: {}", r.file.display(), r.error)).collect();
        assert!(refused.is_empty(), "{refused:#?}");
        Self { plugins, services, limits }
    }

    pub async fn run(&self, plugin: &str, path: &Path) -> Value {
        let text = std::fs::read_to_string(path).unwrap();
        let case: Case = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let plugin = self.plugins.get(plugin).unwrap_or_else(|| panic!("{plugin} is not built: cargo xtask build"));
        let peer = Peer::scripted(case.provider.iter().map(answer).collect()).await;
        let binding = Arc::new(self.binding(&case, &plugin, &peer, path));
        self.services.reset(&case);
        let (result, authentic) = call(&plugin, &binding, case).await;
        let hide = |text: String| text.replace(&peer.url(), "{peer}").replace(&peer.address.to_string(), "{peer}");
        let mut outcome = result;
        outcome["authentic"] = authentic.into();
        outcome["provider_calls"] = peer.calls().iter().map(shown_call).collect();
        outcome["kv"] = self.services.kept();
        outcome["pushed"] = self.services.pushed.lock().unwrap().drain(..).collect();
        outcome.as_object_mut().unwrap().retain(|_, value| *value != json!([]) && *value != json!({}));
        serde_json::from_str(&hide(outcome.to_string())).unwrap()
    }

    fn binding(&self, case: &Case, plugin: &Plugin, peer: &Peer, path: &Path) -> Binding {
        let settings = Value::Object(case.settings.clone()).to_string().replace("{peer}", &peer.url());
        let channel = config::Channel {
            adapter: plugin.manifest().id.clone(),
            settings: serde_json::from_str(&settings).unwrap(),
            secrets: case.secrets.iter().map(|(slot, value)| (slot.clone(), Secret::new(value))).collect(),
            grants: config::Grants { hosts: vec![peer.address.to_string().parse().unwrap()] },
            on_uncertain: config::OnUncertain::Resend,
            keywords: None,
            concurrency: 1,
        };
        let checked = plugin::check(&case.channel, &channel, plugin.manifest());
        assert!(checked.problems.is_empty(), "{}: {:#?}", path.display(), checked.problems);
        let key = Secret::new("a key that a gateway made for this");
        let public_url = case.public_url.parse().unwrap();
        let mut binding = Binding::new(&case.channel, &channel, plugin.manifest(), &public_url, &self.limits, key);
        binding.clock = Some(serde_json::from_value::<Time>(json!(case.now)).unwrap());
        binding
    }
}

async fn call(plugin: &Plugin, binding: &Arc<Binding>, case: Case) -> (Value, bool) {
    let attempt = case.attempt;
    match case.call {
        case::Call::HandleRequest => {
            let request = request(case.request.expect("[request]"), &case.secrets, binding);
            shown(plugin.handle_request(binding, request).await, |outcome| shown_outcome(&outcome))
        }
        case::Call::Send => {
            let message = message(case.message.expect("[message]"));
            shown(plugin.send(binding, attempt, message).await, |receipt| json!(receipt))
        }
        case::Call::Locate => {
            let reference = case.reference.expect("reference");
            shown(plugin.locate(binding, attempt, &reference).await, |download| shown_download(&download.request))
        }
        case::Call::Show => {
            let signal = case.signal.expect("[signal]");
            let what = signal.read.map_or_else(|| Signal::Typing(signal.typing.unwrap_or(true)), Signal::Read);
            let called = plugin.show(binding, signal.recipient, signal.last_inbound.as_deref(), what).await;
            shown(called, |()| json!({}))
        }
        case::Call::Open => {
            let opening = case.opening.unwrap_or_default();
            let headers = opening.headers.into_iter().collect();
            let opening = Opening { query: opening.query, origin: opening.origin, headers };
            shown(plugin.open(binding, opening).await, |step| shown_step(&step))
        }
        case::Call::Frame => {
            let state = case.state.expect("[state]");
            let state = SessionState { address: state.address, memory: state.memory };
            let frame = case.frame.expect("frame");
            shown(plugin.frame(binding, state, &frame).await, |step| shown_step(&step))
        }
    }
}

fn shown<T>(called: Called<T>, show: impl FnOnce(T) -> Value) -> (Value, bool) {
    let value = match called.result {
        Ok(result) => json!({ "result": show(result) }),
        Err(Failure::Fault(fault)) => json!({ "fault": fault }),
        Err(Failure::Broken(broken)) => json!({ "broken": broken.to_string() }),
        Err(Failure::Busy) => json!({ "busy": true }),
    };
    (value, called.authentic)
}

fn shown_outcome(outcome: &Outcome) -> Value {
    let headers: BTreeMap<_, _> = outcome.reply.headers.iter().cloned().collect();
    let body = String::from_utf8_lossy(&outcome.reply.body);
    let body = if body.len() > 2_000 { format!("{} bytes", body.len()) } else { body.into_owned() };
    json!({"reply": {"status": outcome.reply.status, "headers": headers, "body": body}, "events": outcome.happenings})
}

fn shown_step(step: &Step) -> Value {
    let frames: Vec<Value> = step.frames.iter().map(|frame| parsed(frame)).collect();
    let state = json!({"address": step.state.address, "memory": parsed(&step.state.memory)});
    json!({"state": state, "events": step.happenings, "frames": frames, "close": step.close})
}

fn shown_download(request: &omnigate::egress::Request) -> Value {
    json!({"method": request.method.as_str(), "url": request.url.as_str(), "headers": shown_headers(&request.headers)})
}

fn shown_headers(headers: &hyper::HeaderMap) -> Map<String, Value> {
    let shown = ["authorization", "content-type"].into_iter().filter_map(|name| {
        let value = headers.get(name)?;
        Some((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into()))
    });
    shown.collect()
}

fn shown_call(call: &peer::Call) -> Value {
    let text = String::from_utf8_lossy(&call.body);
    let form =
        call.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form"));
    let body = if form {
        url::form_urlencoded::parse(&call.body).map(|(name, value)| json!([name, value])).collect()
    } else {
        parsed(&text)
    };
    json!({"method": call.method, "path": call.path, "headers": shown_headers(&call.headers), "body": body})
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn answer(answer: &case::Answer) -> peer::Answer {
    let headers = answer.headers.clone().into_iter().collect();
    peer::Answer { status: answer.status, headers, body: Bytes::from(answer.body.clone()), close: answer.close }
}

fn request(case: case::Request, secrets: &BTreeMap<String, String>, binding: &Binding) -> Request {
    let repeated = case.repeat.map(|repeat| repeat.text.repeat(repeat.times).into_bytes());
    let body =
        repeated.or(case.body_hex.map(|text| hex::decode(text).unwrap())).unwrap_or_else(|| case.body.into_bytes());
    let mut headers: Vec<_> = case.headers.into_iter().collect();
    if let Some(sign) = case.sign {
        headers.push((sign.header.clone(), signature(&sign, &secrets[&sign.slot], &body)));
    }
    let query = if case.query.is_empty() { String::new() } else { format!("?{}", case.query) };
    let path = if case.path == "/" { "" } else { &case.path };
    let url = format!("{}{path}{query}", binding.url);
    Request { method: case.method, path: case.path, query: case.query, url, headers, body }
}

fn signature(sign: &case::Sign, secret: &str, body: &[u8]) -> String {
    let algorithm = match sign.algorithm.as_str() {
        "hmac-sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "hmac-sha256" => hmac::HMAC_SHA256,
        other => panic!("unknown algorithm {other}"),
    };
    let text = sign.text.as_deref().map_or(body, str::as_bytes);
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), text);
    let encoded = match sign.encoding.as_str() {
        "hex" => hex::encode(tag),
        "base64" => base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tag),
        other => panic!("unknown encoding {other}"),
    };
    format!("{}{encoded}", sign.prefix)
}

fn message(case: case::Message) -> Outbound {
    Outbound {
        id: case.id.parse().unwrap(),
        recipient: case.recipient,
        author: serde_json::from_value::<AuthorKind>(json!(case.author)).unwrap(),
        in_reply_to: case.in_reply_to,
        last_inbound: case.last_inbound,
        subject: case.subject,
        parts: case.parts,
        expires_in: case.expires_in_ms.map(Duration::from_millis),
        metadata: case.metadata,
    }
}

/// What a case says the gateway knows; records what is pushed.
#[derive(Default)]
struct CaseServices {
    history: Mutex<Vec<Bytes>>,
    sockets: Mutex<u32>,
    pushed: Mutex<Vec<Value>>,
    kv: Mutex<BTreeMap<String, (Vec<u8>, u64)>>,
}

impl CaseServices {
    fn reset(&self, case: &Case) {
        *self.history.lock().unwrap() = case.history.iter().map(|event| event.to_string().into()).collect();
        *self.sockets.lock().unwrap() = case.sockets;
        self.pushed.lock().unwrap().clear();
        *self.kv.lock().unwrap() =
            case.kv.iter().map(|(key, value)| (key.clone(), (value.clone().into_bytes(), 1))).collect();
    }
}

impl CaseServices {
    fn kept(&self) -> Value {
        let kv = self.kv.lock().unwrap();
        kv.iter()
            .map(|(key, (value, _))| (key.clone(), Value::from(String::from_utf8_lossy(value).into_owned())))
            .collect()
    }
}

#[async_trait]
impl Services for CaseServices {
    async fn kv_get(&self, _: &str, key: &str) -> Result<Option<KvEntry>, KvError> {
        let kv = self.kv.lock().unwrap();
        Ok(kv.get(key).map(|(value, version)| KvEntry { value: value.clone().into(), version: *version }))
    }

    async fn kv_put(
        &self,
        _: &str,
        key: &str,
        value: Vec<u8>,
        expect: Option<u64>,
        _: Option<Duration>,
    ) -> Result<u64, KvError> {
        let mut kv = self.kv.lock().unwrap();
        let current = kv.get(key).map_or(0, |(_, version)| *version);
        if expect.is_some_and(|expect| expect != current) {
            return Err(KvError::Conflict);
        }
        kv.insert(key.to_owned(), (value, current + 1));
        Ok(current + 1)
    }

    async fn kv_delete(&self, _: &str, key: &str) -> Result<(), KvError> {
        self.kv.lock().unwrap().remove(key);
        Ok(())
    }

    fn push(&self, _: &str, address: &str, frame: &str) -> u32 {
        self.pushed.lock().unwrap().push(json!({"address": address, "frame": parsed(frame)}));
        *self.sockets.lock().unwrap()
    }

    async fn history(&self, _: &str, _: &Identity, after: Option<&str>, limit: usize) -> Vec<Bytes> {
        let history = self.history.lock().unwrap();
        let is_after = |event: &&Bytes| after.is_some_and(|after| String::from_utf8_lossy(event).contains(after));
        let skip = history.iter().position(|event| is_after(&event)).map_or(0, |at| at + 1);
        history.iter().skip(skip).take(limit).cloned().collect()
    }

    async fn open_upload(&self, channel: &str, name: &str, content_type: &str, bytes: u64) -> Result<Ticket, String> {
        if bytes > 1_000_000 {
            return Err(format!("{name} ({content_type}) has more than 1000000 bytes"));
        }
        Ok(Ticket { id: "upload-1".into(), url: format!("https://gw.example/v1/uploads/{channel}-1") })
    }
}
