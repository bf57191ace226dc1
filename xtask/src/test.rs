//! Everything that must hold before a change lands.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::build;
use crate::tools::{cargo, has, root, run, say, target};

pub(crate) fn everything() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    build::plugins()?;
    build::hostile()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    licences()?;
    install_what_tests_need()?;
    cargo(&["build", "--package", "desk", "--package", "omnigate"])?;
    cargo(&["test", "--workspace"])?;
    fuzz_api()
}

/// Licences, advisories and sources of every dependency, where `cargo deny` is installed.
fn licences() -> Result<()> {
    if has("cargo-deny") {
        return cargo(&["deny", "check", "bans", "licenses", "sources"]);
    }
    say("cargo-deny is not installed: licences are not checked (cargo install cargo-deny)");
    Ok(())
}

/// Chromium drives the pages; mailboxes are those of Dovecot, letters go to Postfix. Tests start both themselves, with
/// configurations of their own; Postfix lets only root do that.
fn install_what_tests_need() -> Result<()> {
    let needs: [(&str, &[&str]); 5] = [
        ("chromium", &["chromium"]),
        ("chromedriver", &["chromium-driver"]),
        ("dovecot", &["dovecot-imapd"]),
        ("postfix", &["postfix"]),
        ("openssl", &["openssl"]),
    ];
    let missing = needs.iter().filter(|(program, _)| !has(program) && !has_service(program));
    let packages: Vec<&str> = missing.flat_map(|(_, packages)| packages.iter().copied()).collect();
    if packages.is_empty() { Ok(()) } else { debian(&packages) }
}

/// Servers lie where only root looks.
fn has_service(program: &str) -> bool {
    Path::new("/usr/sbin").join(program).is_file()
}

/// Calls every operation of the OpenAPI document in good and bad ways, and fails where an answer is not as documented.
fn fuzz_api() -> Result<()> {
    let place = target().join("schemathesis");
    let program = place.join("bin/schemathesis");
    if !program.is_file() {
        install_schemathesis(&place)?;
    }
    run(Command::new(root().join("tests/api/schemathesis.sh")).env("SCHEMATHESIS", program).current_dir(root()))
}

/// Into an environment of its own: nothing of the system's Python changes.
fn install_schemathesis(place: &Path) -> Result<()> {
    let made = |place: &Path| run(Command::new("python3").args(["-m", "venv"]).arg(place));
    if made(place).is_err() {
        debian(&["python3", "python3-venv"])?;
        made(place)?;
    }
    run(Command::new(place.join("bin/pip")).args(["install", "--quiet", "schemathesis>=4.32,<5"]))
}

fn debian(packages: &[&str]) -> Result<()> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !is_root || !has("apt-get") {
        anyhow::bail!("install these Debian packages first: {}", packages.join(" "));
    }
    run(Command::new("apt-get").args(["update", "--quiet"]))?;
    // Nothing is asked, and no mail system is set up.
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "--quiet", "--yes", "--no-install-recommends"]);
    run(install.args(packages))
}
