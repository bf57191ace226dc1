use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Map, Value, json};

use super::config::PUBLIC_URL;
use super::webhook::Webhook;
use super::{Call, Provider, ProviderAnswer};

/// A small HubSpot as its documents describe it: records by unique property, batches that succeed in part, an index that
/// lags, limits, refusals. It refuses what the real one would.
pub struct HubSpot {
    provider: Provider,
    account: Arc<Mutex<Account>>,
}

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Fine,
    /// 503.
    Down,
    /// 401.
    LockedOut,
    /// 429, with the policy's name.
    Limited(&'static str),
    /// Does everything, and cuts every third connection instead of answering.
    Forgetful,
    /// Takes every file, and cuts every other connection instead of telling its id.
    ForgetfulOfFiles,
    /// 503 to whatever would be written on a timeline.
    Unwritable,
}

#[derive(Clone, Debug)]
pub struct Object {
    pub kind: String,
    pub id: String,
    pub properties: Map<String, Value>,
}

/// A file in the file manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    pub name: String,
    pub folder: String,
    pub access: String,
    pub content: Vec<u8>,
}

struct Account {
    mood: Mood,
    /// By id, beginning with [`FIRST_FILE`].
    files: Vec<Upload>,
    /// In order of creation.
    objects: Vec<Object>,
    bound: BTreeSet<[String; 4]>,
    /// Ids of contacts that the search finds: what was just made is not among them.
    indexed: BTreeSet<String>,
    calls: u64,
    lost_files: u64,
    recent: VecDeque<Instant>,
    per_second: usize,
    /// The most calls that it ever saw in one second.
    busiest: usize,
    refused: u64,
}

/// Calls in one second, beyond which it refuses, unless a test says otherwise.
const PER_SECOND: usize = 40;
const FIRST_FILE: usize = 7001;
const KEY: &str = "omnigate_id";
const CONTACT: &[&str] =
    &[KEY, "email", "hs_additional_emails", "phone", "mobilephone", "firstname", "lastname", "owner", "vip"];
const COMMUNICATION: &[&str] = &[
    KEY,
    "hs_timestamp",
    "hs_communication_body",
    "hs_communication_channel_type",
    "hs_communication_logged_from",
    "omnigate_status",
];
const NOTE: &[&str] = &[KEY, "hs_timestamp", "hs_note_body", "hs_attachment_ids", "omnigate_status"];
const TICKET: &[&str] = &[KEY, "subject", "hs_pipeline", "hs_pipeline_stage"];

impl HubSpot {
    pub const TOKEN: &str = "pat-eu1-0123456789";
    pub const CLIENT_SECRET: &str = "hs-client-secret";

    pub async fn start() -> Self {
        let account = Arc::new(Mutex::new(Account {
            mood: Mood::Fine,
            files: Vec::new(),
            objects: Vec::new(),
            bound: BTreeSet::new(),
            indexed: BTreeSet::new(),
            calls: 0,
            lost_files: 0,
            recent: VecDeque::new(),
            per_second: PER_SECOND,
            busiest: 0,
            refused: 0,
        }));
        let shared = account.clone();
        let provider = Provider::start(move |call| shared.lock().unwrap().answer(call)).await;
        Self { provider, account }
    }

    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    pub fn behave(&self, mood: Mood) {
        self.account().mood = mood;
    }

    /// Refuses calls beyond so many in one second.
    pub fn limit(&self, per_second: usize) {
        self.account().per_second = per_second;
    }

    /// The most calls that it saw in one second.
    pub fn busiest(&self) -> usize {
        self.account().busiest
    }

    /// How many of a kind there are.
    pub fn count(&self, kind: &str) -> usize {
        self.account().objects.iter().filter(|object| object.kind == kind).count()
    }

    /// A contact that somebody typed in long ago.
    pub fn has_contact(&self, properties: Value) -> String {
        let mut account = self.account();
        let id = account.create("contacts", properties.as_object().unwrap().clone());
        account.indexed.insert(id.clone());
        id
    }

    /// Everything of a kind, in order of creation.
    pub fn all(&self, kind: &str) -> Vec<Object> {
        self.account().objects.iter().filter(|object| object.kind == kind).cloned().collect()
    }

    /// The files that a note holds.
    pub fn attached(&self, note: &Object) -> Vec<Upload> {
        let ids = note.text("hs_attachment_ids").split(';').filter(|id| !id.is_empty());
        let at = |id: &str| id.parse::<usize>().unwrap() - FIRST_FILE;
        ids.map(|id| self.account().files[at(id)].clone()).collect()
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.account().files.len()
    }

    /// Whether two records are bound to each other.
    pub fn is_bound(&self, from: &Object, to: &Object) -> bool {
        self.account().bound.contains(&[&from.kind, &to.kind, &from.id, &to.id].map(Clone::clone))
    }

