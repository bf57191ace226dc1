use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Version, header};
use axum::response::{IntoResponse as _, Response};
use hyper::Request;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower::ServiceExt as _;

use super::descriptors::connections_possible;
use super::patience::patience;
use super::reluctant::{Reading, Reluctant};
use super::{Edge, Problem, requests};
use crate::config;

/// Header fields of a request; more get 431.
const HEADERS_MAX: usize = 100;
/// Bytes of a request's head.
const HEAD_MAX: usize = 64 << 10;

/// A socket that takes connections, and the connections that it took. Both outlive a generation of the gateway: while one
/// configuration follows another, connections stay open and requests on them are answered.
pub struct Listening {
    listener: TcpListener,
    connections_possible: usize,
    pub address: SocketAddr,
    /// Who answers; nobody before the first generation.
    answering: watch::Sender<Present>,
    connections: TaskTracker,
    /// A connection has ended.
    ended: Notify,
    /// No generation follows.
    last: CancellationToken,
}

/// How long a connection is waited for.
#[derive(Clone, Copy)]
struct Waiting {
    /// Until a request's headers are there.
    headers: Duration,
    /// For whoever takes an answer: with a socket on a slow line nobody is worse off where there are many.
    reader: Reading,
}

type Present = Option<Arc<Generation>>;

/// What answers requests until the configuration changes.
struct Generation {
    edge: Arc<Edge>,
    router: Router,
    /// The one before it has not ended yet: it answers, and delivers nothing.
    follows: bool,
    /// Requests in hand, to the last byte of their answers.
    requests: TaskTracker,
}

