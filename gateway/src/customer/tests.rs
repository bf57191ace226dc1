//! Conversations over time, with a clock of their own.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::{Attribution, Directory, News};
use crate::config::{Conversations, Grouping};
use crate::interaction::{Identity, Kind, Time};
use crate::store::sqlite::SqliteStore;
use crate::store::{Batch, Store};

const MINUTE: Duration = Duration::from_secs(60);

struct Place {
    store: Arc<dyn Store>,
    directory: Directory,
    _home: TempDir,
}

impl Place {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(home.path()).unwrap());
        let rules =
            Conversations { group_by: Grouping::Contact, idle: 60 * MINUTE, reopen_within: 10 * MINUTE, control: None };
        Self { directory: Directory::new(store.clone(), rules), store, _home: home }
    }

    /// A message of one person, so many minutes after the first.
    async fn say(&self, minutes: u32) -> (Attribution, Vec<News>) {
        let now = Time::from_ms(1_767_225_600_000).plus(MINUTE * minutes);
        let person = Identity { scheme: "tel".into(), value: "+4930901820".into(), scope: None, name: None };
        let mut session = self.directory.session(now);
        let attribution = session.attribute(&[&person], "sms").await.unwrap();
        let news = session.take_news();
        let writes = session.writes();
        let committed = self.store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
        session.committed(&committed.versions);
        (attribution, news)
    }

    async fn close(&self, attribution: &Attribution, minutes: u32) {
        let now = Time::from_ms(1_767_225_600_000).plus(MINUTE * minutes);
        let mut session = self.directory.session(now);
        let why = super::Why { by: "key:test".into(), reason: "done".into(), evidence: None };
        let id = attribution.conversation.id;
        session.change(id, &super::Change::Close, None, &why).await.unwrap().unwrap();
        let writes = session.writes();
        let committed = self.store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
        session.committed(&committed.versions);
    }
}

#[tokio::test]
async fn only_what_is_of_people_is_read_again_after_a_conflict() {
    let place = Place::new();
    let (said, _) = place.say(0).await;
    let read = async || place.directory.person(said.owner).await.unwrap().unwrap();
    let first = read().await;
    place.directory.forget_if("message/0197b0c0");
    assert!(Arc::ptr_eq(&first, &read().await));
    place.directory.forget_if("conversation/0197b0c0");
    assert!(!Arc::ptr_eq(&first, &read().await));
}

fn kinds(news: &[News]) -> Vec<Kind> {
    news.iter().map(|news| news.kind).collect()
}

#[tokio::test]
async fn silence_ends_a_conversation_with_the_next_message() {
    let place = Place::new();
    let (first, news) = place.say(0).await;
    assert!(first.opened);
    assert_eq!(kinds(&news), [Kind::ConversationOpened]);
    let (going_on, news) = place.say(59).await;
    assert_eq!((going_on.conversation.id, going_on.opened, news.len()), (first.conversation.id, false, 0));
    let (next, news) = place.say(120).await;
    assert!(next.opened && next.conversation.id != first.conversation.id);
    assert_eq!(kinds(&news), [Kind::ConversationClosed, Kind::ConversationOpened]);
    assert_eq!(news[0].detail, json!({ "reason": "idle" }));
    let ended = place.directory.conversation(first.conversation.id).await.unwrap().unwrap();
    assert_eq!(ended.closed_at.map(Time::ms), Some(1_767_225_600_000 + 120 * 60_000));
    assert_eq!(
        place.directory.person(first.owner).await.unwrap().unwrap().contact.conversation,
        Some(next.conversation.id)
    );
}

#[tokio::test]
async fn what_was_closed_begins_again_for_a_while() {
    let place = Place::new();
    let (first, _) = place.say(0).await;
    place.close(&first, 5).await;
    let (again, news) = place.say(14).await;
    assert_eq!((again.conversation.id, again.opened), (first.conversation.id, false));
    assert_eq!((kinds(&news), &news[0].detail["reopened"]), (vec![Kind::ConversationOpened], &json!(true)));
    place.close(&first, 20).await;
    let (next, _) = place.say(30).await;
    assert_ne!(next.conversation.id, first.conversation.id, "ten minutes are over");
    assert!(next.opened);
}

/// What memory forgets, the store tells the same.
#[tokio::test]
async fn memory_and_store_agree() {
    let place = Place::new();
    let (first, _) = place.say(0).await;
    place.close(&first, 5).await;
    let remembered = place.directory.person(first.owner).await.unwrap().unwrap();
    place.directory.forget();
    let read = place.directory.person(first.owner).await.unwrap().unwrap();
    assert_eq!(read.contact, remembered.contact);
    assert_eq!(read.conversation(first.conversation.id), remembered.conversation(first.conversation.id));
}
