//! Runs one case in the sandbox, against a recording peer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use omnigate::config::{self, Limits, Secret};
use omnigate::egress::Egress;
use omnigate::interaction::{AuthorKind, ChannelRef, Identity, Part, Time};
use omnigate::plugin::connecting::{Item, Notes, Person, Taken};
use omnigate::plugin::exchange::{
    Arrived, Called, Content, Failure, Fault, Letter, Opening, Outbound, Outcome, Passing, Piece, Request,
    SessionState, Signal, Step,
};
use omnigate::plugin::{self, Binding, Contract, KeptFile, KvEntry, KvError, Plugin, Plugins, Services, Ticket, Tools};
use ring::hmac;
use serde_json::{Map, Value, json};
use uuid::Uuid;

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
        let mut case: Case = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let plugin = self.plugins.get(plugin).unwrap_or_else(|| panic!("{plugin} is not built: cargo xtask build"));
        let peer = Peer::scripted(case.provider.iter().map(|one| answer(one, path)).collect()).await;
        let beside = beside(&mut case, path);
        if let Some(request) = &mut case.request {
            request.body = request.body.replace("{peer}", &peer.url());
        }
        let binding = Arc::new(self.binding(&case, &plugin, &peer, path));
        self.services.reset(&case);
        let (result, authentic) = call(&plugin, &binding, case, path).await;
        let hide = |text: String| {
            let text = text.replace(&peer.url(), "{peer}").replace(&peer.address.to_string(), "{peer}");
            beside.iter().fold(text, |text, (name, value)| text.replace(value, &format!("\"{{{name}}}\"")))
        };
        let mut outcome = result;
        outcome["authentic"] = authentic.into();
        outcome["provider_calls"] = peer.calls().iter().map(shown_call).collect();
        outcome["kv"] = self.services.kept();
        outcome["pushed"] = self.services.pushed.lock().unwrap().drain(..).collect();
        outcome.as_object_mut().unwrap().retain(|_, value| *value != json!([]) && *value != json!({}));
        serde_json::from_str(&hide(outcome.to_string())).unwrap()
    }

    /// Hands mails to an adapter, one after the other; tells each that broke it, and why.
    pub async fn receive(&self, plugin: &str, case: &str, mails: impl Iterator<Item = Vec<u8>>) -> Vec<String> {
        let case: Case = toml::from_str(case).unwrap();
        let plugin = self.plugins.get(plugin).unwrap_or_else(|| panic!("{plugin} is not built: cargo xtask plugins"));
        let peer = Peer::scripted(Vec::new()).await;
        let binding = Arc::new(self.binding(&case, &plugin, &peer, Path::new("case")));
        let mut broken = Vec::new();
        for raw in mails {
            self.services.reset(&case);
            let mail = Arrived { id: "1.1".into(), at: Time::from_ms(0), raw: raw.clone() };
            if let Err(failure) = plugin.receive(&binding, mail).await.result {
                broken.push(format!("{failure:?}: {}", String::from_utf8_lossy(&raw)));
            }
        }
        broken
    }

    fn binding(&self, case: &Case, plugin: &Plugin, peer: &Peer, path: &Path) -> Binding {
        let mut binding = match plugin.manifest().kind() {
            Some(Contract::Connector) => connector_binding(case, plugin, peer, path, &self.limits),
            _ => self.channel_binding(case, plugin, peer, path),
        };
        binding.clock = Some(serde_json::from_value::<Time>(json!(case.now)).unwrap());
        binding
    }

    fn channel_binding(&self, case: &Case, plugin: &Plugin, peer: &Peer, path: &Path) -> Binding {
        let settings = Value::Object(case.settings.clone()).to_string().replace("{peer}", &peer.url());
        if plugin.manifest().kind() == Some(Contract::Processor) {
            return self.processor(case, plugin, path);
        }
        let channel = config::Channel {
            settings: serde_json::from_str(&settings).unwrap(),
            secrets: case.secrets.iter().map(|(slot, value)| (slot.clone(), Secret::new(value))).collect(),
            grants: config::Grants { hosts: vec![peer.address.to_string().parse().unwrap()] },
            ..config::Channel::of(&*plugin.manifest().id)
        };
        let checked = plugin::check(&case.channel, &channel, plugin.manifest());
        assert!(checked.problems.is_empty(), "{}: {:#?}", path.display(), checked.problems);
        let key = Secret::new("a key that a gateway made for this");
        let public_url = case.public_url.parse().unwrap();
        Binding::new(&case.channel, &channel, plugin.manifest(), &public_url, &self.limits, key)
    }
}

