//! Calls of the API, and what its refusals mean.

use std::collections::BTreeMap;

use omnigate_plugin::connector::{Context, Field};
use omnigate_plugin::serde_json::{Map, from_slice};
use omnigate_plugin::{Fault, Multipart, Value, http, json};
use serde::Deserialize;

use crate::settings::Settings;

/// Records in one call.
pub(crate) const BATCH_MAX: usize = 100;
const SECOND_MS: u32 = 1_000;
/// Longer than the pauses that the gateway makes by itself: the account's midnight, in a time zone that nobody tells.
const DAILY_MS: u32 = 61 * 60 * SECOND_MS;

/// The API of this connector's account.
pub(crate) struct Api {
    pub(crate) settings: Settings,
    /// Attributes that are brought back.
    pub(crate) read: Vec<Field>,
    /// What contacts are given besides name, e-mail and telephone.
    pub(crate) write: Vec<Field>,
}

/// What is written of one record.
pub(crate) type Properties = Map<String, Value>;

/// A record as HubSpot has it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Hit {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, Option<String>>,
    #[serde(default, rename = "objectWriteTraceId")]
    trace: Option<String>,
}

/// The answer to a batch: what was done, and what was not.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Batch {
    pub(crate) results: Vec<Hit>,
    pub(crate) errors: Vec<Refusal>,
}

/// Why something was not done. Messages are for people and may repeat what people wrote: they are not passed on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal {
    #[serde(skip)]
    pub(crate) status: u16,
    pub(crate) category: String,
    message: String,
    #[serde(rename = "correlationId")]
    correlation: String,
    #[serde(rename = "policyName")]
    policy: String,
    errors: Vec<Detail>,
    context: BTreeMap<String, Value>,
    #[serde(skip)]
    retry_after_ms: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    code: String,
    context: BTreeMap<String, Value>,
}

impl Hit {
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name)?.as_deref().filter(|value| !value.is_empty())
    }
}

impl Batch {
    /// Ids in HubSpot by ours.
    pub(crate) fn ids(&self, key: &str) -> BTreeMap<String, String> {
        let ours = |hit: &Hit| hit.trace.clone().or_else(|| hit.property(key).map(str::to_owned));
        self.results.iter().filter_map(|hit| Some((ours(hit)?, hit.id.clone()))).collect()
    }

    /// The refusal of one record, told by our id.
    pub(crate) fn refusal_of(&self, id: &str) -> Option<&Refusal> {
        self.errors.iter().find(|refusal| refusal.speaks_of(id))
    }
}

impl Api {
    pub(crate) fn of(ctx: &Context) -> Result<Self, Fault> {
        let settings: Settings = ctx.settings()?;
        let settings = Settings { api_base: settings.api_base.trim_end_matches('/').to_owned(), ..settings };
        Ok(Self { settings, read: ctx.read.clone(), write: ctx.write.clone() })
    }

    /// Our id's property.
    pub(crate) fn key(&self) -> &str {
        &self.settings.key_property
    }

