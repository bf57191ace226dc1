use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use ring::hmac;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::wait_for;

/// What the backend does with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Take,
    Status(u16),
    /// A status with `Retry-After` in seconds.
    RetryAfter(u16, u32),
    /// Reads the request and closes the connection.
    Close,
    /// Answers 500, and closes the connection in the middle of the answer.
    CloseHalfway,
    /// Reads the request, and answers when [`Backend::release`] is called.
    Hang,
}

/// One attempt, in the order of arrival.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: String,
    pub kind: String,
    pub conversation: String,
    /// The plain text of a message, else nothing.
    pub text: String,
    /// How often this id had come before.
    pub repeated: usize,
    pub behaviour: Behaviour,
    pub at: Instant,
    pub headers: HeaderMap,
    pub event: Value,
}

type Body = BoxBody<Bytes, std::io::Error>;
type Rule = Box<dyn FnMut(&Delivery) -> Behaviour + Send>;

/// A contact-center program: checks every signature, keeps everything, behaves as it is told.
pub struct Backend {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

struct Shared {
    rule: Mutex<Rule>,
    deliveries: Mutex<Vec<Delivery>>,
    /// How often each id has come.
    seen: Mutex<HashMap<String, usize>>,
    news: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

impl Backend {
    pub const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    /// Takes everything.
    pub async fn start() -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap()).await
    }

    /// The same, on an address that another one has left.
    pub async fn start_on(address: SocketAddr) -> Self {
        Self::serve(TcpListener::bind(address).await.unwrap())
    }

    fn serve(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            rule: Mutex::new(Box::new(|_| Behaviour::Take)),
            deliveries: Mutex::default(),
            seen: Mutex::default(),
            news: watch::channel(0).0,
            released: watch::channel(false).0,
        });
        let server = tokio::spawn(serve(listener, shared.clone()));
        Self { address, shared, server }
    }

    pub fn url(&self) -> String {
        format!("http://{}/interactions", self.address)
    }

    /// From now on. Deliveries that hang go on hanging.
    pub fn behave(&self, rule: impl FnMut(&Delivery) -> Behaviour + Send + 'static) {
        *self.shared.rule.lock().unwrap() = Box::new(rule);
    }

    /// Answers 200 to whatever hangs, now and later.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// Every attempt so far.
    pub fn attempts(&self) -> Vec<Delivery> {
        self.shared.deliveries.lock().unwrap().clone()
    }

    /// Attempts that were answered with 200 at once.
    pub fn taken(&self) -> Vec<Delivery> {
        self.attempts().into_iter().filter(|delivery| delivery.behaviour == Behaviour::Take).collect()
    }

    /// Waits until `look` finds what it looks for in the attempts.
    pub async fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&[Delivery]) -> Option<T>) -> T {
        let mut news = self.shared.news.subscribe();
        wait_for(what, &mut news, || look(&self.shared.deliveries.lock().unwrap())).await
    }

    /// Waits for the first attempt with this text that is taken.
    pub async fn wait_for_text(&self, text: &str) -> Delivery {
        let is_it = |d: &&Delivery| d.text == text && d.behaviour == Behaviour::Take;
        self.wait_for(&format!("delivery of {text:?}"), |all| all.iter().find(is_it).cloned()).await
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let shared = shared.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(request, shared.clone()));
            // A connection that is cut is an error here, and what the test wants.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Result<Response<Body>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let behaviour = shared.record(parts.headers, &body);
    match behaviour {
        Behaviour::Close => return Err(closed()),
        Behaviour::Hang => {
            let mut released = shared.released.subscribe();
            released.wait_for(|released| *released).await.map_err(std::io::Error::other)?;
        }
        _ => {}
    }
    let mut response = Response::builder();
    response = match behaviour {
        Behaviour::Status(status) => response.status(status),
        Behaviour::RetryAfter(status, seconds) => response.status(status).header("retry-after", seconds),
        Behaviour::CloseHalfway => response.status(500).header("content-length", 100),
        _ => response.status(200),
    };
    Ok(response.body(body_of(behaviour)).unwrap())
}

fn body_of(behaviour: Behaviour) -> Body {
    match behaviour {
        Behaviour::CloseHalfway => {
            let half = [Ok(Frame::data(Bytes::from_static(b"half of it"))), Err(closed())];
            StreamBody::new(stream::iter(half)).boxed()
        }
        _ => Full::default().map_err(|never| match never {}).boxed(),
    }
}

fn closed() -> std::io::Error {
    std::io::Error::other("closed on purpose")
}

impl Shared {
    fn record(&self, headers: HeaderMap, body: &Bytes) -> Behaviour {
        check_signature(&headers, body);
        let mut deliveries = self.deliveries.lock().unwrap();
        let mut delivery = Delivery::read(headers, body);
        let mut seen = self.seen.lock().unwrap();
        let seen = seen.entry(delivery.id.clone()).or_default();
        delivery.repeated = *seen;
        *seen += 1;
        delivery.behaviour = self.rule.lock().unwrap()(&delivery);
        let behaviour = delivery.behaviour;
        deliveries.push(delivery);
        drop(deliveries);
        self.news.send_modify(|count| *count += 1);
        behaviour
    }
}

impl Delivery {
    fn read(headers: HeaderMap, body: &Bytes) -> Self {
        let event: Value = serde_json::from_slice(body).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        assert_eq!(headers["webhook-id"], text(&event["id"]), "the event's id is the webhook's");
        Self {
            id: text(&event["id"]),
            kind: text(&event["type"]),
            conversation: text(&event["subject"]),
            text: text(&event["data"]["message"]["text"]),
            repeated: 0,
            behaviour: Behaviour::Take,
            at: Instant::now(),
            headers,
            event,
        }
    }
}

/// Standard Webhooks 1.0.0, written down a second time so that the gateway's own code does not judge itself.
fn check_signature(headers: &HeaderMap, body: &[u8]) {
    let key = STANDARD.decode(Backend::SECRET.trim_start_matches("whsec_")).unwrap();
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let signed = [header("webhook-id").as_bytes(), header("webhook-timestamp").as_bytes(), body].join(&b'.');
    let signature = STANDARD.decode(header("webhook-signature").trim_start_matches("v1,")).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    assert!(hmac::verify(&key, &signed, &signature).is_ok(), "a delivery with a wrong signature");
}
