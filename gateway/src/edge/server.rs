use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
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

use super::Problem;
use crate::config;

/// Header fields of a request; more get 431.
const HEADERS_MAX: usize = 100;
/// Bytes of a request's head.
const HEAD_MAX: usize = 64 << 10;

/// A socket that takes connections, and the connections that it took. Both outlive a generation of the gateway: while one
/// configuration follows another, connections stay open and requests on them wait.
pub struct Listening {
    listener: TcpListener,
    pub address: SocketAddr,
    /// Who answers; nobody between two generations.
    answering: watch::Sender<Option<Generation>>,
    connections: TaskTracker,
    /// A connection has ended.
    ended: Notify,
    /// No generation follows.
    last: CancellationToken,
}

/// What answers requests until the configuration changes.
#[derive(Clone)]
struct Generation {
    router: Router,
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
        let (answering, connections) = (watch::Sender::new(None), TaskTracker::new());
        Ok(Arc::new(Self {
            listener,
            address,
            answering,
            connections,
            ended: Notify::new(),
            last: CancellationToken::new(),
        }))
    }

    /// No generation follows the present one: connections end with the request that they carry.
    pub fn close(&self) {
        self.last.cancel();
    }

    async fn accept(self: &Arc<Self>, rules: &config::Server, stop: &CancellationToken) {
        loop {
            // What cannot be served waits in the kernel's queue and not in our memory.
            let accepted = async {
                while self.connections.len() >= rules.connections_max {
                    self.ended.notified().await;
                }
                self.listener.accept().await
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.hold(stream, rules.request_timeout),
                Err(error) => {
                    // Out of file descriptors, mostly: it passes when connections close.
                    tracing::error!(%error, "no connection can be taken");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn hold(self: &Arc<Self>, stream: TcpStream, timeout: Duration) {
        let (this, token) = (self.clone(), self.connections.token());
        tokio::spawn(async move {
            this.connection(stream, timeout).await;
            drop(token);
            this.ended.notify_one();
        });
    }

    async fn connection(self: &Arc<Self>, stream: TcpStream, timeout: Duration) {
        // Without it, small answers wait for the other side's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let this = self.clone();
        let service = service_fn(move |request| {
            let this = this.clone();
            async move { Ok::<_, Infallible>(this.answer(request).await) }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(timeout)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_MAX)
            .serve_connection(TokioIo::new(stream), service)
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
        let Some((router, token)) = self.generation().await else {
            return Problem::unavailable("the gateway ends", Duration::from_secs(5)).into_response();
        };
        let Ok(response) = router.oneshot(request.map(Body::new)).await;
        response.map(|body| Body::new(Held { body, _token: token }))
    }

    /// The present generation, or the next one; none if none follows.
    async fn generation(&self) -> Option<(Router, TaskTrackerToken)> {
        let mut answering = self.answering.subscribe();
        tokio::select! {
            biased;
            generation = answering.wait_for(Option::is_some) => {
                // The token is taken while the generation cannot change: it waits for this request, too.
                generation.ok()?.as_ref().map(|generation| (generation.router.clone(), generation.requests.token()))
            }
            () = self.last.cancelled() => None,
        }
    }
}

/// Serves until `stop`, then lets requests in hand end, at most for `server.drain_timeout`.
pub async fn serve(listening: &Arc<Listening>, rules: &config::Server, router: Router, stop: CancellationToken) {
    let generation = Generation { router, requests: TaskTracker::new() };
    listening.answering.send_replace(Some(generation.clone()));
    listening.accept(rules, &stop).await;
    listening.answering.send_replace(None);
    generation.requests.close();
    listening.connections.close();
    let drained = async {
        generation.requests.wait().await;
        if listening.last.is_cancelled() {
            listening.connections.wait().await;
        }
    };
    if tokio::time::timeout(rules.drain_timeout, drained).await.is_err() {
        tracing::warn!(open = generation.requests.len(), "requests are left behind: server.drain_timeout is over");
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
