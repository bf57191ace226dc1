use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Call, Mood, Object, ProviderAnswer, Salesforce, error, questions};

type Fields = Map<String, Value>;

pub(super) struct Org {
    pub(super) mood: Mood,
    pub(super) locks: bool,
    /// In order of creation; removed ones bear `IsDeleted`.
    pub(super) records: Vec<Object>,
    /// Ids that the search finds: what was just made is not among them.
    pub(super) indexed: BTreeSet<String>,
    session: u64,
    session_is_open: bool,
    calls: u64,
    written: u64,
    uploads: u64,
}

const CONTACT: &[&str] = &[
    Salesforce::KEY,
    "FirstName",
    "LastName",
    "Email",
    "Phone",
    "MobilePhone",
    "HomePhone",
    "OtherPhone",
    "AccountId",
    "Owner.Name",
    "VIP__c",
];
const TASK: &[&str] = &[
    Salesforce::KEY,
    "Subject",
    "Description",
    "WhoId",
    "WhatId",
    "ActivityDate",
    "Status",
    "TaskSubtype",
    "Omnigate_Status__c",
    "Omnigate_Time__c",
];
const CASE: &[&str] = &[Salesforce::KEY, "Subject", "ContactId", "Origin", "Status"];
const LENGTHS: [(&str, usize); 5] =
    [("Subject", 255), ("Description", 32_000), ("LastName", 80), ("FirstName", 40), ("Email", 80)];

impl Org {
    pub(super) fn new() -> Self {
        Self {
            mood: Mood::Fine,
            locks: false,
            records: Vec::new(),
            indexed: BTreeSet::new(),
            session: 0,
            session_is_open: false,
            calls: 0,
            written: 0,
            uploads: 0,
        }
    }

    pub(super) fn ends_session(&mut self) {
        self.session_is_open = false;
    }

    pub(super) fn typed_in(&mut self, object: &str, fields: Fields) -> String {
        let id = self.create(object, fields);
        self.indexed.insert(id.clone());
        id
    }

    pub(super) fn there(&self) -> impl Iterator<Item = &Object> {
        self.records.iter().filter(|record| record.properties.get("IsDeleted") != Some(&Value::Bool(true)))
    }

    pub(super) fn get(&mut self, id: &str) -> Option<&mut Object> {
        self.records.iter_mut().find(|record| record.id == id)
    }

    pub(super) fn answer(&mut self, call: &Call) -> ProviderAnswer {
        if call.path == Salesforce::TOKEN {
            return self.token(call);
        }
        self.calls += 1;
        match self.mood {
            Mood::Unwritable if call.method == "PATCH" => return error(503, "SERVER_UNAVAILABLE", "Read-only mode"),
            Mood::Down => return error(503, "SERVER_UNAVAILABLE", "We are down for maintenance"),
            Mood::Limited(which) => {
                return error(403, "REQUEST_LIMIT_EXCEEDED", &format!("{which} Limit exceeded."));
            }
            _ if !self.is_authorized(call) => return error(401, "INVALID_SESSION_ID", "Session expired or invalid"),
            _ => {}
        }
        let (status, body) = self.serve(call);
        let answer = ProviderAnswer::json(status, &body.to_string());
        self.uploads += u64::from(call.path.ends_with("/ContentVersion"));
        let close = match self.mood {
            Mood::Forgetful => self.calls.is_multiple_of(3),
            Mood::ForgetfulOfFiles => call.path.ends_with("/ContentVersion") && self.uploads % 2 == 1,
            _ => false,
        };
        ProviderAnswer { close, ..answer }
    }

