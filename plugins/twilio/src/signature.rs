//! `X-Twilio-Signature`: HMAC-SHA1 over the address as called and the sorted parameters.
//! <https://www.twilio.com/docs/usage/webhooks/webhooks-security>

use omnigate_plugin::decode_base64;
use omnigate_plugin::prelude::*;
use omnigate_plugin::secrets::Algorithm;
use sha2::{Digest, Sha256};

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Refuses what this account did not sign, also a body that the signature does not cover. The address counts as it is, and
/// with its port added or taken away: Twilio does it either way.
pub(crate) fn check(request: &Request, fields: &Form) -> Result<(), Fault> {
    let signature = decode_base64(request.signature("x-twilio-signature")?)?;
    let parameters = parameters(request, fields)?;
    let signed = |address: &str| is_signed((address.to_owned() + &parameters).as_bytes(), &signature);
    if signed(&request.url)? || signed(&with_other_port(&request.url))? {
        return Ok(());
    }
    Err(Fault::unauthorized("the signature does not match the address and the parameters"))
}

/// By either token: while an account changes its token, requests come signed with the old and with the new one.
fn is_signed(text: &[u8], signature: &[u8]) -> Result<bool, Fault> {
    if secrets::is_signed("auth_token", Algorithm::HmacSha1, text, signature)? {
        return Ok(true);
    }
    const SECOND: &str = "secondary_auth_token";
    if secrets::is_set(SECOND) { secrets::is_signed(SECOND, Algorithm::HmacSha1, text, signature) } else { Ok(false) }
}

/// What follows the address in the signed text.
fn parameters(request: &Request, fields: &Form) -> Result<String, Fault> {
    if let Some(digest) = request.query().text("bodySHA256") {
        return check_digest(&request.body, digest).map(|()| String::new());
    }
    match request.content_type().as_str() {
        _ if request.body.is_empty() => Ok(String::new()),
        FORM => Ok(concatenated(fields)),
        _ => Err(Fault::unauthorized("the signature does not cover the body")),
    }
}

/// The digest is part of the signed address.
fn check_digest(body: &[u8], digest: &str) -> Result<(), Fault> {
    let same = hex::encode(Sha256::digest(body)).eq_ignore_ascii_case(digest);
    if same { Ok(()) } else { Err(Fault::unauthorized("the body does not match bodySHA256")) }
}

/// Names and values one after the other, by name in byte order; of repeated names each value once.
fn concatenated(form: &Form) -> String {
    let mut pairs: Vec<_> = form.pairs().collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.into_iter().flat_map(|(name, value)| [name, value]).collect()
}

/// Without a port if it has one, else with that of its scheme.
fn with_other_port(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let other = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host.to_owned(),
        _ => format!("{authority}:{}", if scheme == "http" { 80 } else { 443 }),
    };
    format!("{scheme}://{other}{tail}")
}

#[cfg(test)]
mod tests {
    use omnigate_plugin::Header;

    use super::*;

    fn request(query: &str, content_type: &str, body: &str) -> Request {
        Request {
            method: "POST".into(),
            path: "/".into(),
            query: query.into(),
            url: format!("https://gw.example/channels/sms?{query}"),
            headers: vec![Header { name: "Content-Type".into(), value: content_type.into() }],
            body: body.into(),
        }
    }

    #[test]
    fn parameters_are_sorted_and_each_value_counts_once() {
        let form = Form::parse(b"To=2&Body=a+b&From=1&Body=A&Body=A");
        assert_eq!(concatenated(&form), "BodyABodya bFrom1To2");
    }

    /// Made with another implementation of Twilio's rules.
    #[test]
    fn the_text_is_the_one_that_twilio_signs() {
        use ring::hmac;
        let signed = |text: &str, signature: &str| {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"0123456789abcdef0123456789abcdef");
            hmac::verify(&key, text.as_bytes(), &decode_base64(signature).unwrap()).is_ok()
        };
        let address = "https://gw.example/in/twilio?t=acme";
        let body = b"Body=Is+it+open%3F&NumMedia=0&MessageSid=SM00ab34&From=%2B15550100123&To=%2B15550100999";
        assert!(signed(&(address.to_owned() + &concatenated(&Form::parse(body))), "1dLiPDxTxOA51SSUk6n7tZi6lDM="));
        let digest = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
        let address = format!("https://gw.example/in/twilio?bodySHA256={digest}");
        assert!(signed(&address, "+Xkafv65F/sDERhDmOUL4Ugpp9c="));
    }

    #[test]
    fn ports_come_and_go() {
        assert_eq!(with_other_port("https://gw.example/in?a=b:c"), "https://gw.example:443/in?a=b:c");
        assert_eq!(with_other_port("https://gw.example:8443/in"), "https://gw.example/in");
        assert_eq!(with_other_port("http://[::1]/in"), "http://[::1]:80/in");
    }

    #[test]
    fn a_body_is_covered_or_refused() {
        let digest = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
        let fields = Form::parse(b"B=2&A=1");
        let json = |query: &str| parameters(&request(query, "application/json", r#"{"a":1}"#), &fields);
        assert_eq!(json(&format!("bodySHA256={digest}")), Ok(String::new()));
        assert!(json(&format!("bodySHA256={}", digest.replace('0', "1"))).is_err());
        assert!(json("").is_err());
        let form = request("t=acme", "application/x-www-form-urlencoded; charset=UTF-8", "B=2&A=1");
        assert_eq!(parameters(&form, &fields), Ok("A1B2".to_owned()));
    }
}
