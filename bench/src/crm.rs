//! A CRM in this process, as far as the connector `hubspot` calls it: batches by unique key, and a limit that it counts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const KEY: &str = "omnigate_id";

/// How many calls it takes.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) calls: usize,
    /// In any window of this length.
    pub(crate) window: Duration,
}

/// The server; ends when dropped.
pub(crate) struct Crm {
    pub(crate) address: SocketAddr,
    book: Arc<Book>,
    task: JoinHandle<()>,
}

struct Book {
    limit: Limit,
    account: Mutex<Account>,
    written: watch::Sender<usize>,
}

#[derive(Default)]
struct Account {
    is_up: bool,
    recent: VecDeque<Instant>,
    figures: Figures,
    /// Ids by kind and key, and the key of each message.
    ids: HashMap<(String, String), String>,
    keys: HashMap<String, String>,
    /// The newest message of each contact: keys grow with time.
    newest: BTreeMap<String, String>,
}

/// What it counted while it was up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) calls: usize,
    /// Calls that wrote messages.
    pub(crate) writes: usize,
    /// Calls beyond the limit.
    pub(crate) refused: usize,
    /// The most calls in one window.
    pub(crate) busiest: usize,
    /// Messages that came before an older one of the same contact.
    pub(crate) out_of_order: usize,
    pub(crate) contacts: usize,
}

impl Crm {
    /// It is away at first.
    pub(crate) async fn start(limit: Limit) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let book = Arc::new(Book { limit, account: Mutex::default(), written: watch::Sender::new(0) });
        let task = tokio::spawn(serve(listener, book.clone()));
        Ok(Self { address, book, task })
    }

    /// It is there from now on.
    pub(crate) fn come_back(&self) {
        self.book.account().is_up = true;
    }

    /// Waits until so many messages were written and bound to their contacts.
    pub(crate) async fn wait_for(&self, messages: usize, patience: Duration) -> Result<()> {
        let mut written = self.book.written.subscribe();
        let all = tokio::time::timeout(patience, written.wait_for(|written| *written >= messages)).await;
        let missing = || format!("{} of {messages} messages were written", *self.book.written.borrow());
        all.with_context(missing)?.with_context(missing)?;
        ensure!(*self.book.written.borrow() == messages, "more messages were written than were sent");
        Ok(())
    }

    pub(crate) fn figures(&self) -> Figures {
        self.book.account().figures
    }
}

impl Drop for Crm {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, book: Arc<Book>) {
    while let Ok((stream, _)) = listener.accept().await {
        let book = book.clone();
        tokio::spawn(async move {
            // Answers to a client in the same machine: without it they wait for its delayed acknowledgement.
            let _ = stream.set_nodelay(true);
            let service = hyper::service::service_fn(|request| take(request, &book));
            // A client that goes away ends its connection; what it owes is found out by counting.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn take(request: Request<Incoming>, book: &Book) -> hyper::Result<Response<Full<Bytes>>> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let (status, answer) = book.answer(&path, &body);
    let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
    *response.status_mut() = status.try_into().unwrap_or_default();
    Ok(response)
}

impl Book {
    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, path: &str, body: &[u8]) -> (u16, Value) {
        let mut account = self.account();
        if !account.is_up {
            return (503, json!({"category": "UNAVAILABLE"}));
        }
        if account.is_beyond(self.limit, Instant::now()) {
            return (429, json!({"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}));
        }
        let answer = account.serve(path, &serde_json::from_slice(body).unwrap_or_default());
        self.written.send_replace(account.keys.len());
        answer
    }
}

impl Account {
    fn is_beyond(&mut self, limit: Limit, now: Instant) -> bool {
        while self.recent.front().is_some_and(|at| now.duration_since(*at) >= limit.window) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.figures.calls += 1;
        self.figures.busiest = self.figures.busiest.max(self.recent.len());
        let is_beyond = self.recent.len() > limit.calls;
        self.figures.refused += usize::from(is_beyond);
        is_beyond
    }

    fn serve(&mut self, path: &str, body: &Value) -> (u16, Value) {
        let inputs = body["inputs"].as_array().map_or(&[][..], Vec::as_slice);
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match segments[..] {
            ["crm", "objects", _, "contacts", "search"] => (200, json!({"results": []})),
            ["crm", "objects", _, kind, "batch", "read"] => (200, self.read(kind, inputs)),
            ["crm", "objects", _, kind, "batch", "upsert"] => (200, self.upsert(kind, inputs)),
            ["crm", "associations", _, _, "contacts", "batch", "associate", "default"] => (200, self.bind(inputs)),
            _ => (404, json!({"category": "NOT_FOUND"})),
        }
    }

    fn read(&self, kind: &str, inputs: &[Value]) -> Value {
        let found = |input: &Value| {
            let key = input["id"].as_str()?;
            let id = self.ids.get(&(kind.to_owned(), key.to_owned()))?;
            Some(json!({"id": id, "properties": {KEY: key}}))
        };
        json!({"results": inputs.iter().filter_map(found).collect::<Vec<_>>()})
    }

    fn upsert(&mut self, kind: &str, inputs: &[Value]) -> Value {
        self.figures.writes += usize::from(kind != "contacts");
        let mut results = Vec::with_capacity(inputs.len());
        for key in inputs.iter().filter_map(|input| input["id"].as_str()) {
            let next = (self.ids.len() + 1).to_string();
            let id = self.ids.entry((kind.to_owned(), key.to_owned())).or_insert(next).clone();
            if kind != "contacts" {
                self.keys.insert(id.clone(), key.to_owned());
            }
            results.push(json!({"id": id, "objectWriteTraceId": key, "properties": {}}));
        }
        self.figures.contacts = self.ids.len() - self.keys.len();
        json!({"results": results})
    }

    /// A message written again is as old as it was.
    fn bind(&mut self, inputs: &[Value]) -> Value {
        for input in inputs {
            let [from, to] = ["from", "to"].map(|end| input[end]["id"].as_str().unwrap_or_default());
            let Some(key) = self.keys.get(from) else { continue };
            let newest = self.newest.entry(to.to_owned()).or_default();
            self.figures.out_of_order += usize::from(key < newest);
            newest.clone_from(key);
        }
        json!({"results": []})
    }
}
