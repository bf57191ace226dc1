//! Every request that leaves the gateway: where it may go, with which credentials, how far and for how long.

mod assertion;
mod client;
mod grants;
mod policy;
mod resolver;
mod tokens;

pub(crate) use client::tls;
pub use client::{Egress, Error, Limits, Received, Request};
pub use grants::Allowed;
pub use policy::{Reach, is_public};
pub use resolver::Lookup;
pub use tokens::{TokenError, Tokens};
