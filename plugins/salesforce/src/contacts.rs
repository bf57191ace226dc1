//! Who somebody is in Salesforce: found by our id, by e-mail and by telephone.

use std::collections::{BTreeMap, BTreeSet};

use omnigate_plugin::connector::{Found, Note, Person};
use omnigate_plugin::{Fault, Value, is_same_number, warn};

use crate::api::{Api, text, value};
use crate::settings::Several;
use crate::soql::{is_id, selects};

/// Numbers in one search; more of them go by the wayside and are found at their next interaction.
const NUMBERS_MAX: usize = 30;
/// Addresses of one person that are looked for.
const EMAILS_MAX: usize = 5;
/// Countries have one to three digits.
const COUNTRY_DIGITS: std::ops::RangeInclusive<usize> = 1..=3;
const TELEPHONES: [&str; 4] = ["Phone", "MobilePhone", "HomePhone", "OtherPhone"];
pub(crate) const CONTACT: &str = "Contact";
/// Merges of merges are followed so far.
const MERGES_MAX: usize = 3;

/// Who somebody is, and the attributes that are brought back.
pub(crate) fn find(api: &Api, person: &Person, known: Option<&Note>) -> Result<Found, Fault> {
    let known = match known {
        Some(note) if is_id(&note.id) => by_id(api, &[&note.id])?.pop(),
        _ => None,
    };
    let record = match known {
        Some(record) => Some(record),
        None => locate(api, &[person])?.remove(&person.id),
    };
    let contact = record.as_ref().and_then(|record| text(record, "Id")).map(Note::id);
    // Of whom is there no longer, nothing is known.
    let attributes = record.as_ref().map_or_else(|| "{}".to_owned(), |record| attributes(api, record));
    Ok(Found { attributes: Some(attributes), contact, extra: None })
}

/// What is brought back of a contact, by our names.
pub(crate) fn attributes(api: &Api, record: &Value) -> String {
    let known = api.read.iter().filter_map(|field| Some((field.ours.clone(), value(record, &field.theirs)?.clone())));
    Value::Object(known.filter(|(_, value)| !value.is_object()).collect()).to_string()
}

/// Contacts by their ids in Salesforce, with everything that is brought back.
pub(crate) fn by_id(api: &Api, ids: &[&str]) -> Result<Vec<Value>, Fault> {
    api.query(&selects(&wanted(api), CONTACT, "Id", ids.iter().map(|id| (*id).to_owned())))
}

/// Who is there already, by the id of ours.
pub(crate) fn locate(api: &Api, persons: &[&Person]) -> Result<BTreeMap<String, Value>, Fault> {
    let mut found = by_key_and_email(api, persons)?;
    let missing: Vec<&Person> = persons.iter().copied().filter(|person| !found.contains_key(&person.id)).collect();
    found.extend(by_telephone(api, &missing)?);
    Ok(found)
}

/// Both in one call.
fn by_key_and_email(api: &Api, persons: &[&Person]) -> Result<BTreeMap<String, Value>, Fault> {
    let fields = wanted(api);
    let emails: BTreeSet<String> = persons.iter().flat_map(|person| person.emails().take(EMAILS_MAX)).collect();
    let mut questions = selects(&fields, CONTACT, api.key(), persons.iter().map(|person| person.id.clone()));
    questions.extend(selects(&fields, CONTACT, "Email", emails.into_iter()));
    let records = api.query(&questions)?;
    let ours = |record: &&Value, person: &Person| text(record, api.key()) == Some(&person.id);
    let mut found = BTreeMap::new();
    for person in persons {
        let by_key = records.iter().find(|record| ours(record, person));
        let has = |record: &Value| {
            let theirs = text(record, "Email").map(str::to_lowercase);
            theirs.is_some_and(|theirs| person.emails().any(|email| email == theirs))
        };
        let record = by_key.or_else(|| the_one(api, &records, has, "e-mail address"));
        found.extend(record.map(|record| (person.id.clone(), record.clone())));
    }
    Ok(found)
}

/// For contacts that somebody typed in: the ones that were just made are found by our id, and need no index.
fn by_telephone(api: &Api, persons: &[&Person]) -> Result<BTreeMap<String, Value>, Fault> {
    let numbers: BTreeSet<String> = persons.iter().flat_map(|person| person.numbers()).take(NUMBERS_MAX).collect();
    if numbers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let records = api.search(&telephone_question(api, &numbers))?;
    let one = |person: &&Person| {
        let has = |record: &Value| {
            let mut theirs = TELEPHONES.iter().filter_map(|field| text(record, field));
            theirs.any(|typed| person.numbers().any(|number| is_same_number(&number, typed)))
        };
        Some((person.id.clone(), the_one(api, &records, has, "telephone number")?.clone()))
    };
    Ok(persons.iter().filter_map(one).collect())
}

