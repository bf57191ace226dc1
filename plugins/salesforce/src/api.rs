//! Calls of the REST API.

use omnigate_plugin::connector::{Context, Field};
use omnigate_plugin::serde_json::{Map, from_slice};
use omnigate_plugin::{Fault, Multipart, Value, http, json};
use serde::Deserialize;

use crate::files::FILE;
use crate::refusal::{Meaning, Reason, Refusal};
use crate::settings::Settings;
use crate::soql::{encoded, is_field};

/// Records in one call.
const RECORDS_MAX: usize = 200;
/// Questions in one call.
const QUESTIONS_MAX: usize = 5;

/// The API of this connector's org.
pub(crate) struct Api {
    pub(crate) settings: Settings,
    /// Attributes that are brought back.
    pub(crate) read: Vec<Field>,
    /// What contacts are given besides name, e-mail and telephone.
    pub(crate) write: Vec<Field>,
}

/// What is written of one record.
pub(crate) type Fields = Map<String, Value>;

/// A record's id in Salesforce, or why it was not written.
pub(crate) type Written = Result<String, Refusal>;

/// A call that brought nothing.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Salesforce says so.
    Answer(Refusal),
    /// There was no answer, or none that can be read.
    Fault(Fault),
}

/// What became of one record of many.
#[derive(Deserialize)]
struct Saved {
    #[serde(default)]
    id: Option<String>,
    success: bool,
    #[serde(default)]
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default, alias = "searchRecords")]
    records: Vec<Value>,
}

#[derive(Deserialize)]
struct Composite {
    #[serde(rename = "compositeResponse")]
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    body: Value,
    #[serde(rename = "httpStatusCode")]
    status: u16,
}

impl Api {
    pub(crate) fn of(ctx: &Context) -> Result<Self, Fault> {
        let settings: Settings = ctx.settings()?;
        if let Some(field) = ctx.read.iter().chain(&ctx.write).find(|field| !is_field(&field.theirs)) {
            return Err(Fault::unauthorized(format!("fields: what {} leads to is no name of a field", field.ours)));
        }
        let settings = Settings { api_base: settings.api_base.trim_end_matches('/').to_owned(), ..settings };
        Ok(Self { settings, read: ctx.read.clone(), write: ctx.write.clone() })
    }

    /// Our id's field.
    pub(crate) fn key(&self) -> &str {
        &self.settings.key_field
    }

    /// Writes records by our ids: those that are there are changed, the others made. Answers in their order.
    pub(crate) fn upsert(&self, object: &str, records: &[Fields]) -> Result<Vec<Written>, Fault> {
        self.save(&format!("/composite/sobjects/{object}/{}", self.key()), object, records)
    }

    /// Changes records by their `id`. Answers in their order.
    pub(crate) fn update(&self, object: &str, records: &[Fields]) -> Result<Vec<Written>, Fault> {
        self.save("/composite/sobjects", object, records)
    }

    /// One record by our id, with everything that Salesforce has to say about it; `allow` saves what a duplicate rule would not.
    pub(crate) fn upsert_one(&self, object: &str, record: &Fields, allow: bool) -> Result<Written, Fault> {
        let id = record.get(self.key()).and_then(Value::as_str).unwrap_or_default().to_owned();
        let body: Fields = record.iter().filter(|(name, _)| *name != self.key()).map(own).collect();
        let path = format!("/sobjects/{object}/{}/{}", self.key(), encoded(&id));
        let request = http::request("PATCH", self.url(&path)).json(&body);
        let header = if allow { "allowSave=true" } else { "allowSave=false" };
        let request = request.header("sforce-duplicate-rule-header", header);
        one(self.call(request))
    }

    /// A file, with its bytes.
    pub(crate) fn insert_file(&self, form: Multipart) -> Result<Written, Fault> {
        let request = form.into(http::post(self.url(&format!("/sobjects/{FILE}"))));
        one(self.call(request))
    }

    /// Answers to questions, in their order.
    pub(crate) fn query(&self, questions: &[String]) -> Result<Vec<Value>, Fault> {
        self.ask("query", questions)
    }

    /// The same, also of what was removed or merged.
    pub(crate) fn query_all(&self, questions: &[String]) -> Result<Vec<Value>, Fault> {
        self.ask("queryAll", questions)
    }

    /// What the index has.
    pub(crate) fn search(&self, question: &str) -> Result<Vec<Value>, Fault> {
        let page: Page = self.call(http::get(self.url(&format!("/search?q={}", encoded(question)))))?;
        Ok(page.records)
    }

    fn ask(&self, resource: &str, questions: &[String]) -> Result<Vec<Value>, Fault> {
        let mut records = Vec::new();
        for some in questions.chunks(QUESTIONS_MAX) {
            match some {
                [question] => {
                    let path = format!("/{resource}?q={}", encoded(question));
                    records.extend(self.call::<Page>(http::get(self.url(&path)))?.records);
                }
                several => records.extend(self.ask_together(resource, several)?),
            }
        }
        Ok(records)
    }

