//! Updates as Telegram writes them, as far as they are understood: <https://core.telegram.org/bots/api#update>

use omnigate_plugin::prelude::*;
use serde::de::IgnoredAny;

/// At most one of the optional fields is there.
#[derive(Debug, Deserialize)]
pub(crate) struct Update {
    pub(crate) update_id: i64,
    pub(crate) message: Option<Box<Message>>,
    pub(crate) edited_message: Option<Box<Message>>,
    pub(crate) channel_post: Option<Box<Message>>,
    pub(crate) edited_channel_post: Option<Box<Message>>,
    pub(crate) business_message: Option<Box<Message>>,
    pub(crate) edited_business_message: Option<Box<Message>>,
    pub(crate) deleted_business_messages: Option<DeletedMessages>,
    pub(crate) callback_query: Option<CallbackQuery>,
    pub(crate) message_reaction: Option<MessageReaction>,
    pub(crate) my_chat_member: Option<MemberChange>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message {
    pub(crate) message_id: i64,
    /// Unix seconds; 0 for a message that the bot cannot see any more.
    pub(crate) date: f64,
    pub(crate) edit_date: f64,
    pub(crate) chat: Chat,
    pub(crate) from: Option<User>,
    /// Set for what this bot sent in the name of a business account.
    pub(crate) sender_business_bot: Option<User>,
    pub(crate) business_connection_id: Option<String>,
    pub(crate) message_thread_id: Option<i64>,
    pub(crate) is_topic_message: bool,
    pub(crate) reply_to_message: Option<Replied>,
    pub(crate) quote: Option<Quote>,
    pub(crate) forward_origin: Option<IgnoredAny>,
    pub(crate) media_group_id: Option<String>,
    pub(crate) migrate_to_chat_id: Option<i64>,
    pub(crate) migrate_from_chat_id: Option<i64>,
    pub(crate) text: Option<String>,
    pub(crate) entities: Vec<Entity>,
    pub(crate) caption: Option<String>,
    /// The same picture in several sizes, the largest last.
    pub(crate) photo: Vec<File>,
    pub(crate) video: Option<File>,
    pub(crate) video_note: Option<File>,
    pub(crate) animation: Option<File>,
    pub(crate) audio: Option<File>,
    pub(crate) voice: Option<File>,
    pub(crate) document: Option<File>,
    pub(crate) sticker: Option<File>,
    pub(crate) location: Option<Point>,
    pub(crate) venue: Option<Venue>,
    pub(crate) contact: Option<Contact>,
    pub(crate) web_app_data: Option<Value>,
    pub(crate) reply_markup: Option<Keyboard>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Chat {
    pub(crate) id: i64,
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    pub(crate) title: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    #[serde(default)]
    pub(crate) first_name: String,
    pub(crate) last_name: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) language_code: Option<String>,
}

impl User {
    pub(crate) fn name(&self) -> String {
        full_name(Some(&self.first_name), self.last_name.as_deref())
    }
}

/// First and last name, either of which may be missing.
pub(crate) fn full_name(first: Option<&str>, last: Option<&str>) -> String {
    let names = [first, last].into_iter().flatten().filter(|name| !name.is_empty());
    names.collect::<Vec<_>>().join(" ")
}

#[derive(Debug, Deserialize)]
pub(crate) struct Replied {
    pub(crate) message_id: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Quote {
    pub(crate) text: String,
}

/// Offsets count UTF-16 code units.
#[derive(Debug, Deserialize)]
pub(crate) struct Entity {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) offset: usize,
    pub(crate) length: usize,
    pub(crate) url: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct File {
    pub(crate) file_id: String,
    pub(crate) file_name: Option<String>,
    pub(crate) mime_type: Option<String>,
    pub(crate) file_size: Option<u64>,
    #[serde(default)]
    pub(crate) is_animated: bool,
    #[serde(default)]
    pub(crate) is_video: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Point {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Venue {
    pub(crate) location: Point,
    pub(crate) title: Option<String>,
    pub(crate) address: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Contact {
    pub(crate) phone_number: String,
    #[serde(default)]
    pub(crate) first_name: String,
    pub(crate) last_name: Option<String>,
    pub(crate) user_id: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Keyboard {
    #[serde(default)]
    pub(crate) inline_keyboard: Vec<Vec<Button>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Button {
    #[serde(default)]
    pub(crate) text: String,
    pub(crate) callback_data: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DeletedMessages {
    pub(crate) business_connection_id: String,
    pub(crate) chat: Chat,
    pub(crate) message_ids: Vec<i64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CallbackQuery {
    pub(crate) id: String,
    pub(crate) from: User,
    pub(crate) message: Option<Box<Message>>,
    pub(crate) data: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MessageReaction {
    pub(crate) chat: Chat,
    pub(crate) message_id: i64,
    #[serde(default)]
    pub(crate) date: f64,
    #[serde(default)]
    pub(crate) old_reaction: Vec<ReactionType>,
    #[serde(default)]
    pub(crate) new_reaction: Vec<ReactionType>,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct ReactionType {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) emoji: Option<String>,
    pub(crate) custom_emoji_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct MemberChange {
    pub(crate) chat: Chat,
    #[serde(default)]
    pub(crate) date: f64,
    pub(crate) old_chat_member: Member,
    pub(crate) new_chat_member: Member,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Member {
    pub(crate) status: String,
}
