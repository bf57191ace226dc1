//! A bare server.

use std::future::Future;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Serves `answer` on a free port of loopback, told on standard output, for ever.
pub(super) async fn serve<F, A>(answer: F) -> Result<()>
where
    F: Fn(HeaderMap, Bytes) -> A + Send + Sync + 'static,
    A: Future<Output = StatusCode> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    tell_ready(&listener)?;
    let answer = Arc::new(answer);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(connection(stream, answer.clone()));
    }
}

#[expect(clippy::print_stdout, reason = "whoever started this waits for it")]
fn tell_ready(listener: &TcpListener) -> Result<()> {
    println!("{}", serde_json::json!({ "event": "ready", "listen": listener.local_addr()?.to_string() }));
    Ok(())
}

async fn connection<F, A>(stream: TcpStream, answer: Arc<F>)
where
    F: Fn(HeaderMap, Bytes) -> A + Send + Sync + 'static,
    A: Future<Output = StatusCode> + Send + 'static,
{
    // As the gateway does.
    let _ = stream.set_nodelay(true);
    let service = hyper::service::service_fn(|request: Request<Incoming>| async {
        let (parts, body) = request.into_parts();
        let status = answer(parts.headers, body.collect().await?.to_bytes()).await;
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.status_mut() = status;
        hyper::Result::Ok(response)
    });
    // A client that goes away ends its connection, and nothing else.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
