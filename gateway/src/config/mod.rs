//! What was typed, and what it means after every rule was checked. Knows neither HTTP nor plugins.

mod secret;
mod types;

pub use secret::Secret;
pub use types::*;
