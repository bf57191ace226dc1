use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

use super::attachments::{self, Attachments};
use super::attributed::event;
use super::schedule::PAUSE_MAX;
use super::target::{Attempt, Outcome, Scope, Target};
use crate::channels::{ChannelState, count, count_by};
use crate::connectors::{Bound, Connector, Lookups, Memory, Subject, person};
use crate::customer::Directory;
use crate::interaction::Kind;
use crate::media::Media;
use crate::plugin::connecting::{Item, Notes, Taken};
use crate::plugin::exchange::{Failure, Fault, FaultKind};
use crate::store::{Record, StoreError};

const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// Where a CRM at its limit does not say how long.
const REST: Duration = Duration::from_secs(10);

/// Hands interactions to a connector: whatever waits goes together, at most one of each conversation, since a lane has one
/// delivery at a time.
pub struct ConnectorSender {
    connector: Arc<Connector>,
    memory: Arc<Memory>,
    media: Arc<Media>,
    jobs: mpsc::Sender<Job>,
}

/// What a connector's deliveries work with.
pub struct Handover {
    pub connector: Arc<Connector>,
    pub memory: Arc<Memory>,
    pub lookups: Arc<Lookups>,
    pub directory: Arc<Directory>,
    pub media: Arc<Media>,
}

/// One delivery, and who waits for its end.
struct Job {
    record: Record,
    attempt: Attempt,
    done: oneshot::Sender<Outcome>,
}

/// A delivery that is ready to leave.
struct Ready {
    job: Job,
    subject: Subject,
    item: Item,
    attachments: Attachments,
}

#[async_trait]
impl Target for ConnectorSender {
    async fn deliver(&self, record: &Record, attempt: Attempt) -> Outcome {
        let (done, outcome) = oneshot::channel();
        let later = |why: String| Outcome::Retry { after: None, why, scope: Scope::Lane };
        let gone = || later("the delivery was cut off".into());
        match self.obstacle(record, attempt).await {
            Ok(None) => {}
            Ok(Some(outcome)) => return outcome,
            Err(error) => return later(error.to_string()),
        }
        if self.jobs.send(Job { record: record.clone(), attempt, done }).await.is_err() {
            return gone();
        }
        outcome.await.unwrap_or_else(|_| gone())
    }

    /// Until its plugin is there, every kind: it waits. What is said on other channels is not for it; what changes something
    /// said before may be about what it has.
    fn wants(&self, record: &Record) -> bool {
        let concerns = self.connector.config.covers(&record.channel) || !record.kind.is_message();
        concerns && self.connector.bound().is_none_or(|bound| bound.kinds.contains(&record.kind))
    }
}

impl ConnectorSender {
    /// What ends the delivery before it takes a place in a call.
    async fn obstacle(&self, record: &Record, attempt: Attempt) -> Result<Option<Outcome>, StoreError> {
        if record.kind == Kind::ConversationOpened && !self.goes_on(record).await? {
            return Ok(Some(Outcome::Done));
        }
        let why = "a file of the message is still being fetched".to_owned();
        let late = self.lacks_files(record, attempt).await?;
        Ok(late.then_some(Outcome::Retry { after: None, why, scope: Scope::Lane }))
    }

    /// A conversation of which the CRM has something; a new one it hears of by its first message.
    async fn goes_on(&self, record: &Record) -> Result<bool, StoreError> {
        let Some(conversation) = record.conversation else { return Ok(false) };
        Ok(self.memory.conversation(&self.connector.name, conversation).await?.is_some())
    }

    /// Here it delays its own conversation alone.
    async fn lacks_files(&self, record: &Record, attempt: Attempt) -> Result<bool, StoreError> {
        let wants_files = self.connector.bound().is_some_and(|bound| bound.plugin.reads_files());
        Ok(wants_files && attachments::are_late(record, &self.media, attempt.number).await?)
    }
}

impl Handover {
    /// The subscriber's side, and what does the work as long as that is there.
    pub fn start(self) -> (ConnectorSender, impl Future<Output = ()> + Send + 'static) {
        let (jobs, waiting) = mpsc::channel(self.connector.config.batch);
        let (connector, memory, media) = (self.connector.clone(), self.memory.clone(), self.media.clone());
        (ConnectorSender { connector, memory, media, jobs }, Arc::new(self).gather(waiting))
    }

