use std::hash::{DefaultHasher, Hash, Hasher};

use omnigate_plugin::prelude::*;

/// An update of a kind, or a message of a content, that we do not understand.
pub(crate) fn event(update: &Value, sender: Option<Identity>) -> Event {
    Event::Unsupported(omnigate_plugin::Unsupported { id: id(update), what: what(update), sender, at: None })
}

/// What has no number of its own is known by what it says.
fn id(update: &Value) -> String {
    if let Some(id) = update["update_id"].as_i64() {
        return format!("update:{id}");
    }
    let mut hasher = DefaultHasher::new();
    update.to_string().hash(&mut hasher);
    format!("update:#{:016x}", hasher.finish())
}

/// What every message has; anything else in it is what it is about.
const FRAME: [&str; 14] = [
    "message_id",
    "message_thread_id",
    "from",
    "sender_chat",
    "sender_tag",
    "date",
    "edit_date",
    "chat",
    "is_topic_message",
    "business_connection_id",
    "reply_to_message",
    "has_protected_content",
    "reply_markup",
    "via_bot",
];

/// `poll_answer`, `message: dice`
fn what(update: &Value) -> String {
    let Some((kind, body)) = update.as_object().and_then(|all| all.iter().find(|(key, _)| *key != "update_id")) else {
        return "no update".to_owned();
    };
    let mut fields = body.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let is_message = kind.ends_with("message") || kind.ends_with("channel_post");
    match fields.find(|key| is_message && !FRAME.contains(key)) {
        Some(content) => short(&format!("{kind}: {content}")),
        None => short(kind),
    }
}

fn short(what: &str) -> String {
    const CHARS_MAX: usize = 100;
    what.chars().take(CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_is_about_has_a_name() {
        let dice = json!({"update_id": 1, "message": {"message_id": 2, "chat": {"id": 1}, "date": 1, "dice": {}}});
        assert_eq!((id(&dice), what(&dice)), ("update:1".to_owned(), "message: dice".to_owned()));
        assert_eq!(what(&json!({"update_id": 1, "poll_answer": {"poll_id": "1"}})), "poll_answer");
        assert_eq!(what(&json!({"update_id": 1})), "no update");
        assert_eq!(what(&json!([])), "no update");
        assert_ne!(id(&json!([1])), id(&json!([2])));
    }
}
