//! The pages as people use them: the chat of a visitor and the desk of an agent, in Chromium, with the gateway between.
//!
//! Everything is real: `omnigate` and `desk` as processes, the adapter as a plugin, a browser by WebDriver. Wanted
//! beforehand: `cargo xtask plugins`, `cargo build -p desk`, and the Debian packages `chromium` and `chromium-driver`.
//! No test waits for time to pass; see [`browser::Page::wait`].

// A test's own modules have no outside, and a panic is how it fails.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::print_stdout)]

mod attachments;
mod browser;
mod hostile;
mod keyboard;
mod layout;
mod program;
mod reconnect;
mod size;
mod stage;
#[allow(dead_code, unused_imports, reason = "it holds more than these tests need")]
#[path = "../it/support/mod.rs"]
mod support;
mod talk;
