//! The engine on a store whose commits fail.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::support::{Place, Scripted};
use crate::deliver::Outcome;
use crate::store::{Batch, Committed, Layer, Position, Store, StoreError};

#[derive(Clone, Copy)]
enum Failure {
    Before,
    After,
    Full,
}

/// Fails as it is told, then works.
struct Failing {
    inner: Arc<dyn Store>,
    failures: Mutex<VecDeque<Failure>>,
}

#[tokio::test]
async fn progress_is_written_when_the_store_works_again() {
    let failing = Arc::new(Mutex::new(None));
    let place = Place::with(|inner| {
        let store = Arc::new(Failing { inner, failures: Mutex::default() });
        *failing.lock().unwrap() = Some(Arc::clone(&store));
        store
    });
    let failing = failing.lock().unwrap().take().unwrap();
    let target = Scripted::new(|seen| match seen.position.0 {
        5 => Outcome::GiveUp { why: "scripted".into() },
        _ => Outcome::Done,
    });
    place.append((0..50).map(|n| n % 7)).await;
    *failing.failures.lock().unwrap() = [Failure::Before, Failure::After, Failure::Full].into();
    let running = place.start(&target).await;
    target.until_done(49).await;
    running.stop().await;
    assert!(failing.failures.lock().unwrap().is_empty());
    let progress = place.progress().await;
    assert_eq!((progress.cursor.floor, progress.lanes.len()), (Position(50), 0));
    let dead = crate::deliver::DeadLetters::new(Arc::clone(&place.store));
    assert_eq!(dead.list(None, None, 10).await.unwrap().len(), 1, "repeated unchanged");
    assert_eq!(target.seen().len(), 50, "nothing came twice");
}

#[async_trait]
impl Layer for Failing {
    fn inner(&self) -> &dyn Store {
        &*self.inner
    }

    async fn commit(&self, batch: Batch) -> Result<Committed, StoreError> {
        let failure = if batch.progress.is_empty() { None } else { self.failures.lock().unwrap().pop_front() };
        match failure {
            None => self.inner.commit(batch).await,
            Some(Failure::Before) => Err(StoreError::Unavailable("scripted".into())),
            Some(Failure::Full) => Err(StoreError::Full),
            Some(Failure::After) => {
                self.inner.commit(batch).await?;
                Err(StoreError::Unknown("scripted".into()))
            }
        }
    }
}
