//! A batch of interactions: contacts first, then cases, then what stands on the timelines.

use std::collections::{BTreeMap, BTreeSet};

use omnigate_plugin::connector::{Context, Item, Note, Person, Taken, in_order};
use omnigate_plugin::interaction::{Interaction, Task};
use omnigate_plugin::{Fault, FaultKind};

use crate::activities::{SUBTYPE, TASK, change_of, written};
use crate::api::{Api, Fields, Written};
use crate::cases::{CASE, closed, opened, reopened};
use crate::contacts::{cases_there, id_of, whereabouts};
use crate::creating::{Resolved, resolve};
use crate::files::{self, File};
use crate::refusal::{Meaning, Refusal};

type Answer = Result<Taken, Fault>;

/// One interaction on its way.
struct Work<'a> {
    event: Interaction,
    item: &'a Item,
    answer: Option<Answer>,
    /// Its id in Salesforce, once it is written.
    activity: Option<String>,
    /// Of the contact in Salesforce.
    contact: Option<String>,
    case: Option<String>,
    /// Something that it is bound to is not there.
    lost: Option<Refusal>,
}

pub(crate) fn deliver(ctx: &Context, api: &Api, items: &[Item]) -> Result<Vec<Answer>, Fault> {
    in_order(items, Work::of, |all| work(ctx, api, all), Work::end)
}

fn work(ctx: &Context, api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    know_contacts(api, all)?;
    write(api, all)?;
    if all.iter().any(|one| one.lost.is_some()) {
        find_anew(api, all)?;
        write(api, all)?;
    }
    change(api, all)?;
    move_cases(api, all)?;
    attach_files(ctx, api, all)
}

impl<'a> Work<'a> {
    /// What is about nobody, or nothing that Salesforce keeps, is done already.
    fn of(item: &'a Item, event: Interaction) -> Self {
        let is_nothing = event.task() == Task::Nothing || item.person.is_none();
        Self {
            answer: is_nothing.then(|| Ok(Taken::nothing())),
            activity: None,
            contact: item.known.contact.as_ref().and_then(id_of),
            case: item.known.conversation.as_ref().and_then(id_of),
            lost: None,
            event,
            item,
        }
    }

    fn is_open(&self, task: Task) -> bool {
        self.answer.is_none() && self.event.task() == task
    }

    /// It is to be written, and can be.
    fn is_unwritten(&self) -> bool {
        self.is_open(Task::Write) && self.activity.is_none() && self.lost.is_none()
    }

    fn person(&self) -> &str {
        self.item.person.as_ref().map_or("", |person| &person.id)
    }

    fn task(&self, api: &Api) -> Fields {
        let contact = self.contact.as_deref().unwrap_or_default();
        written(api, &self.event, contact, self.case.as_deref(), self.person())
    }

    fn refuse(&mut self, refusal: Refusal) {
        match refusal.meaning() {
            Meaning::Lost => self.lost = Some(refusal),
            _ => self.answer = Some(Err(refusal.fault())),
        }
    }

    fn end(self) -> Answer {
        if let (None, Some(lost)) = (&self.answer, self.lost) {
            return Err(lost.fault());
        }
        let taken = || Taken {
            contact: self.contact.map(Note::id),
            conversation: self.case.map(Note::id),
            activity: self.activity.map(Note::id),
            extra: None,
        };
        self.answer.unwrap_or_else(|| Ok(taken()))
    }
}

// ---- contacts

/// Those that are known are taken at their word; whether they still are there is seen when something is written for them.
fn know_contacts(api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    let is_stranger = |one: &Work<'_>| one.is_open(Task::Write) && one.contact.is_none();
    let persons = persons(all.iter().filter(|one| is_stranger(one)));
    let resolved = resolve(api, &persons)?;
    for one in all.iter_mut().filter(|one| is_stranger(one)) {
        take_contact(one, &resolved);
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
        None => one.answer = Some(Err(Fault::unavailable("Salesforce told nothing of the contact"))),
    }
}

/// Contacts are merged and removed, cases are removed: where they are now, or else anew. The conversation of a case that
/// somebody removed opens another.
fn find_anew(api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    let lost = || all.iter().filter(|one| one.lost.is_some());
    let places = whereabouts(api, lost().filter_map(|one| one.contact.clone()).collect())?;
    let cases = lost().filter_map(|one| one.case.clone()).collect::<BTreeSet<_>>();
    let cases = if cases.is_empty() { cases } else { cases_there(api, &cases)? };
    for one in all.iter_mut().filter(|one| one.lost.is_some()) {
        one.contact = one.contact.take().and_then(|contact| places.get(&contact).cloned().flatten());
        one.case = one.case.take().filter(|case| cases.contains(case));
        one.lost = None;
    }
    know_contacts(api, all)
}

// ---- timelines

