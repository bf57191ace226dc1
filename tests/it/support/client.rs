use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
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
    kept: Option<Kept>,
}

/// The connection between two requests.
type Kept = Arc<Mutex<Option<SendRequest<Full<Bytes>>>>>;

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// There was no answer: nobody knows what became of the request.
#[derive(Debug)]
pub struct Failed(#[allow(dead_code, reason = "shown where it is unwrapped")] pub String);

impl Client {
    /// With the key that may do everything.
    pub fn of(address: SocketAddr) -> Self {
        Self { address, key: KEY.to_owned(), kept: None }
    }

    /// Where it calls.
    #[allow(dead_code, reason = "not all who include this listen to live events")]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// With another key; none if it is empty.
    #[must_use]
    pub fn with_key(self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self }
    }

    /// With one connection for one request after the other, until the gateway closes it.
    #[must_use]
    pub fn keeping_its_connection(self) -> Self {
        Self { kept: Some(Kept::default()), ..self }
    }

    /// A call of the API that must be answered.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.call_with(method, path, body, &[]).await
    }

    /// The same, with more header fields.
    pub async fn call_with(&self, method: &str, path: &str, body: Option<&Value>, more: &[(&str, &str)]) -> Answer {
        let mut headers = self.headers();
        headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let body = body.map(Value::to_string).unwrap_or_default();
        self.request(method, path, &headers, body.into()).await.unwrap()
    }

    /// A call with a body that need not be JSON.
    pub async fn raw_call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.request(method, path, &self.headers(), body.to_owned().into()).await.unwrap()
    }

    /// The oldest dead letter, once there is one.
    pub async fn dead_letter(&self) -> Value {
        self.dead_letter_that(|_| true).await
    }

    /// The oldest dead letter of that kind, once there is one.
    pub async fn dead_letter_that(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        within("a dead letter", async {
            loop {
                let page = self.get("/v1/dead-letters").await.expect(200).json();
                if let Some(letter) = page["dead_letters"].as_array().unwrap().iter().find(|letter| is_it(letter)) {
                    return letter.clone();
                }
            }
        })
        .await
    }

    fn headers(&self) -> Vec<(String, String)> {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        if !self.key.is_empty() {
            headers.push(("authorization".to_owned(), format!("Bearer {}", self.key)));
        }
        headers
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
        let mut sender = self.connection().await?;
        let mut request = Request::builder().method(method).uri(path).header("host", self.address.to_string());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).unwrap();
        let answer = async {
            let response = sender.send_request(request).await.map_err(failed)?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(failed)?.to_bytes();
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
        };
        let answer = within(&format!("the answer to {method} {path}"), answer).await;
        if let Some(kept) = &self.kept {
            *kept.lock().unwrap() = Some(sender);
        }
        answer
    }

    /// The kept one if it is still open, else a new one.
    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>, Failed> {
        let kept = self.kept.as_ref().and_then(|kept| kept.lock().unwrap().take());
        if let Some(mut sender) = kept
            && sender.ready().await.is_ok()
        {
            return Ok(sender);
        }
        let stream = TcpStream::connect(self.address).await.map_err(failed)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // How the connection ends, the answer tells; it ends when nobody can send any more.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }
}

fn failed(error: impl std::fmt::Display) -> Failed {
    Failed(error.to_string())
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

    /// It must be a problem of this type; gives the answer back.
    #[track_caller]
    pub fn expect_type(self, code: &str) -> Self {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.json()["type"], format!("urn:omnigate:problem:{code}"), "{}", self.json());
        self
    }

    /// The sentence of a problem.
    pub fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap().to_owned()
    }

    /// It must be exactly this problem (RFC 9457).
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str, detail: &str) -> Self {
        let problem = self.expect(status).expect_type(code);
        let json = problem.json();
        assert_eq!(json["status"], status, "{json}");
        assert_eq!(json["detail"], detail, "{json}");
        problem
    }
}
