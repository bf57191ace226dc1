use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt as _, Limited};
use hyper::Response;
use hyper::body::Incoming;
use serde_json::Value;
use url::Url;

use crate::config::{Config, Scope, Secret};
use crate::egress::{self, Egress, Reach, Request};

const TIMEOUT: Duration = Duration::from_secs(60);
const ANSWER_MAX: usize = 64 << 20;
const URL_VARIABLE: &str = "OMNIGATE_URL";
const KEY_VARIABLE: &str = "OMNIGATE_API_KEY";

/// Which gateway to ask, and with which key.
#[derive(Args)]
pub(super) struct Connect {
    /// Address of the gateway; else OMNIGATE_URL, else server.listen of the configuration
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// File with the API key; else OMNIGATE_API_KEY, else a key of the configuration that has the scope
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The configuration, for what is not given otherwise
    #[arg(long, default_value = "config.toml", value_name = "FILE")]
    config: PathBuf,
}

/// A gateway, by its API.
pub(super) struct Remote {
    egress: Egress,
    url: Url,
    authorization: HeaderValue,
}

/// Asked only where flags and environment do not say everything.
struct Configured<'a> {
    path: &'a Path,
    loaded: Option<Config>,
}

impl Configured<'_> {
    fn get(&mut self, wanted: &str) -> anyhow::Result<&Config> {
        if self.loaded.is_none() {
            let loaded = Config::load(self.path).map_err(|errors| anyhow::anyhow!("{errors}\n{wanted}"))?;
            self.loaded = Some(loaded.config);
        }
        self.loaded.as_ref().context("no configuration")
    }
}

impl Remote {
    /// `scope`: what the key must allow.
    ///
    /// # Errors
    /// If there is no address or no key, and where to put one.
    pub(super) fn of(connect: &Connect, scope: Scope) -> anyhow::Result<Self> {
        let mut configured = Configured { path: &connect.config, loaded: None };
        let url = url(connect, &mut configured)?;
        let key = key(connect, &mut configured, scope)?;
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .context("the key has characters that no header holds")?;
        authorization.set_sensitive(true);
        Ok(Self { egress: Egress::new(), url, authorization })
    }

    /// A call that must succeed; null where the answer has no body.
    ///
    /// # Errors
    /// With the sentence of the gateway, or why there is none.
    pub(super) async fn call(&self, method: Method, path: &str) -> anyhow::Result<Value> {
        let called = async {
            let response = self.open(method, path, HeaderMap::new()).await?;
            let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!("the answer breaks off: {error}"))?.to_bytes();
            Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? })
        };
        tokio::time::timeout(TIMEOUT, called)
            .await
            .with_context(|| format!("{}: no answer within {TIMEOUT:?}", self.url))?
    }

    /// The same, whose body the caller reads.
    ///
    /// # Errors
    /// As [`Remote::call`].
    pub(super) async fn open(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
    ) -> anyhow::Result<Response<Incoming>> {
        let url = self.url.join(path).with_context(|| format!("{path} is no path"))?;
        let mut request = Request { method, url, headers, body: Bytes::new() };
        request.headers.insert(header::AUTHORIZATION, self.authorization.clone());
        request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let response = self.egress.exchange(request, Reach::Granted).await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(refused(response).await) }
    }

    fn unreachable(&self, error: &egress::Error) -> anyhow::Error {
        anyhow::anyhow!("{}: {error}: is the gateway running? --url or {URL_VARIABLE} names another one", self.url)
    }
}

/// What the gateway says of it (RFC 9457), without what a terminal would obey.
async fn refused(response: Response<Incoming>) -> anyhow::Error {
    let status = response.status();
    let body =
        Limited::new(response.into_body(), 1 << 20).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let detail = super::plain(problem["detail"].as_str().unwrap_or("it is no gateway, or something stands before it"));
    match status {
        StatusCode::UNAUTHORIZED => anyhow::anyhow!("{detail}: --key-file or {KEY_VARIABLE} gives another key"),
        status => anyhow::anyhow!("{detail} ({})", status.as_u16()),
    }
}

fn url(connect: &Connect, configured: &mut Configured<'_>) -> anyhow::Result<Url> {
    let typed = connect.url.clone().map(Ok).or_else(|| {
        let text = std::env::var(URL_VARIABLE).ok()?;
        Some(text.parse().with_context(|| format!("{URL_VARIABLE} = {text:?}: is no address")))
    });
    match typed {
        Some(url) => checked(url?),
        None => listening(configured),
    }
}

fn checked(mut url: Url) -> anyhow::Result<Url> {
    if !matches!(url.scheme(), "http" | "https") {
        bail!("{url}: must begin with http:// or https://");
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// As seen from this machine.
fn listening(configured: &mut Configured<'_>) -> anyhow::Result<Url> {
    let wanted = format!("no address: name it with --url or {URL_VARIABLE}");
    let mut listen = configured.get(&wanted)?.server.listen;
    if listen.port() == 0 {
        bail!("server.listen has no fixed port: name the address with --url or {URL_VARIABLE}");
    }
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen.ip() {
            IpAddr::V4(_) => IpAddr::from([127, 0, 0, 1]),
            IpAddr::V6(_) => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        });
    }
    Ok(format!("http://{listen}/").parse()?)
}

fn key(connect: &Connect, configured: &mut Configured<'_>, scope: Scope) -> anyhow::Result<Secret> {
    if let Some(file) = &connect.key_file {
        let text = std::fs::read_to_string(file).with_context(|| format!("{}: cannot be read", file.display()))?;
        return Ok(Secret::new(text.trim()));
    }
    if let Ok(key) = std::env::var(KEY_VARIABLE) {
        return Ok(Secret::new(&*key));
    }
    let wanted = format!("no API key: give one with --key-file or {KEY_VARIABLE}");
    let keys = &configured.get(&wanted)?.api_keys;
    let fits = |scopes: &std::collections::BTreeSet<Scope>| scopes.contains(&scope) || scopes.contains(&Scope::Admin);
    let found = keys.values().find(|key| fits(&key.scopes)).map(|key| key.key.clone());
    let name = if scope == Scope::Admin { "admin" } else { "messages" };
    found.with_context(|| {
        format!("no key of [api.keys] has the scope \"{name}\": give one with --key-file or {KEY_VARIABLE}")
    })
}

/// A header field by its lower-case name.
pub(super) fn with(name: &'static str, value: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
    Ok(headers)
}
