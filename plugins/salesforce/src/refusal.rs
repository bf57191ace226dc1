//! What Salesforce's refusals mean. Its messages are for people and may repeat what people wrote: they are not passed on.

use omnigate_plugin::serde_json::{from_slice, from_value};
use omnigate_plugin::{Fault, Value};
use serde::Deserialize;

use crate::activities::SUBTYPE;

const SECOND_MS: u32 = 1_000;
/// Others use the org too: they need a moment to end what they do.
const CONCURRENT_MS: u32 = 10 * SECOND_MS;
/// The quota is of the last 24 hours. Longer than the pauses that the gateway makes by itself, so that it costs no attempts.
const DAILY_MS: u32 = 61 * 60 * SECOND_MS;
const LOCKED_MS: u32 = 2 * SECOND_MS;

/// One reason of a refusal.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "Value")]
pub(crate) struct Reason {
    code: String,
    message: String,
    fields: Vec<String>,
    duplicates: Value,
}

/// Why something was not done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusal {
    /// Of the answer; 0 for one record of many.
    pub(crate) status: u16,
    pub(crate) reasons: Vec<Reason>,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The org has had its requests.
    Limit,
    /// Somebody must give rights, room or another token.
    Credentials,
    /// The org lacks what we write to, or we may not.
    Setup,
    /// A field that is set once and was set before.
    Fixed,
    /// Another time.
    Busy,
    Locked,
    /// A record that it speaks of is gone.
    Lost,
    /// A value that must be unique is there.
    Taken,
    /// A duplicate rule found somebody alike.
    Alike,
    /// Our id stands on several records.
    Several,
    /// What was to be written.
    Content,
}

impl From<Value> for Reason {
    /// The code is `statusCode` where many records are written at once.
    fn from(mut reason: Value) -> Self {
        let text = |name: &str| reason[name].as_str().map(str::to_owned);
        let fields = reason["fields"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Self {
            code: text("errorCode").or_else(|| text("statusCode")).unwrap_or_default(),
            message: text("message").unwrap_or_default(),
            fields: fields.map(str::to_owned).collect(),
            duplicates: reason["duplicateResult"].take(),
        }
    }
}

impl Reason {
    fn meaning(&self) -> Meaning {
        match self.code.as_str() {
            "REQUEST_LIMIT_EXCEEDED" => Meaning::Limit,
            "INVALID_SESSION_ID"
            | "INVALID_AUTH_HEADER"
            | "API_DISABLED_FOR_ORG"
            | "API_CURRENTLY_DISABLED"
            | "FUNCTIONALITY_NOT_ENABLED"
            | "STORAGE_LIMIT_EXCEEDED"
            | "INSUFFICIENT_ACCESS"
            | "INSUFFICIENT_ACCESS_OR_READONLY" => Meaning::Credentials,
            code if code.starts_with("TXN_SECURITY") => Meaning::Credentials,
            "INVALID_FIELD_FOR_INSERT_UPDATE" if self.fields == [SUBTYPE] => Meaning::Fixed,
            "INVALID_FIELD"
            | "INVALID_FIELD_FOR_INSERT_UPDATE"
            | "INVALID_TYPE"
            | "MALFORMED_QUERY"
            | "INVALID_QUERY_FILTER_OPERATOR"
            | "UNSUPPORTED_API_VERSION" => Meaning::Setup,
            "UNABLE_TO_LOCK_ROW" => Meaning::Locked,
            "SERVER_UNAVAILABLE"
            | "UNKNOWN_EXCEPTION"
            | "QUERY_TIMEOUT"
            | "REQUEST_RUNNING_TOO_LONG"
            | "PROCESSING_HALTED"
            | "ALL_OR_NONE_OPERATION_ROLLED_BACK" => Meaning::Busy,
            "ENTITY_IS_DELETED"
            | "INVALID_CROSS_REFERENCE_KEY"
            | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
            | "NOT_FOUND"
            | "MALFORMED_ID"
            | "INVALID_ID_FIELD" => Meaning::Lost,
            "DUPLICATE_VALUE" => Meaning::Taken,
            "DUPLICATES_DETECTED" => Meaning::Alike,
            "DUPLICATE_EXTERNAL_ID" => Meaning::Several,
            _ => Meaning::Content,
        }
    }
}

impl Refusal {
    /// Of a whole answer.
    pub(crate) fn of_answer(status: u16, body: &[u8]) -> Self {
        Self { status, reasons: from_slice(body).unwrap_or_default() }
    }

