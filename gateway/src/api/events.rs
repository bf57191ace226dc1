//! Live interactions as server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! A reader who comes back with the id of the last event it saw first gets what it missed, from pages of the log up to
//! where the log's head was when it came; from there on it follows each partition. Nothing is read ahead beyond one batch:
//! a slow reader slows nobody but itself.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event as Frame, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::future::{FutureExt, select_all};
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::watch;
use uuid::Uuid;

use super::answer::{Answer, event};
use super::input::Params;
use super::interactions::{find, kind};
use super::{Api, contacts};
use crate::edge::Problem;
use crate::interaction::Kind;
use crate::store::{Filter, Order, Partition, Position, Record, StoreError, Stream as Source};

const BATCH: usize = 100;
/// Proxies give up a silent connection after a minute or less.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Which interactions, and from where on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Following {
    after: Option<Uuid>,
    channel: Option<String>,
    contact: Option<Uuid>,
    conversation: Option<Uuid>,
    r#type: Option<String>,
}

/// `GET /v1/events`
pub(super) async fn follow(
    State(api): State<Arc<Api>>,
    Params(following): Params<Following>,
    headers: HeaderMap,
) -> Answer {
    let after = last_event_id(&headers)?.or(following.after);
    let filter = Filter {
        channel: following.channel,
        contacts: contacts::members(&api, following.contact).await?,
        conversation: following.conversation,
        kinds: kind(following.r#type.as_deref())?.into_iter().collect(),
        ..Filter::default()
    };
    if let Some(after) = after {
        find(&api, after).await?;
    }
    let alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
    Ok(Sse::new(frames(Reader::new(api, filter, following.contact, after))).keep_alive(alive).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Uuid>, Problem> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| Uuid::try_parse(text).ok());
    id.map(Some).ok_or_else(|| Problem::invalid("Last-Event-ID must be the id of an interaction"))
}

fn frames(reader: Reader) -> impl Stream<Item = Result<Frame, Infallible>> {
    unfold(reader, async |mut reader| {
        let record = reader.next().await?;
        let frame = frame(&reader.api, &record)?;
        Some((Ok(frame), reader))
    })
}

/// What is stored is always JSON on one line; a record that is damaged ends the stream, and the log says so.
fn frame(api: &Api, record: &Record) -> Option<Frame> {
    let data = event(&api.edge.media, record).ok()?;
    let kind = format!("omnigate.{}", record.kind.as_str());
    Some(Frame::default().id(record.id.to_string()).event(kind).data(data.get()))
}

/// One reader's way through the log.
struct Reader {
    api: Arc<Api>,
    filter: Filter,
    /// Whose interactions, if one contact's: the members change while they are followed.
    contact: Option<Uuid>,
    /// While catching up: the last record of the pages read so far.
    behind: Option<Uuid>,
    partitions: Vec<Followed>,
    waiting: VecDeque<Arc<Record>>,
}

/// How far a partition was followed.
struct Followed {
    partition: Partition,
    position: Position,
    head: watch::Receiver<Position>,
}

impl Reader {
    fn new(api: Arc<Api>, filter: Filter, contact: Option<Uuid>, behind: Option<Uuid>) -> Self {
        let partitions = (0..api.store.partitions()).map(|partition| Followed::from_head(&api, Partition(partition)));
        Self { partitions: partitions.collect(), api, filter, contact, behind, waiting: VecDeque::new() }
    }

    /// The next record; `None` at a shutdown, or when the store fails: the reader comes back then.
    async fn next(&mut self) -> Option<Arc<Record>> {
        let stop = self.api.stop.clone();
        loop {
            if let Some(record) = self.waiting.pop_front() {
                return Some(record);
            }
            let filled = tokio::select! {
                () = stop.cancelled() => return None,
                filled = self.fill() => filled,
            };
            if let Err(error) = filled {
                tracing::error!(%error, "a reader of live events is cut off");
                return None;
            }
        }
    }

    async fn fill(&mut self) -> Result<(), StoreError> {
        match self.behind {
            Some(after) => self.catch_up(after).await,
            None => self.follow().await,
        }
    }

    /// A page of what is older than the heads; what is newer comes by following.
    async fn catch_up(&mut self, after: Uuid) -> Result<(), StoreError> {
        let page = self.api.store.page(&self.filter, Some(after), Order::OldestFirst, BATCH).await?;
        self.behind = page.last().filter(|_| page.len() == BATCH).map(|record| record.id);
        let is_old = |record: &Arc<Record>| self.head_of(record.partition).is_some_and(|head| record.position <= head);
        let old: Vec<Arc<Record>> = page.into_iter().filter(is_old).collect();
        if old.is_empty() {
            self.behind = None;
        }
        self.waiting.extend(old);
        Ok(())
    }

    fn head_of(&self, partition: Partition) -> Option<Position> {
        self.partitions.iter().find(|followed| followed.partition == partition).map(|followed| followed.position)
    }

    /// What is new in any partition; waits where there is nothing.
    async fn follow(&mut self) -> Result<(), StoreError> {
        let mut moved = false;
        for followed in &mut self.partitions {
            followed.head.borrow_and_update();
            let read = self.api.store.read(followed.partition, &Source::All, followed.position, BATCH).await?;
            moved |= read.1 > followed.position;
            followed.position = followed.position.max(read.1);
            if self.contact.is_some() && read.0.iter().any(|record| regroups(record.kind)) {
                self.filter.contacts = contacts::members(&self.api, self.contact).await?;
            }
            self.waiting.extend(read.0.into_iter().filter(|record| self.filter.matches(record)));
        }
        if !moved {
            self.changed().await?;
        }
        Ok(())
    }

    async fn changed(&mut self) -> Result<(), StoreError> {
        let changes = self.partitions.iter_mut().map(|followed| followed.head.changed().boxed());
        let (changed, ..) = select_all(changes).await;
        changed.map_err(|_| StoreError::Unavailable("the store is closed".into()))
    }
}

impl Followed {
    fn from_head(api: &Api, partition: Partition) -> Self {
        let head = api.store.watch(partition, &Source::All);
        let position = *head.borrow();
        Self { partition, position, head }
    }
}

/// Whether people were joined or separated.
fn regroups(kind: Kind) -> bool {
    matches!(kind, Kind::ContactLinked | Kind::ContactUnlinked)
}
