//! Access tokens of OAuth 2: fetched when first needed, kept until shortly before their end, and fetched once however many ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use url::form_urlencoded;

use super::assertion;
use super::{Allowed, Egress, Limits, Reach, Received, Request};
use crate::config::{OAuth2, OAuthGrant, Secret};
use crate::interaction::Time;
use crate::store::{Batch, Key, Store, StoreError, Write};

const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), response: 64 << 10 };
/// Before its end a token is not used any more: it must last as long as what is done with it.
const MARGIN: Duration = Duration::from_secs(60);
/// RFC 6749 section 5.1: a server may leave out how long a token lasts.
const LIFETIME: Duration = Duration::from_secs(600);

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The server will not give one until somebody changes something.
    #[error("{0}")]
    Refused(String),
    /// It may later.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(format!("a token cannot be kept: {error}"))
    }
}

/// Tokens of all slots.
pub struct Tokens {
    egress: Arc<Egress>,
    store: Arc<dyn Store>,
    places: Mutex<HashMap<String, Arc<Place>>>,
}

/// Whoever fetches holds it; the others wait and take what he got.
type Place = tokio::sync::Mutex<Option<Token>>;

struct Token {
    value: Secret,
    /// Not used from then on.
    until: Instant,
}

/// RFC 6749 section 5.1.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<f64>,
    refresh_token: Option<String>,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Tokens {
    pub fn new(egress: Arc<Egress>, store: Arc<dyn Store>) -> Self {
        Self { egress, store, places: Mutex::default() }
    }

    /// A token that will last for a while.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn token(&self, source: &OAuth2) -> Result<Secret, TokenError> {
        let id = id(source);
        let place = self.place(&id);
        let mut held = place.lock().await;
        if let Some(token) = held.as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.value.clone());
        }
        let token = self.fetch(source, &id).await?;
        let value = token.value.clone();
        *held = Some(token);
        Ok(value)
    }

    /// Somebody did not take this token: the next one is fetched anew.
    pub fn forget(&self, source: &OAuth2, refused: &Secret) {
        let place = self.place(&id(source));
        // Whoever holds the place is about to put a new token there.
        if let Ok(mut held) = place.try_lock()
            && held.as_ref().is_some_and(|token| token.value == *refused)
        {
            *held = None;
        }
    }

    fn place(&self, id: &str) -> Arc<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.entry(id.to_owned()).or_default().clone()
    }

    async fn fetch(&self, source: &OAuth2, id: &str) -> Result<Token, TokenError> {
        let rotated = self.rotated(id).await?;
        let asked = Instant::now();
        let request = request(source, rotated.as_ref())?;
        let received = self.egress.send(request, |_| Ok(Allowed(Reach::Granted)), LIMITS).await;
        let received =
            received.map_err(|error| TokenError::Unavailable(format!("no token could be fetched: {error}")))?;
        let granted = granted(&received)?;
        if let Some(next) = granted.refresh_token.filter(|_| matches!(source.grant, OAuthGrant::RefreshToken(_))) {
            self.keep(id, next).await?;
        }
        // What a server says in a float may be anything.
        let lifetime = granted.expires_in.map_or(LIFETIME, |s| Duration::from_secs(s.clamp(0.0, 86_400.0) as u64));
        let until = asked + lifetime.saturating_sub(MARGIN.min(lifetime / 2));
        Ok(Token { value: Secret::new(granted.access_token), until })
    }

    /// Servers may give a new refresh token with every token; the configured one is worth nothing then.
    async fn rotated(&self, id: &str) -> Result<Option<Secret>, TokenError> {
        let entry = self.store.get(&key(id)).await?;
        Ok(entry.and_then(|entry| String::from_utf8(entry.value.to_vec()).ok()).map(Secret::new))
    }

    async fn keep(&self, id: &str, token: String) -> Result<(), TokenError> {
        let writes = vec![Write::put(key(id), token)];
        Ok(self.store.commit(Batch { writes, ..Batch::default() }).await.map(drop)?)
    }
}

fn key(id: &str) -> Key {
    Key::of(&["oauth", id])
}

/// Of everything that was configured: whoever changes it begins anew.
fn id(source: &OAuth2) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut update = |bytes: &[u8]| {
        context.update(&(bytes.len() as u64).to_be_bytes());
        context.update(bytes);
    };
    for (_, value) in lasting(source, None) {
        update(value.as_bytes());
    }
    if let OAuthGrant::JwtBearer(assertion) = &source.grant {
        [&assertion.issuer, &assertion.subject, &assertion.audience]
            .into_iter()
            .for_each(|text| update(text.as_bytes()));
        update(assertion.key.fingerprint());
    }
    context.update(source.token_url.as_str().as_bytes());
    hex::encode(context.finish())
}

/// What is the same in every request of a source.
fn lasting<'a>(source: &'a OAuth2, rotated: Option<&'a Secret>) -> Vec<(&'static str, &'a str)> {
    let mut form: Vec<_> = source.client_id.iter().map(|id| ("client_id", id.as_str())).collect();
    match &source.grant {
        OAuthGrant::ClientCredentials => form.push(("grant_type", "client_credentials")),
        OAuthGrant::RefreshToken(token) => {
            form.push(("grant_type", "refresh_token"));
            form.push(("refresh_token", rotated.unwrap_or(token).expose()));
        }
        OAuthGrant::JwtBearer(_) => form.push(("grant_type", assertion::GRANT_TYPE)),
    }
    form.extend(source.client_secret.as_ref().map(|secret| ("client_secret", secret.expose())));
    form.extend(source.scope.as_deref().map(|scope| ("scope", scope)));
    form
}

fn request(source: &OAuth2, rotated: Option<&Secret>) -> Result<Request, TokenError> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(lasting(source, rotated));
    if let OAuthGrant::JwtBearer(claims) = &source.grant {
        let signed = assertion::signed(claims, Time::now());
        let signed = signed.ok_or_else(|| TokenError::Unavailable("the assertion cannot be signed".into()))?;
        form.append_pair("assertion", &signed);
    }
    let body = form.finish();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Ok(Request { method: Method::POST, url: source.token_url.clone(), headers, body: body.into() })
}

fn granted(received: &Received) -> Result<Granted, TokenError> {
    if received.status.is_success() {
        return serde_json::from_slice(&received.body)
            .map_err(|_| TokenError::Unavailable("the token server's answer holds no token".into()));
    }
    let status = received.status.as_u16();
    let word = serde_json::from_slice::<Refusal>(&received.body).ok().map(|refusal| refusal.error);
    let word = word.filter(|word| word.len() <= 64 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
    let why = format!("the token server answers {status} {}", word.unwrap_or_default());
    Err(if matches!(status, 400 | 401 | 403) { TokenError::Refused(why) } else { TokenError::Unavailable(why) })
}
