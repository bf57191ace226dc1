//! Who somebody is in HubSpot: found by our id, by e-mail and by telephone, or made.

use std::collections::{BTreeMap, BTreeSet};

use omnigate_plugin::connector::{Found, Note, Person};
use omnigate_plugin::{Fault, Value, is_same_number, json, warn};

use crate::api::{Api, Batch, Hit, Properties, Refusal, Refused};
use crate::settings::Several;
use crate::text::line;

/// Numbers in one search; more of them go by the wayside and are found at their next interaction.
const NUMBERS_MAX: usize = 30;
/// Where HubSpot keeps telephone numbers, as people typed them, and reduced to the digits without the country.
const TYPED: [&str; 2] = ["phone", "mobilephone"];
const REDUCED: [&str; 2] = ["hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number"];
const MORE_EMAILS: &str = "hs_additional_emails";
/// HubSpot's own properties of a contact that a conflict may be about.
const BASICS: [&str; 2] = ["firstname", "lastname"];

/// Persons and their ids in HubSpot.
pub(crate) type Resolved = BTreeMap<String, Result<String, Fault>>;

/// Who somebody is, and the attributes that are brought back.
pub(crate) fn find(api: &Api, person: &Person, known: Option<&Note>) -> Result<Found, Fault> {
    let mut hit = match known {
        Some(note) => api.contact(&note.id, &wanted(api))?,
        None => None,
    };
    if hit.is_none() {
        hit = locate(api, &[person])?.remove(&person.id);
    }
    Ok(Found {
        // Of whom is there no longer, nothing is known.
        attributes: Some(hit.as_ref().map_or_else(|| "{}".to_owned(), |hit| attributes(api, hit))),
        contact: hit.map(|hit| Note::id(hit.id)),
        extra: None,
    })
}

fn attributes(api: &Api, hit: &Hit) -> String {
    let known = api.read.iter().filter_map(|field| Some((field.ours.clone(), hit.property(&field.theirs)?.into())));
    Value::Object(known.collect()).to_string()
}

/// Everybody's id; who is nobody yet becomes somebody.
pub(crate) fn resolve(api: &Api, persons: &[&Person]) -> Result<Resolved, Fault> {
    if persons.is_empty() {
        return Ok(Resolved::new());
    }
    let hits = locate(api, persons)?;
    adopt(api, &hits)?;
    let strangers: Vec<&Person> = persons.iter().copied().filter(|person| !hits.contains_key(&person.id)).collect();
    let mut resolved: Resolved = hits.into_iter().map(|(person, hit)| (person, Ok(hit.id))).collect();
    if !strangers.is_empty() {
        create(api, &strangers, &mut resolved)?;
    }
    Ok(resolved)
}

// ---- finding

/// Who is there already, by the id of ours.
fn locate(api: &Api, persons: &[&Person]) -> Result<BTreeMap<String, Hit>, Fault> {
    let mut hits = by_key(api, persons)?;
    for find in [by_email, by_telephone] {
        let missing: Vec<&Person> = persons.iter().copied().filter(|person| !hits.contains_key(&person.id)).collect();
        if missing.is_empty() {
            break;
        }
        hits.extend(find(api, &missing)?);
    }
    Ok(hits)
}

fn by_key(api: &Api, persons: &[&Person]) -> Result<BTreeMap<String, Hit>, Fault> {
    let batch = api.read(api.key(), persons.iter().map(|person| person.id.as_str()), &wanted(api))?;
    let hits = batch.results.into_iter();
    Ok(hits.filter_map(|hit| Some((hit.property(api.key())?.to_owned(), hit))).collect())
}