    /// Of one part of a composite answer.
    pub(crate) fn of_part(status: u16, body: &Value) -> Self {
        Self { status, reasons: from_value(body.clone()).unwrap_or_default() }
    }

    /// Of one record.
    pub(crate) fn of_record(reasons: Vec<Reason>) -> Self {
        Self { status: 0, reasons }
    }

    pub(crate) fn meaning(&self) -> Meaning {
        let told = self.reasons.first().map(Reason::meaning);
        match (self.status, told) {
            (_, Some(Meaning::Limit)) => Meaning::Limit,
            (300, _) => Meaning::Several,
            (401 | 403, _) => Meaning::Credentials,
            // An address, not a record: the version or a field in it.
            (404, _) => Meaning::Setup,
            (500.., _) => Meaning::Busy,
            (_, Some(meaning)) => meaning,
            (_, None) => Meaning::Content,
        }
    }

    /// The others meet it too.
    pub(crate) fn is_of_account(&self) -> bool {
        matches!(self.meaning(), Meaning::Limit | Meaning::Credentials | Meaning::Setup)
    }

    /// The contact that a duplicate rule found.
    pub(crate) fn contact_alike(&self) -> Option<String> {
        let lists = self.reasons.iter().filter_map(|reason| reason.duplicates["matchResults"].as_array());
        let records = lists.flatten().filter_map(|result| result["matchRecords"].as_array()).flatten();
        let mut contacts = records.map(|found| &found["record"]).filter(|record| {
            record["attributes"]["type"] == "Contact" && record["Id"].as_str().is_some_and(crate::soql::is_id)
        });
        contacts.next().and_then(|record| record["Id"].as_str()).map(str::to_owned)
    }

    /// What the gateway is to do about it.
    pub(crate) fn fault(&self) -> Fault {
        let told = |what: &str| format!("{what} ({})", self.told());
        let fault = match self.meaning() {
            Meaning::Limit => Fault::rate_limited(told("Salesforce is at its limit"), Some(self.rest_ms())),
            Meaning::Credentials => Fault::unauthorized(told("Salesforce refuses the gateway's user or its token")),
            Meaning::Setup => {
                let what = "Salesforce lacks a field, a right to it, or this API version: see docs/salesforce.md";
                Fault::unauthorized(told(what))
            }
            Meaning::Busy => Fault::unavailable(told("Salesforce cannot do it now")),
            Meaning::Locked => Fault {
                retry_after_ms: Some(LOCKED_MS),
                ..Fault::unavailable(told("somebody else is writing to the same record in Salesforce"))
            },
            Meaning::Fixed | Meaning::Lost | Meaning::Taken | Meaning::Alike | Meaning::Several | Meaning::Content => {
                Fault::invalid(told("Salesforce refuses what was to be written"))
            }
        };
        let code = self.reasons.first().map(|reason| reason.code.clone()).filter(|code| is_word(code));
        fault.with_code(code.unwrap_or_else(|| self.status.to_string()))
    }

    /// Requests at once are told from requests of a day by words alone.
    fn rest_ms(&self) -> u32 {
        let is_concurrent = self.reasons.iter().any(|reason| reason.message.contains("Concurrent"));
        if is_concurrent { CONCURRENT_MS } else { DAILY_MS }
    }

    /// Codes and names of fields: they help an operator, and are nobody's secret.
    fn told(&self) -> String {
        let status = (self.status != 0).then(|| self.status.to_string());
        let reasons = self.reasons.iter().flat_map(|reason| std::iter::once(&reason.code).chain(&reason.fields));
        let words = reasons.filter(|word| is_word(word)).take(12).cloned();
        let words: Vec<String> = status.into_iter().chain(words).collect();
        if words.is_empty() { "no reason told".into() } else { words.join(" ") }
    }
}

fn is_word(text: &str) -> bool {
    (1..=80).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
}
