//! What is more than one cargo command: building with plugins, running the demo, testing everything, measuring.

mod build;
mod fuzz;
mod run;
mod test;
mod tools;

use anyhow::{Result, bail};

const USAGE: &str = "\
cargo xtask build            gateway and desk in target/release, plugins in target/plugins
cargo xtask plugins          plugins alone
cargo xtask run              build for development, start the gateway and the example desk
cargo xtask test             everything: format, lints, licences, unit, plugin cases, integration
cargo xtask bench            measure, and print a table
cargo xtask fuzz email       change mails at random until one breaks the adapter; --seconds N (300), --seed S";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("build") => build::release(),
        Some("plugins") => build::plugins(),
        Some("run") => run::run(),
        Some("test") => test::everything(),
        Some("bench") => build::bench(arguments),
        Some("fuzz") => fuzz::run(arguments),
        Some("help" | "--help" | "-h") | None => {
            tools::say(USAGE);
            Ok(())
        }
        Some(other) => bail!("unknown command {other:?}\n{USAGE}"),
    }
}
