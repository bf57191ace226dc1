use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

use super::aws::{self, Scope};
use super::echo;
use super::secrets::{SecretError, secret};
use crate::egress::{self, Allowed, Received, TokenError};
use crate::interaction::Time;
use crate::plugin::state::CallState;

const HEADERS_MAX: usize = 64;
const URL_MAX: usize = 8 << 10;

/// Everything that has a meaning inside a path or query; a token's colon stays.
pub(super) const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// No CONNECT, which would open a tunnel, and no TRACE, which would show the guest its credentials.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Headers that say who asks: they come from slots.
const CREDENTIALS: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Headers that say where a request goes and where it ends: they are the client's, whatever they are filled with.
const FRAMING: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A request in a guest's words, credentials by name.
#[derive(Clone, Debug)]
pub(in crate::plugin) struct GuestRequest {
    pub(in crate::plugin) method: String,
    pub(in crate::plugin) url: String,
    pub(in crate::plugin) headers: Vec<(String, String)>,
    pub(in crate::plugin) body: Option<Vec<u8>>,
    pub(in crate::plugin) credentials: Vec<Credential>,
    pub(in crate::plugin) timeout: Option<Duration>,
}

#[derive(Clone, Debug)]
pub(in crate::plugin) enum Credential {
    Bearer(String),
    Header { name: String, prefix: String, slot: String },
    Query { name: String, prefix: String, slot: String },
    Basic { user: String, slot: String },
    Aws { scope: Scope, slot: String },
    Path(String),
}

