use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use url::Url;

use super::resolver::{CheckedResolver, Lookup, PrivateAddress, Resolver, Unresolved};
use super::{Allowed, Reach};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REDIRECTS_MAX: usize = 5;

/// A request that is ready to leave, credentials included: header values that are secret are marked as sensitive.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Bounds of one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub timeout: Duration,
    /// Bytes kept of the answer's body.
    pub response: usize,
}

/// An answer, its body cut at the limit.
#[derive(Clone, Debug)]
pub struct Received {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub truncated: bool,
}

/// Why there is no answer. The first four: the request did not leave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not allowed: {0}")]
    Denied(String),
    #[error("the host's name cannot be resolved")]
    Dns,
    #[error("no connection")]
    Connect,
    #[error("no trusted connection")]
    Tls,
    /// It may have arrived.
    #[error("no answer in time")]
    Timeout,
    /// It may have arrived.
    #[error("the connection broke: {0}")]
    Protocol(String),
}

type Pool = Client<HttpsConnector<HttpConnector<CheckedResolver>>, Full<Bytes>>;

/// The client. Connections to public addresses and to granted ones are pooled apart, so that no connection to a private
/// address is ever reused by a request that must not reach one.
pub struct Egress {
    resolver: Arc<Resolver>,
    public: OnceLock<Pool>,
    granted: OnceLock<Pool>,
}

impl Egress {
    /// Connections and trust anchors are made when first needed.
    pub fn new() -> Self {
        Self::with(Resolver::system())
    }

    /// The same, asking `lookup` for addresses instead of the system.
    pub fn resolving_by(lookup: Arc<Lookup>) -> Self {
        Self::with(Resolver::by(lookup))
    }

    fn with(resolver: Resolver) -> Self {
        Self { resolver: Arc::new(resolver), public: OnceLock::new(), granted: OnceLock::new() }
    }

    /// Sends a request and reads the answer. Redirects of GET and HEAD are followed, each checked again; secret headers stay
    /// with the host that they were meant for.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send(
        &self,
        request: Request,
        check: impl Fn(&Url) -> Result<Allowed, String> + Send,
        limits: Limits,
    ) -> Result<Received, Error> {
        let exchange = async {
            let response = self.open(request, check).await?;
            collect(response, limits.response).await
        };
        tokio::time::timeout(limits.timeout, exchange).await.map_err(|_| Error::Timeout)?
    }

    /// The same, for a body that is streamed by the caller, who watches the time.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn open(
        &self,
        mut request: Request,
        check: impl Fn(&Url) -> Result<Allowed, String> + Send,
    ) -> Result<Response<Incoming>, Error> {
        for _ in 0..=REDIRECTS_MAX {
            let Allowed(reach) = check(&request.url).map_err(Error::Denied)?;
            let response = self.exchange(request.clone(), reach).await?;
            match redirected(&request, &response)? {
                Some(next) => request = next,
                None => return Ok(response),
            }
        }
        Err(Error::Denied(format!("more than {REDIRECTS_MAX} redirects")))
    }

    /// One exchange without redirects, for addresses that the operator typed.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn exchange(&self, request: Request, reach: Reach) -> Result<Response<Incoming>, Error> {
        let Request { method, url, headers, body } = request;
        let mut message = hyper::Request::new(Full::new(body));
        *message.method_mut() = method;
        *message.uri_mut() = url.as_str().parse().map_err(|_| Error::Denied("the address is not valid".into()))?;
        *message.headers_mut() = headers;
        self.pool(reach).request(message).await.map_err(|error| classify(&error))
    }

    fn pool(&self, reach: Reach) -> &Pool {
        let resolver = CheckedResolver { reach, resolver: self.resolver.clone() };
        match reach {
            Reach::Public => self.public.get_or_init(|| pool(resolver)),
            Reach::Granted => self.granted.get_or_init(|| pool(resolver)),
        }
    }
}

impl Default for Egress {
    fn default() -> Self {
        Self::new()
    }
}

/// Reads a body up to a limit; the rest is not read.
async fn collect(response: Response<Incoming>, limit: usize) -> Result<Received, Error> {
    let (parts, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    let mut truncated = false;
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| Error::Protocol(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        let room = limit - body.len();
        body.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            truncated = true;
            break;
        }
    }
    Ok(Received { status: parts.status, headers: parts.headers, body: body.freeze(), truncated })
}

/// The request that a redirect asks for. Only for methods that may be repeated: everything else gets the answer as it is.
fn redirected(request: &Request, response: &Response<Incoming>) -> Result<Option<Request>, Error> {
    let repeatable = matches!(request.method, Method::GET | Method::HEAD);
    let Some(location) = response.headers().get(header::LOCATION) else { return Ok(None) };
    if !repeatable || !matches!(response.status().as_u16(), 301..=303 | 307 | 308) {
        return Ok(None);
    }
    let target = location.to_str().ok().and_then(|location| request.url.join(location).ok());
    let url = target.ok_or_else(|| Error::Denied("a redirect to something that is no address".into()))?;
    let mut next = Request { url, ..request.clone() };
    if next.url.origin() != request.url.origin() {
        let secret: Vec<_> =
            next.headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()).collect();
        for name in secret {
            next.headers.remove(name);
        }
    }
    Ok(Some(next))
}

fn pool(resolver: CheckedResolver) -> Pool {
    let mut http = HttpConnector::new_with_resolver(resolver);
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config((*tls()).clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(32)
        .build(https)
}

/// The system's trust anchors; where there are none (a bare container), Mozilla's.
pub(crate) fn tls() -> Arc<rustls::ClientConfig> {
    static TLS: OnceLock<Arc<rustls::ClientConfig>> = OnceLock::new();
    TLS.get_or_init(|| Arc::new(trusting(trust_anchors()))).clone()
}

fn trust_anchors() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn trusting(roots: rustls::RootCertStore) -> rustls::ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap_or_else(|error| unreachable!("ring offers the default versions: {error}"))
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn classify(error: &hyper_util::client::legacy::Error) -> Error {
    if find::<PrivateAddress>(error).is_some() {
        return Error::Denied("the name leads to a private address, which is granted by host:port only".into());
    }
    if find::<Unresolved>(error).is_some() {
        return Error::Dns;
    }
    if !error.is_connect() {
        return Error::Protocol(innermost(error));
    }
    if find::<rustls::Error>(error).is_some() {
        return Error::Tls;
    }
    match find::<io::Error>(error) {
        Some(io) if io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => Error::Tls,
        _ => Error::Connect,
    }
}

fn chain<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

fn find<'a, T: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// The cause alone: outer errors repeat it, and may repeat an address.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}
