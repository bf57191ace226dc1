//! Updates to events: <https://core.telegram.org/bots/api#getting-updates>

use omnigate_plugin::prelude::*;
use omnigate_plugin::{Choice, Consent, Deletion, Edit, IdentityChange, Reaction, Referral};

use crate::chat::{identity, message_key};
use crate::wire::{
    CallbackQuery, Chat, DeletedMessages, MemberChange, Message, MessageReaction, ReactionType, Update, User,
};
use crate::{content, metadata};

/// What an update tells; `None` if it is of a kind, or says something, that we do not understand.
pub(crate) fn events(channel: &str, update: &Update) -> Option<Vec<Event>> {
    let inbox = Inbox { channel, id: format!("update:{}", update.update_id) };
    if let Some(message) = said(update) {
        return inbox.message(message);
    }
    if let Some(message) = corrected(update) {
        return inbox.edit(message);
    }
    if let Some(pressed) = &update.callback_query {
        return inbox.choice(pressed);
    }
    if let Some(reaction) = &update.message_reaction {
        return Some(inbox.reactions(reaction));
    }
    if let Some(change) = &update.my_chat_member {
        return inbox.consent(change);
    }
    update.deleted_business_messages.as_ref().map(|deleted| inbox.deletions(deleted))
}

/// The chat of an update, as far as it is known to have one.
pub(crate) fn sender(channel: &str, update: &Update) -> Option<Identity> {
    let message = said(update).or_else(|| corrected(update));
    let message = message.or_else(|| update.callback_query.as_ref()?.message.as_deref())?;
    Some(identity(channel, &message.chat, message.business_connection_id.as_deref()))
}

/// Until the bot answers, the person's client shows the button as busy. As the reply to the webhook the answer needs no
/// call of its own. <https://core.telegram.org/bots/api#making-requests-when-getting-updates>
pub(crate) fn stop_spinning(pressed: &CallbackQuery) -> Reply {
    let call = json!({ "method": "answerCallbackQuery", "callback_query_id": pressed.id });
    Reply::body(200, "application/json", call.to_string())
}

fn said(update: &Update) -> Option<&Message> {
    [&update.message, &update.channel_post, &update.business_message].into_iter().find_map(Option::as_deref)
}

fn corrected(update: &Update) -> Option<&Message> {
    let candidates = [&update.edited_message, &update.edited_channel_post, &update.edited_business_message];
    candidates.into_iter().find_map(Option::as_deref)
}

struct Inbox<'a> {
    channel: &'a str,
    /// Events that are no messages have the update's id: it is the same when the update is delivered again.
    id: String,
}

