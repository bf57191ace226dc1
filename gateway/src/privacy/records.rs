use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use super::Eraser;
use super::job::{Job, Kept};
use crate::customer::Conversation;
use crate::deliver::letter_key;
use crate::interaction::Event;
use crate::routes;
use crate::store::{Batch, Filter, Order, Record, StoreError, Write};

/// Records that one commit removes.
const STEP: usize = 100;

/// What goes with some records.
#[derive(Default)]
pub(super) struct Going {
    removals: Vec<Uuid>,
    pub(super) writes: Vec<Write>,
    conversations: BTreeSet<Uuid>,
    messages: u64,
    pub(super) media: u64,
}

impl Eraser {
    /// Removes all of the person's records, and what is only there for them.
    pub(super) async fn remove_records(&self, job: &mut Kept<Job>) -> Result<(), StoreError> {
        for member in job.value.person.members.clone() {
            let filter = Filter { contacts: vec![member], ..Filter::default() };
            loop {
                let records = self.store.page(&filter, None, Order::OldestFirst, STEP).await?;
                if records.is_empty() {
                    break;
                }
                self.remove_some(job, &records).await?;
            }
        }
        Ok(())
    }

    async fn remove_some(&self, job: &mut Kept<Job>, records: &[Arc<Record>]) -> Result<(), StoreError> {
        let mut going = Going::default();
        for record in records {
            self.gather(&job.value, record, &mut going).await?;
        }
        let mut conversations = 0;
        for id in &going.conversations {
            let key = Conversation::key(*id);
            if self.store.get(&key).await?.is_some() {
                going.writes.push(Write::delete(key));
                conversations += 1;
            }
            let notes = self.accept.replies_in(*id).await?.into_iter().chain([routes::decision_key(*id)]);
            going.writes.extend(notes.map(Write::delete));
        }
        let Going { removals, writes, messages, media, .. } = going;
        let interactions = removals.len() as u64;
        self.commit_step(job, Batch { removals, writes, ..Batch::default() }, |removed| {
            removed.interactions += interactions;
            removed.conversations += conversations;
            removed.messages += messages;
            removed.media += media;
        })
        .await
    }

    async fn gather(&self, job: &Job, record: &Record, going: &mut Going) -> Result<(), StoreError> {
        going.removals.push(record.id);
        going.conversations.extend(record.conversation);
        // What cannot be read any more goes all the same.
        let Ok(event) = serde_json::from_slice::<Event>(&record.body) else { return Ok(()) };
        let parting = self.accept.parting(&event).await?;
        going.messages += u64::from(parting.was_sent);
        going.writes.extend(parting.entries.into_iter().map(Write::delete));
        going.writes.extend(parting.late);
        going.writes.extend(parting.was_sent.then(|| Write::delete(letter_key(record.id))));
        for id in self.media.ids_in(&event) {
            self.gather_file(job, id, going).await?;
        }
        Ok(())
    }

    pub(super) async fn gather_file(&self, job: &Job, id: Uuid, going: &mut Going) -> Result<(), StoreError> {
        let Some(file) = self.media.forget(id, &job.person.members).await? else { return Ok(()) };
        if going.writes.iter().any(|write| write.key == file.write.key) {
            return Ok(());
        }
        going.media += u64::from(file.gone);
        going.writes.push(file.write);
        going.writes.extend(file.file.map(|name| Write::put(job.file_key(&name), name)));
        Ok(())
    }

    /// Removes the files whose entries went.
    pub(super) async fn remove_files(&self, job: &mut Kept<Job>) -> Result<(), StoreError> {
        loop {
            let page = self.store.scan(&job.value.files_prefix(), None, STEP).await?;
            if page.is_empty() {
                return Ok(());
            }
            let names: Vec<&str> = page.iter().filter_map(|(key, _)| key.0.rsplit('/').next()).collect();
            let files = self.media.unlink(&names).await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let writes = page.into_iter().map(|(key, _)| Write::delete(key)).collect();
            self.commit_step(job, Batch { writes, ..Batch::default() }, |removed| removed.files += files).await?;
        }
    }
}