impl Credential {
    fn slot(&self) -> &str {
        match self {
            Self::Bearer(slot) | Self::Path(slot) => slot,
            Self::Header { slot, .. }
            | Self::Query { slot, .. }
            | Self::Basic { slot, .. }
            | Self::Aws { slot, .. } => slot,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plugin) enum HttpError {
    BudgetSpent,
    /// There is no token for a slot of OAuth 2, and there will be none.
    Credentials(String),
    Egress(egress::Error),
}

/// Sends a guest's request; bounded by the call's wall time. A token that the provider takes no longer is fetched anew, once:
/// not every server says how long its tokens last, and what was refused was not done.
pub(in crate::plugin) async fn send(state: &mut CallState, request: GuestRequest) -> Result<Received, HttpError> {
    let again = names_tokens(state, &request).then(|| request.clone());
    let received = send_once(state, request).await?;
    match again {
        Some(request) if received.status == StatusCode::UNAUTHORIZED => send_once(state, request).await,
        _ => Ok(received),
    }
}

fn names_tokens(state: &CallState, request: &GuestRequest) -> bool {
    request.credentials.iter().any(|credential| state.binding.oauth.contains_key(credential.slot()))
}

async fn send_once(state: &mut CallState, request: GuestRequest) -> Result<Received, HttpError> {
    state.http_left = state.http_left.checked_sub(1).ok_or(HttpError::BudgetSpent)?;
    if let Some(pace) = state.binding.pace.clone() {
        pace.turn().await;
    }
    // The guest must have time left to say what a missing answer means.
    let left = state.time_left() * 9 / 10;
    let timeout = request.timeout.map_or(left, |timeout| timeout.min(left));
    let wanted = fetch_tokens(state, &request).await?;
    let secrets = echo::Silenced::of(state, request.credentials.iter().map(Credential::slot));
    let ready = prepare(state, request).map_err(|why| HttpError::Egress(egress::Error::Denied(why)))?;
    let limits = egress::Limits { timeout, response: state.binding.limits.http_response };
    let hosts = &state.binding.hosts;
    let received = state.shared.egress.send(ready, |url| Allowed::by(hosts, url), limits).await;
    let received = received.map_err(HttpError::Egress)?;
    if received.status == StatusCode::UNAUTHORIZED {
        forget_tokens(state, &wanted);
    }
    Ok(echo::silenced(received, &secrets))
}

/// Before anything of the request is put together. Tells the slots of OAuth 2 that it names.
pub(in crate::plugin) async fn fetch_tokens(
    state: &mut CallState,
    request: &GuestRequest,
) -> Result<Vec<String>, HttpError> {
    let slots: Vec<String> = request.credentials.iter().map(|credential| credential.slot().to_owned()).collect();
    let wanted: Vec<String> = slots.into_iter().filter(|slot| state.binding.oauth.contains_key(slot)).collect();
    for slot in &wanted {
        if let Some(source) = state.binding.oauth.get(slot).cloned() {
            let token = state.shared.services.token(&source).await.map_err(missing_token)?;
            state.tokens.insert(slot.clone(), token);
        }
    }
    Ok(wanted)
}

fn missing_token(error: TokenError) -> HttpError {
    match error {
        TokenError::Refused(why) => HttpError::Credentials(why),
        // The provider's request did not leave.
        TokenError::Unavailable(_) => HttpError::Egress(egress::Error::Connect),
    }
}

fn forget_tokens(state: &CallState, slots: &[String]) {
    for slot in slots {
        if let (Some(source), Some(token)) = (state.binding.oauth.get(slot), state.tokens.get(slot)) {
            state.shared.services.forget_token(source, token);
        }
    }
}

/// Puts the credentials in. Every rule is checked before a secret is touched.
pub(in crate::plugin) fn prepare(state: &CallState, request: GuestRequest) -> Result<egress::Request, String> {
    let template = checked_url(&request.url)?;
    Allowed::by(&state.binding.hosts, &template)?;
    for credential in &request.credentials {
        check_audience(state, credential.slot(), &template)?;
    }
    let method = checked_method(&request.method)?;
    let mut headers = guest_headers(&request.headers)?;
    let mut url = request.url;
    // Into the path first: what is put into the query writes the address anew, and its braces with it.
    let (paths, others): (Vec<_>, Vec<_>) =
        request.credentials.iter().partition(|credential| matches!(credential, Credential::Path(_)));
    for credential in paths.into_iter().chain(others) {
        inject(state, credential, &mut url, &mut headers)?;
    }
    let url = checked_url(&url)?;
    if url.origin() != template.origin() {
        return Err("a credential must not change the host".into());
    }
    let body = request.body.unwrap_or_default();
    for credential in &request.credentials {
        if let Credential::Aws { scope, slot } = credential {
            let secret = secret(state, slot).map_err(|error| slot_problem(slot, error))?.expose();
            let signable = aws::Signable { method: &method, url: &url, headers: &headers, body: &body };
            let (time, authorization) = aws::sign(&signable, scope, secret, state.clock.unwrap_or_else(Time::now));
            insert(&mut headers, HeaderName::from_static("x-amz-date"), &time, slot)?;
            insert(&mut headers, header::AUTHORIZATION, &authorization, slot)?;
        }
    }
    Ok(egress::Request { method, url, headers, body: body.into() })
}

fn checked_method(text: &str) -> Result<Method, String> {
    let known = METHODS.into_iter().find(|method| method.as_str() == text);
    known.ok_or_else(|| "the method must be GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS".into())
}

fn checked_url(text: &str) -> Result<Url, String> {
    if text.len() > URL_MAX {
        return Err(format!("the address is longer than {URL_MAX} bytes"));
    }
    let url: Url = text.parse().map_err(|error| format!("the address is not valid: {error}"))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(format!("{other} is neither http nor https")),
    }
}

/// A slot is bound to hosts: that of another provider never gets it.
fn check_audience(state: &CallState, slot: &str, url: &Url) -> Result<(), String> {
    let hosts =
        state.binding.slots.get(slot).ok_or_else(|| format!("slot {slot:?} is not declared in the manifest"))?;
    if hosts.iter().any(|pattern| pattern.covers(url)) {
        return Ok(());
    }
    Err(format!("slot {slot} must not be sent to {}", url.host_str().unwrap_or_default()))
}

fn guest_headers(headers: &[(String, String)]) -> Result<HeaderMap, String> {
    if headers.len() > HEADERS_MAX {
        return Err(format!("more than {HEADERS_MAX} headers"));
    }
    let mut map = HeaderMap::new();
    map.insert(header::USER_AGENT, HeaderValue::from_static(concat!("omnigate/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header's name is not valid")?;
        if FRAMING.contains(&name) || CREDENTIALS.contains(&name) {
            return Err(format!("header {name} is the gateway's: use a credential"));
        }
        let value = HeaderValue::from_str(value).map_err(|_| format!("the value of header {name} is not valid"))?;
        map.append(name, value);
    }
    Ok(map)
}

fn inject(state: &CallState, credential: &Credential, url: &mut String, headers: &mut HeaderMap) -> Result<(), String> {
    let slot = credential.slot();
    let value = secret(state, slot).map_err(|error| slot_problem(slot, error))?.expose();
    match credential {
        Credential::Bearer(_) => insert(headers, header::AUTHORIZATION, &format!("Bearer {value}"), slot),
        Credential::Basic { user, .. } => insert(
            headers,
            header::AUTHORIZATION,
            &format!("Basic {}", STANDARD.encode(format!("{user}:{value}"))),
            slot,
        ),
        Credential::Header { name, prefix, .. } => {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header's name is not valid")?;
            if FRAMING.contains(&name) {
                return Err(format!("header {name} is the gateway's: no credential goes there"));
            }
            insert(headers, name, &format!("{prefix}{value}"), slot)
        }
        Credential::Query { name, prefix, .. } => {
            let mut parsed: Url = url.parse().map_err(|_| "the address is not valid")?;
            parsed.query_pairs_mut().append_pair(name, &format!("{prefix}{value}"));
            *url = parsed.into();
            Ok(())
        }
        // Signs what the others made of the request.
        Credential::Aws { .. } => Ok(()),
        Credential::Path(_) => {
            let place = format!("{{{slot}}}");
            if !url.contains(&place) {
                return Err(format!("the address has no place {place} for the slot"));
            }
            *url = url.replace(&place, &utf8_percent_encode(value, SEGMENT).to_string());
            Ok(())
        }
    }
}

/// Marked as sensitive: not shown by `Debug`, not carried over a redirect to another host.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str, slot: &str) -> Result<(), String> {
    let mut value = HeaderValue::from_str(value).map_err(|_| format!("the value of slot {slot} cannot be a header"))?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

fn slot_problem(slot: &str, error: SecretError) -> String {
    match error {
        SecretError::Undeclared => format!("slot {slot:?} is not declared in the manifest"),
        SecretError::Unset => format!("slot {slot} has no value: set it in the channel's secrets"),
        SecretError::WrongType => format!("slot {slot} holds no such key"),
    }
}
