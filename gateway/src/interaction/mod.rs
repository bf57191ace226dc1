//! The one format: what happened, between whom, on which channel.
//!
//! Knows neither wire formats of providers nor of plugins nor of the store; those are converted at their edges.

mod country;
mod event;
mod identity;
mod part;
mod status;
mod time;
mod way;

pub use country::Country;
pub use event::{
    Author, AuthorKind, ChannelRef, ContactRef, ConversationRef, Direction, Event, FallbackRef, Interaction, Kind,
    Message, RouteRef,
};
pub use identity::{Identity, InvalidIdentity};
pub use part::{ChoiceOption, ChoicesStyle, MediaKind, Part};
pub use status::{Reason, ReasonCode, Status, StatusChange};
pub use time::Time;
pub use way::{Category, Loss, PassedOver, Trigger, Why};