fn write(api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    open_cases(api, all)?;
    let answers = upsert(api, TASK, all, |one| one.is_unwritten().then(|| one.task(api)))?;
    let mut again = BTreeSet::new();
    for (at, written) in answers {
        match written {
            // It was written before: what is set once stays as it is.
            Err(refusal) if refusal.meaning() == Meaning::Fixed => again.extend([at]),
            written => all[at].note_activity(written),
        }
    }
    rewrite(api, all, &again)
}

fn rewrite(api: &Api, all: &mut [Work<'_>], again: &BTreeSet<usize>) -> Result<(), Fault> {
    let without = |one: &Work<'_>| {
        let mut task = one.task(api);
        task.remove(SUBTYPE);
        task
    };
    let ids: BTreeSet<&str> = again.iter().map(|at| all[*at].event.id.as_str()).collect();
    let answers = upsert(api, TASK, all, |one| ids.contains(one.event.id.as_str()).then(|| without(one)))?;
    for (at, written) in answers {
        all[at].note_activity(written);
    }
    Ok(())
}

impl Work<'_> {
    fn note_activity(&mut self, written: Written) {
        match written {
            Ok(id) => self.activity = Some(id),
            // Twice, by two requests at once: it is there.
            Err(refusal) if refusal.meaning() == Meaning::Several => {
                self.answer = Some(Ok(Taken { contact: self.contact.clone().map(Note::id), ..Taken::nothing() }));
            }
            Err(refusal) => self.refuse(refusal),
        }
    }
}

/// Writes what stands for some of them; answers with their places.
fn upsert(
    api: &Api,
    object: &str,
    all: &[Work<'_>],
    record: impl Fn(&Work<'_>) -> Option<Fields>,
) -> Result<Vec<(usize, Written)>, Fault> {
    let records = all.iter().enumerate().filter_map(|(at, one)| Some((at, record(one)?)));
    let (places, records): (Vec<usize>, Vec<Fields>) = records.unzip();
    Ok(places.into_iter().zip(api.upsert(object, &records)?).collect())
}

/// What was never written is not changed, and what was removed there neither.
fn change(api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    let change = |one: &Work<'_>| {
        let id = one.item.known.about.as_ref().and_then(id_of)?;
        change_of(api, &one.event, &id)
    };
    update(api, TASK, Task::Change, all, change)
}

fn update(
    api: &Api,
    object: &str,
    task: Task,
    all: &mut [Work<'_>],
    record: impl Fn(&Work<'_>) -> Option<Fields>,
) -> Result<(), Fault> {
    let open = all.iter().enumerate().filter(|(_, one)| one.is_open(task));
    let (places, records): (Vec<usize>, Vec<Fields>) = open.filter_map(|(at, one)| Some((at, record(one)?))).unzip();
    for (at, written) in places.into_iter().zip(api.update(object, &records)?) {
        all[at].answer = written.err().filter(|refusal| refusal.meaning() != Meaning::Lost).map(|why| Err(why.fault()));
    }
    for one in all.iter_mut().filter(|one| one.is_open(task)) {
        one.answer = Some(Ok(Taken::nothing()));
    }
    Ok(())
}

// ---- cases

fn open_cases(api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    let case = |one: &Work<'_>| opened(api, &one.event, one.contact.as_deref()?);
    let opened = upsert(api, CASE, all, |one| case(one).filter(|_| one.is_unwritten() && one.case.is_none()))?;
    for (at, written) in opened {
        match written {
            Ok(id) => all[at].case = Some(id),
            Err(refusal) => all[at].refuse(refusal),
        }
    }
    Ok(())
}

/// Of conversations that end, and of those that go on.
fn move_cases(api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    update(api, CASE, Task::Close, all, |one| closed(api, one.case.as_deref()?))?;
    update(api, CASE, Task::Reopen, all, |one| reopened(api, one.case.as_deref()?))
}

// ---- files

/// Last, when what they belong to is there. The gateway hands over few of them in one call.
fn attach_files(ctx: &Context, api: &Api, all: &mut [Work<'_>]) -> Result<(), Fault> {
    if !api.settings.files {
        return Ok(());
    }
    let with_files = all.iter().enumerate().filter(|(_, one)| one.is_open(Task::Write));
    let with_files: Vec<(usize, Vec<File>)> = with_files.map(|(at, one)| (at, files::of(ctx, &one.event))).collect();
    let there = files::there(api, with_files.iter().flat_map(|(_, files)| files).map(|file| file.key.clone()))?;
    for (at, files) in with_files {
        let missing: Vec<File> = files.into_iter().filter(|file| !there.contains(&file.key)).collect();
        match attach(api, &missing, all[at].activity.as_deref()) {
            Ok(()) => {}
            // Of the account: the others would meet it too.
            Err(fault) if matches!(fault.kind, FaultKind::Unauthorized | FaultKind::RateLimited) => return Err(fault),
            Err(fault) => all[at].answer = Some(Err(fault)),
        }
    }
    Ok(())
}

fn attach(api: &Api, files: &[File], task: Option<&str>) -> Result<(), Fault> {
    let Some(task) = task else { return Ok(()) };
    files.iter().try_for_each(|file| files::publish(api, file, task))
}
