//! What processors answer. An answer is owed from the moment that the message is in the log: it is written down together with
//! it, and paid at once, or after a crash at the next start.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::drafting::dedupe_key;
use super::{Accept, Chosen, Idempotency, Submission, SubmitError, Trace};
use crate::interaction::{Author, AuthorKind, Category, ChannelRef, Event, Identity, Kind, Message, Part, Time, Why};
use crate::plugin::exchange::Happening;
use crate::processors::Came;
use crate::store::{Batch, Key, StoreError, Write};

/// An answer is remembered for so long at least: a message may come again as long as duplicates are told.
const REMEMBERED: Duration = Duration::from_secs(9 * 24 * 3600);
const PAGE: usize = 100;
/// Answers of before a crash that are older than this are of no use any more.
const LATE: Duration = Duration::from_secs(3600);

/// The prefix of the answers that processors owe.
pub fn owed_replies() -> String {
    Key::prefix(&["reply", "owed"])
}

/// An answer that is owed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reply {
    id: Uuid,
    processor: String,
    channel: ChannelRef,
    to: Identity,
    /// The provider's id of the message that is answered.
    answers: String,
    owed_since: Time,
    subject: Option<String>,
    parts: Vec<Part>,
    name: Option<String>,
    pause_ms: u64,
}

/// The last answer of a processor in a conversation.
#[derive(Serialize, Deserialize)]
struct Answered {
    /// The message that was answered.
    message: Uuid,
    at: Time,
    pause_ms: u64,
    /// It is on its way; else only about to be.
    done: bool,
}

impl Reply {
    /// What processors want to answer to a person's message; nobody answers what no person wrote.
    pub(super) fn to(channel: &ChannelRef, happening: &Happening, came: &Came) -> Vec<Self> {
        let Happening::Message(message) = happening else { return Vec::new() };
        if message.automatic.is_some() {
            return Vec::new();
        }
        let reply = |(processor, reply): &(String, crate::plugin::exchange::AutoReply)| Self {
            id: Uuid::now_v7(),
            processor: processor.clone(),
            channel: channel.clone(),
            to: message.sender.clone(),
            answers: message.id.clone(),
            owed_since: Time::now(),
            subject: reply.subject.clone(),
            parts: reply.parts.clone(),
            name: reply.name.clone(),
            pause_ms: u64::try_from(reply.pause.as_millis()).unwrap_or(u64::MAX),
        };
        came.replies.iter().map(reply).collect()
    }

    fn key(&self) -> Key {
        Key::of(&["reply", "owed", &self.id.to_string()])
    }

    /// Owes it.
    pub(super) fn write(&self) -> Write {
        let value = serde_json::to_vec(self).unwrap_or_else(|error| unreachable!("replies have string keys: {error}"));
        Write::put(self.key(), value)
    }

    fn last_key(&self, conversation: Uuid) -> Key {
        Key::of(&["reply", "last", &conversation.to_string(), &self.processor])
    }

    fn last_write(&self, conversation: Uuid, read: Option<&crate::store::Entry>, message: Uuid, done: bool) -> Write {
        let now = Time::now();
        let answered = Answered { message, at: now, pause_ms: self.pause_ms, done };
        let value =
            serde_json::to_vec(&answered).unwrap_or_else(|error| unreachable!("answers have string keys: {error}"));
        let kept = REMEMBERED.max(Duration::from_millis(self.pause_ms));
        Write::over(self.last_key(conversation), read, value).expiring(now.plus(kept))
    }
}