    /// Takes what waits whenever a call may begin: alone in quiet times, many together at a rush.
    async fn gather(self: Arc<Self>, mut waiting: mpsc::Receiver<Job>) {
        let config = &self.connector.config;
        let places = Arc::new(Semaphore::new(config.concurrency));
        let mut calls = JoinSet::new();
        while let Ok(place) = places.clone().acquire_owned().await {
            let Some(first) = waiting.recv().await else { break };
            if let Some(bound) = self.connector.bound() {
                bound.binding.opening().await;
            }
            let mut jobs = vec![first];
            while jobs.len() < config.batch
                && let Ok(job) = waiting.try_recv()
            {
                jobs.push(job);
            }
            let this = self.clone();
            calls.spawn(async move {
                this.hand_over(jobs).await;
                drop(place);
            });
            while calls.try_join_next().is_some() {}
        }
    }

    async fn hand_over(&self, jobs: Vec<Job>) {
        if let Some((why, left)) = self.not_now() {
            jobs.into_iter().for_each(|job| job.end(not_now(left, why)));
            return;
        }
        let Some(bound) = self.connector.bound() else {
            let hold = |job: Job| job.end(Outcome::Hold { why: "the connector's plugin is not loaded".into() });
            return jobs.into_iter().for_each(hold);
        };
        let is_rush = jobs.len() >= self.connector.config.batch;
        let ready = join_all(jobs.into_iter().map(|job| self.ready(&bound, job, is_rush))).await;
        for call in attachments::calls(ready.into_iter().flatten().collect(), |ready| &ready.attachments) {
            self.send(&bound, call).await;
        }
    }

    /// The CRM wants to be left alone.
    fn not_now(&self) -> Option<(&'static str, Duration)> {
        self.connector.resting().map(|left| ("the CRM is at its limit", left))
    }

    /// Everything that the connector needs of an interaction; what was taken before a crash ends here.
    async fn ready(&self, bound: &Bound, job: Job, is_rush: bool) -> Option<Ready> {
        match self.item(bound, &job.record, job.attempt, is_rush).await {
            Ok(Some((subject, item, attachments))) => return Some(Ready { job, subject, item, attachments }),
            Ok(None) => job.end(Outcome::Done),
            Err(error) => job.end(Outcome::Retry { after: None, why: error.to_string(), scope: Scope::Lane }),
        }
        None
    }

    async fn item(
        &self,
        bound: &Bound,
        record: &Record,
        attempt: Attempt,
        is_rush: bool,
    ) -> Result<Option<(Subject, Item, Attachments)>, StoreError> {
        let event = event(record)?;
        let person = match record.contact {
            Some(contact) => person(&self.directory, contact).await?,
            None => None,
        };
        let contact = person.as_ref().map(|person| person.id);
        // At a rush, questions would take the turns of what is to be written.
        if let Some(contact) = contact.filter(|_| !is_rush) {
            self.lookups.begin(&event.data, contact);
        }
        let about = event.data.message_id;
        let subject = Subject { contact, conversation: record.conversation, interaction: record.id, about };
        let known = self.memory.recall(&self.connector.name, &subject).await?;
        let was_taken = known.activity.is_some() && !attempt.replayed;
        if was_taken || self.is_of_others(record, &known) {
            return Ok(None);
        }
        let body = self.media.render(record);
        let attachments = match bound.plugin.reads_files() {
            true => Attachments::of(&body, &self.media).await?,
            false => Attachments::default(),
        };
        let item = Item {
            files: attachments.ids.clone(),
            interaction: String::from_utf8_lossy(&body).into_owned(),
            person,
            known,
            attempt: attempt.number,
            uncertain: attempt.uncertain,
        };
        Ok(Some((subject, item, attachments)))
    }

