//! Requests to the provider. The gateway checks where they go, adds the credentials and watches the time.

use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::omnigate::host::http as host;
pub use crate::bindings::omnigate::host::http::{Aws, Basic, Credential, HttpError, Named, Request, Response};
use crate::{Fault, FaultKind, Header, ReasonCode};

/// A GET request.
pub fn get(url: impl Into<String>) -> Request {
    request("GET", url)
}

/// A POST request.
pub fn post(url: impl Into<String>) -> Request {
    request("POST", url)
}

/// A request of any method.
pub fn request(method: &str, url: impl Into<String>) -> Request {
    Request {
        method: method.to_owned(),
        url: url.into(),
        headers: Vec::new(),
        body: None,
        credentials: Vec::new(),
        timeout_ms: None,
    }
}

impl Request {
    /// `authorization: Bearer ` and the slot's value.
    #[must_use]
    pub fn bearer(mut self, slot: &str) -> Self {
        self.credentials.push(Credential::Bearer(slot.to_owned()));
        self
    }

    /// HTTP Basic with a known user and the slot's value as password.
    #[must_use]
    pub fn basic(mut self, user: &str, slot: &str) -> Self {
        self.credentials.push(Credential::Basic(Basic { user: user.to_owned(), password: slot.to_owned() }));
        self
    }

    /// AWS Signature Version 4 with the slot's value as secret access key.
    #[must_use]
    pub fn aws(mut self, access_key_id: &str, slot: &str, region: &str, service: &str) -> Self {
        self.credentials.push(Credential::Aws(Aws {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: slot.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        }));
        self
    }

    /// The slot's value in place of `{slot}` in the address.
    #[must_use]
    pub fn secret_path(mut self, slot: &str) -> Self {
        self.credentials.push(Credential::Path(slot.to_owned()));
        self
    }

    /// One more header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(Header { name: name.to_owned(), value: value.into() });
        self
    }

    /// A JSON body.
    ///
    /// # Panics
    /// Never for types whose keys are strings.
    #[must_use]
    pub fn json(mut self, value: &impl Serialize) -> Self {
        self.body = Some(serde_json::to_vec(value).unwrap_or_default());
        self.header("content-type", "application/json")
    }

    /// A form as body.
    #[must_use]
    pub fn form<'a>(mut self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(pairs);
        self.body = Some(text.finish().into_bytes());
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// Sends it.
    ///
    /// # Errors
    /// What the failure means for the message: `unavailable` if the request did not leave, `uncertain` if it may have
    /// arrived, `unauthorized` if it is not granted.
    pub fn send(&self) -> Result<Response, Fault> {
        host::send(self).map_err(fault)
    }
}

impl Response {
    /// The first header field of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        crate::header(&self.headers, name)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `uncertain`: an answer that cannot be read says nothing.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(|_| {
            let fault = Fault::uncertain("the provider's answer is not the expected JSON");
            fault.because(ReasonCode::ProviderError).with_code(self.status)
        })
    }

    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        const SUCCESS: Range<u16> = 200..300;
        SUCCESS.contains(&self.status)
    }

    /// `Retry-After` in milliseconds, where it is given in seconds.
    pub fn retry_after_ms(&self) -> Option<u32> {
        self.header("retry-after")?.trim().parse::<u32>().ok()?.checked_mul(1000)
    }
}

fn fault(error: HttpError) -> Fault {
    let fault = match error {
        HttpError::Denied(rule) => Fault::new(FaultKind::Rejected, format!("the request is not allowed: {rule}")),
        HttpError::Timeout => Fault::uncertain("the provider did not answer in time"),
        HttpError::Dns => Fault::unavailable("the provider's name cannot be resolved"),
        HttpError::Connect => Fault::unavailable("the provider cannot be reached"),
        HttpError::Tls => Fault::unavailable("no trusted connection to the provider"),
        HttpError::Protocol(what) => Fault::uncertain(format!("the connection broke: {what}")),
        HttpError::Credentials(why) => {
            return Fault::unauthorized(format!("no token for the provider: {why}")).because(ReasonCode::Credentials);
        }
        HttpError::BudgetSpent => Fault::internal("too many requests in one call"),
    };
    fault.because(ReasonCode::ProviderError)
}
