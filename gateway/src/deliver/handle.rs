use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::subscriber::{Board, Subscriber, SubscriberState};
use crate::store::{Partition, Position, Record, Store, StoreError, Stream, Write};

/// Records that may be put back with one call.
pub const REPLAY_MAX: usize = 1000;

/// The way to a running subscriber.
#[derive(Clone)]
pub struct Handle {
    pub(super) store: Arc<dyn Store>,
    pub(super) partition: Partition,
    pub(super) subscriber: Subscriber,
    pub(super) board: Arc<Board>,
    pub(super) controls: mpsc::Sender<Control>,
}

/// What an operator asks of a worker; answered once it is written down.
pub(super) enum Control {
    PutBack { records: Vec<(Uuid, Position)>, replayed: bool, writes: Vec<Write>, done: Done },
    Resume { done: Done },
}

pub(super) type Done = oneshot::Sender<Result<(), ControlError>>;

/// Why an operator's wish was not fulfilled.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("the subscriber is shutting down")]
    Ended,
    /// So much is put back already; try again later.
    #[error("too many records are put back at once")]
    Busy,
    /// It was never there, or retention has removed it.
    #[error("interaction {0} is not in the log")]
    NotFound(Uuid),
    #[error("interaction {0} is not for this subscriber")]
    NotForIt(Uuid),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Handle {
    /// Name of the subscriber.
    pub fn name(&self) -> &str {
        &self.subscriber.name
    }

    /// How it is doing now.
    pub fn state(&self) -> SubscriberState {
        self.board.state()
    }

    /// Delivers records of the log again, oldest first, marked as replayed; those that are not for this subscriber are left
    /// out. At most [`REPLAY_MAX`] at once. Returns how many were put back, once that is written down.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] if one of them is not in the log: then nothing was put back.
    pub async fn replay(&self, ids: &[Uuid]) -> Result<usize, ControlError> {
        if ids.len() > REPLAY_MAX {
            return Err(ControlError::Busy);
        }
        let mut records = Vec::with_capacity(ids.len());
        for id in ids {
            let record = self.store.find(*id).await?.ok_or(ControlError::NotFound(*id))?;
            if self.gets(&record) {
                records.push((record.id, record.position));
            }
        }
        records.sort_by_key(|(_, position)| *position);
        let count = records.len();
        self.put_back(records, true, Vec::new()).await?;
        Ok(count)
    }

    /// Ends a stop, a hold or a pause.
    ///
    /// # Errors
    /// [`ControlError::Ended`].
    pub async fn resume(&self) -> Result<(), ControlError> {
        self.ask(|done| Control::Resume { done }).await
    }

    pub(super) async fn retry(&self, id: Uuid, write: Write) -> Result<(), ControlError> {
        let record = self.store.find(id).await?.ok_or(ControlError::NotFound(id))?;
        if !self.gets(&record) {
            return Err(ControlError::NotForIt(id));
        }
        self.put_back(vec![(record.id, record.position)], false, vec![write]).await
    }

    fn gets(&self, record: &Record) -> bool {
        let in_stream = match &self.subscriber.stream {
            Stream::All => true,
            Stream::Target(name) => record.target.as_ref() == Some(name),
        };
        in_stream && record.partition == self.partition && self.subscriber.target.may_get(record)
    }

    pub(super) async fn put_back(
        &self,
        records: Vec<(Uuid, Position)>,
        replayed: bool,
        writes: Vec<Write>,
    ) -> Result<(), ControlError> {
        self.ask(|done| Control::PutBack { records, replayed, writes, done }).await
    }

    async fn ask(&self, control: impl FnOnce(Done) -> Control) -> Result<(), ControlError> {
        let (done, answer) = oneshot::channel();
        self.controls.send(control(done)).await.map_err(|_| ControlError::Ended)?;
        answer.await.map_err(|_| ControlError::Ended)?
    }
}

/// All running subscribers, by name.
#[derive(Default)]
pub struct Deliveries {
    handles: RwLock<BTreeMap<String, Handle>>,
}

impl Deliveries {
    /// Takes a subscriber in, instead of an earlier one of that name.
    pub fn insert(&self, handle: Handle) {
        self.handles.write().unwrap_or_else(PoisonError::into_inner).insert(handle.name().to_owned(), handle);
    }

    /// Until its own subscribers are started, it tells of those of a generation that ends, and leads to them.
    pub fn succeed(&self, earlier: &Self) {
        let earlier = earlier.handles.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut handles = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        let own = std::mem::replace(&mut *handles, earlier);
        handles.extend(own);
    }

    /// Forgets all but those that `stays` names.
    pub fn forget_others(&self, stays: impl Fn(&str) -> bool) {
        self.handles.write().unwrap_or_else(PoisonError::into_inner).retain(|name, _| stays(name));
    }

    /// Forgets a subscriber.
    pub fn remove(&self, name: &str) -> Option<Handle> {
        self.handles.write().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// One by name.
    pub fn get(&self, name: &str) -> Option<Handle> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// How all are doing, by name.
    pub fn states(&self) -> Vec<SubscriberState> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner).values().map(Handle::state).collect()
    }
}
