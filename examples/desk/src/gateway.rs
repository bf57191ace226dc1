//! What the desk asks of the gateway: section 5.2 of the contract.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use ureq::Agent;

const TIMEOUT: Duration = Duration::from_secs(30);
/// Answers and stored files beyond this are refused rather than held in memory.
pub(crate) const FILE_BYTES_MAX: u64 = 32 << 20;

/// A client of one gateway.
#[derive(Clone)]
pub struct Gateway {
    base: String,
    api_key: String,
    agent: Agent,
}

/// The gateway did not do it.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// The gateway's HTTP status; 502 where there was no answer.
    pub(crate) status: u16,
    /// A sentence for the agent.
    pub(crate) detail: String,
}

/// A stored file.
pub(crate) struct File {
    pub(crate) content_type: String,
    pub(crate) bytes: Vec<u8>,
}

impl Gateway {
    pub fn new(base: &str, api_key: &str) -> Self {
        // A refusal comes with a sentence worth showing, so it is no error of the transport.
        let config = Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).max_redirects(0);
        Self {
            base: base.trim_end_matches('/').to_owned(),
            api_key: api_key.to_owned(),
            agent: config.build().new_agent(),
        }
    }

    /// Sends a message. `key` is made once per message by whoever writes it: when an attempt is repeated because its
    /// answer was lost, the gateway recognizes the key and answers as the first time instead of sending twice.
    pub(crate) async fn send(&self, key: String, message: Value) -> Result<Value, Refusal> {
        self.post("/v1/messages".into(), Some(key), message).await
    }

    /// Shows the contact that somebody is typing, where the channel can.
    pub(crate) async fn typing(&self, conversation: &str, on: bool) -> Result<Value, Refusal> {
        self.post(format!("/v1/conversations/{}/typing", encoded(conversation)), None, json!({ "on": on })).await
    }

    /// Tells the contact's side that this message and all before it were read.
    pub(crate) async fn read(&self, interaction: &str) -> Result<Value, Refusal> {
        self.post(format!("/v1/interactions/{}/read", encoded(interaction)), None, json!({})).await
    }

    /// Stores a file to be sent; the answer's `url` goes into a media part.
    pub(crate) async fn upload(&self, name: &str, content_type: String, bytes: Vec<u8>) -> Result<Value, Refusal> {
        let path = format!("/v1/media?name={}", encoded(name));
        self.call(move |gateway| {
            let request = gateway.agent.post(gateway.url(&path)).header("content-type", content_type);
            gateway.answer(request.header("authorization", gateway.bearer()).send(&bytes[..]))
        })
        .await
    }

    /// Fetches a stored file. The signed addresses inside events expire; with the key we can always ask.
    pub(crate) async fn media(&self, id: &str) -> Result<File, Refusal> {
        let path = format!("/v1/media/{}", encoded(id));
        self.call(move |gateway| {
            let request = gateway.agent.get(gateway.url(&path)).header("authorization", gateway.bearer());
            let mut response = request.call().map_err(|error| Refusal::unreachable(&error))?;
            if !response.status().is_success() {
                return Err(Refusal { status: response.status().as_u16(), detail: "no such file".into() });
            }
            let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
            let content_type = content_type.unwrap_or("application/octet-stream").to_owned();
            let body = response.body_mut().with_config().limit(FILE_BYTES_MAX).read_to_vec();
            Ok(File { content_type, bytes: body.map_err(|error| Refusal::unreachable(&error))? })
        })
        .await
    }

    async fn post(&self, path: String, key: Option<String>, body: Value) -> Result<Value, Refusal> {
        self.call(move |gateway| {
            let mut request = gateway.agent.post(gateway.url(&path)).header("authorization", gateway.bearer());
            if let Some(key) = key {
                request = request.header("idempotency-key", key);
            }
            gateway.answer(request.header("content-type", "application/json").send(body.to_string()))
        })
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.api_key)
    }

    /// JSON of a success, or the sentence of a problem (RFC 9457).
    fn answer(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, Refusal> {
        let mut response = answer.map_err(|error| Refusal::unreachable(&error))?;
        let status = response.status();
        let body: Value = response.body_mut().read_json().unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let sentence = ["detail", "title"].into_iter().find_map(|name| body[name].as_str());
        let detail = sentence.map_or_else(|| format!("the gateway answered {status}"), str::to_owned);
        Err(Refusal { status: status.as_u16(), detail })
    }

    /// The client blocks, so it works on a thread of its own.
    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let gateway = self.clone();
        let task = tokio::task::spawn_blocking(move || work(&gateway)).await;
        task.unwrap_or_else(|error| Err(Refusal { status: 500, detail: error.to_string() }))
    }
}

impl Refusal {
    fn unreachable(error: &ureq::Error) -> Self {
        Self { status: 502, detail: format!("the gateway cannot be reached: {error}") }
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
