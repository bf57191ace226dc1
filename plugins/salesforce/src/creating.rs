//! Who is nobody yet in Salesforce becomes somebody, once.

use std::collections::{BTreeMap, BTreeSet};

use omnigate_plugin::connector::Person;
use omnigate_plugin::{Fault, Value};

use crate::api::{Api, Fields, Written, fields, text, value};
use crate::contacts::{CONTACT, locate};
use crate::refusal::{Meaning, Refusal};
use crate::text::line;

/// Characters of Salesforce's own fields.
const FIRST_NAME_MAX: usize = 40;
const LAST_NAME_MAX: usize = 80;
const EMAIL_MAX: usize = 80;
const PHONE_MAX: usize = 40;
const FIELD_MAX: usize = 255;

/// Persons and their ids in Salesforce.
pub(crate) type Resolved = BTreeMap<String, Result<String, Fault>>;

/// Everybody's id.
pub(crate) fn resolve(api: &Api, persons: &[&Person]) -> Result<Resolved, Fault> {
    if persons.is_empty() {
        return Ok(Resolved::new());
    }
    let found = locate(api, persons)?;
    adopt(api, &found)?;
    let strangers: Vec<&Person> = persons.iter().copied().filter(|person| !found.contains_key(&person.id)).collect();
    let ids = found.iter().filter_map(|(person, record)| Some((person.clone(), Ok(text(record, "Id")?.to_owned()))));
    let mut resolved: Resolved = ids.collect();
    create(api, &strangers, &mut resolved)?;
    Ok(resolved)
}

/// Gives those who were found by their address our id, so that they are found by it from now on. Where that is refused, they
/// are found by their address again.
fn adopt(api: &Api, found: &BTreeMap<String, Value>) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    let ours = found.iter().filter(|(_, record)| value(record, api.key()).is_none()).filter_map(|(person, record)| {
        let id = text(record, "Id").filter(|id| seen.insert(id.to_owned()))?;
        Some(fields([("id", id.into()), (api.key(), person.as_str().into())]))
    });
    let ours: Vec<Fields> = ours.collect();
    api.update(CONTACT, &ours).map(drop)
}

fn create(api: &Api, persons: &[&Person], resolved: &mut Resolved) -> Result<(), Fault> {
    let profiles: Vec<Fields> = persons.iter().map(|person| profile(api, person)).collect();
    let written = api.upsert(CONTACT, &profiles)?;
    for ((person, profile), written) in persons.iter().zip(&profiles).zip(written) {
        let id = match written {
            Ok(id) => Ok(id),
            Err(refusal) => settle(api, person, profile, &refusal)?,
        };
        resolved.insert(person.id.clone(), id);
    }
    Ok(())
}

fn settle(api: &Api, person: &Person, profile: &Fields, refusal: &Refusal) -> Result<Result<String, Fault>, Fault> {
    let written = match refusal.meaning() {
        Meaning::Alike => alike(api, profile, refusal)?,
        Meaning::Taken | Meaning::Several => return taken(api, person, refusal),
        Meaning::Content => api.upsert_one(CONTACT, &plain(api, profile), true)?,
        _ => return Ok(Err(refusal.fault())),
    };
    Ok(written.map_err(|refusal| refusal.fault()))
}

/// A duplicate rule knows somebody alike: that is the person. Where it means nobody among the contacts, the person is new.
fn alike(api: &Api, profile: &Fields, refusal: &Refusal) -> Result<Written, Fault> {
    if let Some(id) = refusal.contact_alike() {
        return Ok(Ok(id));
    }
    match api.upsert_one(CONTACT, profile, false)? {
        Err(refusal) if refusal.meaning() == Meaning::Alike => match refusal.contact_alike() {
            Some(id) => Ok(Ok(id)),
            None => api.upsert_one(CONTACT, profile, true),
        },
        written => Ok(written),
    }
}

/// Somebody was faster: by now the contact is found.
fn taken(api: &Api, person: &Person, refusal: &Refusal) -> Result<Result<String, Fault>, Fault> {
    let record = locate(api, &[person])?.remove(&person.id);
    let id = record.as_ref().and_then(|record| text(record, "Id"));
    Ok(id.map(str::to_owned).ok_or_else(|| refusal.fault()))
}

/// Without what may not please.
fn plain(api: &Api, profile: &Fields) -> Fields {
    let basic = [api.key(), "FirstName", "LastName", "AccountId"];
    profile.iter().filter(|(name, _)| basic.contains(&name.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// What is known of a person, as Salesforce's fields.
fn profile(api: &Api, person: &Person) -> Fields {
    let first = |scheme: &str, max: usize| {
        let mut values = person.values(scheme).map(str::to_owned);
        values.find(|value| value.chars().count() <= max && !value.contains(char::is_control))
    };
    let (first_name, last_name) = names(person);
    let known = [
        ("FirstName", first_name),
        ("LastName", Some(last_name)),
        ("Email", first("email", EMAIL_MAX)),
        ("Phone", first("tel", PHONE_MAX)),
        ("AccountId", api.settings.account_id.clone()),
    ];
    let mut profile = fields([(api.key(), person.id.as_str().into())]);
    profile.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
    for field in &api.write {
        let value = match field.ours.as_str() {
            "name" => person.name.as_deref().map(|name| line(name, FIELD_MAX)),
            scheme => first(scheme, FIELD_MAX),
        };
        profile.extend(value.map(|value| (field.theirs.clone(), value.into())));
    }
    profile
}

/// Salesforce wants a last name: whoever has none goes by an address.
fn names(person: &Person) -> (Option<String>, String) {
    let name = person.name.as_deref().map(|name| line(name, FIRST_NAME_MAX + LAST_NAME_MAX)).unwrap_or_default();
    match name.rsplit_once(' ') {
        Some((first, last)) => (Some(line(first, FIRST_NAME_MAX)), line(last, LAST_NAME_MAX)),
        None if !name.is_empty() => (None, line(&name, LAST_NAME_MAX)),
        None => {
            let address = person.identities.first().map(|identity| line(&identity.value, LAST_NAME_MAX));
            (None, address.filter(|address| !address.is_empty()).unwrap_or_else(|| "Unknown".into()))
        }
    }
}