impl Accept {
    /// Pays what was owed before a crash.
    ///
    /// # Errors
    /// As the store.
    pub async fn answer_owed(&self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let owed = self.store.scan(&owed_replies(), after.as_ref(), PAGE).await?;
            let Some((last, _)) = owed.last() else { return Ok(()) };
            after = Some(last.clone());
            for (key, entry) in &owed {
                match serde_json::from_slice::<Reply>(&entry.value) {
                    Ok(reply) => self.answer(&reply).await?,
                    Err(_) => self.forget_reply(key.clone()).await?,
                }
            }
        }
    }

    /// Where the last answers in a conversation are noted.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn replies_in(&self, conversation: Uuid) -> Result<Vec<Key>, StoreError> {
        let prefix = Key::prefix(&["reply", "last", &conversation.to_string()]);
        let noted = self.store.scan(&prefix, None, PAGE).await?;
        Ok(noted.into_iter().map(|(key, _)| key).collect())
    }

    /// Whoever brought the message is not told if that fails: the message is in the log, and the answer stays owed.
    pub(super) async fn answer_all(&self, replies: Vec<Reply>) {
        for reply in replies {
            if let Err(error) = self.answer(&reply).await {
                tracing::error!(processor = reply.processor, channel = reply.channel.name, %error, "a processor's answer stays owed until the next start");
            }
        }
    }

    async fn answer(&self, reply: &Reply) -> Result<(), StoreError> {
        if let Some(message) = self.message_to_answer(reply).await? {
            self.answer_message(reply, &message).await?;
        }
        self.forget_reply(reply.key()).await
    }

    async fn forget_reply(&self, key: Key) -> Result<(), StoreError> {
        self.store.commit(Batch { writes: vec![Write::delete(key)], ..Batch::default() }).await.map(drop)
    }

    /// As it is in the log: if it is not there, or was written by a bot, nobody answers it.
    async fn message_to_answer(&self, reply: &Reply) -> Result<Option<Event>, StoreError> {
        if Time::now().since(reply.owed_since) > LATE {
            return Ok(None);
        }
        let key = dedupe_key(&reply.channel.name, Kind::MessageReceived, &reply.answers);
        let Some(id) = self.store.find_duplicate(&key).await? else { return Ok(None) };
        let Some(record) = self.store.find(id).await? else { return Ok(None) };
        let event: Event =
            serde_json::from_slice(&record.body).map_err(|error| StoreError::Corrupt(format!("event: {error}")))?;
        Ok(Some(event).filter(|event| event.data.author.kind == AuthorKind::Contact))
    }

    /// Once for each message, and once for each conversation in the time that the processor named.
    async fn answer_message(&self, reply: &Reply, message: &Event) -> Result<(), StoreError> {
        let Some(conversation) = message.subject else { return Ok(()) };
        let entry = self.store.get(&reply.last_key(conversation)).await?;
        let last = entry.as_ref().and_then(|entry| serde_json::from_slice::<Answered>(&entry.value).ok());
        if last.as_ref().is_some_and(|last| !last.allows(message.id)) {
            return Ok(());
        }
        let begun = reply.last_write(conversation, entry.as_ref(), message.id, false);
        match self.store.commit(Batch { writes: vec![begun], ..Batch::default() }).await {
            Ok(_) => {}
            // Another message of the conversation is being answered at this moment.
            Err(StoreError::Conflict(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
        match self.submit(&reply.submission(message)).await {
            Ok(_) => {}
            Err(SubmitError::Store(error)) => return Err(error),
            Err(error) => tracing::warn!(processor = reply.processor, %error, "a processor's answer is not sent"),
        }
        let entry = self.store.get(&reply.last_key(conversation)).await?;
        let done = reply.last_write(conversation, entry.as_ref(), message.id, true);
        match self.store.commit(Batch { writes: vec![done], ..Batch::default() }).await {
            Ok(_) | Err(StoreError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Answered {
    /// A message whose answer was only begun is answered again: the submission is known by its key.
    fn allows(&self, message: Uuid) -> bool {
        let over = Time::now().since(self.at) >= Duration::from_millis(self.pause_ms);
        if self.message == message { !self.done } else { over }
    }
}

impl Reply {
    fn submission(&self, message: &Event) -> Submission {
        let (channel, to) = (self.channel.clone(), self.to.clone());
        Submission {
            way: Chosen {
                channel,
                to,
                why: Why::Asked,
                passed_over: Vec::new(),
                loss: Vec::new(),
                tells_delivery: false,
            },
            fallback: Vec::new(),
            category: Category::Service,
            author: Author { kind: AuthorKind::Bot, name: self.name.clone() },
            message: Message::new(self.subject.clone(), self.parts.clone(), None),
            in_reply_to: Some(message.id),
            expires_in: Some(LATE),
            metadata: serde_json::Map::from_iter([("processor".to_owned(), self.processor.clone().into())]),
            tags: serde_json::Map::new(),
            idempotency: Some(Idempotency {
                caller: format!("processor:{}", self.processor),
                key: message.id.to_string(),
                fingerprint: String::new(),
            }),
            backend: None,
            trace: Trace::from_header(Some(&message.traceparent)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::accept::Told;
    use crate::config::Config;
    use crate::customer::{Consents, Directory};
    use crate::media::Media;
    use crate::plugin::exchange::AutoReply;
    use crate::store::Store;
    use crate::store::sqlite::SqliteStore;

    async fn started(store: &Arc<dyn Store>, directory: &Path) -> Accept {
        let config = Config::parse("", directory, &|_| None).unwrap().config;
        let (url, retention) = ("http://gw.example".parse().unwrap(), config.retention());
        let media = Media::open(store.clone(), directory, &url, config.media, retention.clone()).await.unwrap();
        let people = Arc::new(Directory::new(store.clone(), config.conversations));
        let consents = Arc::new(Consents::new(store.clone(), &config.consent, &config.channels));
        Accept::new(store.clone(), people, consents, Arc::new(media), "http://gw.example", retention)
    }

    fn message(id: &str, automatic: Option<&str>) -> Happening {
        let sender = json!({"scheme": "tel", "value": "+15550100123"});
        let content = json!({"subject": null, "parts": [{"type": "text", "text": "hi"}], "quoted_text": null});
        serde_json::from_value(json!({
            "kind": "message", "id": id, "sender": sender, "aliases": [], "recipients": [], "at": null,
            "in_reply_to": null, "automatic": automatic, "content": content, "metadata": {},
        }))
        .unwrap()
    }

    fn channel() -> ChannelRef {
        ChannelRef { name: "sms".into(), medium: "sms".into(), adapter: "x".into() }
    }

    /// The message, and what is owed for it, without paying: as a crash leaves it.
    async fn owe(accept: &Accept, happening: &Happening) -> Vec<Reply> {
        let parts = vec![Part::Text { text: "hello".into(), html: None }];
        let reply = AutoReply { subject: None, parts, name: None, pause: Duration::from_secs(3600) };
        let passing = crate::accept::passing::passing_of(&channel(), happening).unwrap();
        let came = Came { passing, replies: vec![("p".into(), reply)] };
        let replies = Reply::to(&channel(), happening, &came);
        let writes: Vec<_> = replies.iter().map(Reply::write).collect();
        let told = Told { happenings: std::slice::from_ref(happening), files: &[], raw: None };
        accept.append_told(&channel(), &[told], &writes, &Trace::from_header(None)).await.unwrap();
        replies
    }

    async fn sent(store: &Arc<dyn Store>) -> usize {
        let filter = crate::store::Filter { kinds: vec![Kind::MessageSubmitted], ..Default::default() };
        store.page(&filter, None, crate::store::Order::OldestFirst, 100).await.unwrap().len()
    }

    #[tokio::test]
    async fn what_is_owed_is_paid_once_wherever_the_crash_was() {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&directory.path().join("data")).unwrap());
        let owed = owe(&started(&store, directory.path()).await, &message("1", None)).await;
        assert_eq!(sent(&store).await, 0);

        let accept = started(&store, directory.path()).await;
        accept.answer_owed().await.unwrap();
        assert_eq!(sent(&store).await, 1);

        // Killed after it was sent, and before that was written down.
        let event = accept.message_to_answer(&owed[0]).await.unwrap().unwrap();
        let last = owed[0].last_key(event.subject.unwrap());
        let entry = store.get(&last).await.unwrap();
        let begun = owed[0].last_write(event.subject.unwrap(), entry.as_ref(), event.id, false);
        store.commit(Batch { writes: vec![begun, owed[0].write()], ..Batch::default() }).await.unwrap();
        let accept = started(&store, directory.path()).await;
        accept.answer_owed().await.unwrap();
        accept.answer_owed().await.unwrap();
        assert_eq!(sent(&store).await, 1);

        // Another message of the conversation within the pause; and one that no person wrote.
        owe(&accept, &message("2", None)).await;
        assert!(owe(&accept, &message("3", Some("auto-reply"))).await.is_empty());
        accept.answer_owed().await.unwrap();
        assert_eq!(sent(&store).await, 1);
        assert!(store.scan("reply/owed", None, 10).await.unwrap().is_empty());
    }

    #[test]
    fn the_pause_is_kept_and_then_over() {
        let answered = |ago: u64, done| Answered {
            message: Uuid::nil(),
            at: Time::now().minus(Duration::from_millis(ago)),
            pause_ms: 60_000,
            done,
        };
        assert!(!answered(1, true).allows(Uuid::max()));
        assert!(answered(61_000, true).allows(Uuid::max()));
        assert!(answered(1, false).allows(Uuid::nil()), "begun and not done");
        assert!(!answered(99_000, true).allows(Uuid::nil()), "the same message again");
    }
}
