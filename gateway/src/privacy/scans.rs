//! What nothing leads to from a contact: it is looked through.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::job::{Job, Kept, Removed};
use super::person::Needles;
use super::records::Going;
use super::{Eraser, Person};
use crate::accept::{self, LOOPS};
use crate::connectors::{CONTACTS_THERE, notes_of};
use crate::customer::{Contact, Member, Preferences, Subject};
use crate::deliver::{DeadKind, DeadLetter};
use crate::outbound::OpenList;
use crate::store::{Batch, Entry, Key, Position, StoreError, Write};

const PAGE: usize = 200;

impl Eraser {
    /// Removes what speaks of the person without naming the contact.
    pub(super) async fn remove_mentions(&self, job: &mut Kept<Job>) -> Result<(), StoreError> {
        let needles = job.value.person.needles();
        self.remove_unattributed(job, &needles).await?;
        self.remove_dead_letters(job, &needles).await?;
        self.remove_plugin_values(job, &needles).await?;
        self.remove_answers(job).await?;
        self.remove_owed_replies(job, &needles).await?;
        self.remove_wishes(job).await?;
        self.remove_claims(job).await?;
        self.remove_notes(job).await
    }

    async fn remove_wishes(&self, job: &mut Kept<Job>) -> Result<(), StoreError> {
        let Person { members, identities } = job.value.person.clone();
        let of_members = members.iter().flat_map(|id| [Subject::Contact(*id).key(), Preferences::key(*id)]);
        let keys = of_members.chain(identities.iter().map(|identity| Subject::Address(identity).key()));
        let mut writes = Vec::new();
        for key in keys {
            if self.store.get(&key).await?.is_some() {
                writes.push(Write::delete(key));
            }
        }
        let count = writes.len() as u64;
        self.commit_step(job, Batch { writes, ..Batch::default() }, |removed| removed.consents += count).await
    }

    /// His addresses where somebody else is suggested to have them.
    async fn remove_claims(&self, job: &mut Kept<Job>) -> Result<(), StoreError> {
        let his = job.value.person.identities.clone();
        let mut after = None;
        loop {
            let page = self.store.scan(&Contact::keys(), after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            let mut writes = Vec::new();
            for (key, entry) in page {
                writes.extend(Member::unclaimed(&entry, &his).map(|member| Write::over(key, Some(&entry), member)));
            }
            if writes.is_empty() {
                continue;
            }
            let count = writes.len() as u64;
            self.commit_step(job, Batch { writes, ..Batch::default() }, |removed| removed.claims += count).await?;
            self.directory.forget();
        }
    }

    /// Kept by channel and address.
    async fn remove_notes(&self, job: &mut Kept<Job>) -> Result<(), StoreError> {
        let addresses: Vec<String> =
            job.value.person.identities.iter().map(|identity| Key::of(&[&identity.address()]).0).collect();
        let his =
            |key: &Key, _: &Entry| key.0.rsplit_once('/').is_some_and(|(_, last)| addresses.iter().any(|a| a == last));
        for prefix in [OpenList::PREFIX, LOOPS] {
            self.remove_entries(job, &Key::prefix(&[prefix]), &his, |removed| &mut removed.notes).await?;
        }
        self.remove_connectors_notes(job).await
    }

    /// Who the person is in a CRM, and what that says of him here. What is kept there, the CRM removes by itself.
    async fn remove_connectors_notes(&self, job: &mut Kept<Job>) -> Result<(), StoreError> {
        let members = job.value.person.members.clone();
        for member in &members {
            self.remove_entries(job, &notes_of(*member), |_, _| true, |removed| &mut removed.notes).await?;
        }
        let leads_to_him = |_: &Key, entry: &Entry| members.iter().any(|member| entry.value == member.as_bytes()[..]);
        let there = Key::prefix(&[CONTACTS_THERE]);
        self.remove_entries(job, &there, leads_to_him, |removed| &mut removed.notes).await
    }

    async fn remove_unattributed(&self, job: &mut Kept<Job>, needles: &Needles) -> Result<(), StoreError> {
        let mut after = Position::START;
        loop {
            let records = self.store.unattributed(after, PAGE).await?;
            let Some(last) = records.last() else { return Ok(()) };
            after = last.position;
            let mut removals = Vec::new();
            for record in &records {
                let raw = self.store.raw(record.id).await?.unwrap_or_default();
                if needles.are_in(&record.body) || needles.are_in(&raw) {
                    removals.push(record.id);
                }
            }
            let count = removals.len() as u64;
            let batch = Batch { removals, ..Batch::default() };
            self.commit_step(job, batch, |removed| removed.interactions += count).await?;
        }
    }

    /// Deliveries of what is gone, and requests and held messages in which an address is found.
    async fn remove_dead_letters(&self, job: &mut Kept<Job>, needles: &Needles) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.store.scan(&Key::prefix(&["dead"]), after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            let (mut going, mut letters, mut requests) = (Going::default(), 0, 0);
            for (key, entry) in page {
                let Ok(letter) = serde_json::from_slice::<DeadLetter>(&entry.value) else { continue };
                let goes = match letter.kind {
                    DeadKind::Delivery => self.is_orphan(&letter).await?,
                    DeadKind::Request => speaks_of(&letter, needles),
                    DeadKind::Message => needles.are_in(&entry.value),
                };
                if goes {
                    going.writes.push(Write::delete(key));
                    self.gather_held_files(&job.value, &letter, &mut going).await?;
                    *(if letter.kind == DeadKind::Delivery { &mut letters } else { &mut requests }) += 1;
                }
            }
            let Going { writes, media, .. } = going;
            self.commit_step(job, Batch { writes, ..Batch::default() }, |removed| {
                removed.dead_letters += letters;
                removed.requests += requests;
                removed.media += media;
            })
            .await?;
        }
    }