    /// Without `expires_in`: how long a session lasts is a setting of the org.
    fn token(&mut self, call: &Call) -> ProviderAnswer {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&call.body).into_owned().collect();
        let has = |name: &str, value: &str| form.iter().any(|pair| *pair == (name.to_owned(), value.to_owned()));
        let is_known = has("grant_type", "client_credentials") && has("client_secret", "hush");
        if !is_known || self.mood == Mood::LockedOut {
            return ProviderAnswer::json(400, r#"{"error":"invalid_grant","error_description":"no such user"}"#);
        }
        (self.session, self.session_is_open) = (self.session + 1, true);
        ProviderAnswer::json(200, &json!({"access_token": self.bearer(), "token_type": "Bearer"}).to_string())
    }

    fn bearer(&self) -> String {
        format!("00D-session-{}", self.session)
    }

    fn is_authorized(&self, call: &Call) -> bool {
        let shown = call.headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        self.session_is_open && self.mood != Mood::LockedOut && shown == format!("Bearer {}", self.bearer())
    }

    fn serve(&mut self, call: &Call) -> (u16, Value) {
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (call.method.as_str(), &segments[..]) {
            ("GET", ["services", "data", "v67.0", resource]) => questions::answer(self, resource, query),
            ("POST", ["services", "data", "v67.0", "composite"]) => self.composite(&body),
            ("PATCH", ["services", "data", "v67.0", "composite", "sobjects", object, Salesforce::KEY]) => {
                self.collection(&body, |org, record| org.upsert(object, record))
            }
            ("POST", ["services", "data", "v67.0", "sobjects", "ContentVersion"]) => self.publish(call),
            ("PATCH", ["services", "data", "v67.0", "composite", "sobjects"]) => self.collection(&body, Self::update),
            ("PATCH", ["services", "data", "v67.0", "sobjects", object, Salesforce::KEY, key]) => {
                let mut record = body.as_object().unwrap().clone();
                record.insert(Salesforce::KEY.into(), (*key).into());
                let saved = self.upsert(object, &record);
                match saved["errors"].get(0) {
                    None => (200, saved),
                    Some(error) => {
                        let code = &error["statusCode"];
                        (400, json!([{"errorCode": code, "message": error["message"], "fields": error["fields"]}]))
                    }
                }
            }
            other => (404, json!([{"errorCode": "NOT_FOUND", "message": format!("{other:?}")}])),
        }
    }

    fn composite(&self, body: &Value) -> (u16, Value) {
        let parts = body["compositeRequest"].as_array().unwrap();
        assert!(parts.len() <= 5, "more than five questions in one request");
        let answers = parts.iter().map(|part| {
            let (path, query) = part["url"].as_str().unwrap().split_once('?').unwrap();
            let (status, body) = questions::answer(self, path.rsplit('/').next().unwrap(), query);
            json!({"body": body, "httpStatusCode": status, "referenceId": part["referenceId"]})
        });
        (200, json!({"compositeResponse": answers.collect::<Vec<_>>()}))
    }

    fn collection(&mut self, body: &Value, mut write: impl FnMut(&mut Self, &Fields) -> Value) -> (u16, Value) {
        let records = body["records"].as_array().unwrap();
        assert!(records.len() <= 200, "more than 200 records in one request");
        let results = records.iter().map(|record| {
            self.written += 1;
            if self.locks && self.written.is_multiple_of(2) {
                return refused("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", &[]);
            }
            let mut fields = record.as_object().unwrap().clone();
            assert!(fields.remove("attributes").unwrap()["type"].is_string());
            write(self, &fields)
        });
        (200, Value::Array(results.collect()))
    }

    fn upsert(&mut self, object: &str, record: &Fields) -> Value {
        let key = record[Salesforce::KEY].as_str().unwrap();
        let existing = self.there().find(|other| other.kind == object && other.text(Salesforce::KEY) == key);
        match existing.map(|existing| existing.id.clone()) {
            Some(id) => self.change(&id, record),
            None => match self.broken(object, record, true) {
                Some(refusal) => refusal,
                None => {
                    json!({"id": self.create(object, record.clone()), "success": true, "errors": [], "created": true})
                }
            },
        }
    }

