//! The host interfaces, each a thin cover over `plugin::host`.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use wasmtime::component::HasSelf;

use super::{Linker, channel, host, inward, types};
use crate::egress;
use crate::interaction::Time;
use crate::plugin::host::{
    certificates as certificates_host, http as http_host, log as log_host, secrets as secrets_host,
};
use crate::plugin::services::KvError;
use crate::plugin::state::CallState;

const ENTROPY_MAX: u32 = 4096;
const HISTORY_MAX: u32 = 200;
const HISTORY_BYTES_MAX: usize = 8 << 20;
/// One frame; every socket that waits for it holds a copy.
const PUSH_MAX: usize = 256 << 10;

/// Everything that this version offers, and nothing else.
pub(in crate::plugin) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker> {
    let mut linker = Linker::new(engine);
    channel::Channel::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

impl types::Host for CallState {}
impl super::events::Host for CallState {}

impl host::log::Host for CallState {
    fn emit(&mut self, level: host::log::Level, text: String, fields: Vec<(String, String)>) {
        use host::log::Level;
        let level = match level {
            Level::Debug => tracing::Level::DEBUG,
            Level::Info => tracing::Level::INFO,
            Level::Warn => tracing::Level::WARN,
            Level::Error => tracing::Level::ERROR,
        };
        self.charge(text.len());
        log_host::emit(self, level, &text, &fields);
    }
}

impl host::clock::Host for CallState {
    fn now(&mut self) -> f64 {
        self.clock.unwrap_or_else(Time::now).ms() as f64
    }
}

impl host::entropy::Host for CallState {
    fn bytes(&mut self, len: u32) -> Vec<u8> {
        let mut bytes = vec![0; len.min(ENTROPY_MAX) as usize];
        if self.clock.is_some() {
            return bytes;
        }
        if SystemRandom::new().fill(&mut bytes).is_err() {
            unreachable!("the operating system always has random bytes once it runs");
        }
        bytes
    }
}

impl From<host::secrets::Algorithm> for secrets_host::Algorithm {
    fn from(algorithm: host::secrets::Algorithm) -> Self {
        use host::secrets::Algorithm;
        match algorithm {
            Algorithm::HmacSha1 => Self::HmacSha1,
            Algorithm::HmacSha256 => Self::HmacSha256,
            Algorithm::HmacSha512 => Self::HmacSha512,
            Algorithm::Ed25519 => Self::Ed25519,
            Algorithm::EcdsaP256 => Self::EcdsaP256,
        }
    }
}

impl From<secrets_host::SecretError> for host::secrets::SecretError {
    fn from(error: secrets_host::SecretError) -> Self {
        use secrets_host::SecretError;
        match error {
            SecretError::Undeclared => Self::Undeclared,
            SecretError::Unset => Self::Unset,
            SecretError::WrongType => Self::WrongType,
        }
    }
}

impl host::secrets::Host for CallState {
    fn sign(
        &mut self,
        slot: String,
        algorithm: host::secrets::Algorithm,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, host::secrets::SecretError> {
        self.charge(data.len());
        Ok(secrets_host::sign(self, &slot, algorithm.into(), &data)?)
    }

    fn verify(
        &mut self,
        slot: String,
        algorithm: host::secrets::Algorithm,
        data: Vec<u8>,
        tag: Vec<u8>,
    ) -> Result<bool, host::secrets::SecretError> {
        self.charge(data.len());
        Ok(secrets_host::verify(self, &slot, algorithm.into(), &data, &tag)?)
    }

    fn equals(&mut self, slot: String, candidate: Vec<u8>) -> Result<bool, host::secrets::SecretError> {
        self.charge(candidate.len());
        Ok(secrets_host::equals(self, &slot, &candidate)?)
    }

    fn is_set(&mut self, slot: String) -> bool {
        secrets_host::is_set(self, &slot)
    }
}

impl From<host::certificates::Algorithm> for certificates_host::Algorithm {
    fn from(algorithm: host::certificates::Algorithm) -> Self {
        use host::certificates::Algorithm;
        match algorithm {
            Algorithm::RsaSha1 => Self::RsaSha1,
            Algorithm::RsaSha256 => Self::RsaSha256,
        }
    }
}

impl host::certificates::Host for CallState {
    fn verify(
        &mut self,
        certificate: Vec<u8>,
        algorithm: host::certificates::Algorithm,
        data: Vec<u8>,
        signature: Vec<u8>,
    ) -> Result<bool, String> {
        self.charge(data.len());
        certificates_host::verify(self, &certificate, algorithm.into(), &data, &signature)
    }
}

impl host::http::Host for CallState {
    async fn send(&mut self, request: host::http::Request) -> Result<host::http::Response, host::http::HttpError> {
        self.charge(request.body.as_ref().map_or(0, Vec::len));
        let received = http_host::send(self, inward::guest_request(request)).await?;
        Ok(host::http::Response {
            status: received.status.as_u16(),
            headers: headers(&received.headers),
            body: received.body.to_vec(),
            truncated: received.truncated,
        })
    }
}

fn headers(map: &axum::http::HeaderMap) -> Vec<types::Header> {
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    map.iter().map(|(name, value)| types::Header { name: name.to_string(), value: text(value) }).collect()
}

impl From<http_host::HttpError> for host::http::HttpError {
    fn from(error: http_host::HttpError) -> Self {
        use egress::Error;
        match error {
            http_host::HttpError::BudgetSpent => Self::BudgetSpent,
            http_host::HttpError::Credentials(why) => Self::Credentials(why),
            http_host::HttpError::Egress(error) => match error {
                Error::Denied(rule) => Self::Denied(rule),
                Error::Dns => Self::Dns,
                Error::Connect => Self::Connect,
                Error::Tls => Self::Tls,
                Error::Timeout => Self::Timeout,
                Error::Protocol(what) => Self::Protocol(what),
            },
        }
    }
}

impl From<KvError> for host::kv::KvError {
    fn from(error: KvError) -> Self {
        match error {
            KvError::Conflict => Self::Conflict,
            KvError::TooLarge => Self::TooLarge,
            KvError::Quota => Self::Quota,
            KvError::Unavailable => Self::Unavailable,
        }
    }
}

/// An empty version stands for a key that must be new; what is no number is no version of ours.
fn expected_version(version: Option<&str>) -> Result<Option<u64>, KvError> {
    match version {
        None => Ok(None),
        Some("") => Ok(Some(0)),
        Some(text) => text.parse().map(Some).map_err(|_| KvError::Conflict),
    }
}

impl host::kv::Host for CallState {
    async fn get(&mut self, key: String) -> Result<Option<host::kv::Entry>, host::kv::KvError> {
        if !self.may_ask() {
            return Err(host::kv::KvError::Quota);
        }
        let entry = self.shared.services.kv_get(&self.binding.channel, &key).await?;
        Ok(entry.map(|entry| host::kv::Entry { value: entry.value.to_vec(), version: entry.version.to_string() }))
    }

    async fn put(
        &mut self,
        key: String,
        value: Vec<u8>,
        if_version: Option<String>,
        ttl_ms: Option<u32>,
    ) -> Result<String, host::kv::KvError> {
        if !self.may_ask() {
            return Err(host::kv::KvError::Quota);
        }
        self.charge(value.len());
        let expect = expected_version(if_version.as_deref())?;
        let ttl = ttl_ms.map(|ms| Duration::from_millis(ms.into()));
        let version = self.shared.services.kv_put(&self.binding.channel, &key, value, expect, ttl).await?;
        Ok(version.to_string())
    }

    async fn delete(&mut self, key: String) -> Result<(), host::kv::KvError> {
        if !self.may_ask() {
            return Err(host::kv::KvError::Quota);
        }
        Ok(self.shared.services.kv_delete(&self.binding.channel, &key).await?)
    }
}

impl host::socket::Host for CallState {
    fn push(&mut self, address: String, frame: String) -> u32 {
        self.charge(frame.len());
        if frame.len() > PUSH_MAX || !self.may_ask() {
            return 0;
        }
        self.shared.services.push(&self.binding.channel, &address, &frame)
    }

    async fn history(&mut self, person: types::Identity, after: Option<String>, limit: u32) -> Vec<String> {
        let Ok(person) = inward::identity(person, &self.binding) else { return Vec::new() };
        if !self.may_ask() {
            return Vec::new();
        }
        let limit = limit.min(HISTORY_MAX) as usize;
        let bodies = self.shared.services.history(&self.binding.channel, &person, after.as_deref(), limit).await;
        let fitting = within(&bodies, HISTORY_BYTES_MAX, after.is_some());
        fitting.iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect()
    }
}

/// What fits: the oldest for a reader who goes on from there, else the newest.
fn within(bodies: &[bytes::Bytes], max: usize, oldest: bool) -> &[bytes::Bytes] {
    let mut left = max;
    let mut fits = |body: &&bytes::Bytes| left.checked_sub(body.len()).map(|rest| left = rest).is_some();
    if oldest {
        let count = bodies.iter().take_while(&mut fits).count();
        return &bodies[..count];
    }
    let count = bodies.iter().rev().take_while(&mut fits).count();
    &bodies[bodies.len() - count..]
}

impl host::files::Host for CallState {
    async fn keep(&mut self, name: Option<String>, content_type: String, content: Vec<u8>) -> Result<String, String> {
        if !self.may_touch_file() {
            return Err("too many files in one call".to_owned());
        }
        self.charge(content.len());
        let kept = self.shared.services.keep_file(name, &content_type, content).await?;
        let id = kept.id.to_string();
        self.kept.push(kept);
        Ok(id)
    }

    async fn read(&mut self, id: String) -> Result<Vec<u8>, String> {
        if !self.may_touch_file() {
            return Err("too many files in one call".to_owned());
        }
        let id = *self.readable.get(&id).ok_or("it is no file of what this call is about")?;
        let content = self.shared.services.read_file(id, self.file_bytes_max()).await?;
        self.charge(content.len());
        Ok(content)
    }
}

impl host::uploads::Host for CallState {
    async fn open(&mut self, upload: host::uploads::Upload) -> Result<host::uploads::Ticket, String> {
        if !self.may_upload() {
            return Err("too many uploads in one call".to_owned());
        }
        let host::uploads::Upload { name, content_type, bytes } = upload;
        let ticket =
            self.shared.services.open_upload(&self.binding.channel, &name, &content_type, bytes.into()).await?;
        Ok(host::uploads::Ticket { id: ticket.id, url: ticket.url })
    }
}