/// Not by searching: the index lags, reading by a unique property does not.
fn by_email(api: &Api, persons: &[&Person]) -> Result<BTreeMap<String, Hit>, Fault> {
    let emails: BTreeSet<String> = persons.iter().flat_map(|person| person.emails()).collect();
    if emails.is_empty() {
        return Ok(BTreeMap::new());
    }
    let batch = match api.read("email", emails.iter().map(String::as_str), &wanted(api)) {
        Ok(batch) => batch,
        // One of them is no address in HubSpot's eyes: whoever has it is not there by it.
        Err(refused) => refused.invalid().map(|_| Batch::default())?,
    };
    let has = |hit: &Hit, person: &Person| {
        let theirs = [hit.property("email"), hit.property(MORE_EMAILS)].into_iter().flatten();
        let theirs: Vec<String> =
            theirs.flat_map(|list| list.split(';')).map(|one| one.trim().to_lowercase()).collect();
        person.emails().any(|email| theirs.contains(&email))
    };
    Ok(matched(persons, &batch.results, has))
}

/// For contacts that somebody typed in long ago: the ones that were just made are found by our id.
fn by_telephone(api: &Api, persons: &[&Person]) -> Result<BTreeMap<String, Hit>, Fault> {
    let numbers: BTreeSet<String> = persons.iter().flat_map(|person| person.numbers()).take(NUMBERS_MAX).collect();
    if numbers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let batch = api.search_contacts(&telephone_query(api, &numbers))?;
    let has = |hit: &Hit, person: &Person| {
        let mut theirs = TYPED.iter().filter_map(|name| hit.property(name));
        theirs.any(|typed| person.numbers().any(|number| is_same_number(&number, typed)))
    };
    let mut hits = matched(persons, &batch.results, has);
    for person in persons {
        let several = batch.results.iter().filter(|hit| has(hit, person)).count();
        if several > 1 {
            warn("several contacts have one telephone number", &[("contacts", &several.to_string())]);
        }
        if several > 1 && api.settings.several == Several::New {
            hits.remove(&person.id);
        }
    }
    Ok(hits)
}

/// Countries have one to three digits: the rest is how HubSpot has the number in its index.
fn telephone_query(api: &Api, numbers: &BTreeSet<String>) -> Value {
    let typed: Vec<String> = numbers.iter().flat_map(|number| [format!("+{number}"), number.clone()]).collect();
    let reduced: BTreeSet<&str> =
        numbers.iter().flat_map(|number| (1..=3).filter_map(|country| number.get(country..))).collect();
    let typed = TYPED.iter().map(|name| (*name, json!(typed)));
    let reduced = REDUCED.iter().map(|name| (*name, json!(reduced)));
    let groups: Vec<Value> = typed
        .chain(reduced)
        .map(|(name, values)| json!({ "filters": [{ "propertyName": name, "operator": "IN", "values": values }] }))
        .collect();
    json!({
        "filterGroups": groups,
        "properties": wanted(api),
        "sorts": [{ "propertyName": "lastmodifieddate", "direction": "DESCENDING" }],
        "limit": 100,
    })
}

/// The first that fits each: searches give those first that were changed last.
fn matched(persons: &[&Person], hits: &[Hit], has: impl Fn(&Hit, &Person) -> bool) -> BTreeMap<String, Hit> {
    let of = |person: &Person| hits.iter().find(|hit| has(hit, person)).cloned();
    persons.iter().filter_map(|person| Some((person.id.clone(), of(person)?))).collect()
}

/// What is read of a contact.
fn wanted(api: &Api) -> Vec<&str> {
    let own = [api.key(), "email", MORE_EMAILS].into_iter().chain(TYPED);
    let names: BTreeSet<&str> = own.chain(api.read.iter().map(|field| field.theirs.as_str())).collect();
    names.into_iter().collect()
}

// ---- making

/// Gives those who were found by their address our id, so that they are found by it from now on.
fn adopt(api: &Api, hits: &BTreeMap<String, Hit>) -> Result<(), Fault> {
    let found = hits.iter().filter(|(_, hit)| hit.property(api.key()).is_none());
    let ours: Vec<(&str, Properties)> = found.map(|(person, hit)| (hit.id.as_str(), one(api.key(), person))).collect();
    if ours.is_empty() {
        return Ok(());
    }
    match api.update_by_id("contacts", ours.iter().map(|(id, properties)| (*id, properties))) {
        Ok(_) => Ok(()),
        // It was given to another one meanwhile; they are found by their address again.
        Err(refused) => refused.invalid().map(drop),
    }
}

