//! What becomes of a message on its way out: what a channel cannot carry is put differently, and each loss is told.
//!
//! Decides by a plugin's abilities, the person's consent and the channel's window; sends nothing and knows no HTTP.

mod html;
mod lack;
mod lists;
mod permit;
mod render;
mod segments;
mod split;
mod words;

pub use html::to_text;
pub use lack::{Lack, first as first_lack};
pub use lists::{OpenList, Typed};
pub use permit::{Permits, Refusal, Request};
pub use render::{Rendered, Unsendable, render};
pub use segments::{Encoding, Segments};
