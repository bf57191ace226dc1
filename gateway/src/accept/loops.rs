//! Machines that answer each other are stopped here, whatever they are.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::Accept;
use super::drafting::AUTOMATIC;
use super::submit::{Submission, SubmitError};
use crate::interaction::{AuthorKind, Event, Kind, Time};
use crate::store::{Filter, Key, Order, Record, Write};

/// What keys of counts begin with: `loops/{channel}/{address}`.
pub const LOOPS: &str = "loops";

const HOUR: Duration = Duration::from_secs(3600);
/// Of a channel whose messages are mails, of which fewer are sent.
const MAIL: &str = "email";

impl Accept {
    /// Refuses what no person wrote where it would answer what no person wrote, or comes too often to one address. Gives the
    /// write that counts it.
    pub(super) async fn guard(
        &self,
        submission: &Submission,
        conversation: Uuid,
        now: Time,
    ) -> Result<Option<Write>, SubmitError> {
        if !matches!(submission.author.kind, AuthorKind::Bot | AuthorKind::System) {
            return Ok(None);
        }
        if self.answers_a_machine(submission.in_reply_to, conversation, now).await? {
            return Err(SubmitError::Loop("what it answers was not written by a person (metadata.automatic)".into()));
        }
        self.counted(submission, now).await.map(Some)
    }

    /// Without saying so, a message answers the newest one of its conversation: for an hour, since loops are fast.
    async fn answers_a_machine(&self, reply: Option<Uuid>, conversation: Uuid, now: Time) -> Result<bool, SubmitError> {
        if let Some(reply) = reply {
            return Ok(self.store.find(reply).await?.is_some_and(|record| is_automatic(&record)));
        }
        let filter =
            Filter { conversation: Some(conversation), kinds: vec![Kind::MessageReceived], ..Filter::default() };
        let newest = self.store.page(&filter, None, Order::NewestFirst, 1).await?;
        Ok(newest.first().is_some_and(|record| now.since(record.time) < HOUR && is_automatic(record)))
    }

    async fn counted(&self, submission: &Submission, now: Time) -> Result<Write, SubmitError> {
        let (max, setting) = match submission.way.channel.medium.as_str() {
            MAIL => (self.loops.bot_mails_per_hour, "loops.bot_mails_per_hour"),
            _ => (self.loops.bot_messages_per_hour, "loops.bot_messages_per_hour"),
        };
        let key = Key::of(&[LOOPS, &submission.way.channel.name, &submission.way.to.address()]);
        let read = self.store.get(&key).await?;
        let known = read.as_ref().and_then(|entry| serde_json::from_slice::<Vec<i64>>(&entry.value).ok());
        let mut times: Vec<i64> = known.unwrap_or_default();
        times.retain(|ms| now.since(Time::from_ms(*ms)) < HOUR);
        if times.len() >= max {
            let why = format!("{max} messages that no person wrote went to this address within an hour ({setting})");
            return Err(SubmitError::Loop(why));
        }
        times.push(now.ms());
        Ok(Write::over(key, read.as_ref(), Value::from(times).to_string()).expiring(now.plus(HOUR)))
    }
}

fn is_automatic(record: &Record) -> bool {
    let event = serde_json::from_slice::<Event>(&record.body).ok();
    event.is_some_and(|event| event.data.metadata.contains_key(AUTOMATIC))
}
