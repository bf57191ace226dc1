//! Gateway and plugins.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tools::{cargo, root, run, say, target};

const WASM: &str = "wasm32-unknown-unknown";

/// Everything for production.
pub(crate) fn release() -> Result<()> {
    plugins()?;
    cargo(&["build", "--release", "--package", "omnigate", "--package", "desk"])?;
    say(&format!("gateway: {}", target().join("release/omnigate").display()));
    Ok(())
}

/// Gateway and plugins as they are shipped, then the bench, which starts them.
pub(crate) fn bench(arguments: impl Iterator<Item = String>) -> Result<()> {
    plugins()?;
    hostile()?;
    cargo(&["build", "--release", "--package", "omnigate"])?;
    let run = ["run", "--release", "--package", "bench", "--"].into_iter().map(String::from);
    cargo(&run.chain(arguments).collect::<Vec<_>>())
}

/// Every plugin of `plugins/`, as a component under its id: where `config.toml` and the tests look, wherever cargo builds.
pub(crate) fn plugins() -> Result<()> {
    components(&root().join("plugins"), &root().join("target/plugins"))
}

/// The plugins of the tests that mean no good.
pub(crate) fn hostile() -> Result<()> {
    components(&root().join("tests/hostile"), &root().join("target/hostile"))
}

/// Every crate with a manifest below `folder`, as a component in `out`.
pub(crate) fn components(folder: &Path, out: &Path) -> Result<()> {
    add_wasm_target()?;
    let names = plugin_names(folder)?;
    let mut arguments = vec!["build", "--target", WASM, "--profile", "plugin"];
    for name in &names {
        arguments.extend(["--package", name]);
    }
    cargo(&arguments)?;
    fs::create_dir_all(out)?;
    names.iter().try_for_each(|name| publish(name, out))
}

/// A plugin's folder has its name and holds its manifest.
fn plugin_names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("no folder {}", folder.display()))?.flatten();
    let plugins = entries.filter(|entry| entry.path().join("manifest.json").is_file());
    let mut names: Vec<_> = plugins.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    ensure!(!names.is_empty(), "no plugin in {}", folder.display());
    Ok(names)
}

/// Written aside and renamed, since a running gateway watches the directory.
fn publish(name: &str, out: &Path) -> Result<()> {
    let built = target().join(WASM).join("plugin").join(format!("{}.wasm", name.replace('-', "_")));
    let bytes = fs::read(&built).with_context(|| format!("cargo did not leave {}", built.display()))?;
    let place = out.join(format!("{name}.wasm"));
    if fs::read(&place).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let aside = out.join(format!(".{name}.new"));
    fs::write(&aside, bytes)?;
    fs::rename(&aside, &place)?;
    Ok(())
}

fn add_wasm_target() -> Result<()> {
    let installed = Command::new("rustup").args(["target", "list", "--installed"]).output();
    match installed {
        Ok(output) if String::from_utf8_lossy(&output.stdout).lines().any(|line| line == WASM) => Ok(()),
        Ok(_) => run(Command::new("rustup").args(["target", "add", WASM])),
        // Rust without rustup: the distribution brings the target, or cargo will say what is missing.
        Err(_) => Ok(()),
    }
}
