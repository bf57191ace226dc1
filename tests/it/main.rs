//! The program itself, as a process: real sockets, a real store, everything on port 0.
//!
//! No test waits for time to pass: each waits for what must happen, and fails when that does not happen within
//! [`support::PATIENCE`]. Plugins are built by `cargo xtask plugins`; `OMNIGATE_PLUGINS` names another directory.

// A test's own modules have no outside; it fails by unwrapping, and what it prints is shown when it fails.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::print_stdout)]

mod api;
mod backends;
mod bad_bytes;
mod bad_frames;
mod bad_input;
mod basics;
mod check;
mod commands;
mod connector_backlog;
mod connector_channels;
mod connector_files;
mod connector_quarantine;
mod connectors;
mod crash;
mod full_disk;
mod lifecycle;
mod mail;
mod media;
mod outbound;
mod people;
mod privacy;
mod processors;
mod routes;
mod routes_control;
mod salesforce;
mod sending;
mod support;
mod tokens;