impl Runner {
    fn processor(&self, case: &Case, plugin: &Plugin, path: &Path) -> Binding {
        let processor = config::Processor {
            name: "case".into(),
            plugin: plugin.manifest().id.clone(),
            settings: case.settings.clone(),
            secrets: case.secrets.iter().map(|(slot, value)| (slot.clone(), Secret::new(value))).collect(),
            oauth: BTreeMap::new(),
            grants: config::Grants::default(),
            on_failure: config::OnFailure::Hold,
            ways: config::Ways::Both,
            channels: Vec::new(),
        };
        let checked = plugin::check_processor("case", &processor, plugin.manifest());
        assert!(checked.problems.is_empty(), "{}: {:#?}", path.display(), checked.problems);
        let mut binding = Binding::of_processor("case", &processor, plugin.manifest(), &self.limits);
        binding.clock = Some(serde_json::from_value::<Time>(json!(case.now)).unwrap());
        binding
    }
}

fn connector_binding(case: &Case, plugin: &Plugin, peer: &Peer, path: &Path, limits: &Limits) -> Binding {
    let settings = Value::Object(case.settings.clone()).to_string().replace("{peer}", &peer.url());
    let connector = config::Connector {
        plugin: plugin.manifest().id.clone(),
        settings: serde_json::from_str(&settings).unwrap(),
        secrets: case.secrets.iter().map(|(slot, value)| (slot.clone(), Secret::new(value))).collect(),
        oauth: BTreeMap::new(),
        grants: config::Grants { hosts: vec![peer.address.to_string().parse().unwrap()] },
        fields: config::Fields { read: case.fields.read.clone(), write: case.fields.write.clone() },
        lookup_timeout: Duration::from_secs(2),
        batch: 100,
        concurrency: 1,
        requests_per_second: 1000,
    };
    let checked = plugin::check_connector(&case.channel, &connector, plugin.manifest());
    assert!(checked.problems.is_empty(), "{}: {:#?}", path.display(), checked.problems);
    let key = Secret::new("a key that a gateway made for this");
    Binding::of_connector(&case.channel, &connector, plugin.manifest(), &case.public_url.parse().unwrap(), limits, key)
}

/// Puts what lies in files into the channel's memory; tells names and texts (in JSON).
fn beside(case: &mut Case, path: &Path) -> Vec<(String, String)> {
    let files = std::mem::take(&mut case.kv_files).into_iter().map(|(key, name)| {
        let text = std::fs::read_to_string(path.with_file_name(&name)).unwrap();
        case.kv.insert(key, text.clone());
        (name, Value::from(text).to_string())
    });
    files.collect()
}

