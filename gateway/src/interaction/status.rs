use serde::{Deserialize, Serialize};

use super::Time;

/// Delivery receipt of an outbound message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Queued,
    Sent,
    Delivered,
    Read,
    Failed,
    Expired,
}

impl Status {
    /// Whether a message in state `self` becomes `next`. A status never goes backwards; a failure is an end
    /// unless the provider later reports a success: late success wins.
    pub fn advances_to(self, next: Self) -> bool {
        next.rank() > self.rank() || (self.is_failure() && matches!(next, Self::Delivered | Self::Read))
    }

    /// Whether nothing is expected to follow.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Read | Self::Failed | Self::Expired)
    }

    /// Whether it did not arrive.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Expired)
    }

    /// Failures rank between `sent` and `delivered`: what was delivered did not fail.
    fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Sent => 1,
            Self::Failed | Self::Expired => 2,
            Self::Delivered => 3,
            Self::Read => 4,
        }
    }
}

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonCode {
    InvalidRecipient,
    Unreachable,
    OptedOut,
    OutsideWindow,
    Rejected,
    TooLarge,
    Unsupported,
    RateLimited,
    Credentials,
    ProviderError,
    Expired,
}

/// A reason with the provider's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub code: ReasonCode,
    pub text: String,
    pub retryable: bool,
    pub provider_code: Option<String>,
}

/// One step in the life of an outbound message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusChange {
    pub status: Status,
    pub at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

#[cfg(test)]
mod tests {
    use super::Status::{self, *};

    #[test]
    fn never_goes_backwards() {
        let order = [Queued, Sent, Delivered, Read];
        for (i, from) in order.into_iter().enumerate() {
            for (j, to) in order.into_iter().enumerate() {
                assert_eq!(from.advances_to(to), j > i, "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn late_success_wins_over_failure_and_not_the_other_way_round() {
        for failure in [Failed, Expired] {
            assert!(failure.advances_to(Delivered) && failure.advances_to(Read));
            assert!(!failure.advances_to(Sent) && !failure.advances_to(Failed));
            assert!(Sent.advances_to(failure));
            assert!(!Delivered.advances_to(failure) && !Read.advances_to(failure));
        }
    }

    #[test]
    fn ends_are_final() {
        let finals: Vec<Status> =
            [Queued, Sent, Delivered, Read, Failed, Expired].into_iter().filter(|s| s.is_final()).collect();
        assert_eq!(finals, [Read, Failed, Expired]);
    }
}