    /// One call of the quota, however many they are.
    fn ask_together(&self, resource: &str, questions: &[String]) -> Result<Vec<Value>, Fault> {
        let part = |(number, question): (usize, &String)| {
            let url = format!("{}/{resource}?q={}", self.root(), encoded(question));
            json!({ "method": "GET", "url": url, "referenceId": format!("q{number}") })
        };
        let parts: Vec<Value> = questions.iter().enumerate().map(part).collect();
        let body = json!({ "allOrNone": false, "compositeRequest": parts });
        let answer: Composite = self.call(http::post(self.url("/composite")).json(&body))?;
        let mut records = Vec::new();
        for part in answer.parts {
            if part.status != 200 {
                return Err(Refusal::of_part(part.status, &part.body).fault());
            }
            records.extend(part.body["records"].as_array().cloned().unwrap_or_default());
        }
        Ok(records)
    }

    fn save(&self, path: &str, object: &str, records: &[Fields]) -> Result<Vec<Written>, Fault> {
        let mut all = Vec::with_capacity(records.len());
        for some in records.chunks(RECORDS_MAX) {
            all.extend(self.save_some(path, object, some)?);
        }
        match all.iter().filter_map(|written| written.as_ref().err()).find(|refusal| refusal.is_of_account()) {
            Some(refusal) => Err(refusal.fault()),
            None => Ok(all),
        }
    }

    /// A value of another type than its field makes Salesforce refuse them all: the halves tell which.
    fn save_some(&self, path: &str, object: &str, records: &[Fields]) -> Result<Vec<Written>, Fault> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let typed: Vec<Value> = records.iter().map(|record| with_type(object, record)).collect();
        let body = json!({ "allOrNone": false, "records": typed });
        match self.call::<Vec<Saved>>(http::request("PATCH", self.url(path)).json(&body)) {
            Ok(saved) if saved.len() == records.len() => Ok(saved.into_iter().map(Saved::written).collect()),
            Ok(_) => Err(Fault::uncertain("Salesforce does not answer for every record")),
            Err(Refused::Answer(refusal)) if refusal.meaning() == Meaning::Content => match records {
                [_] => Ok(vec![Err(refusal)]),
                several => {
                    let (left, right) = several.split_at(several.len() / 2);
                    let mut written = self.save_some(path, object, left)?;
                    written.extend(self.save_some(path, object, right)?);
                    Ok(written)
                }
            },
            Err(refused) => Err(refused.into()),
        }
    }

    fn root(&self) -> String {
        format!("/services/data/{}", self.settings.api_version)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.settings.api_base, self.root())
    }

    fn call<T: serde::de::DeserializeOwned>(&self, request: http::Request) -> Result<T, Refused> {
        let response = request.bearer("oauth").send().map_err(Refused::Fault)?;
        // 300: several records have our id.
        match response.is_success() {
            true => from_slice(&response.body).map_err(|_| Refused::Fault(unreadable(response.status))),
            false => Err(Refused::Answer(Refusal::of_answer(response.status, &response.body))),
        }
    }
}

impl Saved {
    fn written(self) -> Written {
        match self.id {
            Some(id) if self.success => Ok(id),
            _ => Err(Refusal::of_record(self.errors)),
        }
    }
}

/// What became of one record; a refusal of the account or of the moment is of the whole call.
fn one(answer: Result<Saved, Refused>) -> Result<Written, Fault> {
    match answer {
        Ok(saved) => Ok(saved.written()),
        Err(Refused::Answer(refusal)) if !refusal.is_of_account() && refusal.meaning() != Meaning::Busy => {
            Ok(Err(refusal))
        }
        Err(refused) => Err(refused.into()),
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Answer(refusal) => refusal.fault(),
            Refused::Fault(fault) => fault,
        }
    }
}

fn unreadable(status: u16) -> Fault {
    Fault::uncertain("Salesforce's answer is not the expected JSON").with_code(status)
}

fn with_type(object: &str, record: &Fields) -> Value {
    let mut typed = Fields::from_iter([("attributes".to_owned(), json!({ "type": object }))]);
    typed.extend(record.iter().map(own));
    Value::Object(typed)
}

fn own((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Fields of a record from pairs.
pub(crate) fn fields<'a>(pairs: impl IntoIterator<Item = (&'a str, Value)>) -> Fields {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A field of a record that was read, or of one related to it: `Owner.Name`. Empty ones are none.
pub(crate) fn value<'a>(record: &'a Value, field: &str) -> Option<&'a Value> {
    let value = field.split('.').try_fold(record, |record, name| record.get(name))?;
    (!value.is_null() && value != "").then_some(value)
}

/// The same where it is text.
pub(crate) fn text<'a>(record: &'a Value, field: &str) -> Option<&'a str> {
    value(record, field).and_then(Value::as_str)
}
