//! Compiled plugins, kept between starts.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

/// A directory that only this gateway writes: what lies there is executed as it is.
pub struct Artefacts {
    directory: PathBuf,
}

impl Artefacts {
    /// Creates the directory, or closes the one that is there, with mode 0700.
    ///
    /// # Errors
    /// If that cannot be done, or the directory belongs to another user.
    pub fn open(directory: &Path) -> std::io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        // One that was there already may have been open to others; only its owner can close it.
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
        if let Ok(myself) = fs::metadata("/proc/self")
            && myself.uid() != fs::metadata(directory)?.uid()
        {
            return Err(std::io::Error::other("it belongs to somebody else, whose code would be executed"));
        }
        Ok(Self { directory: directory.to_owned() })
    }

    /// The component compiled for this very engine: from disk if it is there, else compiled and kept.
    pub(super) fn component(&self, engine: &Engine, digest: &str, bytes: &[u8]) -> wasmtime::Result<Component> {
        let path = self.directory.join(format!("{digest}-{:016x}.cwasm", engine_hash(engine)));
        if let Some(component) = load(engine, &path) {
            return Ok(component);
        }
        let compiled = engine.precompile_component(bytes)?;
        match self.keep(&path, &compiled) {
            Ok(()) => load(engine, &path).map_or_else(|| Component::from_binary(engine, bytes), Ok),
            Err(error) => {
                tracing::warn!(%error, "a compiled plugin cannot be kept; it will be compiled again at the next start");
                Component::from_binary(engine, bytes)
            }
        }
    }

    /// Written aside and renamed: a file that is mapped never changes.
    fn keep(&self, path: &Path, compiled: &[u8]) -> std::io::Result<()> {
        let aside = path.with_extension(format!("{}.tmp", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(compiled)?;
        file.sync_all()?;
        fs::rename(&aside, path)
    }
}

/// Everything that decides whether compiled code fits: version, target, settings.
fn engine_hash(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

#[allow(unsafe_code)]
fn load(engine: &Engine, path: &Path) -> Option<Component> {
    if !path.exists() {
        return None;
    }
    // SAFETY: the file was written by `keep` from what this engine's own compiler made, into a directory with mode 0700, and
    // is never written again. Artefacts of another version or setting have another name, and wasmtime checks that again.
    match unsafe { Component::deserialize_file(engine, path) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a kept plugin does not load and is compiled again");
            None
        }
    }
}
