//! AWS Signature Version 4: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use axum::http::{HeaderMap, Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::{digest, hmac};
use url::Url;

use crate::interaction::Time;

/// RFC 3986 section 2.3: what is not reserved.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Who signs, and for what.
#[derive(Clone, Debug)]
pub(in crate::plugin) struct Scope {
    pub(in crate::plugin) access_key_id: String,
    pub(in crate::plugin) region: String,
    pub(in crate::plugin) service: String,
}

/// What is signed of a request.
pub(super) struct Signable<'a> {
    pub(super) method: &'a Method,
    pub(super) url: &'a Url,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

/// The values of `x-amz-date` and `authorization`.
pub(super) fn sign(request: &Signable<'_>, scope: &Scope, secret: &str, now: Time) -> (String, String) {
    let time = compact(now);
    let day = &time[..8];
    let (names, canonical) = canonical(request, &time);
    let place = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{place}\n{}", sha256(canonical.as_bytes()));
    let steps = [day, &scope.region, &scope.service, "aws4_request"];
    let key = steps.iter().fold(format!("AWS4{secret}").into_bytes(), |key, step| hmac_sha256(&key, step));
    let signature = hex::encode(hmac_sha256(&key, &text));
    let id = &scope.access_key_id;
    (time, format!("AWS4-HMAC-SHA256 Credential={id}/{place}, SignedHeaders={names}, Signature={signature}"))
}

/// `20260502T071504Z`
fn compact(now: Time) -> String {
    let whole = Time::from_ms(now.seconds() * 1000).to_string().replace(".000", "");
    whole.chars().filter(|c| !matches!(c, '-' | ':')).collect()
}

/// The names of the signed headers, and the request in one form.
fn canonical(request: &Signable<'_>, time: &str) -> (String, String) {
    let content_type = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let fields = [("content-type", content_type.map(str::trim)), ("host", Some(request.url.authority()))];
    let fields = fields.into_iter().chain([("x-amz-date", Some(time))]);
    let fields: Vec<(&str, &str)> = fields.filter_map(|(name, value)| Some((name, value?))).collect();
    let names = fields.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = fields.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let path = utf8_percent_encode(request.url.path(), PATH);
    let text =
        format!("{}\n{path}\n{}\n{lines}\n{names}\n{}", request.method, query(request.url), sha256(request.body));
    (names, text)
}

fn query(url: &Url) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let mut pairs: Vec<_> = url.query_pairs().map(|(name, value)| (encoded(&name), encoded(&value))).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn sha256(data: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, data))
}

fn hmac_sha256(key: &[u8], data: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Amazon's test suite for version 4: `get-vanilla-query-order-key-case`.
    #[test]
    fn the_signature_is_that_of_amazons_test_suite() {
        let url = "https://example.amazonaws.com/?Param2=value2&Param1=value1".parse().unwrap();
        let request = Signable { method: &Method::GET, url: &url, headers: &HeaderMap::new(), body: b"" };
        let scope =
            Scope { access_key_id: "AKIDEXAMPLE".into(), region: "us-east-1".into(), service: "service".into() };
        let now = Time::from_ms(1_440_938_160_000);
        let (time, authorization) = sign(&request, &scope, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", now);
        assert_eq!(time, "20150830T123600Z");
        assert_eq!(
            authorization,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
        );
    }

    #[test]
    fn body_and_content_type_are_signed() {
        let url = "https://example.amazonaws.com/".parse().unwrap();
        let scope = Scope { access_key_id: "A".into(), region: "r".into(), service: "s".into() };
        let signed = |content_type: &'static str, body: &[u8]| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, content_type.parse().unwrap())]);
            let request = Signable { method: &Method::POST, url: &url, headers: &headers, body };
            sign(&request, &scope, "key", Time::from_ms(0)).1
        };
        let base = signed("application/json", b"{}");
        assert!(base.contains("SignedHeaders=content-type;host;x-amz-date"));
        assert_ne!(base, signed("application/json", b"{ }"));
        assert_ne!(base, signed("text/plain", b"{}"));
    }
}
