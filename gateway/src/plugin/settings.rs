//! What is wrong with the settings that an operator typed, by the schema of the plugin.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};

use super::Manifest;
use crate::config::{Problem, suggestion};

/// Every problem, at its place below `path`.
pub(super) fn check(path: &str, manifest: &Manifest, settings: &Map<String, Value>) -> Vec<Problem> {
    let Manifest { id, settings: schema, .. } = manifest;
    let validator = match jsonschema::validator_for(schema) {
        Ok(validator) => validator,
        Err(error) => {
            let rule = format!("the settings schema of plugin {id} is not valid: {error}");
            return vec![Problem::new(path.to_owned(), None, rule)];
        }
    };
    let settings = Value::Object(settings.clone());
    let mut problems = Vec::new();
    for error in validator.iter_errors(&settings) {
        let place = format!("{path}{}", below(error.instance_path().as_str()));
        let broken = rules(&error, manifest).into_iter();
        problems.extend(broken.map(|(member, rule)| Problem::new(format!("{place}{member}"), None, rule)));
    }
    problems
}

/// The rules that are broken, and the member of the place that breaks each, if one does.
fn rules(error: &ValidationError<'_>, manifest: &Manifest) -> Vec<(String, String)> {
    let Manifest { id, settings: schema, .. } = manifest;
    let hinted = |rule: String| format!("{rule}; `omnigate plugin inspect` shows the settings of {id}");
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = members(schema, error.schema_path().as_str());
            let unknown = |name: &String| (format!(".{name}"), format!("unknown key; {}", suggestion(name, &known)));
            unexpected.iter().map(unknown).collect()
        }
        ValidationErrorKind::Required { property } => {
            vec![(format!(".{}", property.as_str().unwrap_or_default()), hinted("is required".to_owned()))]
        }
        ValidationErrorKind::AnyOf { .. } => {
            vec![(String::new(), hinted(one_of(schema, error.schema_path().as_str())))]
        }
        ValidationErrorKind::OneOfNotValid { .. } => {
            let described = description(schema, error.schema_path().as_str()).map(|text| format!(": {text}"));
            let rule = format!(
                "{} fits none of the forms that are possible{}",
                error.instance(),
                described.unwrap_or_default()
            );
            vec![(String::new(), hinted(rule.trim_end_matches('.').to_owned()))]
        }
        _ => vec![(String::new(), hinted(error.to_string()))],
    }
}

/// What the schema says of the place that a rule is for.
fn description<'a>(schema: &'a Value, rule: &str) -> Option<&'a str> {
    let place = rule.rsplit_once('/').map_or("", |(place, _)| place);
    schema.pointer(place)?.get("description")?.as_str()
}

/// What an object may have, by the place of the rule that it has nothing else.
fn members<'a>(schema: &'a Value, rule: &str) -> Vec<&'a str> {
    let object = rule.rsplit_once('/').map_or("", |(object, _)| object);
    let members = schema.pointer(&format!("{object}/properties")).and_then(Value::as_object);
    members.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

/// Alternatives are mostly members of which one must be there.
fn one_of(schema: &Value, rule: &str) -> String {
    let alternatives = schema.pointer(rule).and_then(Value::as_array).into_iter().flatten();
    let wanted = alternatives.map(|one| {
        let names = one.get("required")?.as_array()?.iter();
        names.map(Value::as_str).collect::<Option<Vec<_>>>().map(|names| names.join(" and "))
    });
    match wanted.collect::<Option<Vec<String>>>() {
        Some(wanted) if !wanted.is_empty() => format!("must have {}", wanted.join(" or ")),
        _ => "fits none of the forms that are possible".to_owned(),
    }
}

/// A JSON pointer as the configuration's other places are written.
fn below(pointer: &str) -> String {
    let segment = |segment: &str| match segment.parse::<usize>() {
        Ok(index) => format!("[{index}]"),
        Err(_) => format!(".{segment}"),
    };
    pointer.split('/').skip(1).map(segment).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(settings: &Value) -> Vec<String> {
        let manifest = json!({
            "id": "parrot", "version": "1", "contract": "channel@1", "name": "Parrot", "medium": "sms",
            "settings": {
                "type": "object", "additionalProperties": false, "required": ["account"],
                "anyOf": [{ "required": ["from"] }, { "required": ["pool", "region"] }],
                "properties": {
                    "after": { "description": "Keep it, or where to move it.", "oneOf": [{ "const": "keep" }, { "type": "object" }] },
                    "account": { "type": "string" }, "from": { "type": "string" }, "pool": {}, "region": {},
                    "rules": { "type": "array", "items": {
                        "type": "object", "additionalProperties": false, "properties": { "words": { "type": "array" } },
                    } },
                },
            },
        });
        let manifest: Manifest = serde_json::from_value(manifest).unwrap();
        let problems = check("channels.a.settings", &manifest, settings.as_object().unwrap());
        let hint = "; `omnigate plugin inspect` shows the settings of parrot";
        let mut told: Vec<_> = problems.iter().map(|problem| problem.to_string().replace(hint, "")).collect();
        told.sort();
        told
    }

    #[test]
    fn each_problem_names_its_place_its_rule_and_a_way_out() {
        assert_eq!(
            told(&json!({ "acount": "x", "account": 5 })),
            [
                "channels.a.settings.account: 5 is not of type \"string\"",
                "channels.a.settings.acount: unknown key; did you mean \"account\"?",
                "channels.a.settings: must have from or pool and region",
            ]
        );
        assert_eq!(
            told(&json!({ "from": "x", "rules": [{}, { "word": [] }] })),
            [
                "channels.a.settings.account: is required",
                "channels.a.settings.rules[1].word: unknown key; did you mean \"words\"?",
            ]
        );
        assert_eq!(
            told(&json!({ "account": "x", "from": "y", "after": "burn" })),
            [
                "channels.a.settings.after: \"burn\" fits none of the forms that are possible: Keep it, or where to move it"
            ]
        );
        assert!(told(&json!({ "account": "x", "from": "y" })).is_empty());
    }
}
