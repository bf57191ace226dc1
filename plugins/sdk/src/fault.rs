use std::fmt;

use crate::{Fault, FaultKind, ReasonCode};

impl Fault {
    /// A fault of a kind, with a sentence for the operator: no secret, no message text, no address.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), reason: None, code: None, retry_after_ms: None, extra: None }
    }

    /// Malformed input.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Invalid, message)
    }

    /// Inbound: not authentic. Outbound: the provider refuses our credentials.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Unauthorized, message)
    }

    /// No such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(FaultKind::NotFound, message)
    }

    /// Refused for good.
    pub fn rejected(reason: ReasonCode, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Rejected, message).because(reason)
    }

    /// May work later.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Unavailable, message)
    }

    /// Nobody knows whether the provider took it.
    pub fn uncertain(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Uncertain, message)
    }

    /// The channel cannot do that.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Unsupported, message)
    }

    /// Unexpected.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FaultKind::Internal, message)
    }

    /// Too fast: go on after that many milliseconds.
    pub fn rate_limited(message: impl Into<String>, retry_after_ms: Option<u32>) -> Self {
        Self { retry_after_ms, ..Self::new(FaultKind::RateLimited, message).because(ReasonCode::RateLimited) }
    }

    /// With the reason that goes into the message's status.
    #[must_use]
    pub fn because(mut self, reason: ReasonCode) -> Self {
        self.reason = Some(reason);
        self
    }

    /// With the provider's own code.
    #[must_use]
    pub fn with_code(mut self, code: impl fmt::Display) -> Self {
        self.code = Some(code.to_string());
        self
    }
}

impl From<serde_json::Error> for Fault {
    /// A body that is no JSON, or not of the expected shape. The text names the place and not the value.
    fn from(error: serde_json::Error) -> Self {
        Self::invalid(format!("unreadable JSON at line {} column {}", error.line(), error.column()))
    }
}
