use std::collections::BTreeMap;
use std::time::Duration;

use crate::interaction::Time;

/// For how long interactions are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of channels that have none of their own, and of what happened on no channel.
    pub rest: Duration,
    /// By channel.
    pub channels: BTreeMap<String, Duration>,
}

/// Until when interactions may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Horizon {
    rest: Time,
    channels: BTreeMap<String, Time>,
}

impl Retention {
    /// Of a channel.
    pub fn of(&self, channel: &str) -> Duration {
        self.channels.get(channel).copied().unwrap_or(self.rest)
    }

    /// What of it is over at this moment.
    pub fn horizon(&self, now: Time) -> Horizon {
        let channels = self.channels.iter().map(|(name, kept)| (name.clone(), now.minus(*kept))).collect();
        Horizon { rest: now.minus(self.rest), channels }
    }
}

impl Horizon {
    /// Records of this channel that are older may go.
    pub fn before(&self, channel: &str) -> Time {
        self.channels.get(channel).copied().unwrap_or(self.rest)
    }
}

/// The same for every channel.
impl From<Time> for Horizon {
    fn from(rest: Time) -> Self {
        Self { rest, channels: BTreeMap::new() }
    }
}