impl Inbox<'_> {
    fn person(&self, message: &Message) -> Identity {
        identity(self.channel, &message.chat, message.business_connection_id.as_deref())
    }

    fn message(&self, message: &Message) -> Option<Vec<Event>> {
        if message.sender_business_bot.is_some() {
            return Some(Vec::new());
        }
        if let Some(change) = self.migration(message) {
            return Some(vec![change]);
        }
        let inbound = self.inbound(message)?;
        if is_echo(message) {
            return Some(vec![Event::Echo(self.echo(message, inbound))]);
        }
        let referral = self.referral(message);
        Some([Some(Event::Message(inbound)), referral].into_iter().flatten().collect())
    }

    fn inbound(&self, message: &Message) -> Option<Inbound> {
        let content = content::of(message);
        let business = message.business_connection_id.as_deref();
        (!content.parts.is_empty()).then(|| Inbound {
            aliases: self.aliases(message),
            at: at(message.date),
            in_reply_to: replied(message).into_iter().collect(),
            metadata: metadata::of_message(message),
            ..Inbound::of(message_key(business, message.chat.id, message.message_id), self.person(message), content)
        })
    }

    /// The same person in the bot's own chat, and by a number that the person shared as the own one.
    fn aliases(&self, message: &Message) -> Vec<Identity> {
        let direct = message.business_connection_id.as_ref().map(|_| identity(self.channel, &message.chat, None));
        let own = message.contact.as_ref().filter(|contact| {
            let author = message.from.as_ref().map(|user| user.id);
            author.is_some() && contact.user_id == author && message.chat.kind == "private"
        });
        let number = own.and_then(|contact| content::e164(&contact.phone_number));
        direct.into_iter().chain(number.map(|number| Identity::new("tel", number))).collect()
    }

    /// Written by the owner of the business account in Telegram itself.
    fn echo(&self, message: &Message, inbound: Inbound) -> Inbound {
        let person = inbound.sender;
        let owner = message.from.as_ref().map_or_else(|| person.clone(), |owner| self.user(owner));
        Inbound { sender: owner, recipients: vec![person], aliases: Vec::new(), ..inbound }
    }

    fn user(&self, user: &User) -> Identity {
        Identity::new("telegram", user.id.to_string()).scoped(self.channel).named(Some(user.name()))
    }

    /// The payload of a deep link `https://t.me/bot?start=payload`.
    fn referral(&self, message: &Message) -> Option<Event> {
        let (command, payload) = message.text.as_deref()?.split_once(' ')?;
        let is_start = command == "/start" || command.starts_with("/start@");
        is_start.then(|| {
            Event::Referral(Referral {
                id: format!("{}:referral", self.id),
                sender: self.person(message),
                at: at(message.date),
                data: json!({ "source": "deep_link", "payload": payload }).to_string(),
            })
        })
    }

    /// A group that became a supergroup. Both chats are told of it; together that is one change.
    fn migration(&self, message: &Message) -> Option<Event> {
        let (previous, current) = match (message.migrate_to_chat_id, message.migrate_from_chat_id) {
            (Some(new), _) => (message.chat.id, new),
            (None, Some(old)) => (old, message.chat.id),
            (None, None) => return None,
        };
        let chat = |id| Chat { id, title: message.chat.title.clone(), ..Chat::default() };
        Some(Event::IdentityChange(IdentityChange {
            id: format!("migration:{previous}:{current}"),
            previous: identity(self.channel, &chat(previous), None),
            current: identity(self.channel, &chat(current), None),
            at: at(message.date),
        }))
    }

    /// Also every step of a live location.
    fn edit(&self, message: &Message) -> Option<Vec<Event>> {
        let Inbound { id, sender, content, .. } = self.inbound(message)?;
        let at = at(message.edit_date).or_else(|| at(message.date));
        Some(vec![Event::Edit(Edit { id: self.id.clone(), target: id, sender, at, content })])
    }

    fn choice(&self, pressed: &CallbackQuery) -> Option<Vec<Event>> {
        let data = pressed.data.as_deref()?;
        let message = pressed.message.as_deref();
        let business = message.and_then(|message| message.business_connection_id.as_deref());
        let choice = Choice { id: data.to_owned(), title: title(message, data).unwrap_or(data).to_owned() };
        Some(vec![Event::Message(Inbound {
            in_reply_to: message
                .map(|message| message_key(business, message.chat.id, message.message_id))
                .into_iter()
                .collect(),
            metadata: message.and_then(|message| metadata::of(&message.chat, Some(&pressed.from))),
            ..Inbound::of(
                self.id.clone(),
                message.map_or_else(|| self.user(&pressed.from), |message| self.person(message)),
                Content::of(vec![Part::Choice(choice)]),
            )
        })])
    }

    /// What is new is an event of its own. If something was taken back, that comes first, and then what is left.
    fn reactions(&self, change: &MessageReaction) -> Vec<Event> {
        let taken_back = change.old_reaction.iter().any(|old| !change.new_reaction.contains(old));
        let given = change.new_reaction.iter().filter(|new| taken_back || !change.old_reaction.contains(new));
        let mut emojis: Vec<_> = given.map(|reaction| Some(emoji(reaction))).collect();
        if taken_back {
            emojis.insert(0, None);
        }
        let events = emojis.into_iter().enumerate().map(|(n, emoji)| {
            Event::Reaction(Reaction {
                id: format!("{}:{n}", self.id),
                target: message_key(None, change.chat.id, change.message_id),
                sender: identity(self.channel, &change.chat, None),
                at: at(change.date),
                emoji,
            })
        });
        events.collect()
    }

    /// Blocked or unblocked, removed from a group or brought in: whether the bot may write there.
    fn consent(&self, change: &MemberChange) -> Option<Vec<Event>> {
        let (old, new) = (&change.old_chat_member.status, &change.new_chat_member.status);
        (may_write(old) != may_write(new)).then(|| {
            vec![Event::Consent(Consent {
                id: self.id.clone(),
                sender: identity(self.channel, &change.chat, None),
                at: at(change.date),
                granted: may_write(new),
                category: None,
                evidence: Some(format!("my_chat_member: {old} -> {new}")),
            })]
        })
    }

    fn deletions(&self, deleted: &DeletedMessages) -> Vec<Event> {
        let business = Some(deleted.business_connection_id.as_str());
        let events = deleted.message_ids.iter().map(|message_id| {
            Event::Deletion(Deletion {
                id: format!("{}:{message_id}", self.id),
                target: message_key(business, deleted.chat.id, *message_id),
                sender: identity(self.channel, &deleted.chat, business),
                at: None,
            })
        });
        events.collect()
    }
}