fn create(api: &Api, persons: &[&Person], resolved: &mut Resolved) -> Result<(), Fault> {
    let records: Vec<(&str, Properties)> =
        persons.iter().map(|person| (person.id.as_str(), profile(api, person))).collect();
    let batch = match api.upsert("contacts", records.iter().map(|(id, properties)| (*id, properties))) {
        Ok(batch) => batch,
        Err(refused) => return one_by_one(api, persons, refused, resolved),
    };
    let ids = batch.ids(api.key());
    for person in persons {
        let outcome = match ids.get(&person.id) {
            Some(id) => Ok(id.clone()),
            None => settle(api, person, batch.refusal_of(&person.id))?,
        };
        resolved.insert(person.id.clone(), outcome);
    }
    Ok(())
}

/// One of them has something that HubSpot does not take, and it refused them all.
fn one_by_one(api: &Api, persons: &[&Person], refused: Refused, resolved: &mut Resolved) -> Result<(), Fault> {
    let refusal = refused.invalid()?;
    for person in persons {
        let outcome = settle(api, person, Some(&refusal))?;
        resolved.insert(person.id.clone(), outcome);
    }
    Ok(())
}

/// Somebody else has the address, or a value does not please: then the person comes with a name alone.
fn settle(api: &Api, person: &Person, refusal: Option<&Refusal>) -> Result<Result<String, Fault>, Fault> {
    if let Some(refusal) = refusal.filter(|refusal| refusal.is_conflict()) {
        let existing = refusal.existing_id();
        let found = match existing {
            Some(id) => Some(id),
            None => by_email(api, &[person])?.remove(&person.id).map(|hit| hit.id),
        };
        if let Some(id) = found {
            return Ok(Ok(id));
        }
    }
    let whole = profile(api, person);
    let mut plain: Properties = whole.into_iter().filter(|(name, _)| BASICS.contains(&name.as_str())).collect();
    plain.insert(api.key().to_owned(), person.id.as_str().into());
    let batch = match api.upsert("contacts", std::iter::once((person.id.as_str(), &plain))) {
        Ok(batch) => batch,
        Err(refused) => return refused.invalid().map(|refusal| Err(refusal.fault())),
    };
    let missing = || batch.errors.first().map_or(Fault::unavailable("HubSpot made no contact"), Refusal::fault);
    Ok(batch.results.first().map(|hit| hit.id.clone()).ok_or_else(missing))
}

/// What is known of a person, as HubSpot's properties.
fn profile(api: &Api, person: &Person) -> Properties {
    let mut properties = one(api.key(), &person.id);
    let first = |scheme| person.values(scheme).next();
    let (firstname, lastname) = names(person);
    let known = [("firstname", firstname), ("lastname", lastname)].into_iter();
    let known = known.chain([("email", first("email").map(str::to_owned)), ("phone", first("tel").map(str::to_owned))]);
    properties.extend(known.filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
    for field in &api.write {
        let value = if field.ours == "name" { person.name.as_deref() } else { first(&field.ours) };
        properties.extend(value.map(|value| (field.theirs.clone(), value.into())));
    }
    properties
}

/// HubSpot wants a name or an e-mail: whoever has neither goes by an address.
fn names(person: &Person) -> (Option<String>, Option<String>) {
    let name = person.name.as_deref().map(line).filter(|name| !name.is_empty());
    let Some(name) = name else {
        let address = person.identities.first().map(|identity| line(&identity.value));
        return (None, address);
    };
    match name.rsplit_once(' ') {
        Some((first, last)) => (Some(first.to_owned()), Some(last.to_owned())),
        None => (Some(name), None),
    }
}

fn one(name: &str, value: &str) -> Properties {
    Properties::from_iter([(name.to_owned(), Value::from(value))])
}
