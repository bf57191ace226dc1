//! People and their conversations: which contact an address belongs to, and which conversation goes on.
//!
//! Knows no channel's wire format. Nothing is locked while the store works: what is decided here names the versions that
//! it was decided on, and is decided again if somebody was faster.
//!
//! A person is one or several **members**. The log names the member whose address an interaction came from or went to,
//! and never the person: so joining two long histories writes two records, and separating them restores what was.

mod answering;
mod consent;
mod control;
mod directory;
mod draft;
mod joining;
mod keywords;
mod known;
mod links;
mod news;
mod preferences;
mod records;
mod session;
#[cfg(test)]
mod tests;

pub use answering::Standing;
pub use consent::{Consent, Consents, Decision, Source, Subject, Unwanted};
pub use control::{Change, Refused};
pub use directory::Directory;
pub use joining::NoLink;
pub use keywords::Keywords;
pub use known::{Known, LastInbound};
pub use links::{Link, Suggestion, Why};
pub use news::News;
pub use preferences::Preferences;
pub use records::{Contact, Conversation, Member};
pub use session::{Attribution, Session};
