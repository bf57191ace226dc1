//! A webhook: many entries, each with many changes, each with many things that happened.

use omnigate_plugin::{Event, Fault, Identity, Unsupported, Value, serde_json, warn};

use crate::people::{self, Person};
use crate::wire::{self, Change, Contact, Entry, Loose, Message, Problem, Stamp, Text, Webhook, text, time};
use crate::{account, message, status};

/// Everything that the webhook tells of the business number `own_number`. `digest` names the webhook: things without an
/// id of their own are known by it and by their place.
///
/// # Errors
/// `invalid` if the body is no JSON.
pub(crate) fn events(body: &str, own_number: &str, digest: &str) -> Result<Vec<Event>, Fault> {
    let mut reading = Reading { own_number, digest, events: Vec::new() };
    match serde_json::from_str::<Webhook<'_>>(body) {
        Ok(webhook) => reading.webhook(&webhook),
        Err(_) => {
            serde_json::from_str::<Value>(body)?;
            reading.unsupported("a webhook of unknown shape".to_owned(), None);
        }
    }
    Ok(reading.events)
}

/// What has been read so far.
pub(crate) struct Reading<'a> {
    own_number: &'a str,
    digest: &'a str,
    pub events: Vec<Event>,
}

/// Where a change happened.
pub(crate) struct Scene<'a> {
    /// WhatsApp business account.
    pub account: &'a str,
    pub business: Option<Identity>,
    pub contacts: &'a [Contact<'a>],
    /// When Meta sent it.
    pub at: Option<Stamp>,
}

impl Scene<'_> {
    /// The person, with name, and the profile.
    pub(crate) fn person(
        &self,
        number: Option<&Text<'_>>,
        user_id: Option<&Text<'_>>,
    ) -> Option<(Person, Option<&Contact<'_>>)> {
        let person = people::person(number, user_id, self.account)?;
        let contact = people::contact_of(self.contacts, &person);
        Some((person.named(contact), contact))
    }
}

impl Reading<'_> {
    /// Keeps what is not understood; things without an id are known by their place in the webhook.
    pub(crate) fn unsupported(&mut self, what: String, at: Option<Stamp>) {
        let id = format!("{}/{}", self.digest, self.events.len());
        self.events.push(Event::Unsupported(Unsupported { id, what, sender: None, at: time(at) }));
    }

    fn webhook(&mut self, webhook: &Webhook<'_>) {
        if text(webhook.object.as_ref()).is_some_and(|object| object != "whatsapp_business_account") {
            return warn("a webhook of another product was left out", &[]);
        }
        for entry in &webhook.entry {
            for change in &entry.changes {
                self.change(entry, change);
            }
        }
    }

    fn change(&mut self, entry: &Entry<'_>, change: &Change<'_>) {
        let value = &change.value;
        let number = value.metadata.as_ref().and_then(|metadata| text(metadata.phone_number_id.as_ref()));
        if let Some(foreign) = number.filter(|number| *number != self.own_number) {
            return warn("a change of another business number was left out", &[("phone_number_id", foreign)]);
        }
        let shown = value.metadata.as_ref().and_then(|metadata| text(metadata.display_phone_number.as_ref()));
        let scene = Scene {
            account: text(entry.id.as_ref()).unwrap_or_default(),
            business: shown.and_then(people::business),
            contacts: &value.contacts,
            at: entry.time,
        };
        match &*change.field {
            "messages" => self.messages(&scene, value),
            "smb_message_echoes" => self.each(&scene, &value.message_echoes, message::echo),
            "user_preferences" => self.each(&scene, &value.user_preferences, account::preference),
            "user_id_update" => self.each(&scene, &value.user_id_update, account::id_update),
            other => self.unsupported(format!("field {other}"), entry.time),
        }
    }

    fn messages(&mut self, scene: &Scene<'_>, value: &wire::Value<'_>) {
        if value.messages.is_empty() && value.statuses.is_empty() && value.errors.is_empty() {
            return self.unsupported("field messages without any".to_owned(), scene.at);
        }
        for message in &value.messages {
            match &message.known {
                Some(known) => message::events(self, scene, known),
                None => self.unreadable_message(message),
            }
        }
        self.each(scene, &value.statuses, status::event);
        self.each(scene, &value.errors, problem);
    }

    fn each<'v, T>(&mut self, scene: &Scene<'_>, all: &'v [Loose<'_, T>], read: fn(&mut Self, &Scene<'_>, &'v T)) {
        for one in all {
            match &one.known {
                Some(known) => read(self, scene, known),
                None => self.unsupported("a thing of unknown shape".to_owned(), scene.at),
            }
        }
    }

    /// At least its id is kept, so that a repetition is known.
    fn unreadable_message(&mut self, message: &Loose<'_, Message<'_>>) {
        #[derive(serde::Deserialize)]
        struct Known<'a> {
            #[serde(borrow)]
            id: Text<'a>,
        }
        self.unsupported("a message of unknown shape".to_owned(), None);
        if let (Ok(known), Some(Event::Unsupported(event))) =
            (serde_json::from_str::<Known<'_>>(message.raw.get()), self.events.last_mut())
        {
            event.id = known.id.to_string();
        }
    }
}

/// An error that belongs to no message.
fn problem(reading: &mut Reading<'_>, scene: &Scene<'_>, problem: &Problem<'_>) {
    let code = problem.code.map_or_else(String::new, |code| code.to_string());
    warn("WhatsApp reports an error", &[("code", &code), ("title", text(problem.title.as_ref()).unwrap_or_default())]);
    reading.unsupported(format!("error {code}"), scene.at);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str) -> Vec<Event> {
        let body = format!(
            r#"{{"object":"whatsapp_business_account","entry":[{{"id":"W","time":1767225600,"changes":[{value}]}}]}}"#
        );
        events(&body, "1", "d").unwrap()
    }

    #[test]
    fn every_entry_change_and_message_is_read() {
        let change = r#"{"field":"messages","value":{"messages":[{"id":"a","from":"551","type":"text","text":{"body":"1"}},{"id":"b","from":"551","type":"text","text":{"body":"2"}}]}}"#;
        let body =
            format!(r#"{{"entry":[{{"id":"W","changes":[{change},{change}]}},{{"id":"W","changes":[{change}]}}]}}"#);
        assert_eq!(events(&body, "1", "d").unwrap().len(), 6);
    }

    #[test]
    fn things_without_an_id_are_known_by_their_place() {
        let all = one(r#"{"field":"flows","value":{}},{"field":"calls","value":{"x":1}}"#);
        let ids: Vec<_> =
            all.iter().map(|event| matches!(event, Event::Unsupported(event) if event.id.starts_with("d/"))).collect();
        assert_eq!(ids, [true, true]);
        assert_ne!(all[0], all[1]);
    }

    #[test]
    fn no_json_is_invalid_and_other_json_is_kept() {
        assert!(events("{\"entry\":", "1", "d").is_err());
        assert!(events(&"[".repeat(10_000), "1", "d").is_err());
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert!(events(&deep, "1", "d").is_err());
        assert!(matches!(events("[1]", "1", "d").unwrap()[..], [Event::Unsupported(_)]));
    }

    #[test]
    fn unreadable_message_keeps_its_id() {
        let all =
            one(r#"{"field":"messages","value":{"messages":[{"id":"wamid.X","from":"551","type":"text","text":7}]}}"#);
        assert!(matches!(&all[..], [Event::Unsupported(event)] if event.id == "wamid.X"));
    }
}