    /// It changes something on a channel that does not concern the connector, and that the CRM does not have: a message that
    /// it has may go on by another channel, and its conversation may end there.
    fn is_of_others(&self, record: &Record, known: &Notes) -> bool {
        let about = match record.kind {
            Kind::ConversationOpened | Kind::ConversationClosed => &known.conversation,
            _ => &known.about,
        };
        about.is_none() && !self.connector.config.covers(&record.channel)
    }

    /// One call. If the plugin breaks on many, each goes alone: the one that broke it harms itself only.
    async fn send(&self, bound: &Bound, ready: Vec<Ready>) {
        if ready.is_empty() {
            return;
        }
        count(&self.connector.counters.calls);
        let items = ready.iter().map(|ready| ready.item.clone()).collect();
        match bound.plugin.deliver(&bound.binding, items).await.result {
            Ok(answers) => {
                let answered = ready.into_iter().zip(answers);
                join_all(answered.map(|(ready, answer)| self.answered(ready, answer))).await;
            }
            Err(Failure::Broken(broken)) => {
                count(&self.connector.counters.broken);
                tracing::error!(connector = self.connector.name, %broken, interactions = ready.len(), "the connector broke");
                if ready.len() == 1 {
                    return self.fail(ready, &Failure::Broken(broken));
                }
                for one in ready {
                    Box::pin(self.send(bound, vec![one])).await;
                }
            }
            Err(failure) => self.fail(ready, &failure),
        }
    }

    fn fail(&self, ready: Vec<Ready>, failure: &Failure) {
        for Ready { job, .. } in ready {
            job.end(match failure {
                Failure::Fault(fault) => self.refused(fault),
                Failure::Broken(broken) => {
                    count(&self.connector.counters.failed);
                    Outcome::Retry { after: None, why: broken.to_string(), scope: Scope::Lane }
                }
                Failure::Busy => {
                    let why = "no room for the call".into();
                    Outcome::Retry { after: Some(BUSY_PAUSE), why, scope: Scope::Lane }
                }
            });
        }
    }

    /// Noted before the delivery ends: after a crash it is not made again.
    async fn answered(&self, Ready { job, subject, .. }: Ready, answer: Result<Taken, Fault>) {
        let taken = match answer {
            Ok(taken) => taken,
            Err(fault) => return job.end(self.refused(&fault)),
        };
        match self.memory.remember(&self.connector.name, &subject, &taken).await {
            Ok(()) => {
                count_by(&self.connector.counters.taken, 1);
                self.connector.set_state(ChannelState::Connected, None);
                job.end(Outcome::Done);
            }
            Err(error) => job.end(Outcome::Retry { after: None, why: error.to_string(), scope: Scope::Lane }),
        }
    }

    fn refused(&self, fault: &Fault) -> Outcome {
        count(&self.connector.counters.failed);
        let why = fault.message.clone();
        match fault.kind {
            FaultKind::Unauthorized => {
                self.connector.set_state(ChannelState::BadCredentials, Some(why.clone()));
                Outcome::Hold { why }
            }
            FaultKind::RateLimited => {
                let pause = fault.retry_after.unwrap_or(REST);
                self.connector.rest(pause);
                not_now(pause, &why)
            }
            FaultKind::Unavailable | FaultKind::Internal | FaultKind::Uncertain => {
                self.connector.set_state(ChannelState::Degraded, Some(why.clone()));
                Outcome::Retry { after: fault.retry_after, why, scope: Scope::Lane }
            }
            FaultKind::Invalid | FaultKind::NotFound | FaultKind::Rejected | FaultKind::Unsupported => {
                Outcome::GiveUp { why }
            }
        }
    }
}

/// A pause of hours would use up a record's attempts: a hold does not, and its probes end here until the time has come.
fn not_now(left: Duration, why: &str) -> Outcome {
    match left > PAUSE_MAX {
        true => Outcome::Hold { why: format!("{why}, for {} minutes", left.as_secs().div_ceil(60)) },
        false => Outcome::Retry { after: Some(left), why: why.to_owned(), scope: Scope::Target },
    }
}

impl Job {
    /// Who waited may be gone: then the delivery is made again after the next start.
    fn end(self, outcome: Outcome) {
        let _ = self.done.send(outcome);
    }
}
