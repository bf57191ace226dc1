//! A batch of interactions: contacts first, then what stands on their timelines, then what binds them.

use std::collections::BTreeMap;

use omnigate_plugin::connector::{Context, Item, Note, Person, Taken, in_order};
use omnigate_plugin::interaction::{Interaction, Task};
use omnigate_plugin::serde_json::from_str;
use omnigate_plugin::{Fault, FaultKind, json};

use crate::activities::{KINDS, NOTES, changed, files_apart, has_attachments, kind, written};
use crate::api::{Api, Batch, Properties, Refusal, Refused};
use crate::contacts::{Resolved, resolve};
use crate::{files, tickets};

type Answer = Result<Taken, Fault>;
/// What is written, by our ids.
type Records = [(String, Properties)];

/// One interaction on its way.
struct Work<'a> {
    event: Interaction,
    item: &'a Item,
    answer: Option<Answer>,
    /// Its id in HubSpot, once it is written.
    activity: Option<String>,
    /// Of the contact in HubSpot.
    contact: Option<String>,
    ticket: Option<String>,
    /// Ids of its files in HubSpot.
    files: Vec<String>,
    /// The note that holds them, where its own kind holds none.
    files_note: Option<String>,
}

pub(crate) fn deliver(ctx: &Context, api: &Api, items: &[Item]) -> Result<Vec<Answer>, Fault> {
    in_order(items, Work::of, |all| work(ctx, api, all), Work::end)
}

fn work(ctx: &Context, api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    know_contacts(api, all)?;
    upload_files(ctx, api, all)?;
    for kind in KINDS {
        write(api, kind, all)?;
        change(api, kind, all)?;
    }
    write_file_notes(api, all)?;
    open_tickets(api, all)?;
    bind_contacts(api, all)?;
    bind_tickets(api, all)?;
    move_tickets(api, all, Task::Close, tickets::close)?;
    move_tickets(api, all, Task::Reopen, tickets::reopen)
}

impl<'a> Work<'a> {
    /// What is about nobody, or nothing that HubSpot keeps, is done already.
    fn of(item: &'a Item, event: Interaction) -> Self {
        let ticket = item.known.conversation.as_ref().map(|note| note.id.clone());
        let is_nothing = event.task() == Task::Nothing || item.person.is_none();
        let answer = is_nothing.then(|| Ok(Taken::nothing()));
        let (files, files_note) = (Vec::new(), None);
        Self { event, item, answer, activity: None, contact: None, ticket, files, files_note }
    }

    fn is_open(&self, task: Task) -> bool {
        self.answer.is_none() && self.event.task() == task
    }

    /// As what it stands there: what changes a message may come by another channel than the message did.
    fn kind(&self) -> &'static str {
        let noted = self.item.known.about.as_ref().and_then(|note| from_str::<&str>(note.data.as_deref()?).ok());
        let noted = noted.and_then(|noted| KINDS.into_iter().find(|kind| *kind == noted));
        noted.unwrap_or_else(|| kind(self.event.medium()))
    }

    /// What is noted of what was written.
    fn activity(&self) -> Option<Note> {
        Some(Note { id: self.activity.clone()?, data: Some(json!(self.kind()).to_string()) })
    }

    /// Its files stand in a note beside it.
    fn has_files_apart(&self) -> bool {
        !self.files.is_empty() && !has_attachments(self.kind())
    }

    /// What stands for it among the records of a kind.
    fn record(&self, kind: &str) -> Option<&String> {
        match kind {
            own if own == self.kind() => self.activity.as_ref(),
            NOTES => self.files_note.as_ref(),
            _ => None,
        }
    }

    fn person(&self) -> &str {
        self.item.person.as_ref().map_or("", |person| &person.id)
    }

    fn end(self) -> Answer {
        let activity = self.activity();
        let taken = || Taken {
            contact: self.contact.map(Note::id),
            conversation: self.ticket.map(Note::id),
            activity,
            extra: None,
        };
        self.answer.unwrap_or_else(|| Ok(taken()))
    }
}

// ---- contacts

/// Those that are known are taken at their word; whether they still are there is seen when something is bound to them.
fn know_contacts(api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    let unknown = |one: &&Work<'_>| one.is_open(Task::Write) && one.item.known.contact.is_none();
    let persons = persons(all.iter().filter(unknown));
    let resolved = resolve(api, &persons)?;
    for one in all.iter_mut().filter(|one| one.is_open(Task::Write)) {
        match &one.item.known.contact {
            Some(note) => one.contact = Some(note.id.clone()),
            None => take_contact(one, &resolved),
        }
    }
    Ok(())
}

