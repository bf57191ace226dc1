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
    let (names, canonical) = canonical(request, &path(request.url, scope), &time);
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

/// Of all services S3 alone takes a path as it is: for the others it is encoded once more.
fn path(url: &Url, scope: &Scope) -> String {
    if scope.service == "s3" { url.path().to_owned() } else { utf8_percent_encode(url.path(), PATH).to_string() }
}

/// The names of the signed headers, and the request in one form.
fn canonical(request: &Signable<'_>, path: &str, time: &str) -> (String, String) {
    let mut fields = signed_headers(request.headers);
    fields.push(("host", request.url.authority()));
    fields.push(("x-amz-date", time));
    fields.sort_unstable();
    let names = fields.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = fields.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let text =
        format!("{}\n{path}\n{}\n{lines}\n{names}\n{}", request.method, query(request.url), sha256(request.body));
    (names, text)
}

/// Of the headers that the request has already.
fn signed_headers(headers: &HeaderMap) -> Vec<(&str, &str)> {
    let is_signed = |name: &str| name == header::CONTENT_TYPE.as_str() || name.starts_with("x-amz-");
    let fields = headers.iter().filter(|(name, _)| is_signed(name.as_str()));
    fields.filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?.trim()))).collect()
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

    /// From the examples of S3: `GET Bucket Lifecycle` and `GET Bucket (List Objects)`.
    #[test]
    fn headers_of_amazons_own_are_signed_with_the_rest() {
        for (query, signature) in [
            ("lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            ("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ] {
            let url = format!("https://examplebucket.s3.amazonaws.com/?{query}").parse().unwrap();
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-content-sha256", sha256(b"").parse().unwrap());
            let request = Signable { method: &Method::GET, url: &url, headers: &headers, body: b"" };
            let scope = Scope {
                access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
                region: "us-east-1".into(),
                service: "s3".into(),
            };
            let now = Time::from_ms(1_369_353_600_000);
            let (_, authorization) = sign(&request, &scope, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", now);
            assert_eq!(
                authorization,
                format!(
                    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                     SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}"
                )
            );
        }
    }

    #[test]
    fn s3_takes_a_path_as_it_is() {
        let url = "https://example.amazonaws.com/mail/a%20b".parse().unwrap();
        let path = |service: &str| {
            let scope = Scope { access_key_id: String::new(), region: String::new(), service: service.to_owned() };
            path(&url, &scope)
        };
        assert_eq!((path("s3").as_str(), path("ses").as_str()), ("/mail/a%20b", "/mail/a%2520b"));
    }
}
