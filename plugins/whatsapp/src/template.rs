//! Templates: texts that Meta has approved, with places to fill in.

use omnigate_plugin::Template;
use omnigate_plugin::prelude::*;

/// The content of a message of type `template`.
///
/// # Errors
/// `rejected` if the parameters are none of the forms of [`components`].
pub(crate) fn content(template: &Template) -> Result<Value, Fault> {
    let mut content = json!({ "name": template.name, "language": { "code": template.language } });
    let parameters = serde_json::from_str(&template.parameters).map_err(|_| malformed())?;
    if let Some(components) = components(parameters)? {
        content["components"] = components;
    }
    Ok(content)
}

/// Three forms are taken: Meta's own `components`, as an array or under that key; an array of texts for the body,
/// `{{1}}` first; an object of texts for the body by name.
fn components(parameters: Value) -> Result<Option<Value>, Fault> {
    match parameters {
        Value::Null => Ok(None),
        Value::Array(all) if all.is_empty() => Ok(None),
        Value::Array(all) if all.iter().all(Value::is_object) => Ok(Some(Value::Array(all))),
        Value::Array(all) => body(all.iter().map(|value| Ok(json!({ "type": "text", "text": scalar(value)? })))),
        Value::Object(all) if all.is_empty() => Ok(None),
        Value::Object(mut all) if all.get("components").is_some_and(Value::is_array) => Ok(all.remove("components")),
        Value::Object(all) => body(
            all.iter()
                .map(|(name, value)| Ok(json!({ "type": "text", "parameter_name": name, "text": scalar(value)? }))),
        ),
        _ => Err(malformed()),
    }
}

fn body(parameters: impl Iterator<Item = Result<Value, Fault>>) -> Result<Option<Value>, Fault> {
    let parameters = parameters.collect::<Result<Vec<_>, _>>()?;
    Ok(Some(json!([{ "type": "body", "parameters": parameters }])))
}

fn scalar(value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(malformed()),
    }
}

fn malformed() -> Fault {
    Fault::rejected(ReasonCode::Rejected, "template parameters are an array or object of texts, or Meta's components")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parameters: &str) -> Value {
        let template = Template { name: "order".into(), language: "en_US".into(), parameters: parameters.into() };
        content(&template).unwrap()["components"].clone()
    }

    #[test]
    fn every_form_becomes_components() {
        assert_eq!(
            of(r#"["Ann",7]"#),
            json!([{"type":"body","parameters":[{"type":"text","text":"Ann"},{"type":"text","text":"7"}]}])
        );
        assert_eq!(
            of(r#"{"who":"Ann"}"#),
            json!([{"type":"body","parameters":[{"type":"text","parameter_name":"who","text":"Ann"}]}])
        );
        let own = json!([{"type":"header","parameters":[]}]);
        assert_eq!(of(&own.to_string()), own);
        assert_eq!(of(&json!({ "components": own }).to_string()), own);
        for empty in ["null", "[]", "{}"] {
            assert_eq!(of(empty), Value::Null, "{empty}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for bad in ["7", "[[1]]", "[\"a\",{}]", "{\"a\":{}}", "{"] {
            let template = Template { name: "t".into(), language: "en".into(), parameters: bad.into() };
            assert!(content(&template).is_err(), "{bad}");
        }
    }
}
