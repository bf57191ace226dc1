//! What concerns a person and is no message.

use omnigate_plugin::{Consent, Event, IdentityChange};

use crate::inbound::{Reading, Scene};
use crate::people;
use crate::wire::{IdUpdate, Preference, text, time};

/// The person stopped or resumed marketing messages.
pub(crate) fn preference(reading: &mut Reading<'_>, scene: &Scene<'_>, preference: &Preference<'_>) {
    let granted = match &*preference.value {
        "stop" => false,
        "resume" | "signup" => true,
        other => return reading.unsupported(format!("user preference {other}"), preference.timestamp),
    };
    let Some((person, _)) = scene.person(preference.wa_id.as_ref(), preference.user_id.as_ref()) else {
        return reading.unsupported("a user preference of nobody".to_owned(), preference.timestamp);
    };
    let at = time(preference.timestamp);
    reading.events.push(Event::Consent(Consent {
        id: format!("preference/{}/{}/{}", person.main.value, at.unwrap_or_default(), &*preference.value),
        sender: person.main,
        at,
        granted,
        category: text(preference.category.as_ref()).map(category),
        evidence: text(preference.detail.as_ref()).map(str::to_owned),
    }));
}

/// The person has another user id.
pub(crate) fn id_update(reading: &mut Reading<'_>, scene: &Scene<'_>, update: &IdUpdate<'_>) {
    let current = people::identity(&update.user_id.current, scene.account);
    let previous = people::identity(&update.user_id.previous, scene.account);
    let id = format!("user-id/{}", current.value);
    reading.events.push(Event::IdentityChange(IdentityChange {
        id,
        previous,
        current: current.clone(),
        at: time(update.timestamp),
    }));
    if let Some(number) = text(update.wa_id.as_ref()) {
        let id = format!("user-id/{}/number", current.value);
        let previous = people::identity(number, scene.account);
        reading.events.push(Event::IdentityChange(IdentityChange {
            id,
            previous,
            current,
            at: time(update.timestamp),
        }));
    }
}

fn category(name: &str) -> String {
    if name == "marketing_messages" { "marketing".to_owned() } else { name.to_owned() }
}
