//! One message of a person, or of the business from its own phone.

use omnigate_plugin::{
    Content, Deletion, Edit, Event, Identity, IdentityChange, Inbound, Reaction, Referral, Unsupported, serde_json,
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::content;
use crate::inbound::{Reading, Scene};
use crate::people::{self, Person};
use crate::wire::{Contact, Message, System, text, time};

/// What a message tells.
pub(crate) fn events(reading: &mut Reading<'_>, scene: &Scene<'_>, message: &Message<'_>) {
    let id = text(message.id.as_ref());
    let sender = scene.person(message.from.as_ref(), message.from_user_id.as_ref());
    let (Some(id), Some((person, contact))) = (id, sender) else {
        return reading.unsupported("a message without id or sender".to_owned(), message.timestamp);
    };
    if let Some(system) = &message.system {
        return system_event(reading, scene, id, person.main, message, system);
    }
    if let Some(data) = message.referral {
        reading.events.push(referral(id, &person, message, data));
    }
    reading.events.push(event(scene, id, person, contact, message));
}

/// What the business wrote in its own app.
pub(crate) fn echo(reading: &mut Reading<'_>, scene: &Scene<'_>, message: &Message<'_>) {
    let person = scene.person(message.to.as_ref(), message.to_user_id.as_ref());
    let business = text(message.from.as_ref()).and_then(people::business).or(scene.business.clone());
    let (Some(id), Some((person, _)), Some(business)) = (text(message.id.as_ref()), person, business) else {
        return reading.unsupported("an echo without id, sender or recipient".to_owned(), message.timestamp);
    };
    reading.events.push(match content::parts(message) {
        Some(parts) => Event::Echo(Inbound {
            recipients: [vec![person.main], person.others].concat(),
            at: time(message.timestamp),
            in_reply_to: answered(message),
            ..Inbound::of(id, business, Content::of(parts))
        }),
        None => unsupported(id, person.main, time(message.timestamp), message, "echo of type"),
    });
}

fn event(scene: &Scene<'_>, id: &str, person: Person, contact: Option<&Contact<'_>>, message: &Message<'_>) -> Event {
    let at = time(message.timestamp);
    let id_owned = id.to_owned();
    if let Some(reaction) = &message.reaction {
        let emoji = text(reaction.emoji.as_ref()).map(str::to_owned);
        return Event::Reaction(Reaction {
            id: id_owned,
            target: reaction.message_id.to_string(),
            sender: person.main,
            at,
            emoji,
        });
    }
    if let Some(revoke) = &message.revoke {
        return Event::Deletion(Deletion {
            id: id_owned,
            target: revoke.original_message_id.to_string(),
            sender: person.main,
            at,
        });
    }
    if let Some(edit) = &message.edit {
        let Some(parts) = content::parts(&edit.message) else {
            return unsupported(id, person.main, at, &edit.message, "edit to type");
        };
        let target = edit.original_message_id.to_string();
        return Event::Edit(Edit { id: id_owned, target, sender: person.main, at, content: Content::of(parts) });
    }
    let Some(parts) = content::parts(message) else {
        return unsupported(id, person.main, at, message, "message of type");
    };
    Event::Message(Inbound {
        aliases: person.others,
        recipients: scene.business.clone().into_iter().collect(),
        at,
        in_reply_to: answered(message),
        metadata: metadata(contact, message),
        ..Inbound::of(id_owned, person.main, Content::of(parts))
    })
}

fn answered(message: &Message<'_>) -> Vec<String> {
    let id = message.context.as_ref().and_then(|context| text(context.id.as_ref()));
    id.map(str::to_owned).into_iter().collect()
}

fn unsupported(id: &str, sender: Identity, at: Option<f64>, message: &Message<'_>, what: &str) -> Event {
    let kind = text(message.kind.as_ref()).unwrap_or("?");
    let inner = message.unsupported.as_ref().and_then(|inner| text(inner.kind.as_ref()));
    let code = message.errors.first().and_then(|problem| problem.code);
    let detail =
        [inner.map(str::to_owned), code.map(|code| code.to_string())].into_iter().flatten().collect::<Vec<_>>();
    let what =
        if detail.is_empty() { format!("{what} {kind}") } else { format!("{what} {kind} ({})", detail.join(", ")) };
    Event::Unsupported(Unsupported { id: id.to_owned(), what, sender: Some(sender), at })
}

/// The first message after an advertisement.
fn referral(id: &str, person: &Person, message: &Message<'_>, data: &RawValue) -> Event {
    Event::Referral(Referral {
        id: format!("{id}/referral"),
        sender: person.main.clone(),
        at: time(message.timestamp),
        data: data.get().to_owned(),
    })
}

/// What else there is to know about a message.
#[derive(Default, Serialize)]
struct Metadata<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequently_forwarded: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referred_product: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referral: Option<&'a RawValue>,
}

fn metadata(contact: Option<&Contact<'_>>, message: &Message<'_>) -> Option<String> {
    let username =
        contact.and_then(|contact| contact.profile.as_ref()).and_then(|profile| text(profile.username.as_ref()));
    let group_id = text(message.group_id.as_ref());
    let context = message.context.as_deref();
    if username.is_none() && group_id.is_none() && context.is_none() && message.referral.is_none() {
        return None;
    }
    let metadata = Metadata {
        username,
        group_id,
        forwarded: context.and_then(|context| context.forwarded.then_some(true)),
        frequently_forwarded: context.and_then(|context| context.frequently_forwarded.then_some(true)),
        referred_product: context.and_then(|context| context.referred_product),
        referral: message.referral,
    };
    serde_json::to_string(&metadata).ok().filter(|json| json != "{}")
}

/// A notice of WhatsApp itself: the person has another number, another user id, or both. Every old address is tied to a
/// new one, and every new one to an old.
fn system_event(
    reading: &mut Reading<'_>,
    scene: &Scene<'_>,
    id: &str,
    sender: Identity,
    message: &Message<'_>,
    system: &System<'_>,
) {
    let kind = text(system.kind.as_ref()).unwrap_or("?");
    let is_change = matches!(kind, "user_changed_number" | "user_changed_user_id");
    let current = people::person(system.wa_id.as_ref(), system.user_id.as_ref(), scene.account).filter(|_| is_change);
    let at = time(message.timestamp);
    let Some(current) = current else {
        let what = format!("system message {kind}");
        return reading.events.push(Event::Unsupported(Unsupported {
            id: id.to_owned(),
            what,
            sender: Some(sender),
            at,
        }));
    };
    let number = text(system.customer.as_ref()).or(text(message.from.as_ref()));
    let named = number.into_iter().chain(text(system.previous_user_id.as_ref()));
    let mut previous: Vec<_> = named.map(|address| people::identity(address, scene.account)).collect();
    if previous.is_empty() {
        previous.push(sender);
    }
    let first = previous[0].clone();
    let onward = previous.iter().skip(1).map(|old| (old.clone(), current.main.clone()));
    let moved: Vec<_> = [&current.main]
        .into_iter()
        .chain(&current.others)
        .map(|new| (first.clone(), new.clone()))
        .chain(onward)
        .collect();
    let moved = moved.into_iter().filter(|(old, new)| old != new).enumerate();
    reading.events.extend(moved.map(|(nth, (previous, current))| {
        Event::IdentityChange(IdentityChange { id: format!("{id}/{nth}"), previous, current, at })
    }));
}