impl Listening {
    /// Binds the address; port 0 takes a free one.
    ///
    /// # Errors
    /// If the address is taken or not ours.
    pub async fn on(address: SocketAddr) -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let listening = Arc::new(Self {
            listener,
            connections_possible: connections_possible(),
            address,
            answering: watch::Sender::new(None),
            connections: TaskTracker::new(),
            ended: Notify::new(),
            last: CancellationToken::new(),
        });
        tokio::spawn(listening.clone().accept());
        Ok(listening)
    }

    /// How many connections are taken at once, where the process may not open files for as many as are wanted.
    pub fn fewer_than(&self, wanted: usize) -> Option<usize> {
        (self.connections_possible < wanted).then_some(self.connections_possible)
    }

    /// From now on these answer, while the generation before them ends.
    pub fn follow(&self, edge: Arc<Edge>, router: Router) {
        let generation = Generation { edge, router, follows: true, requests: TaskTracker::new() };
        self.answering.send_replace(Some(Arc::new(generation)));
    }

    /// A generation that delivers too; what it has answered before, as a follower, stays in its count.
    fn begin(&self, edge: Arc<Edge>, router: Router) -> TaskTracker {
        let follower = self.answering.borrow().as_ref().filter(|present| present.follows).cloned();
        let requests = follower.map_or_else(TaskTracker::new, |follower| follower.requests.clone());
        let generation = Generation { edge, router, follows: false, requests: requests.clone() };
        self.answering.send_replace(Some(Arc::new(generation)));
        requests
    }

    /// No generation follows the present one: connections end with the request that they carry.
    pub fn close(&self) {
        self.last.cancel();
    }

    async fn accept(self: Arc<Self>) {
        loop {
            let accepted = tokio::select! {
                () = self.last.cancelled() => return,
                accepted = self.next() => accepted,
            };
            match accepted {
                Ok((stream, waiting)) => self.hold(stream, waiting),
                Err(error) => {
                    // Out of file descriptors, mostly: it passes when connections close.
                    tracing::error!(%error, "no connection can be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// The next connection. What cannot be served waits in the kernel's queue and not in our memory.
    async fn next(&self) -> std::io::Result<(TcpStream, Waiting)> {
        loop {
            let rules = self.rules().await;
            let (open, max) = (self.connections.len(), rules.connections_max.min(self.connections_possible));
            if open < max {
                let (stream, _) = self.listener.accept().await?;
                let headers = patience(rules.request_timeout, open, max);
                let reader = Reading { patience: rules.request_timeout, rate_min: rules.answer_rate_min };
                return Ok((stream, Waiting { headers, reader }));
            }
            self.ended.notified().await;
        }
    }

    async fn rules(&self) -> config::Server {
        let mut answering = self.answering.subscribe();
        let present = answering.wait_for(Option::is_some).await.ok();
        match present.and_then(|present| present.as_ref().map(|generation| generation.edge.rules.clone())) {
            Some(rules) => rules,
            // Whoever could tell lives as long as this does.
            None => std::future::pending().await,
        }
    }

    fn hold(self: &Arc<Self>, stream: TcpStream, waiting: Waiting) {
        let (this, token) = (self.clone(), self.connections.token());
        tokio::spawn(async move {
            this.connection(stream, waiting).await;
            drop(token);
            this.ended.notify_one();
        });
    }

    async fn connection(self: &Arc<Self>, stream: TcpStream, waiting: Waiting) {
        // Without it, small answers wait for the other side's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let this = self.clone();
        let service = service_fn(move |request| {
            let this = this.clone();
            async move { Ok::<_, Infallible>(this.answer(request).await) }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(waiting.headers)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_MAX)
            .serve_connection(TokioIo::new(Reluctant::new(stream, waiting.reader)), service)
            .with_upgrades();
        tokio::pin!(served);
        let ended = tokio::select! {
            ended = served.as_mut() => ended,
            () = self.last.cancelled() => {
                served.as_mut().graceful_shutdown();
                served.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended badly");
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response {
        if !names_one_host(&request) {
            return Problem::invalid("a request names its host once, in the header host").into_response();
        }
        let Some((generation, token)) = self.generation().await else {
            return Problem::unavailable("the gateway ends", Duration::from_secs(5)).into_response();
        };
        generation.answer(request).await.map(|body| Body::new(Held { body, _token: token }))
    }

    /// The present generation, once there is one, unless everything ends. The token is taken while it cannot change: it waits for
    /// this request, too.
    async fn generation(&self) -> Option<(Arc<Generation>, TaskTrackerToken)> {
        let taken = |present: &Present| present.as_ref().map(|present| (present.clone(), present.requests.token()));
        if let Some(taken) = taken(&self.answering.borrow()) {
            return Some(taken);
        }
        let mut changes = self.answering.subscribe();
        tokio::select! {
            biased;
            present = changes.wait_for(Option::is_some) => taken(&*present.ok()?),
            () = self.last.cancelled() => None,
        }
    }
}

impl Generation {
    /// Webhooks are what comes most, and pass by the router.
    async fn answer(&self, request: Request<Incoming>) -> Response {
        let request = request.map(Body::new);
        let channel = request.uri().path().strip_prefix(CHANNELS).map(first_segment).map(str::to_owned);
        if let Some(channel) = channel {
            return requests::answer(&self.edge, &channel, request).await;
        }
        let Ok(response) = self.router.clone().oneshot(request).await;
        response
    }
}

/// RFC 9112, section 3.2: whoever stands between may have gone by another one.
fn names_one_host(request: &Request<Incoming>) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    hosts == 1 || (hosts == 0 && request.version() < Version::HTTP_11)
}

fn first_segment(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

/// What follows is a channel's name, and perhaps a path of its own.
const CHANNELS: &str = "/channels/";

/// Serves until `stop`, then lets requests in hand end, at most for `server.drain_timeout`.
pub async fn serve(listening: &Listening, edge: Arc<Edge>, router: Router, stop: CancellationToken) {
    let drain_timeout = edge.rules.drain_timeout;
    let requests = listening.begin(edge, router);
    stop.cancelled().await;
    requests.close();
    listening.connections.close();
    let drained = async {
        requests.wait().await;
        if listening.last.is_cancelled() {
            listening.connections.wait().await;
        }
    };
    if tokio::time::timeout(drain_timeout, drained).await.is_err() {
        tracing::warn!(open = requests.len(), "requests are left behind: server.drain_timeout is over");
    }
}

/// A body that counts as a request in hand until it is sent.
struct Held {
    body: Body,
    _token: TaskTrackerToken,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
