//! People and their conversations: which contact an address belongs to, and which conversation goes on.
//!
//! Knows no channel's wire format. Nothing is locked while the store works: what is decided here names the versions that
//! it was decided on, and is decided again if somebody was faster.

mod consent;
mod directory;
mod keywords;
mod preferences;
mod records;

pub use consent::{Consent, Consents, Decision, Source, Subject, Unwanted};
pub use directory::{Attribution, Directory, Known, LastInbound, Session};
pub use keywords::Keywords;
pub use preferences::Preferences;
pub use records::{Contact, Conversation};
