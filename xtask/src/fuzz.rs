//! Fuzzing of what the sandbox holds, for as long as one likes.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::build;
use crate::tools::{root, run as run_command, target};

const USAGE: &str = "cargo xtask fuzz email [--seconds N] [--seed S]";
const SECONDS: u64 = 300;

/// Mails, changed at random. Findings, and mails that are worth going on from, are kept in `target/fuzz/email`.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    if arguments.next().as_deref() != Some("email") {
        bail!("what shall be fuzzed?\n{USAGE}");
    }
    let (mut seconds, mut seed) = (SECONDS, any_seed()?);
    while let Some(name) = arguments.next() {
        let value = match name.as_str() {
            "--seconds" => &mut seconds,
            "--seed" => &mut seed,
            _ => bail!("unknown argument {name:?}\n{USAGE}"),
        };
        let text = arguments.next().with_context(|| format!("{name} needs a number"))?;
        *value = text.parse().with_context(|| format!("{name} {text:?} is no number"))?;
    }
    build::plugins()?;
    let mut test = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    test.args(["test", "--package", "omnigate", "--test", "plugins", "broken_mails", "--", "--nocapture"])
        .env("FUZZ_SECONDS", seconds.to_string())
        .env("FUZZ_SEED", seed.to_string())
        .env("FUZZ_PLACE", target().join("fuzz/email"));
    run_command(test.current_dir(root()))
}

fn any_seed() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}
