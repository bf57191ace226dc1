use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{KEY, within};

/// A caller over HTTP, with a new connection for every request.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    key: String,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// There was no answer: nobody knows what became of the request.
#[derive(Debug)]
pub struct Failed(pub String);

impl Client {
    /// With the key that may do everything.
    pub fn of(address: SocketAddr) -> Self {
        Self { address, key: KEY.to_owned() }
    }

    /// With another key; none if it is empty.
    #[must_use]
    pub fn with_key(self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self }
    }

    /// A call of the API that must be answered.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.call_with(method, path, body, &[]).await
    }

    /// The same, with more header fields.
    pub async fn call_with(&self, method: &str, path: &str, body: Option<&Value>, more: &[(&str, &str)]) -> Answer {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        if !self.key.is_empty() {
            headers.push(("authorization".to_owned(), format!("Bearer {}", self.key)));
        }
        headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let body = body.map(Value::to_string).unwrap_or_default();
        self.request(method, path, &headers, body.into()).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    /// Any request; without an answer if the connection is refused or breaks.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: Bytes,
    ) -> Result<Answer, Failed> {
        let failed = |error: &dyn std::fmt::Display| Failed(error.to_string());
        let stream = TcpStream::connect(self.address).await.map_err(|error| failed(&error))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| failed(&error))?;
        // How the connection ends, the answer tells.
        let connection = tokio::spawn(async move { drop(connection.await) });
        let mut request = Request::builder().method(method).uri(path).header("host", self.address.to_string());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).unwrap();
        let answer = async {
            let response = sender.send_request(request).await.map_err(|error| failed(&error))?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| failed(&error))?.to_bytes();
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
        };
        let answer = within(&format!("the answer to {method} {path}"), answer).await;
        connection.abort();
        answer
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// It must be this status; gives the answer back.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// It must be exactly this problem (RFC 9457).
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str, detail: &str) -> Self {
        let problem = self.expect(status);
        assert_eq!(problem.header("content-type"), Some("application/problem+json"));
        let json = problem.json();
        assert_eq!(json["type"], format!("urn:omnigate:problem:{code}"), "{json}");
        assert_eq!(json["status"], status, "{json}");
        assert_eq!(json["detail"], detail, "{json}");
        problem
    }
}
