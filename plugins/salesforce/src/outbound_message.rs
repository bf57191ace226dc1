//! Salesforce tells that contacts changed: outbound messages, sent by a flow.
//!
//! They bear no signature. What makes them authentic is a key in their address; and nothing is believed of them but which
//! contacts they speak of, whose values are then read by the API.

use std::collections::BTreeSet;

use omnigate_plugin::connector::{Change, Context, News, Outcome, Reply, Request};
use omnigate_plugin::serde_json::{Map, from_str};
use omnigate_plugin::{Fault, Form, Header, Value, secrets};
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

use crate::api::{Api, text};
use crate::contacts::{attributes, by_id, whereabouts};
use crate::soql::is_id;

const KEY: &str = "outbound_message_key";
/// Salesforce sends at most so many in one message.
const CONTACTS_MAX: usize = 100;
const DEPTH_MAX: usize = 16;
const OUTBOUND: &[u8] = b"http://soap.sforce.com/2005/09/outbound";
const CONTACT_PREFIX: &str = "003";
/// Characters of an id that tell records apart; three more only repeat which of them are capitals.
const ID: usize = 15;

const ACKNOWLEDGED: &str = r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>"#;

/// What an outbound message says, as far as it is believed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Notice {
    organization: String,
    contacts: BTreeSet<String>,
}

pub(crate) fn changes(ctx: &Context, request: &Request) -> Result<Outcome, Fault> {
    if request.method != "POST" {
        return Err(Fault::not_found("outbound messages come by POST"));
    }
    check_key(request)?;
    let api = Api::of(ctx)?;
    let notice = read(&request.body)?;
    let wanted = api.settings.organization_id.as_deref();
    if wanted.is_some_and(|wanted| wanted.get(..ID) != notice.organization.get(..ID)) {
        return Err(Fault::unauthorized("the outbound message is of another organization"));
    }
    Ok(Outcome { reply: acknowledged(), changes: news(&api, notice.contacts)? })
}

fn check_key(request: &Request) -> Result<(), Fault> {
    if !secrets::is_set(KEY) {
        return Err(Fault::unauthorized("the connector has no outbound_message_key: no change is taken"));
    }
    let query = Form::parse(request.query.as_bytes());
    let key = query.get("key").ok_or_else(|| Fault::unauthorized("the address has no key"))?;
    secrets::equals(KEY, key)
}

fn acknowledged() -> Reply {
    let header = Header { name: "content-type".into(), value: "text/xml; charset=utf-8".into() };
    Reply { status: 200, headers: vec![header], body: ACKNOWLEDGED.into() }
}

/// As they are now, whatever they were when the message was sent: it may be old, and come twice.
fn news(api: &Api, ids: BTreeSet<String>) -> Result<Vec<Change>, Fault> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut changes = Vec::new();
    let places = whereabouts(api, ids)?;
    for (contact, place) in &places {
        let what = match place {
            Some(place) if place == contact => continue,
            Some(place) => News::Merged(place.clone()),
            None => News::Removed,
        };
        changes.push(Change { contact: contact.clone(), what });
    }
    let there: BTreeSet<&str> = places.values().flatten().map(String::as_str).collect();
    let there: Vec<&str> = there.into_iter().collect();
    let records = if api.read.is_empty() { Vec::new() } else { by_id(api, &there)? };
    let told = records.iter().filter_map(|record| Some((text(record, "Id")?, record)));
    changes
        .extend(told.map(|(id, record)| Change { contact: id.to_owned(), what: News::Attributes(all(api, record)) }));
    Ok(changes)
}

/// Every attribute that is brought back; what is empty there is taken away here.
fn all(api: &Api, record: &Value) -> String {
    let known: Map<String, Value> = from_str(&attributes(api, record)).unwrap_or_default();
    let empty = api.read.iter().map(|field| (field.ours.clone(), Value::Null));
    Value::Object(empty.chain(known).collect()).to_string()
}

/// Elements by their names and namespaces, text as it stands; a document type declares entities, and is refused.
fn read(body: &[u8]) -> Result<Notice, Fault> {
    let mut reader = NsReader::from_reader(body);
    let (mut path, mut notice) = (Vec::<String>::new(), Notice::default());
    loop {
        match reader.read_resolved_event().map_err(|_| unreadable("is no XML"))? {
            (namespace, Event::Start(element)) => {
                if path.len() >= DEPTH_MAX {
                    return Err(unreadable("is nested too deeply"));
                }
                let ours = matches!(namespace, ResolveResult::Bound(bound) if bound.as_ref() == OUTBOUND);
                let name = String::from_utf8_lossy(element.local_name().as_ref()).into_owned();
                path.push(if ours { format!("om:{name}") } else { name });
            }
            (_, Event::End(_)) => drop(path.pop()),
            (_, Event::Text(text)) => notice.take(&path, &String::from_utf8_lossy(&text))?,
            (_, Event::DocType(_)) => return Err(unreadable("declares a document type")),
            (_, Event::Eof) => break,
            _ => {}
        }
    }
    if notice.organization.is_empty() { Err(unreadable("names no organization")) } else { Ok(notice) }
}

impl Notice {
    fn take(&mut self, path: &[String], text: &str) -> Result<(), Fault> {
        let text = text.trim();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path[..] {
            ["Envelope", "Body", "om:notifications", "om:OrganizationId"] if is_id(text) => {
                self.organization = text.to_owned();
            }
            ["Envelope", "Body", "om:notifications", "om:Notification", "om:sObject", "Id"]
                if is_id(text) && text.starts_with(CONTACT_PREFIX) =>
            {
                self.contacts.insert(text.to_owned());
                if self.contacts.len() > CONTACTS_MAX {
                    return Err(unreadable("speaks of more than 100 contacts"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn unreadable(what: &str) -> Fault {
    Fault::invalid(format!("the outbound message {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_in_its_place_is_read() {
        let message = |inside: &str| {
            format!(
                r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>00D000000000001EAA</OrganizationId>{inside}</notifications></e:Body></e:Envelope>"#
            )
        };
        let contact = r#"<Notification><Id>04l000000000001AAA</Id><sObject xsi:type="sf:Contact" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>003000000000001AAA</sf:Id></sObject></Notification>"#;
        let notice = read(message(contact).as_bytes()).unwrap();
        assert_eq!(notice.contacts.into_iter().collect::<Vec<_>>(), ["003000000000001AAA"]);
        for odd in
            ["<Id>003000000000001AAA</Id>", "<Notification><Id>003000000000001AAA</Id></Notification>", "<!-- x -->"]
        {
            assert!(read(message(odd).as_bytes()).unwrap().contacts.is_empty(), "{odd}");
        }
        for bad in ["", "{}", "<a", "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", &"<a>".repeat(100)] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