/// Each once.
fn persons<'a>(works: impl Iterator<Item = &'a Work<'a>>) -> Vec<&'a Person> {
    let persons = works.filter_map(|one| one.item.person.as_ref()).map(|person| (person.id.as_str(), person));
    persons.collect::<BTreeMap<_, _>>().into_values().collect()
}

fn take_contact(one: &mut Work<'_>, resolved: &Resolved) {
    match resolved.get(one.person()) {
        Some(Ok(id)) => one.contact = Some(id.clone()),
        Some(Err(fault)) => one.answer = Some(Err(fault.clone())),
        None => one.answer = Some(Err(Fault::unavailable("HubSpot told nothing of the contact"))),
    }
}

// ---- files

fn upload_files(ctx: &Context, api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    for one in all.iter_mut().filter(|one| one.is_open(Task::Write)) {
        match files::upload_all(ctx, api, &one.event) {
            Ok(ids) => one.files = ids,
            // Of the account: the others would meet it too.
            Err(fault) if matches!(fault.kind, FaultKind::Unauthorized | FaultKind::RateLimited) => return Err(fault),
            Err(fault) => one.answer = Some(Err(fault)),
        }
    }
    Ok(())
}

/// Notes for the files of what holds none itself, under the id of what they belong to.
fn write_file_notes(api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    let is_apart = |one: &Work<'_>| one.is_open(Task::Write) && one.has_files_apart();
    let records: Vec<(String, Properties)> = all
        .iter()
        .filter(|one| is_apart(one))
        .map(|one| (one.event.id.clone(), files_apart(api, &one.event, &one.files)))
        .collect();
    let written = write_all(&|some| api.upsert(NOTES, refer(some)), &records)?;
    let ids = written.ids(api.key());
    for one in all.iter_mut().filter(|one| is_apart(one)) {
        match ids.get(&one.event.id) {
            Some(id) => one.files_note = Some(id.clone()),
            None => one.answer = Some(Err(why(&written, &one.event.id))),
        }
    }
    Ok(())
}

// ---- timelines

