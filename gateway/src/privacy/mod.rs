//! Erasure of people: everything that is kept of one goes, and a receipt says what went.
//!
//! An erasure is written down before it begins and goes on after a crash. From its first commit on the log takes nothing of
//! the contact any more; whoever writes again is a new one. Last, the store's files are written anew.

mod eraser;
mod job;
mod person;
mod records;
mod scans;

pub use eraser::{EraseError, Eraser};
pub use job::{Receipt, Removed, Scrubbed};
pub use person::Person;
