//! A recording HTTP peer on loopback: gives scripted answers in order and remembers what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// Cut the connection instead of answering.
    pub close: bool,
}

impl Answer {
    pub fn json(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: Bytes::copy_from_slice(body.as_bytes()),
            close: false,
        }
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

type Handler = dyn Fn(&Call) -> Answer + Send + Sync;

/// The peer; ends with its test.
pub struct Peer {
    pub address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Peer {
    /// Answers in order, `{peer}` in a body being the peer's own address; when none is left, 500.
    pub async fn scripted(answers: Vec<Answer>) -> Self {
        let script = Mutex::new(VecDeque::from(answers));
        Self::with(move |call| {
            let next = script.lock().unwrap().pop_front();
            let answer = next.unwrap_or_else(|| Answer::json(500, r#"{"error":"no answer left"}"#));
            let own = format!("http://{}", call.headers.get("host").map_or("", |host| host.to_str().unwrap()));
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            Answer { body: text.replace("{peer}", &own).into(), ..answer }
        })
        .await
    }

    /// Answers as a function says.
    pub async fn with(handler: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, calls.clone(), Arc::new(handler)));
        Self { address, calls, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, calls: Arc<Mutex<Vec<Call>>>, handler: Arc<Handler>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (calls, handler) = (calls.clone(), handler.clone());
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| answer(request, calls.clone(), handler.clone()));
            // A cut connection is an error here and what the test wants.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

async fn answer(
    request: Request<Incoming>,
    calls: Arc<Mutex<Vec<Call>>>,
    handler: Arc<Handler>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let call = Call { method: parts.method.to_string(), path, headers: parts.headers, body };
    let answer = handler(&call);
    calls.lock().unwrap().push(call);
    if answer.close {
        return Err(Cut);
    }
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    for (name, value) in answer.headers {
        response.headers_mut().append(hyper::header::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    Ok::<_, Infallible>(response).map_err(|never| match never {})
}
