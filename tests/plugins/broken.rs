//! Mails that nobody wrote, in the real sandbox: those of the cases, changed at random. By itself a bounded number of them with a
//! fixed seed; `cargo xtask fuzz email` goes on for as long as one likes.

use std::time::Duration;

use crate::fuzz::{Fuzzer, Place};
use crate::{plugin_directory, run};

const CASE: &str = r#"
call = "receive"
[settings]
address = "support@example.com"
aliases = ["help@example.com"]
plus_addressing = true
authserv_id = "mx"
"#;
const SEED: u64 = 0x0dd_5eed;
const MAILS: usize = 2_000;
/// Of the whole test: a slow machine looks at fewer.
const TIME_MAX: Duration = Duration::from_secs(20);
const MAILS_MIN: usize = 50;

/// A number that `cargo xtask fuzz` gives.
fn given(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_mails_break_no_adapter() {
    let runner = run::Runner::new(&plugin_directory());
    let mailbox = runner.mailbox("email", CASE).await;
    let seconds = given("FUZZ_SECONDS").map(Duration::from_secs);
    let place = std::env::var_os("FUZZ_PLACE").map(Place::at);
    let mut fuzzer = Fuzzer::new(given("FUZZ_SEED").unwrap_or(SEED), mailbox, place).await;
    let goes_on = |count: usize, time: Duration| match seconds {
        Some(seconds) => time < seconds,
        None => count < MAILS_MIN || count < MAILS && time < TIME_MAX,
    };
    fuzzer.run(goes_on).await;
    let findings = &fuzzer.findings;
    assert!(findings.is_empty(), "{} of {} mails:\n{}", findings.len(), fuzzer.count, findings.join("\n"));
}
