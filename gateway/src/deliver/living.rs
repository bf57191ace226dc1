use std::sync::Arc;

use async_trait::async_trait;

use super::target::{Attempt, Outcome, Scope, Target};
use crate::store::{Record, Store, StoreError};

/// A target that gets nothing of contacts who were erased: records may be on their way from the log while they are removed.
pub struct Living {
    pub store: Arc<dyn Store>,
    pub target: Arc<dyn Target>,
}

#[async_trait]
impl Target for Living {
    async fn deliver(&self, record: &Record, attempt: Attempt) -> Outcome {
        match self.is_erased(record).await {
            Ok(false) => {}
            Ok(true) => return erased(),
            Err(error) => return Outcome::Retry { after: None, why: error.to_string(), scope: Scope::Lane },
        }
        let outcome = self.target.deliver(record, attempt).await;
        // Nothing of it is to be kept, not even that it failed.
        let fails = matches!(outcome, Outcome::Retry { .. } | Outcome::GiveUp { .. });
        if fails && matches!(self.is_erased(record).await, Ok(true)) { erased() } else { outcome }
    }

    fn wants(&self, record: &Record) -> bool {
        self.target.wants(record)
    }

    fn may_get(&self, record: &Record) -> bool {
        self.target.may_get(record)
    }
}

fn erased() -> Outcome {
    Outcome::Discard { why: "the contact was erased".to_owned() }
}

impl Living {
    async fn is_erased(&self, record: &Record) -> Result<bool, StoreError> {
        match record.contact {
            Some(contact) => self.store.is_buried(contact).await,
            None => Ok(false),
        }
    }
}