    /// Of a message on which a processor failed: nothing else speaks of them.
    async fn gather_held_files(&self, job: &Job, letter: &DeadLetter, going: &mut Going) -> Result<(), StoreError> {
        let files = letter.more.get("files").and_then(Value::as_array).into_iter().flatten();
        for id in files.filter_map(|file| file["id"].as_str()?.parse().ok()) {
            self.gather_file(job, id, going).await?;
        }
        Ok(())
    }

    /// Its interaction is gone: it can never be retried.
    async fn is_orphan(&self, letter: &DeadLetter) -> Result<bool, StoreError> {
        match letter.interaction_id {
            Some(id) => Ok(self.store.find(id).await?.is_none()),
            None => Ok(false),
        }
    }

    async fn remove_plugin_values(&self, job: &mut Kept<Job>, needles: &Needles) -> Result<(), StoreError> {
        let speaks = |key: &Key, entry: &Entry| {
            let name = key.0.splitn(3, '/').nth(2).unwrap_or_default();
            needles.are_in(name.as_bytes()) || needles.are_in(&entry.value)
        };
        self.remove_entries(job, &Key::prefix(&["kv"]), speaks, |removed| &mut removed.plugin_values).await
    }

    /// Answers to sends are remembered for a day.
    async fn remove_answers(&self, job: &mut Kept<Job>) -> Result<(), StoreError> {
        let members = job.value.person.members.clone();
        let speaks = move |_: &Key, entry: &Entry| {
            let remembered: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
            let contact = remembered["answer"]["contact_id"].as_str().and_then(|id| id.parse().ok());
            contact.is_some_and(|contact| members.contains(&contact))
        };
        self.remove_entries(job, &Key::prefix(&["idempotency"]), speaks, |removed| &mut removed.answers).await
    }

    /// What processors wanted to answer him, and did not yet.
    async fn remove_owed_replies(&self, job: &mut Kept<Job>, needles: &Needles) -> Result<(), StoreError> {
        let speaks = |_: &Key, entry: &Entry| needles.are_in(&entry.value);
        self.remove_entries(job, &accept::owed_replies(), speaks, |removed| &mut removed.notes).await
    }

    pub(super) async fn remove_entries(
        &self,
        job: &mut Kept<Job>,
        prefix: &str,
        goes: impl Fn(&Key, &Entry) -> bool,
        counter: fn(&mut Removed) -> &mut u64,
    ) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.store.scan(prefix, after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            let going = page.iter().filter(|(key, entry)| goes(key, entry));
            let writes: Vec<Write> = going.map(|(key, _)| Write::delete(key.clone())).collect();
            let count = writes.len() as u64;
            let batch = Batch { writes, ..Batch::default() };
            self.commit_step(job, batch, |removed| *counter(removed) += count).await?;
        }
    }
}

/// Whether an address is in a kept request: in its body, or in what came before that.
fn speaks_of(letter: &DeadLetter, needles: &Needles) -> bool {
    let request = letter.more.get("request").unwrap_or(&Value::Null);
    let body = request["body_base64"].as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let head = serde_json::json!([request["path"], request["query"], request["headers"]]).to_string();
    needles.are_in(&body) || needles.are_in(head.as_bytes())
}
