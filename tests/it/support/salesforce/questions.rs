//! SOQL and SOSL, as far as a connector asks.

use serde_json::{Map, Value, json};

use super::org::Org;
use super::{Object, Salesforce};

pub(super) fn answer(org: &Org, resource: &str, query: &str) -> (u16, Value) {
    let pair = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "q");
    let question = pair.map(|(_, value)| value.into_owned()).unwrap();
    match resource {
        "query" => select(org, &question, false),
        "queryAll" => select(org, &question, true),
        "search" => find(org, &question),
        other => (404, json!([{"errorCode": "NOT_FOUND", "message": other}])),
    }
}

/// `SELECT a,b FROM Object WHERE field IN ('x','y') ORDER BY ...`
fn select(org: &Org, question: &str, also_removed: bool) -> (u16, Value) {
    let Some((fields, object, field, values)) = parts(question) else {
        return (400, json!([{"errorCode": "MALFORMED_QUERY", "message": question}]));
    };
    let fits = |record: &&Object| {
        let value = if field == "Id" { record.id.as_str() } else { record.text(field) };
        record.kind == object && values.iter().any(|wanted| !value.is_empty() && wanted.eq_ignore_ascii_case(value))
    };
    let records: Vec<&Object> = match also_removed {
        true => org.records.iter().filter(fits).collect(),
        false => org.there().filter(fits).collect(),
    };
    let shown: Vec<Value> = records.into_iter().rev().map(|record| shown(record, &fields)).collect();
    (200, json!({"totalSize": shown.len(), "done": true, "records": shown}))
}

fn parts(question: &str) -> Option<(Vec<&str>, &str, &str, Vec<String>)> {
    let (fields, rest) = question.strip_prefix("SELECT ")?.split_once(" FROM ")?;
    let (object, rest) = rest.split_once(" WHERE ")?;
    let (field, rest) = rest.split_once(" IN (")?;
    let (values, order) = texts(rest)?;
    order
        .starts_with(") ORDER BY LastModifiedDate DESC LIMIT ")
        .then(|| (fields.split(',').collect(), object, field, values))
}

/// Quoted texts up to what is none.
fn texts(mut rest: &str) -> Option<(Vec<String>, &str)> {
    let mut texts = Vec::new();
    loop {
        let mut text = String::new();
        let mut signs = rest.strip_prefix('\'')?.chars();
        loop {
            match signs.next()? {
                '\\' => text.push(signs.next()?),
                '\'' => break,
                sign => text.push(sign),
            }
        }
        texts.push(text);
        match signs.as_str().strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((texts, signs.as_str())),
        }
    }
}

/// `FIND {a OR b} IN PHONE FIELDS RETURNING Contact(x,y ORDER BY ...)`: only what the index has.
fn find(org: &Org, question: &str) -> (u16, Value) {
    let inner =
        question.strip_prefix("FIND {").and_then(|rest| rest.split_once("} IN PHONE FIELDS RETURNING Contact("));
    let Some((terms, returning)) = inner else {
        return (400, json!([{"errorCode": "MALFORMED_SEARCH", "message": question}]));
    };
    let terms: Vec<&str> = terms.split(" OR ").collect();
    let fields: Vec<&str> = returning.split(' ').next().unwrap().split(',').collect();
    let has = |record: &&Object| {
        let digits = |name: &&str| record.text(name).chars().filter(char::is_ascii_digit).collect::<String>();
        let mut numbers = ["Phone", "MobilePhone", "HomePhone", "OtherPhone"].iter().map(digits);
        record.kind == "Contact" && numbers.any(|number| terms.contains(&number.as_str()))
    };
    let records = org.there().filter(|record| org.indexed.contains(&record.id)).filter(has);
    let shown: Vec<Value> = records.map(|record| shown(record, &fields)).collect();
    (200, json!({"searchRecords": shown}))
}

/// A field of a related record stands in a record of its own.
fn shown(record: &Object, fields: &[&str]) -> Value {
    let mut shown = Map::from_iter([("attributes".to_owned(), json!({"type": record.kind}))]);
    for field in fields {
        let value = match *field {
            "Id" => json!(record.id),
            "IsDeleted" => record.properties.get("IsDeleted").cloned().unwrap_or(json!(false)),
            name => record.properties.get(name).cloned().unwrap_or_default(),
        };
        match field.split_once('.') {
            Some((related, name)) => shown.insert(related.to_owned(), json!({name: value})),
            None => shown.insert((*field).to_owned(), value),
        };
    }
    assert!(fields.contains(&"Id"), "{} {fields:?}", Salesforce::KEY);
    Value::Object(shown)
}
