//! HubSpot tells what changed: subscriptions of an app, signature version 3.

use omnigate_plugin::connector::{Change, Context, Field, News, Outcome, Reply, Request};
use omnigate_plugin::serde_json::{Map, from_slice};
use omnigate_plugin::{Fault, Value, clock, decode_base64, secrets};
use serde::Deserialize;

const AGE_MAX_MS: f64 = 5.0 * 60_000.0;
/// The object type of contacts.
const CONTACT: &str = "0-1";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notice {
    #[serde(default)]
    subscription_type: String,
    #[serde(default)]
    object_type_id: String,
    #[serde(default)]
    object_id: Value,
    #[serde(default)]
    occurred_at: f64,
    #[serde(default)]
    property_name: String,
    #[serde(default)]
    property_value: Value,
    #[serde(default)]
    merged_object_ids: Vec<Value>,
    #[serde(default)]
    primary_object_id: Value,
    #[serde(default)]
    new_object_id: Value,
}

/// A POST of changes; what is not about contacts or attributes that are brought back is no news.
pub(crate) fn changes(ctx: &Context, request: &Request) -> Result<Outcome, Fault> {
    if request.method != "POST" {
        return Err(Fault::not_found("changes come by POST"));
    }
    check_signature(request)?;
    let mut notices: Vec<Notice> = from_slice(&request.body)?;
    // They come in any order.
    notices.sort_by(|a, b| a.occurred_at.total_cmp(&b.occurred_at));
    let changes = notices.iter().flat_map(|notice| notice.changes(&ctx.read)).collect();
    Ok(Outcome { reply: Reply::status(204), changes })
}

fn check_signature(request: &Request) -> Result<(), Fault> {
    if !secrets::is_set("client_secret") {
        return Err(Fault::unauthorized("the connector has no client_secret: no change is taken"));
    }
    let time = request.signature("x-hubspot-request-timestamp")?;
    let signature = decode_base64(request.signature("x-hubspot-signature-v3")?)?;
    let sent: f64 = time.parse().map_err(|_| Fault::unauthorized("the timestamp is no number"))?;
    if (clock::now() - sent).abs() > AGE_MAX_MS {
        return Err(Fault::unauthorized("the signature is older than five minutes"));
    }
    let signed = [request.method.as_bytes(), request.url.as_bytes(), &request.body, time.as_bytes()].concat();
    secrets::verify("client_secret", secrets::Algorithm::HmacSha256, &signed, &signature)
}

impl Notice {
    fn changes(&self, read: &[Field]) -> Vec<Change> {
        let (object, what) = self.subscription_type.split_once('.').unwrap_or_default();
        if object != "contact" && !(object == "object" && self.object_type_id == CONTACT) {
            return Vec::new();
        }
        let change = |id: &Value, what: News| Some(Change { contact: id_of(id)?, what });
        match what {
            "propertyChange" => {
                self.attribute(read).and_then(|news| change(&self.object_id, news)).into_iter().collect()
            }
            "deletion" | "privacyDeletion" => change(&self.object_id, News::Removed).into_iter().collect(),
            "merge" => self.merged(),
            _ => Vec::new(),
        }
    }

    fn attribute(&self, read: &[Field]) -> Option<News> {
        let value = match &self.property_value {
            Value::String(text) if text.is_empty() => Value::Null,
            value => value.clone(),
        };
        let ours = read.iter().filter(|field| field.theirs == self.property_name);
        let changed: Map<String, Value> = ours.map(|field| (field.ours.clone(), value.clone())).collect();
        (!changed.is_empty()).then(|| News::Attributes(Value::Object(changed).to_string()))
    }

    /// A merge may leave a new contact, or one of the two.
    fn merged(&self) -> Vec<Change> {
        let Some(into) = id_of(&self.new_object_id).or_else(|| id_of(&self.primary_object_id)) else {
            return Vec::new();
        };
        let gone = self.merged_object_ids.iter().chain([&self.primary_object_id]).filter_map(id_of);
        let gone = gone.filter(|id| *id != into);
        gone.map(|contact| Change { contact, what: News::Merged(into.clone()) }).collect()
    }
}

fn id_of(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.is_empty() && text.len() <= 64 => Some(text.clone()),
        _ => None,
    }
}
