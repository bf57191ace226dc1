//! Hostile plugins against the sandbox: each limit, each right, and what is left afterwards.
//!
//! `tests/hostile` holds the adapter that does what it is told; `cargo xtask test` builds it into `target/hostile`. First it is
//! put on the plugin engine alone, then under the running program.

// A test's own modules have no outside, and an error in them is a failed test.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::print_stdout)]

mod admission;
mod answers;
mod bench;
mod egress;
mod limits;
mod memory;
mod program;
#[allow(dead_code, unused_imports, clippy::print_stdout, reason = "it holds more than these tests need")]
#[path = "../it/support/mod.rs"]
mod support;
mod worlds;
