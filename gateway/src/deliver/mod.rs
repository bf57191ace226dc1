//! Hands what is in the log to whoever must hear of it: order within a lane, retries, pauses, dead letters, replay.
//!
//! The decisions are made in a state machine without input and output (`lanes`, `outcomes`, `gate`, `window`); a task around
//! it (`worker`) reads the log, calls the targets and writes progress down. How a target speaks is the target's business.

mod attachments;
mod attributed;
mod backend;
mod breaker;
mod channel;
mod connector;
mod dead_letters;
mod fetcher;
mod gate;
mod handle;
mod lane;
mod lanes;
mod letter;
mod living;
mod preparing;
mod record_keeping;
mod schedule;
mod settle;
mod signature;
mod standing_in;
mod story;
mod subscriber;
mod target;
#[cfg(test)]
mod tests;
mod window;
mod worker;

pub use attributed::Attributed;
pub use backend::{Backend, Render, Rendered};
pub use channel::ChannelSender;
pub use connector::{ConnectorSender, Handover};
pub use dead_letters::{DeadKind, DeadLetter, DeadLetters, PAGE_MAX, RetryError};
pub use fetcher::Fetcher;
pub use handle::{ControlError, Deliveries, Handle, REPLAY_MAX};
pub use letter::letter_key;
pub use living::Living;
pub use schedule::{PAUSE_MAX, retry_after};
pub use signature::{InvalidSecret, Signer};
pub use standing_in::Watch;
pub use story::Story;
pub use subscriber::{Status, Subscriber, SubscriberState};
pub use target::{Attempt, Outcome, Scope, Target};
pub use worker::{Shutdown, start};