/// In a chat of a business account the chat has the customer's id, whoever writes.
fn is_echo(message: &Message) -> bool {
    let author = message.from.as_ref().map(|user| user.id);
    message.business_connection_id.is_some() && author.is_some_and(|author| author != message.chat.id)
}

/// In a forum every message "answers" the one that opened its topic.
fn replied(message: &Message) -> Option<String> {
    let replied = message.reply_to_message.as_ref()?;
    let is_topic = message.is_topic_message && message.message_thread_id == Some(replied.message_id);
    let business = message.business_connection_id.as_deref();
    (!is_topic).then(|| message_key(business, message.chat.id, replied.message_id))
}

fn title<'a>(message: Option<&'a Message>, data: &str) -> Option<&'a str> {
    let mut buttons = message?.reply_markup.as_ref()?.inline_keyboard.iter().flatten();
    let button = buttons.find(|button| button.callback_data.as_deref() == Some(data))?;
    Some(button.text.as_str()).filter(|text| !text.is_empty())
}

/// Reactions without an emoji of Unicode are told by their kind.
fn emoji(reaction: &ReactionType) -> String {
    match (&reaction.emoji, &reaction.custom_emoji_id) {
        (Some(emoji), _) => emoji.clone(),
        (None, Some(id)) => format!("custom_emoji:{id}"),
        (None, None) => reaction.kind.clone(),
    }
}

fn may_write(status: &str) -> bool {
    !matches!(status, "kicked" | "left" | "restricted")
}

/// Unix seconds to milliseconds. Nothing for 0. What would be seconds beyond the year 5000 are milliseconds already.
fn at(date: f64) -> Option<f64> {
    const SECONDS_MAX: f64 = 1e11;
    match date {
        date if date <= 0.0 => None,
        date if date < SECONDS_MAX => Some(date * 1000.0),
        date => Some(date),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_their_size() {
        assert_eq!(at(1_767_225_600.0), Some(1_767_225_600_000.0));
        assert_eq!(at(1_767_225_600_000.0), Some(1_767_225_600_000.0));
        assert_eq!((at(0.0), at(-1.0)), (None, None));
    }

    fn reactions(old: &str, new: &str) -> Vec<Option<String>> {
        let update = format!(
            r#"{{"update_id":1,"message_reaction":{{"chat":{{"id":5,"type":"private"}},"message_id":41,"date":1,
            "old_reaction":{old},"new_reaction":{new}}}}}"#
        );
        let update: Update = serde_json::from_str(&update).unwrap();
        let events = events("test", &update).unwrap().into_iter();
        let emojis = events.map(|event| match event {
            Event::Reaction(reaction) => reaction.emoji,
            other => panic!("{other:?}"),
        });
        emojis.collect()
    }

    #[test]
    fn reactions_are_the_difference() {
        let (none, thumb) = ("[]", r#"[{"type":"emoji","emoji":"👍"}]"#);
        let both = r#"[{"type":"emoji","emoji":"👍"},{"type":"paid"}]"#;
        assert_eq!(reactions(none, thumb), [Some("👍".to_owned())]);
        assert_eq!(reactions(thumb, none), [None]);
        assert_eq!(reactions(thumb, both), [Some("paid".to_owned())]);
        assert_eq!(reactions(both, thumb), [None, Some("👍".to_owned())]);
        assert_eq!(reactions(none, none), []);
    }
}
