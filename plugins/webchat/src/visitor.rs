//! Who is on the socket, as remembered between frames.

use omnigate_plugin::entropy;
use omnigate_plugin::prelude::*;

/// Values of visitors whom the site vouches for; a random id never begins so.
const KNOWN: &str = "user:";
const RANDOM_BYTES: u32 = 16;

/// The memory of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Visitor {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// As the visitor typed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// The same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) page: Option<Page>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lang: Option<String>,
}

/// Where the visitor opened the chat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) url: String,
    pub(crate) title: String,
}

impl Visitor {
    /// # Errors
    /// `internal`: the gateway hands back what it got.
    pub(crate) fn of(memory: &str) -> Result<Self, Fault> {
        serde_json::from_str(memory).map_err(|_| Fault::internal("the session's memory is not what was kept"))
    }

    pub(crate) fn memory(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn identity(&self, channel: &str) -> Identity {
        address(&self.id, channel).named(self.name.as_deref())
    }

    /// Addresses that the visitor typed: whether they are his, nobody knows.
    pub(crate) fn claims(&self) -> Vec<Identity> {
        let email = self.email.as_deref().map(|email| Identity::new("email", email));
        let phone = self.phone.as_deref().map(|phone| Identity::new("tel", phone));
        email.into_iter().chain(phone).map(|identity| identity.named(self.name.as_deref())).collect()
    }

    /// What backends may want to know about a message, as a JSON object.
    pub(crate) fn metadata(&self) -> Option<String> {
        #[derive(Serialize)]
        struct Metadata<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            page: Option<&'a Page>,
            #[serde(skip_serializing_if = "Option::is_none")]
            lang: Option<&'a str>,
        }
        let metadata = Metadata { page: self.page.as_ref(), lang: self.lang.as_deref() };
        let has_some = self.page.is_some() || self.lang.is_some();
        has_some.then(|| serde_json::to_string(&metadata).ok()).flatten()
    }
}

/// The address of a visitor.
pub(crate) fn address(id: &str, channel: &str) -> Identity {
    Identity::new("visitor", id).scoped(channel)
}

/// The id of somebody whom the site vouches for.
pub(crate) fn known(user: &str) -> String {
    format!("{KNOWN}{user}")
}

pub(crate) fn is_known(id: &str) -> bool {
    id.starts_with(KNOWN)
}

/// A stranger's id.
pub(crate) fn random() -> String {
    hex::encode(entropy::bytes(RANDOM_BYTES))
}
