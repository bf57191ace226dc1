//! Everything that must hold before a change lands.

use std::process::Command;

use anyhow::Result;

use crate::build;
use crate::tools::{cargo, has, root, run, say, target};

pub(crate) fn everything() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    build::plugins()?;
    build::components(&root().join("tests/hostile"), &target().join("hostile"))?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    licences()?;
    install_what_tests_need()?;
    cargo(&["build", "--package", "desk"])?;
    cargo(&["test", "--workspace"])
}

/// Licences, advisories and sources of every dependency, where `cargo deny` is installed.
fn licences() -> Result<()> {
    if has("cargo-deny") {
        return cargo(&["deny", "check", "bans", "licenses", "sources"]);
    }
    say("cargo-deny is not installed: licences are not checked (cargo install cargo-deny)");
    Ok(())
}

/// Chromium drives the pages, schemathesis the API.
fn install_what_tests_need() -> Result<()> {
    if !has("chromium") && !has("chromedriver") {
        debian(&["chromium", "chromium-driver"])?;
    }
    Ok(())
}

fn debian(packages: &[&str]) -> Result<()> {
    // SAFETY-free way to ask who we are: only root may install.
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0"));
    if !root || !has("apt-get") {
        anyhow::bail!("install these Debian packages first: {}", packages.join(" "));
    }
    run(Command::new("apt-get").args(["update", "--quiet"]))?;
    run(Command::new("apt-get").args(["install", "--quiet", "--yes", "--no-install-recommends"]).args(packages))
}