    /// Writes records by our ids: those that are there are changed, the others made.
    pub(crate) fn upsert<'a>(
        &self,
        kind: &str,
        records: impl Iterator<Item = (&'a str, &'a Properties)>,
    ) -> Result<Batch, Refused> {
        self.batch(kind, "upsert", self.inputs(records))
    }

    /// Changes records by our ids; those that are not there are told as errors.
    pub(crate) fn update<'a>(
        &self,
        kind: &str,
        records: impl Iterator<Item = (&'a str, &'a Properties)>,
    ) -> Result<Batch, Refused> {
        self.batch(kind, "update", self.inputs(records))
    }

    /// Changes records by HubSpot's own ids.
    pub(crate) fn update_by_id<'a>(
        &self,
        kind: &str,
        records: impl Iterator<Item = (&'a str, &'a Properties)>,
    ) -> Result<Batch, Refused> {
        let inputs = records.map(|(id, properties)| json!({ "id": id, "properties": properties })).collect();
        self.batch(kind, "update", json!({ "inputs": Value::Array(inputs) }))
    }

    /// Contacts by a unique property, with these properties.
    pub(crate) fn read<'a>(
        &self,
        by: &str,
        values: impl Iterator<Item = &'a str>,
        properties: &[&str],
    ) -> Result<Batch, Refused> {
        let inputs: Vec<Value> = values.take(BATCH_MAX).map(|value| json!({ "id": value })).collect();
        self.batch("contacts", "read", json!({ "idProperty": by, "properties": properties, "inputs": inputs }))
    }

    pub(crate) fn search_contacts(&self, query: &Value) -> Result<Batch, Refused> {
        let path = format!("/crm/objects/{}/contacts/search", self.settings.api_version);
        self.post(&path, query)
    }

    /// One contact; `None` if it is not there.
    pub(crate) fn contact(&self, id: &str, properties: &[&str]) -> Result<Option<Hit>, Refused> {
        let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        let (version, list) = (&self.settings.api_version, properties.join(","));
        let path = format!("/crm/objects/{version}/contacts/{id}?properties={list}");
        match self.call(http::get(format!("{}{path}", self.settings.api_base))) {
            Ok(hit) => Ok(Some(hit)),
            Err(Refused::Answer(refusal)) if refusal.status == 404 => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    /// Binds records to each other, in the way that is usual for their kinds; what is bound already stays so.
    pub(crate) fn associate(&self, from: &str, to: &str, pairs: &[(String, String)]) -> Result<Batch, Refused> {
        let inputs: Vec<Value> =
            pairs.iter().map(|(from, to)| json!({ "from": { "id": from }, "to": { "id": to } })).collect();
        let version = &self.settings.api_version;
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Bound {
            errors: Vec<Refusal>,
        }
        let path = format!("/crm/associations/{version}/{from}/{to}/batch/associate/default");
        let bound: Bound = self.post(&path, &json!({ "inputs": inputs }))?;
        Ok(Batch { results: Vec::new(), errors: bound.errors })
    }

    /// Tells the file's id.
    pub(crate) fn upload(&self, form: Multipart) -> Result<String, Refused> {
        let path = format!("/files/{}/files", self.settings.api_version);
        let uploaded: Hit = self.call(form.into(http::post(format!("{}{path}", self.settings.api_base))))?;
        Ok(uploaded.id)
    }

    fn inputs<'a>(&self, records: impl Iterator<Item = (&'a str, &'a Properties)>) -> Value {
        let input = |(id, properties)| json!({ "idProperty": self.key(), "id": id, "objectWriteTraceId": id, "properties": properties });
        json!({ "inputs": records.map(input).collect::<Vec<Value>>() })
    }

    fn batch(&self, kind: &str, what: &str, body: Value) -> Result<Batch, Refused> {
        self.post(&format!("/crm/objects/{}/{kind}/batch/{what}", self.settings.api_version), &body)
    }

    fn post<T: serde::de::DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Refused> {
        self.call(http::post(format!("{}{path}", self.settings.api_base)).json(body))
    }

    fn call<T: serde::de::DeserializeOwned>(&self, request: http::Request) -> Result<T, Refused> {
        let response = request.bearer("access_token").send().map_err(Refused::Fault)?;
        if response.is_success() {
            return response.json().map_err(Refused::Fault);
        }
        let refusal: Refusal = from_slice(&response.body).unwrap_or_default();
        let refusal = Refusal { status: response.status, retry_after_ms: response.retry_after_ms(), ..refusal };
        Err(Refused::Answer(Box::new(refusal)))
    }
}

/// A call that brought nothing.
#[derive(Debug)]
pub(crate) enum Refused {
    /// HubSpot says so.
    Answer(Box<Refusal>),
    /// There was no answer, or none that can be read.
    Fault(Fault),
}

