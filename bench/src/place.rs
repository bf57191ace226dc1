//! Where things are, and a directory for a run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

/// The top of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// Every plugin, as `cargo xtask plugins` leaves it.
pub(crate) fn plugins() -> Result<PathBuf> {
    let directory = repository().join("target/plugins");
    ensure!(directory.join("whatsapp.wasm").is_file(), "no plugins in {}: cargo xtask plugins", directory.display());
    Ok(std::path::absolute(directory)?)
}

/// The plugin of the tests that does whatever it is told.
pub(crate) fn hostile() -> Result<PathBuf> {
    let component = repository().join("target/hostile/hostile.wasm");
    ensure!(component.is_file(), "no {}: `cargo xtask bench` builds it", component.display());
    Ok(component)
}

/// An adapter that reads mails, and its id: the shipped one, or that of the tests.
pub(crate) fn mail_adapter() -> Result<(PathBuf, &'static str)> {
    for (folder, id) in [("target/plugins", "email"), ("target/hostile", "postbox")] {
        let directory = repository().join(folder);
        if directory.join(format!("{id}.wasm")).is_file() {
            return Ok((std::path::absolute(directory)?, id));
        }
    }
    bail!("no adapter for mails: `cargo xtask bench` builds one")
}

/// The gateway as it is shipped.
pub(crate) fn gateway() -> Result<PathBuf> {
    let program = target().join("release/omnigate");
    ensure!(program.is_file(), "no {}: cargo build --release --package omnigate", program.display());
    Ok(program)
}

/// An empty directory beside what cargo builds, hence on a real disk; removed when dropped.
pub(crate) struct Workplace(PathBuf);

impl Workplace {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let path = std::path::absolute(target().join(format!("bench/{}-{name}", std::process::id())))?;
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        // What is left is beside what cargo builds, and goes with it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
