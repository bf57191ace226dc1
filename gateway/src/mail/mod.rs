//! Mailboxes: mail is fetched by IMAP and sent by SMTP; what it means is the adapter's to say.
//!
//! Each mailbox has a thread of its own, and its trouble delays nobody else. The position in it is written in the same commit as
//! the events of the mails before it, so that each mail is appended once, whenever the gateway or the server ends.

mod account;
mod intake;
mod login;
mod mailbox;
mod position;
mod post;
mod reply;
mod session;
mod stream;
mod waiting;

pub use account::{Account, check};
pub use intake::{Intake, arrived};
pub use login::{IMAP_PASSWORD, Login, OAUTH, SMTP_PASSWORD};
pub use mailbox::Mailbox;
pub use post::{Post, Posted, ascii_where_possible};
