use omnigate_plugin::prelude::*;
use omnigate_plugin::serde_json;

use crate::mime::Address;

/// The mail that a letter answers, as far as the log tells.
pub(super) struct Answered {
    from: String,
    pub(super) subject: Option<String>,
    /// Without brackets.
    pub(super) message_id: Option<String>,
    /// Oldest first, the mail itself last.
    pub(super) references: Vec<String>,
    pub(super) reply_to: Option<Address>,
    /// Whom the mail went to besides.
    pub(super) others: Vec<Address>,
}

#[derive(Deserialize)]
struct Event {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    from: Option<Person>,
    #[serde(default)]
    to: Vec<Person>,
    #[serde(default)]
    external_ids: Vec<String>,
    message: Option<Message>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Message {
    subject: Option<String>,
}

/// Of an identity, or of our own metadata.
#[derive(Deserialize)]
struct Person {
    #[serde(alias = "address")]
    value: String,
    name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    references: Vec<String>,
    reply_to: Vec<Person>,
}

impl Answered {
    /// From CloudEvents JSON.
    pub(super) fn of(event: &str) -> Result<Self, Fault> {
        let Event { data } = serde_json::from_str(event)
            .map_err(|error| Fault::internal(format!("the interaction that is answered has another shape: {error}")))?;
        let message_id = data.external_ids.into_iter().find(|id| is_id(id));
        let mut references: Vec<String> = data.metadata.references.into_iter().filter(|id| is_id(id)).collect();
        references.retain(|id| Some(id) != message_id.as_ref());
        references.extend(message_id.clone());
        Ok(Self {
            from: data.from.map(|from| from.value).unwrap_or_default(),
            subject: data.message.and_then(|message| message.subject),
            message_id,
            references,
            reply_to: data.metadata.reply_to.iter().find_map(address),
            others: data.to.iter().filter_map(address).collect(),
        })
    }

    pub(super) fn is_from(&self, address: &str) -> bool {
        self.from.eq_ignore_ascii_case(address)
    }
}

fn address(person: &Person) -> Option<Address> {
    Address::new(&person.value, person.name.as_deref())
}

/// What may stand between angle brackets in a header. Names that are none, such as digests, have no at sign.
fn is_id(id: &str) -> bool {
    const BYTES_MAX: usize = 500;
    id.contains('@') && id.len() <= BYTES_MAX && id.bytes().all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>')
}
