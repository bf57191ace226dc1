//! Request bodies: what is wrong with one is told by line and column, or by path.

use std::fmt;
use std::marker::PhantomData;

use axum::http::StatusCode;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::error::Category;

use crate::edge::Problem;

/// Longest piece of a caller's own words in an answer.
const ECHO_MAX: usize = 200;

/// Reads a body. Nesting is bounded by serde_json: 128 levels.
///
/// # Errors
/// 400 for what is no JSON, 422 for what is not the JSON that is wanted.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let Object(value) = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        problem(error.inner(), &path)
    })?;
    json.end().map_err(|error| problem(&error, "."))?;
    Ok(value)
}

/// A JSON object: serde would take a list of the fields in their order, too.
#[derive(Debug, Default)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

fn problem(error: &serde_json::Error, path: &str) -> Problem {
    let (line, column) = (error.line(), error.column());
    let text = without_place(&error.to_string());
    match error.classify() {
        Category::Data if path == "." => unprocessable(shortened(&text), "/"),
        Category::Data => unprocessable(format!("{}: {}", shortened(path), shortened(&text)), &shortened(path)),
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::invalid(format!("the body is not JSON: {} at line {line} column {column}", shortened(&text)))
                .with("line", line)
                .with("column", column)
        }
    }
}

/// 422 with the place in the body.
pub(super) fn unprocessable(detail: impl Into<String>, path: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).with("path", path)
}

/// A text that is kept with a decision.
///
/// # Errors
/// 422 if it is empty or too long.
pub(super) fn check_text(name: &str, text: Option<&str>, max: usize) -> Result<(), Problem> {
    if text.is_none_or(|text| (1..=max).contains(&text.chars().count())) {
        return Ok(());
    }
    Err(unprocessable(format!("{name}: must have 1 to {max} characters"), name))
}

fn without_place(text: &str) -> String {
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    without_value(text)
}

/// serde repeats a string that it did not expect; what people write to each other does not belong into an error.
fn without_value(text: &str) -> String {
    let Some((before, rest)) = text.split_once("string \"") else { return text.to_owned() };
    match rest.rsplit_once("\", expected") {
        Some((_, expected)) => format!("{before}a string, expected{expected}"),
        None => text.to_owned(),
    }
}

/// Cut where somebody sent a book for a name.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(ECHO_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        name: String,
        #[serde(default)]
        inner: Vec<Inner>,
        #[serde(default)]
        any: serde_json::Value,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        on: bool,
    }

    fn told(body: &str) -> (u16, String) {
        let problem = parse::<Wanted>(body.as_bytes()).unwrap_err();
        (problem.status().as_u16(), problem.detail().to_owned())
    }

    #[test]
    fn what_fits_is_read() {
        let Wanted { name, inner, any } = parse(br#"{"name":"a","inner":[{"on":true}],"any":[1]}"#).unwrap();
        assert_eq!((name.as_str(), inner[0].on, any), ("a", true, serde_json::json!([1])));
    }

    #[test]
    fn broken_json_is_told_by_line_and_column() {
        assert_eq!(
            told("{\n  \"name\": oops}"),
            (400, "the body is not JSON: expected value at line 2 column 11".into())
        );
        assert_eq!(told("").0, 400);
        assert_eq!(told("{\"name\":\"a\"} x").0, 400);
        assert_eq!(told(&format!("{{\"name\":\"a\",\"any\":{}", "[".repeat(10_000))).0, 400);
    }

    #[test]
    fn unknown_fields_are_told_by_path_with_the_known_ones() {
        let (status, detail) = told(r#"{"nmae":"a"}"#);
        assert_eq!(
            (status, detail.as_str()),
            (422, "nmae: unknown field `nmae`, expected one of `name`, `inner`, `any`")
        );
        assert_eq!(
            told(r#"{"name":"a","inner":[{"on":true},{"off":1}]}"#).1,
            "inner[1].off: unknown field `off`, expected `on`"
        );
    }

    #[test]
    fn a_list_is_no_object() {
        assert_eq!(told(r#" ["a"]"#), (422, "invalid type: sequence, expected an object".into()));
        assert_eq!(told("true"), (422, "invalid type: boolean `true`, expected an object".into()));
    }

    #[test]
    fn values_are_not_repeated() {
        let (_, detail) = told(r#"{"name":"a","inner":[{"on":"my \"secret\", expected words"}]}"#);
        assert_eq!(detail, "inner[0].on: invalid type: a string, expected a boolean");
        assert!(told(&format!("{{\"{}\":1}}", "x".repeat(100_000))).1.len() < 1000);
    }
}