    /// Calls that were beyond its limit.
    pub fn refused(&self) -> u64 {
        self.account().refused
    }

    /// Removes a contact, and what binds it.
    pub fn removes(&self, id: &str) {
        let mut account = self.account();
        account.objects.retain(|object| object.id != id);
        account.bound.retain(|[_, _, _, to]| to != id);
    }

    /// Waits until `look` finds what it looks for.
    pub async fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        self.provider.wait_for(what, |_| look(self)).await
    }

    /// Tells a connector what changed, signed as HubSpot signs.
    pub fn notice(connector: &str, notices: &Value) -> Webhook {
        let (path, body) = (format!("/connectors/{connector}"), notices.to_string());
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis().to_string();
        let key = hmac::Key::new(hmac::HMAC_SHA256, Self::CLIENT_SECRET.as_bytes());
        let tag = hmac::sign(&key, format!("POST{PUBLIC_URL}{path}{body}{time}").as_bytes());
        let headers = [
            ("content-type", "application/json".to_owned()),
            ("x-hubspot-request-timestamp", time),
            ("x-hubspot-signature-v3", STANDARD.encode(tag)),
        ];
        Webhook { path, headers: headers.map(|(name, value)| (name.to_owned(), value)).to_vec(), body: body.into() }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap()
    }
}

