//! What was typed, and what it means after every rule was checked. Knows neither HTTP nor plugins.
//!
//! `load` parses the file and hands it to `sections`, which asks a reader (`read`) for every key by name, type and
//! range. The reader notes every problem instead of stopping at the first, and refuses the keys nobody asked for.

mod addresses;
mod connectors;
mod credentials;
mod file;
mod hosts;
mod json;
mod keywords;
mod load;
mod names;
mod nearest;
mod oauth2;
mod patterns;
mod place;
mod problem;
mod processors;
mod read;
mod routes;
mod secret;
mod sections;
mod signing_key;
mod syntax;
mod types;
mod units;
mod values;

pub use keywords::{START, STOP};
pub use load::Loaded;
pub use nearest::suggestion;
pub use patterns::NamePattern;
pub use problem::{ConfigErrors, Problem};
pub use read::KnownKey;
pub use secret::Secret;
pub use signing_key::SigningKey;
pub use types::*;
pub use units::{parse_duration, show_duration};
