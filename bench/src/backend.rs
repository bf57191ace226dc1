//! A backend or provider in this process: answers 200 and remembers when which message came.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The message that a body speaks of.
type NumberOf = fn(&[u8]) -> Option<usize>;
/// What is answered to that message.
type AnswerTo = fn(usize) -> String;

/// Longest wait for what is under way.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server; ends when dropped.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    book: Arc<Book>,
    task: JoinHandle<()>,
}

struct Book {
    number_of: NumberOf,
    answer_to: AnswerTo,
    arrivals: Mutex<Vec<(usize, Instant)>>,
    count: watch::Sender<usize>,
}

impl Backend {
    pub(crate) async fn start(number_of: NumberOf, answer_to: AnswerTo) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let book = Arc::new(Book { number_of, answer_to, arrivals: Mutex::default(), count: watch::Sender::new(0) });
        let task = tokio::spawn(serve(listener, book.clone()));
        Ok(Self { address, book, task })
    }

    /// Waits for so many messages since the last call, each exactly once, and gives when they came, by number.
    pub(crate) async fn take(&self, count: usize) -> Result<Vec<(usize, Instant)>> {
        let mut arrived = self.book.count.subscribe();
        let all = tokio::time::timeout(PATIENCE, arrived.wait_for(|arrived| *arrived >= count)).await;
        let missing = || format!("{} of {count} messages arrived", *self.book.count.borrow());
        all.with_context(missing)?.with_context(missing)?;
        let mut arrivals = std::mem::take(&mut *self.book.arrivals.lock().unwrap_or_else(PoisonError::into_inner));
        self.book.count.send_modify(|arrived| *arrived = 0);
        arrivals.sort_unstable();
        ensure!(arrivals.len() == count, "{} messages arrived instead of {count}", arrivals.len());
        ensure!(arrivals.windows(2).all(|pair| pair[0].0 != pair[1].0), "a message arrived twice");
        Ok(arrivals)
    }
}

impl Drop for Backend {
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
    let body = request.into_body().collect().await?.to_bytes();
    let at = Instant::now();
    let Some(number) = (book.number_of)(&body) else { return Ok(Response::default()) };
    book.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push((number, at));
    book.count.send_modify(|count| *count += 1);
    Ok(Response::new(Full::new(Bytes::from((book.answer_to)(number)))))
}