impl Refused {
    /// The request itself is not as it must be: another one may be.
    pub(crate) fn invalid(self) -> Result<Refusal, Fault> {
        match self {
            Self::Answer(refusal) if refusal.is_about_content() => Ok(*refusal),
            refused => Err(refused.into()),
        }
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

impl Refusal {
    pub(crate) fn speaks_of(&self, id: &str) -> bool {
        self.context.values().any(|value| match value {
            Value::Array(values) => values.iter().any(|value| value == id),
            value => value == id,
        })
    }

    /// The refusal of a call that was about one record alone.
    pub(crate) fn about(mut self, id: &str) -> Self {
        self.context.insert("ids".to_owned(), id.into());
        self
    }

    /// A value that is there already: HubSpot names who has it, in words only.
    pub(crate) fn existing_id(&self) -> Option<String> {
        let (_, rest) = self.message.split_once("Existing ID:")?;
        let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
        Some(digits).filter(|digits| !digits.is_empty())
    }

    /// What was uploaded is not to HubSpot's liking: its kind, or its size.
    pub(crate) fn is_about_a_file(&self) -> bool {
        matches!(self.status, 400 | 413 | 415)
    }

    pub(crate) fn is_conflict(&self) -> bool {
        self.status == 409 || self.category == "CONFLICT"
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.status == 404 || self.category == "OBJECT_NOT_FOUND"
    }

    /// The account lacks what we write to.
    fn lacks_property(&self) -> bool {
        self.errors.iter().any(|error| error.code == "PROPERTY_DOESNT_EXIST")
            || self.message.contains("PROPERTY_DOESNT_EXIST")
    }

    fn is_about_content(&self) -> bool {
        match self.status {
            400 | 409 => !self.lacks_property(),
            404 => self.category == "OBJECT_NOT_FOUND",
            _ => false,
        }
    }

    /// What the gateway is to do about it. The names of properties help an operator; their values are the customer's.
    pub(crate) fn fault(&self) -> Fault {
        let told = |what: &str| format!("{what} ({})", self.told());
        let fault = match self.status {
            401 => Fault::unauthorized(told("HubSpot refuses the access token")),
            403 => Fault::unauthorized(told("HubSpot lacks a scope for the app")),
            400 if self.lacks_property() => {
                Fault::unauthorized(told("HubSpot lacks a property: create it as docs/crm.md says"))
            }
            429 => Fault::rate_limited(told("HubSpot is at its limit"), Some(self.rest_ms())),
            423 => Fault { retry_after_ms: Some(2 * SECOND_MS), ..Fault::unavailable(told("HubSpot has locked it")) },
            404 if self.category != "OBJECT_NOT_FOUND" => {
                Fault::unauthorized(told("HubSpot has nothing at this address: look at api_version"))
            }
            404 => Fault::not_found(told("HubSpot has no such thing")),
            0 if self.category == "RATE_LIMITS" => {
                Fault::rate_limited(told("HubSpot is at its limit"), Some(self.rest_ms()))
            }
            400 | 409 | 0 => Fault::invalid(told("HubSpot refuses what was to be written")),
            _ => Fault { retry_after_ms: self.retry_after_ms, ..Fault::unavailable(told("HubSpot cannot do it now")) },
        };
        fault.with_code(if self.category.is_empty() { self.status.to_string() } else { self.category.clone() })
    }

    fn rest_ms(&self) -> u32 {
        match self.policy.as_str() {
            "DAILY" => DAILY_MS,
            "SECONDLY" => self.retry_after_ms.unwrap_or(SECOND_MS),
            _ => self.retry_after_ms.unwrap_or(10 * SECOND_MS),
        }
    }

    /// Codes, names of properties and the id by which HubSpot's support finds the call.
    fn told(&self) -> String {
        let names = self.errors.iter().flat_map(|error| {
            let name = error.context.get("propertyName").map(name_of);
            [Some(error.code.clone()), name]
        });
        let words = [self.status.to_string(), self.category.clone(), self.policy.clone()];
        let words = words.into_iter().chain(names.flatten()).chain([self.correlation.clone()]);
        words.filter(|word| !word.is_empty() && word != "0").take(12).collect::<Vec<_>>().join(" ")
    }
}

fn name_of(value: &Value) -> String {
    let text = match value {
        Value::Array(values) => values.first().and_then(Value::as_str),
        value => value.as_str(),
    };
    text.unwrap_or_default().to_owned()
}