    /// A form of two parts: what the file is, and its bytes.
    fn publish(&mut self, call: &Call) -> (u16, Value) {
        let content_type = call.headers["content-type"].to_str().unwrap();
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let body = String::from_utf8_lossy(&call.body);
        let parts: Vec<(&str, &str)> =
            body.split(&format!("--{boundary}")).filter_map(|part| part.split_once("\r\n\r\n")).collect();
        let [(entity, fields), (version, content)] = parts[..] else { panic!("{} parts", parts.len()) };
        assert!(entity.contains("name=\"entity_content\"") && entity.contains("application/json"), "{entity}");
        assert!(version.contains("name=\"VersionData\"; filename="), "{version}");
        let mut fields: Fields = serde_json::from_str(fields).unwrap();
        assert!(self.there().any(|record| record.id == fields["FirstPublishLocationId"].as_str().unwrap()));
        fields.insert("VersionData".into(), content.trim_end_matches("\r\n").into());
        (201, json!({"id": self.create("ContentVersion", fields), "success": true, "errors": []}))
    }

    fn update(&mut self, record: &Fields) -> Value {
        let id = record["id"].as_str().unwrap().to_owned();
        let mut fields = record.clone();
        fields.remove("id");
        self.change(&id, &fields)
    }

    fn change(&mut self, id: &str, fields: &Fields) -> Value {
        let Some(kind) = self.there().find(|record| record.id == id).map(|record| record.kind.clone()) else {
            return refused("ENTITY_IS_DELETED", "entity is deleted", &[]);
        };
        if fields.contains_key("TaskSubtype") {
            let message = "Unable to create/update fields: TaskSubtype";
            return refused("INVALID_FIELD_FOR_INSERT_UPDATE", message, &["TaskSubtype"]);
        }
        if let Some(refusal) = self.broken(&kind, fields, false) {
            return refusal;
        }
        self.get(id).unwrap().properties.extend(fields.clone());
        json!({"id": id, "success": true, "errors": [], "created": false})
    }

    fn create(&mut self, object: &str, properties: Fields) -> String {
        let prefix = match object {
            "Contact" => "003",
            "Task" => "00T",
            "Case" => "500",
            "ContentVersion" => "068",
            other => panic!("no object {other}"),
        };
        let id = format!("{prefix}{:012}AAA", self.records.len() + 1);
        self.records.push(Object { kind: object.to_owned(), id: id.clone(), properties });
        id
    }

    /// The rule that a record breaks.
    fn broken(&self, object: &str, record: &Fields, is_new: bool) -> Option<Value> {
        let known = match object {
            "Contact" => CONTACT,
            "Task" => TASK,
            _ => CASE,
        };
        if let Some(unknown) = record.keys().find(|name| !known.contains(&name.as_str())) {
            return Some(refused("INVALID_FIELD", &format!("No such column '{unknown}'"), &[]));
        }
        let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
        if let Some((name, _)) = LENGTHS.iter().find(|(name, max)| text(name).chars().count() > *max) {
            return Some(refused("STRING_TOO_LONG", "data value too large", &[name]));
        }
        if is_new && object == "Contact" && text("LastName").is_empty() {
            return Some(refused("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", &["LastName"]));
        }
        if text("Description").contains("forbidden") {
            let message = format!("We do not write: {}", text("Description"));
            return Some(refused("FIELD_CUSTOM_VALIDATION_EXCEPTION", &message, &["Description"]));
        }
        let is_there = |id: &str| id.is_empty() || self.there().any(|record| record.id == id);
        let lost = ["WhoId", "WhatId", "ContactId"].into_iter().find(|name| !is_there(text(name)));
        lost.map(|name| refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", &[name]))
    }
}

fn refused(code: &str, message: &str, fields: &[&str]) -> Value {
    let error = json!({"statusCode": code, "message": message, "fields": fields});
    json!({"success": false, "errors": [error]})
}