impl Object {
    pub fn text(&self, name: &str) -> &str {
        self.properties.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Account {
    fn answer(&mut self, call: &Call) -> ProviderAnswer {
        self.calls += 1;
        let authorized = call
            .headers
            .get("authorization")
            .is_some_and(|value| value.to_str().is_ok_and(|value| value == format!("Bearer {}", HubSpot::TOKEN)));
        let mood = self.mood;
        match mood {
            Mood::Down => return ProviderAnswer::json(503, r#"{"status":"error","category":"UNAVAILABLE"}"#),
            Mood::LockedOut => return error(401, "INVALID_AUTHENTICATION", json!({})),
            Mood::Limited(policy) => {
                return error(429, "RATE_LIMITS", json!({"errorType": "RATE_LIMIT", "policyName": policy}));
            }
            _ if !authorized => return error(401, "INVALID_AUTHENTICATION", json!({})),
            _ if self.is_too_fast() => {
                self.refused += 1;
                return error(429, "RATE_LIMITS", json!({"errorType": "RATE_LIMIT", "policyName": "SECONDLY"}));
            }
            Mood::Unwritable if call.path.contains("/batch/upsert") && !call.path.contains("/contacts/") => {
                return ProviderAnswer::json(503, r#"{"status":"error","category":"UNAVAILABLE"}"#);
            }
            Mood::Fine | Mood::Forgetful | Mood::ForgetfulOfFiles | Mood::Unwritable => {}
        }
        let (status, body) = self.serve(call);
        let answer = ProviderAnswer::json(status, &body.to_string());
        let close = match mood {
            Mood::Forgetful => self.calls.is_multiple_of(3),
            Mood::ForgetfulOfFiles if call.path.starts_with("/files/") => {
                self.lost_files += 1;
                self.lost_files % 2 == 1
            }
            _ => false,
        };
        ProviderAnswer { close, ..answer }
    }

    fn is_too_fast(&mut self) -> bool {
        let now = Instant::now();
        while self.recent.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1)) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.busiest = self.busiest.max(self.recent.len());
        self.recent.len() > self.per_second
    }

    fn serve(&mut self, call: &Call) -> (u16, Value) {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let path = call.path.split('?').next().unwrap();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (call.method.as_str(), &segments[..]) {
            ("POST", ["files", "2026-03", "files"]) => self.upload(call),
            ("POST", ["crm", "objects", "2026-03", "contacts", "search"]) => self.search(&body),
            ("POST", ["crm", "objects", "2026-03", "contacts", "batch", "read"]) => self.read(&body),
            ("POST", ["crm", "objects", "2026-03", kind, "batch", "upsert"]) => self.upsert(kind, &body),
            ("POST", ["crm", "objects", "2026-03", kind, "batch", "update"]) => self.update(kind, &body),
            ("GET", ["crm", "objects", "2026-03", "contacts", id]) => match self.find("contacts", "id", id) {
                Some(at) => (200, shown(&self.objects[at])),
                None => (404, json!({"category": "OBJECT_NOT_FOUND"})),
            },
            ("POST", ["crm", "associations", "2026-03", from, to, "batch", "associate", "default"]) => {
                self.associate(from, to, &body)
            }
            other => (404, json!({"category": "NOT_FOUND", "message": format!("{other:?}")})),
        }
    }

    /// A file with the same content in the same folder is not stored again, where the options say so.
    fn upload(&mut self, call: &Call) -> (u16, Value) {
        let fields = form(call);
        let text =
            |name: &str| String::from_utf8(fields.get(name).map(|(_, content)| content.clone()).unwrap()).unwrap();
        let options: Value = serde_json::from_str(&text("options")).unwrap();
        let (name, content) = fields["file"].clone();
        let file = Upload {
            name,
            folder: text("folderPath"),
            access: options["access"].as_str().unwrap().to_owned(),
            content,
        };
        let is_same = |other: &Upload| (&other.folder, &other.content) == (&file.folder, &file.content);
        let existing = self.files.iter().position(is_same);
        let existing = existing.filter(|_| options["duplicateValidationStrategy"] == "RETURN_EXISTING");
        let at = existing.unwrap_or_else(|| {
            self.files.push(file);
            self.files.len() - 1
        });
        (201, json!({"id": (FIRST_FILE + at).to_string()}))
    }

    fn find(&self, kind: &str, by: &str, value: &str) -> Option<usize> {
        let is_it = |object: &Object| match by {
            "id" => object.id == value,
            "email" => object.text("email").eq_ignore_ascii_case(value),
            by => object.text(by) == value,
        };
        self.objects.iter().position(|object| object.kind == kind && is_it(object))
    }

    fn create(&mut self, kind: &str, properties: Map<String, Value>) -> String {
        let id = (1000 + self.objects.len()).to_string();
        self.objects.push(Object { kind: kind.to_owned(), id: id.clone(), properties });
        id
    }

    fn read(&self, body: &Value) -> (u16, Value) {
        let by = body["idProperty"].as_str().unwrap_or("id");
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for input in body["inputs"].as_array().unwrap() {
            let value = input["id"].as_str().unwrap();
            match self.find("contacts", by, value) {
                Some(at) => results.push(shown(&self.objects[at])),
                None => errors.push(json!({"category": "OBJECT_NOT_FOUND", "context": {"ids": [value]}})),
            }
        }
        (if errors.is_empty() { 200 } else { 207 }, json!({"results": results, "errors": errors}))
    }

    /// Only what the index has.
    fn search(&self, body: &Value) -> (u16, Value) {
        let fits = |object: &&Object| {
            let mut groups = body["filterGroups"].as_array().unwrap().iter().map(|group| &group["filters"][0]);
            groups.any(|filter| {
                let name = filter["propertyName"].as_str().unwrap();
                let typed = match name.strip_prefix("hs_searchable_calculated_") {
                    Some("phone_number") => digits(object.text("phone")),
                    Some(_) => digits(object.text("mobilephone")),
                    None => object.text(name).to_owned(),
                };
                filter["values"].as_array().unwrap().iter().any(|value| *value == typed)
            })
        };
        let contacts = self.objects.iter().filter(|object| object.kind == "contacts");
        let found = contacts.filter(|object| self.indexed.contains(&object.id)).filter(fits);
        (200, json!({"results": found.map(shown).collect::<Vec<_>>()}))
    }

    fn upsert(&mut self, kind: &str, body: &Value) -> (u16, Value) {
        if let Some(refusal) = invalid(kind, body, true) {
            return refusal;
        }
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for input in body["inputs"].as_array().unwrap() {
            let (by, id) = (input["idProperty"].as_str().unwrap(), input["id"].as_str().unwrap());
            let properties = input["properties"].as_object().unwrap().clone();
            let existing = self.find(kind, by, id);
            if let Some(other) = self.taken(kind, existing, &properties) {
                errors.push(json!({
                    "category": "CONFLICT",
                    "message": format!("Contact already exists. Existing ID: {other}"),
                    "context": {"objectWriteTraceId": [id]},
                }));
                continue;
            }
            let at = match existing {
                Some(at) => {
                    self.objects[at].properties.extend(properties);
                    at
                }
                None => {
                    self.create(kind, properties);
                    self.objects.len() - 1
                }
            };
            let mut result = shown(&self.objects[at]);
            result["objectWriteTraceId"] = input["objectWriteTraceId"].clone();
            result["new"] = existing.is_none().into();
            results.push(result);
        }
        (if errors.is_empty() { 200 } else { 207 }, json!({"results": results, "errors": errors}))
    }

    /// Who else has the e-mail.
    fn taken(&self, kind: &str, own: Option<usize>, properties: &Map<String, Value>) -> Option<String> {
        let email = properties.get("email").and_then(Value::as_str).filter(|_| kind == "contacts")?;
        let other = self.find(kind, "email", email).filter(|at| Some(*at) != own)?;
        Some(self.objects[other].id.clone())
    }

    fn update(&mut self, kind: &str, body: &Value) -> (u16, Value) {
        if let Some(refusal) = invalid(kind, body, false) {
            return refusal;
        }
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for input in body["inputs"].as_array().unwrap() {
            let (by, id) = (input["idProperty"].as_str().unwrap_or("id"), input["id"].as_str().unwrap());
            match self.find(kind, by, id) {
                Some(at) => {
                    self.objects[at].properties.extend(input["properties"].as_object().unwrap().clone());
                    results.push(shown(&self.objects[at]));
                }
                None => errors.push(json!({"category": "OBJECT_NOT_FOUND", "context": {"ids": [id]}})),
            }
        }
        (if errors.is_empty() { 200 } else { 207 }, json!({"results": results, "errors": errors}))
    }

    fn associate(&mut self, from: &str, to: &str, body: &Value) -> (u16, Value) {
        let mut errors = Vec::new();
        for input in body["inputs"].as_array().unwrap() {
            let [one, other] = ["from", "to"].map(|end| input[end]["id"].as_str().unwrap().to_owned());
            if self.find(from, "id", &one).is_some() && self.find(to, "id", &other).is_some() {
                self.bound.insert([from.to_owned(), to.to_owned(), one, other]);
            } else {
                let context = json!({"fromObjectId": [one], "toObjectId": [other]});
                errors.push(json!({"category": "OBJECT_NOT_FOUND", "context": context}));
            }
        }
        (if errors.is_empty() { 200 } else { 207 }, json!({"results": [], "errors": errors}))
    }
}

/// The parts of a form: name of the file and content, by the field's name.
fn form(call: &Call) -> BTreeMap<String, (String, Vec<u8>)> {
    let kind = call.headers["content-type"].to_str().unwrap();
    let boundary = format!("--{}", kind.split_once("boundary=").unwrap().1);
    let body = [b"\r\n", &call.body[..]].concat();
    let ends = format!("\r\n{boundary}");
    let places: Vec<usize> = memchr::memmem::find_iter(&body, &ends).collect();
    let parts = places.windows(2).map(|pair| &body[pair[0] + ends.len() + 2..pair[1]]);
    let quoted = |head: &str, name: &str| {
        let rest = head.split_once(&format!("{name}=\""));
        rest.map(|(_, rest)| rest.split('"').next().unwrap().to_owned())
    };
    let field = |part: &[u8]| {
        let end = memchr::memmem::find(part, b"\r\n\r\n").unwrap();
        let (head, content) = (String::from_utf8(part[..end].to_vec()).unwrap(), part[end + 4..].to_vec());
        (quoted(&head, " name").unwrap(), (quoted(&head, "filename").unwrap_or_default(), content))
    };
    parts.map(field).collect()
}

fn shown(object: &Object) -> Value {
    json!({"id": object.id, "properties": object.properties})
}

/// As the index has numbers: digits without the country.
fn digits(typed: &str) -> String {
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    digits.strip_prefix('1').unwrap_or(&digits).to_owned()
}

/// One record that breaks a rule, and HubSpot takes none of them.
fn invalid(kind: &str, body: &Value, is_new: bool) -> Option<(u16, Value)> {
    let known: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("contacts", CONTACT),
        ("communications", COMMUNICATION),
        ("notes", NOTE),
        ("tickets", TICKET),
    ]);
    for input in body["inputs"].as_array().unwrap() {
        let properties = input["properties"].as_object().unwrap();
        if let Some(unknown) = properties.keys().find(|name| !known[kind].contains(&name.as_str())) {
            let detail = json!({"code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": [unknown]}});
            return Some((400, json!({"category": "VALIDATION_ERROR", "errors": [detail]})));
        }
        let has = |name: &str| properties.get(name).and_then(Value::as_str).is_some_and(|value| !value.is_empty());
        let right = match kind {
            "communications" if is_new => {
                let channel = properties.get("hs_communication_channel_type").and_then(Value::as_str);
                has("hs_timestamp")
                    && properties.get("hs_communication_logged_from") == Some(&"CRM".into())
                    && matches!(channel, Some("SMS" | "WHATS_APP"))
            }
            "notes" if is_new => has("hs_timestamp"),
            "contacts" if is_new => has("email") || has("firstname") || has("lastname"),
            _ => true,
        };
        if !right || properties.values().any(|value| value.as_str().is_some_and(|text| text.len() > 65_536)) {
            return Some((400, json!({"category": "VALIDATION_ERROR", "errors": [{"code": "INVALID_VALUE"}]})));
        }
    }
    None
}

fn error(status: u16, category: &str, more: Value) -> ProviderAnswer {
    let mut body = json!({"status": "error", "category": category, "correlationId": "c0ffee"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ProviderAnswer::json(status, &body.to_string())
}