fn write(api: &Api, kind_: &str, all: &mut [Work<'_>]) -> Result<(), Fault> {
    let of_kind = |one: &Work<'_>| one.is_open(Task::Write) && one.kind() == kind_;
    let records: Vec<(String, Properties)> = all
        .iter()
        .filter(|one| of_kind(one))
        .map(|one| (one.event.id.clone(), written(api, &one.event, one.person(), &one.files)))
        .collect();
    let written = write_all(&|some| api.upsert(kind_, refer(some)), &records)?;
    let ids = written.ids(api.key());
    for one in all.iter_mut().filter(|one| of_kind(one)) {
        match ids.get(&one.event.id) {
            Some(id) => one.activity = Some(id.clone()),
            None => one.answer = Some(Err(why(&written, &one.event.id))),
        }
    }
    Ok(())
}

/// What was never written is not changed.
fn change(api: &Api, kind_: &str, all: &mut [Work<'_>]) -> Result<(), Fault> {
    let of_kind = |one: &Work<'_>| one.is_open(Task::Change) && one.kind() == kind_;
    let record = |one: &Work<'_>| Some((one.event.data.message_id.clone()?, changed(api, kind_, &one.event)?));
    let records: Vec<_> = all.iter().filter(|one| of_kind(one)).filter_map(record).collect();
    let done = write_all(&|some| api.update(kind_, refer(some)), &records)?;
    for one in all.iter_mut().filter(|one| of_kind(one)) {
        let refusal = one.event.data.message_id.as_deref().and_then(|id| done.refusal_of(id));
        one.answer = Some(match refusal.filter(|refusal| !refusal.is_missing()) {
            Some(refusal) => Err(refusal.fault()),
            None => Ok(Taken::nothing()),
        });
    }
    Ok(())
}

fn refer(records: &Records) -> impl Iterator<Item = (&str, &Properties)> {
    records.iter().map(|(id, properties)| (id.as_str(), properties))
}

/// HubSpot refuses a whole batch for one bad record: the halves tell which.
fn write_all(write: &dyn Fn(&Records) -> Result<Batch, Refused>, records: &Records) -> Result<Batch, Fault> {
    if records.is_empty() {
        return Ok(Batch::default());
    }
    let refusal = match write(records) {
        Ok(batch) => return Ok(batch),
        Err(refused) => refused.invalid()?,
    };
    if let [(id, _)] = records {
        return Ok(Batch { results: Vec::new(), errors: vec![refusal.about(id)] });
    }
    let (left, right) = records.split_at(records.len() / 2);
    let (mut done, more) = (write_all(write, left)?, write_all(write, right)?);
    done.results.extend(more.results);
    done.errors.extend(more.errors);
    Ok(done)
}

fn why(batch: &Batch, id: &str) -> Fault {
    batch.refusal_of(id).map_or_else(|| Fault::unavailable("HubSpot told nothing of what was written"), Refusal::fault)
}

// ---- what belongs together

fn open_tickets(api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    let mut records = BTreeMap::new();
    for one in all.iter().filter(|one| one.is_open(Task::Write) && one.ticket.is_none()) {
        let conversation = one.event.data.conversation.as_ref();
        records.extend(conversation.and_then(|c| Some((c.id.clone(), tickets::opened(api, &one.event, &c.id)?))));
    }
    let records: Vec<_> = records.into_iter().collect();
    let opened = write_all(&|some| api.upsert("tickets", refer(some)), &records)?;
    let ids = opened.ids(api.key());
    for one in all.iter_mut().filter(|one| one.is_open(Task::Write) && one.ticket.is_none()) {
        let conversation = one.event.data.conversation.as_ref();
        let Some(id) = conversation.map(|conversation| &conversation.id) else { continue };
        match ids.get(id) {
            Some(ticket) => one.ticket = Some(ticket.clone()),
            None if api.settings.pipeline.is_some() => one.answer = Some(Err(why(&opened, id))),
            None => {}
        }
    }
    Ok(())
}

/// A contact that was merged or removed there is found anew, once.
fn bind_contacts(api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    let lost = bind_to_contacts(api, all, |_| true)?;
    if lost.is_empty() {
        return Ok(());
    }
    let is_lost = |one: &Work<'_>| one.contact.as_ref().is_some_and(|contact| lost.contains(contact));
    let resolved = resolve(api, &persons(all.iter().filter(|one| is_lost(one))))?;
    for one in all.iter_mut().filter(|one| is_lost(one)) {
        take_contact(one, &resolved);
    }
    let found: Vec<String> = resolved.into_values().flatten().collect();
    let still_lost = bind_to_contacts(api, all, |contact| found.iter().any(|found| found == contact))?;
    for one in all.iter_mut().filter(|one| one.contact.as_ref().is_some_and(|contact| still_lost.contains(contact))) {
        one.answer = Some(Err(Fault::unavailable("HubSpot does not bind a message to its contact")));
    }
    Ok(())
}

/// Tells which contacts are not there.
fn bind_to_contacts(api: &Api, all: &[Work<'_>], which: impl Fn(&str) -> bool) -> Result<Vec<String>, Fault> {
    let mut lost = Vec::new();
    for kind_ in KINDS.into_iter().chain(["tickets"]) {
        let own = |one: &Work<'_>| match kind_ {
            "tickets" => one.ticket.clone().filter(|_| one.item.known.conversation.is_none()),
            _ => one.record(kind_).cloned(),
        };
        let pairs =
            all.iter().filter(|one| one.is_open(Task::Write)).filter_map(|one| Some((own(one)?, one.contact.clone()?)));
        let pairs: Vec<_> = pairs.filter(|(_, contact)| which(contact)).collect();
        lost.extend(bind(api, kind_, "contacts", &pairs)?);
    }
    Ok(lost)
}

fn bind_tickets(api: &Api, all: &[Work<'_>]) -> Result<(), Fault> {
    for kind_ in KINDS {
        let open = all.iter().filter(|one| one.is_open(Task::Write));
        let pairs: Vec<_> = open.filter_map(|one| Some((one.record(kind_)?.clone(), one.ticket.clone()?))).collect();
        // A ticket that somebody removed stays removed.
        bind(api, kind_, "tickets", &pairs)?;
    }
    Ok(())
}

/// Tells to whom nothing could be bound.
fn bind(api: &Api, from: &str, to: &str, pairs: &[(String, String)]) -> Result<Vec<String>, Fault> {
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let errors = match api.associate(from, to, pairs) {
        Ok(batch) => batch.errors,
        Err(Refused::Answer(refusal)) if refusal.is_missing() => vec![*refusal],
        Err(refused) => vec![refused.invalid()?],
    };
    let named = |id: &str| errors.iter().any(|refusal| refusal.speaks_of(id));
    let lost: Vec<String> = pairs.iter().filter(|(_, to)| named(to)).map(|(_, to)| to.clone()).collect();
    match errors.first() {
        // It does not say which: all of them are looked at again.
        Some(_) if lost.is_empty() => Ok(pairs.iter().map(|(_, to)| to.clone()).collect()),
        _ => Ok(lost),
    }
}

/// By the ids of their conversations.
fn move_tickets(
    api: &Api,
    all: &mut [Work<'_>],
    task: Task,
    step: impl Fn(&Api, &str) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for one in all.iter_mut().filter(|one| one.is_open(task)) {
        if let Some(conversation) = one.event.conversation() {
            // A refusal is of the account or of the moment, not of this ticket.
            step(api, conversation)?;
        }
        one.answer = Some(Ok(Taken::nothing()));
    }
    Ok(())
}
