//! Chats as addresses, and the ids of what was said in them.

use omnigate_plugin::prelude::*;

use crate::wire;

/// The chat in which the bot can answer. A group is one address, whoever speaks in it.
pub(crate) fn identity(channel: &str, chat: &wire::Chat, business: Option<&str>) -> Identity {
    let scope = business.map_or_else(|| channel.to_owned(), |connection| format!("{channel}/{connection}"));
    Identity::new("telegram", chat.id.to_string()).scoped(scope).named(Some(name(chat)))
}

fn name(chat: &wire::Chat) -> String {
    let person = || wire::full_name(chat.first_name.as_deref(), chat.last_name.as_deref());
    chat.title.clone().unwrap_or_else(person)
}

/// Message ids count in each chat, and a business account counts for itself: only all three name a message.
pub(crate) fn message_key(business: Option<&str>, chat_id: i64, message_id: i64) -> String {
    match business {
        Some(connection) => format!("{connection}:{chat_id}:{message_id}"),
        None => format!("{chat_id}:{message_id}"),
    }
}

/// Where a message goes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) chat_id: i64,
    pub(crate) business: Option<String>,
}

impl Target {
    pub(crate) fn of(person: &Identity) -> Result<Self, Fault> {
        if person.scheme != "telegram" {
            return Err(Fault::rejected(ReasonCode::InvalidRecipient, "Telegram reaches its own chats only"));
        }
        let chat_id = person.value.parse();
        let chat_id = chat_id.map_err(|_| Fault::rejected(ReasonCode::InvalidRecipient, "a chat's id is a number"))?;
        let scope = person.scope.as_deref().unwrap_or_default();
        Ok(Self { chat_id, business: scope.split_once('/').map(|(_, connection)| connection.to_owned()) })
    }

    pub(crate) fn message_key(&self, message_id: i64) -> String {
        message_key(self.business.as_deref(), self.chat_id, message_id)
    }

    /// The number of a message of this chat; `None` for one of another chat, which cannot be answered here.
    pub(crate) fn message_id(&self, key: &str) -> Option<i64> {
        let message_id = key.rsplit(':').next()?.parse().ok()?;
        (self.message_key(message_id) == key).then_some(message_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(id: i64) -> wire::Chat {
        wire::Chat { id, title: Some("Pier".into()), ..wire::Chat::default() }
    }

    #[test]
    fn identities_lead_back_to_their_chat() {
        let target = Target::of(&identity("support", &chat(-1001), None)).unwrap();
        assert_eq!(target, Target { chat_id: -1001, business: None });
        let target = Target::of(&identity("support", &chat(7), Some("bc1"))).unwrap();
        assert_eq!(target, Target { chat_id: 7, business: Some("bc1".into()) });
        assert!(Target::of(&Identity::new("telegram", "@ann")).is_err());
        assert!(Target::of(&Identity::new("tel", "+15550100123")).is_err());
    }

    #[test]
    fn only_messages_of_the_same_chat_can_be_answered() {
        let target = Target { chat_id: -5, business: None };
        assert_eq!(target.message_id(&target.message_key(41)), Some(41));
        assert_eq!(target.message_id("6:41"), None);
        assert_eq!(target.message_id("bc1:-5:41"), None);
        assert_eq!(target.message_id("wamid.X"), None);
    }
}