async fn call(plugin: &Plugin, binding: &Arc<Binding>, case: Case, path: &Path) -> (Value, bool) {
    let attempt = case.attempt;
    match case.call {
        case::Call::HandleRequest => {
            let request = request(case.request.expect("[request]"), &case.secrets, binding);
            shown(plugin.handle_request(binding, request).await, |outcome| shown_outcome(&outcome))
        }
        case::Call::Send => {
            let message = message(case.message.expect("[message]"), &case.files);
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
        case::Call::Receive => {
            let mail = mail(case.mail.expect("[mail]"), path);
            shown(plugin.receive(binding, mail).await, |received| {
                with_files(json!({"events": received.happenings}), &received.files)
            })
        }
        case::Call::Process => {
            let passing = passing(case.passing.expect("[passing]"), &case.channel);
            shown(plugin.process(binding, passing).await, |verdict| json!(verdict))
        }
        case::Call::Compose => {
            let message = message(case.message.expect("[message]"), &case.files);
            let answered = case.answered.map(|event| event.to_string());
            shown(plugin.compose(binding, attempt, message, answered).await, |letter| shown_letter(&letter))
        }
        case::Call::Deliver => {
            let items = case.items.into_iter().map(|one| item(one, attempt, &case.files)).collect();
            shown(plugin.deliver(binding, items).await, |answers| answers.into_iter().map(shown_answer).collect())
        }
        case::Call::Find => {
            let person = person(case.person.expect("[person]"));
            shown(plugin.find(binding, person, case.known).await, |found| json!(found))
        }
        case::Call::Report => {
            let request = request(case.request.expect("[request]"), &case.secrets, binding);
            shown(plugin.report(binding, request).await, |report| {
                let outcome = Outcome { reply: report.reply, happenings: Vec::new(), files: Vec::new() };
                json!({"reply": shown_outcome(&outcome)["reply"], "changes": report.changes})
            })
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

fn shown_answer(answer: Result<Taken, Fault>) -> Value {
    match answer {
        Ok(taken) => json!({ "taken": taken }),
        Err(fault) => json!({ "fault": fault }),
    }
}

fn item(case: case::Item, attempt: u32, files: &BTreeMap<String, case::File>) -> Item {
    let parts = case.data.pointer("/message/parts").and_then(Value::as_array);
    let urls = parts.into_iter().flatten().filter_map(|part| part["url"].as_str());
    let ours = urls.filter_map(|url| Some((url.to_owned(), file_in(url, files)?))).collect();
    let interaction = json!({
        "specversion": "1.0",
        "id": case.id,
        "type": format!("omnigate.{}", case.kind),
        "data": case.data,
    });
    let case::Known { contact, conversation, activity, about } = case.known;
    Item {
        interaction: interaction.to_string(),
        person: case.person.map(person),
        known: Notes { contact, conversation, activity, about },
        attempt,
        uncertain: case.uncertain,
        files: ours,
    }
}

fn person(case: case::Person) -> Person {
    Person { id: case.id.parse().unwrap(), name: case.name, identities: case.identities }
}

fn shown_outcome(outcome: &Outcome) -> Value {
    let headers: BTreeMap<_, _> = outcome.reply.headers.iter().cloned().collect();
    let body = String::from_utf8_lossy(&outcome.reply.body);
    let body = if body.len() > 2_000 { format!("{} bytes", body.len()) } else { body.into_owned() };
    let reply = json!({"status": outcome.reply.status, "headers": headers, "body": body});
    with_files(json!({"reply": reply, "events": outcome.happenings}), &outcome.files)
}

/// Most calls keep none.
fn with_files(mut shown: Value, files: &[KeptFile]) -> Value {
    if !files.is_empty() {
        shown["files"] = json!(files);
    }
    shown
}

fn passing(mut case: case::Passing, channel: &str) -> Passing {
    if let (Some(times), Some(Piece::Part(Part::Text { text, .. }))) = (case.times, case.parts.first_mut()) {
        *text = text.repeat(times);
    }
    Passing {
        channel: ChannelRef { name: channel.to_owned(), medium: case.medium, adapter: "test".into() },
        direction: case.direction,
        author: case.author,
        sender: case.sender,
        recipients: case.recipients,
        automatic: case.automatic,
        edited: case.edited,
        content: Content { subject: case.subject, parts: case.parts, quoted_text: case.quoted_text },
        metadata: case.metadata,
        tags: case.tags,
    }
}

/// Line by line, so that a difference can be read.
fn shown_letter(letter: &Letter) -> Value {
    let raw = String::from_utf8_lossy(&letter.raw);
    let mut shown = json!(letter);
    shown["raw"] = raw.trim_end_matches("\r\n").split("\r\n").collect();
    shown
}

fn mail(mail: case::Mail, path: &Path) -> Arrived {
    let beside = |name: String| std::fs::read(path.with_file_name(name)).unwrap();
    let with_crlf = |text: String| text.lines().flat_map(|line| [line, "\r\n"]).collect::<String>().into_bytes();
    let repeated = mail.repeat.map(|repeat| repeat.text.repeat(repeat.times)).unwrap_or_default();
    let raw = mail.text.map(|text| with_crlf(text + &repeated));
    let raw = raw.or(mail.file.map(beside)).or(mail.hex.map(|text| hex::decode(text).unwrap())).expect("a mail");
    Arrived { id: mail.id, at: serde_json::from_value(json!(mail.at)).unwrap(), raw }
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
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        // A signature over the address of the peer, which has another port every time.
        let shown =
            value.split_once("Signature=").map_or(value.clone(), |(before, _)| format!("{before}Signature=..."));
        Some((name.to_owned(), shown.into()))
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

fn answer(answer: &case::Answer, path: &Path) -> peer::Answer {
    let headers = answer.headers.clone().into_iter().collect();
    let file = answer.file.as_ref().map(|name| std::fs::read(path.with_file_name(name)).unwrap());
    let body = file.map_or_else(|| Bytes::from(answer.body.clone()), Bytes::from);
    peer::Answer { status: answer.status, headers, body, close: answer.close }
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

/// A part speaks of a file of ours where its address ends with the file's name.
fn message(case: case::Message, files: &BTreeMap<String, case::File>) -> Outbound {
    let urls = case.parts.iter().filter_map(|part| match part {
        Part::Media { url, .. } => Some((url.clone(), file_in(url, files)?)),
        _ => None,
    });
    Outbound {
        id: case.id.parse().unwrap(),
        recipient: case.recipient,
        author: serde_json::from_value::<AuthorKind>(json!(case.author)).unwrap(),
        in_reply_to: case.in_reply_to,
        last_inbound: case.last_inbound,
        subject: case.subject,
        files: urls.collect(),
        parts: case.parts,
        expires_in: case.expires_in_ms.map(Duration::from_millis),
        metadata: case.metadata,
    }
}

fn file_in(url: &str, files: &BTreeMap<String, case::File>) -> Option<Uuid> {
    files.keys().position(|name| url.ends_with(name.as_str())).map(|at| file_id(at as u128))
}

/// Of the file that many places after the first.
fn file_id(place: u128) -> Uuid {
    Uuid::from_u128(place + 1)
}

/// What a case says the gateway knows; records what is pushed.
#[derive(Default)]
struct CaseServices {
    history: Mutex<Vec<Bytes>>,
    sockets: Mutex<u32>,
    pushed: Mutex<Vec<Value>>,
    kv: Mutex<BTreeMap<String, (Vec<u8>, u64)>>,
    files: Mutex<Vec<Vec<u8>>>,
    kept_files: Mutex<u128>,
}

impl CaseServices {
    fn reset(&self, case: &Case) {
        *self.history.lock().unwrap() = case.history.iter().map(|event| event.to_string().into()).collect();
        *self.sockets.lock().unwrap() = case.sockets;
        self.pushed.lock().unwrap().clear();
        let content =
            |file: &case::File| file.hex.as_ref().map_or(file.text.clone().into(), |hex| hex::decode(hex).unwrap());
        *self.files.lock().unwrap() = case.files.values().map(content).collect();
        *self.kept_files.lock().unwrap() = 0;
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

    async fn keep_file(&self, name: Option<String>, content_type: &str, content: Vec<u8>) -> Result<KeptFile, String> {
        if content.len() > 20_000_000 {
            return Err("the file has more than 20000000 bytes".into());
        }
        let mut count = self.kept_files.lock().unwrap();
        *count += 1;
        Ok(KeptFile {
            id: file_id(*count - 1),
            name,
            content_type: content_type.to_owned(),
            bytes: content.len() as u64,
            sha256: hex::encode(ring::digest::digest(&ring::digest::SHA256, &content)),
        })
    }

    async fn read_file(&self, id: Uuid, _: u64) -> Result<Vec<u8>, String> {
        let files = self.files.lock().unwrap();
        let file = usize::try_from(id.as_u128() - 1).ok().and_then(|at| files.get(at));
        file.cloned().ok_or_else(|| "no such file".to_owned())
    }
}