/// Numbers stand there as people typed them; the index has their digits, with the country or without it.
fn telephone_question(api: &Api, numbers: &BTreeSet<String>) -> String {
    let without =
        |number: &String| COUNTRY_DIGITS.filter_map(|country| number.get(country..)).map(str::to_owned).collect();
    let terms: BTreeSet<String> = numbers
        .iter()
        .flat_map(|number| {
            let mut terms: Vec<String> = without(number);
            terms.push(number.clone());
            terms
        })
        .collect();
    let terms = terms.into_iter().collect::<Vec<_>>().join(" OR ");
    let fields = wanted(api);
    format!("FIND {{{terms}}} IN PHONE FIELDS RETURNING {CONTACT}({fields} ORDER BY LastModifiedDate DESC LIMIT 200)")
}

/// The first that fits: answers give those first that were changed last.
fn the_one<'a>(api: &Api, records: &'a [Value], has: impl Fn(&Value) -> bool, what: &str) -> Option<&'a Value> {
    let fitting: Vec<&Value> = records.iter().filter(|record| has(record)).collect();
    let several = fitting.iter().filter_map(|record| text(record, "Id")).collect::<BTreeSet<_>>().len();
    if several > 1 {
        warn("several contacts have the same", &[("what", what), ("contacts", &several.to_string())]);
    }
    let is_clear = several <= 1 || api.settings.several == Several::Newest;
    fitting.into_iter().next().filter(|_| is_clear)
}

/// What is read of a contact.
fn wanted(api: &Api) -> String {
    let own = ["Id", api.key(), "Email"].into_iter().chain(TELEPHONES);
    let names: BTreeSet<&str> = own.chain(api.read.iter().map(|field| field.theirs.as_str())).collect();
    names.into_iter().collect::<Vec<_>>().join(",")
}

/// Where contacts are now: each leads to itself, to the one into which it was merged, or nowhere.
pub(crate) fn whereabouts(api: &Api, ids: BTreeSet<String>) -> Result<BTreeMap<String, Option<String>>, Fault> {
    let mut places: BTreeMap<String, Option<String>> = ids.iter().map(|id| (id.clone(), Some(id.clone()))).collect();
    let mut open = ids;
    for _ in 0..MERGES_MAX {
        let questions = selects("Id,IsDeleted,MasterRecordId", CONTACT, "Id", open.into_iter());
        let records = api.query_all(&questions)?;
        open = BTreeSet::new();
        for place in places.values_mut() {
            let Some(id) = place.clone() else { continue };
            let record = records.iter().find(|record| text(record, "Id") == Some(&id));
            *place = record.and_then(|record| next(record, &id));
            open.extend(place.clone().filter(|next| *next != id));
        }
        if open.is_empty() {
            break;
        }
    }
    Ok(places)
}

fn next(record: &Value, id: &str) -> Option<String> {
    match text(record, "MasterRecordId").filter(|id| is_id(id)) {
        Some(master) => Some(master.to_owned()),
        None => (record["IsDeleted"] != true).then(|| id.to_owned()),
    }
}

/// Ids of cases that are still there.
pub(crate) fn cases_there(api: &Api, ids: &BTreeSet<String>) -> Result<BTreeSet<String>, Fault> {
    let records = api.query(&selects("Id", "Case", "Id", ids.iter().cloned()))?;
    Ok(records.iter().filter_map(|record| text(record, "Id")).map(str::to_owned).collect())
}

/// A note that can be one of Salesforce's ids, whatever was kept.
pub(crate) fn id_of(note: &Note) -> Option<String> {
    is_id(&note.id).then(|| note.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_contacts_lead_to_the_one_that_is_left() {
        use omnigate_plugin::json;
        let merged = json!({"Id": "003000000000001AAA", "IsDeleted": true, "MasterRecordId": "003000000000002AAA"});
        assert_eq!(next(&merged, "003000000000001AAA").as_deref(), Some("003000000000002AAA"));
        let removed = json!({"Id": "003000000000001AAA", "IsDeleted": true, "MasterRecordId": null});
        assert_eq!(next(&removed, "003000000000001AAA"), None);
        let there = json!({"Id": "003000000000001AAA", "IsDeleted": false, "MasterRecordId": null});
        assert_eq!(next(&there, "003000000000001AAA").as_deref(), Some("003000000000001AAA"));
    }
}
