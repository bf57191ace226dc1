//! What the API says of itself: the OpenAPI document and the schema of interactions.
//!
//! The document is written in one file per resource (`openapi/`) and joined here; the definitions of the interaction's
//! schema are its components, so that both say the same.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use serde_json::Value;

use super::answer::Answer;
use super::input::NoParams;

const INTERACTION: &str = include_str!("openapi/interaction-1.json");
const BASE: &str = include_str!("openapi/base.json");
const RESOURCES: [&str; 11] = [
    include_str!("openapi/messages.json"),
    include_str!("openapi/interactions.json"),
    include_str!("openapi/contacts.json"),
    include_str!("openapi/consent.json"),
    include_str!("openapi/conversations.json"),
    include_str!("openapi/media.json"),
    include_str!("openapi/channels.json"),
    include_str!("openapi/backends.json"),
    include_str!("openapi/connectors.json"),
    include_str!("openapi/dead_letters.json"),
    include_str!("openapi/operations.json"),
];

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| joined().to_string().into());

/// `GET /v1/openapi.json`
pub(super) async fn openapi(_: NoParams) -> Answer {
    Ok(([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone()).into_response())
}

/// `GET /v1/schemas/interaction-1.json`
pub(super) async fn interaction_schema(_: NoParams) -> Answer {
    Ok(([(header::CONTENT_TYPE, "application/schema+json")], INTERACTION).into_response())
}

/// The whole document: base, paths and schemas of the resources, and the interaction's definitions.
fn joined() -> Value {
    let mut document = read(BASE);
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    for resource in RESOURCES {
        let resource = read(resource);
        extend(&mut document["paths"], &resource["paths"]);
        extend(&mut document["components"]["schemas"], &resource["schemas"]);
    }
    extend(&mut document["components"]["schemas"], &interaction_components());
    document
}

/// The schema's definitions as components, and the schema itself as `Interaction`.
fn interaction_components() -> Value {
    let mut schema = read(&INTERACTION.replace("#/$defs/", "#/components/schemas/"));
    let definitions = schema.as_object_mut().and_then(|schema| {
        schema.remove("$schema");
        schema.remove("$id");
        schema.remove("$defs")
    });
    let mut components = definitions.unwrap_or_default();
    components["Interaction"] = schema;
    components
}

fn extend(into: &mut Value, from: &Value) {
    let from = from.as_object().cloned().unwrap_or_default();
    match into {
        Value::Object(into) => into.extend(from),
        other => *other = Value::Object(from),
    }
}

/// The files are part of the program; a test reads them all.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| unreachable!("a document of the program is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    /// Every `$ref` in a document.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(elements) => elements.iter().for_each(|element| references(element, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = joined();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_call_is_named_and_answers_problems() {
        let document = joined();
        let paths = document["paths"].as_object().unwrap();
        let calls: Vec<(&String, &Map<String, Value>)> =
            paths.iter().map(|(path, item)| (path, item.as_object().unwrap())).collect();
        let mut ids = std::collections::BTreeSet::new();
        for (path, method, call) in calls.iter().flat_map(|(path, item)| item.iter().map(move |(m, c)| (path, m, c))) {
            assert!(ids.insert(call["operationId"].as_str().unwrap()), "{path}: {method}");
            assert!(call["summary"].is_string() && call["tags"].is_array(), "{path}: {method}");
            assert!(call["responses"].get("422").is_some(), "{path}: {method} refuses unknown parameters");
        }
        assert!(ids.len() >= 25, "{}", ids.len());
    }

    #[test]
    fn the_schema_is_a_schema() {
        let schema = read(INTERACTION);
        assert!(jsonschema::meta::is_valid(&schema));
        jsonschema::validator_for(&schema).unwrap();
    }
}
