//! What a backend may want to know besides.

use omnigate_plugin::prelude::*;
use omnigate_plugin::serde_json::Map;

use crate::wire::{Chat, Message, User};

/// Of a message: how it came there, and as [`of`].
pub(crate) fn of_message(message: &Message) -> Option<String> {
    let mut all = people(&message.chat, message.from.as_ref());
    let thread = message.message_thread_id.filter(|_| message.is_topic_message);
    let more = [
        ("album", message.media_group_id.clone().map(Value::from)),
        ("forwarded", message.forward_origin.as_ref().map(|_| true.into())),
        ("thread_id", thread.map(Value::from)),
    ];
    all.extend(known(more));
    text(all)
}

/// Who wrote, and whether it was in a group.
pub(crate) fn of(chat: &Chat, author: Option<&User>) -> Option<String> {
    text(people(chat, author))
}

/// In a group the sender is the group, so that its member is told here.
fn people(chat: &Chat, author: Option<&User>) -> Map<String, Value> {
    let in_group = !matches!(chat.kind.as_str(), "private" | "");
    let member = author.filter(|_| in_group);
    let fields = [
        ("username", author.and_then(|user| user.username.clone()).map(Value::from)),
        ("language", author.and_then(|user| user.language_code.clone()).map(Value::from)),
        ("group", in_group.then(|| json!({ "type": chat.kind, "title": chat.title }))),
        ("author", member.map(|user| json!({ "id": user.id.to_string(), "name": user.name() }))),
    ];
    known(fields).collect()
}

fn known<const N: usize>(fields: [(&str, Option<Value>); N]) -> impl Iterator<Item = (String, Value)> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)))
}

fn text(all: Map<String, Value>) -> Option<String> {
    (!all.is_empty()).then(|| Value::Object(all).to_string())
}
