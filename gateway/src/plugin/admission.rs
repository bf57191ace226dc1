//! From bytes to something that can be called: refused with a sentence that helps, compiled off the request path.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{Component, types::ComponentItem};

use super::artefacts::Artefacts;
use super::call::in_one_line;
use super::contract::{OFFERED, v1};
use super::manifest::{Contract, Manifest, ManifestError};
use super::rehearsal;
use crate::config::Limits;

/// Larger than any component that a toolchain makes today (CPython: 18 MB).
const BYTES_MAX: u64 = 64 << 20;
const COMPONENT: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
const CORE_MODULE: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/// Why a file is no plugin of ours.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("has more than {0} bytes")]
    TooLarge(u64),
    #[error(
        "is a core WebAssembly module, not a component: build for wasm32-unknown-unknown with wasm-component-ld as linker, \
         or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    #[error("is machine code compiled elsewhere, which is never loaded: give the .wasm component itself")]
    Precompiled,
    #[error("is no WebAssembly component")]
    NotWasm,
    #[error("{0}")]
    Manifest(#[from] ManifestError),
    #[error("is no regular file")]
    NoFile,
    #[error(
        "plugin {plugin} wants contract {wanted}, and this gateway offers {OFFERED}: rebuild it with an SDK for what is \
         offered, or run a gateway that offers {wanted}"
    )]
    UnknownContract { plugin: String, wanted: String },
    #[error("plugin {plugin} imports {import}, which this gateway does not offer: {hint}")]
    UnknownImport { plugin: String, import: String, hint: &'static str },
    #[error("plugin {plugin} does not fit contract {contract}: {why}: rebuild it with an SDK for {contract}")]
    Mismatch { plugin: String, contract: String, why: String },
    #[error("plugin {plugin} cannot be compiled: {why}")]
    Compile { plugin: String, why: String },
    #[error("plugin {plugin} does not start: {why}: mend what it does before its first call, and rebuild it")]
    Start { plugin: String, why: String },
    #[error("made the compiler panic, which is a fault of this gateway and worth a report: {0}")]
    Panicked(String),
}

/// What admission works with.
pub(super) struct Workshop<'a> {
    pub(super) engine: &'a Engine,
    pub(super) artefacts: Option<&'a Artefacts>,
    pub(super) limits: &'a Limits,
}

/// A component that passed every check.
pub(super) struct Admitted {
    pub(super) manifest: Manifest,
    pub(super) digest: String,
    pub(super) bytes: u64,
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    pub(super) calls: v1::Calls,
}

/// Reads, checks and compiles a file. Takes as long as compiling takes: never call it from a request.
pub(super) fn admit(workshop: &Workshop<'_>, file: &Path) -> Result<Admitted, AdmissionError> {
    let Workshop { engine, artefacts, .. } = *workshop;
    let bytes = read(file)?;
    check_kind(&bytes)?;
    let manifest = Manifest::of(&bytes)?;
    let contract = check_contract(&manifest)?;
    let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, &bytes));
    let component = compile(engine, artefacts, &manifest.id, &digest, &bytes)?;
    let (imports, exports) = interfaces(engine, &component);
    check_imports(&manifest, &imports)?;
    let calls = link(workshop, contract, &manifest, &component)?;
    Ok(Admitted { manifest, digest, bytes: bytes.len() as u64, imports, exports, calls })
}

/// Bounded by what is read, not by what was promised: a file may grow meanwhile, and a pipe never ends.
fn read(file: &Path) -> Result<Vec<u8>, AdmissionError> {
    if !std::fs::metadata(file)?.is_file() {
        return Err(AdmissionError::NoFile);
    }
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        size if size > BYTES_MAX => Err(AdmissionError::TooLarge(BYTES_MAX)),
        _ => Ok(bytes),
    }
}

fn check_kind(bytes: &[u8]) -> Result<(), AdmissionError> {
    if bytes.starts_with(&COMPONENT) {
        return Ok(());
    }
    if bytes.starts_with(&CORE_MODULE) {
        return Err(AdmissionError::CoreModule);
    }
    if Engine::detect_precompiled(bytes).is_some() || bytes.starts_with(b"\x7fELF") {
        return Err(AdmissionError::Precompiled);
    }
    Err(AdmissionError::NotWasm)
}

fn check_contract(manifest: &Manifest) -> Result<Contract, AdmissionError> {
    let (plugin, wanted) = (manifest.id.clone(), manifest.contract.clone());
    manifest.kind().ok_or(AdmissionError::UnknownContract { plugin, wanted })
}

fn compile(
    engine: &Engine,
    artefacts: Option<&Artefacts>,
    plugin: &str,
    digest: &str,
    bytes: &[u8],
) -> Result<Component, AdmissionError> {
    let failed = |error: wasmtime::Error| AdmissionError::Compile {
        plugin: plugin.to_owned(),
        why: in_one_line(&format!("{error:#}")),
    };
    let component = match artefacts {
        Some(artefacts) => artefacts.component(engine, digest, bytes).map_err(failed)?,
        None => Component::from_binary(engine, bytes).map_err(failed)?,
    };
    // Now, so that the first call does not pay for it.
    component.initialize_copy_on_write_image().map_err(failed)?;
    Ok(component)
}

fn interfaces(engine: &Engine, component: &Component) -> (Vec<String>, Vec<String>) {
    let kind = component.component_type();
    let imports = kind.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let exports = kind.exports(engine).filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentInstance(_)));
    (imports, exports.map(|(name, _)| name.to_owned()).collect())
}

fn check_imports(manifest: &Manifest, imports: &[String]) -> Result<(), AdmissionError> {
    let offered = ["omnigate:types/", "omnigate:host/", "omnigate:channel/events@"];
    let Some(import) = imports.iter().find(|import| !offered.iter().any(|prefix| import.starts_with(prefix))) else {
        return Ok(());
    };
    let hint = if import.starts_with("wasi:") {
        "plugins run without WASI; build for wasm32-unknown-unknown, or stub WASI with your toolchain's option"
    } else {
        "see the interfaces under wit/"
    };
    Err(AdmissionError::UnknownImport { plugin: manifest.id.clone(), import: import.clone(), hint })
}

fn link(
    workshop: &Workshop<'_>,
    contract: Contract,
    manifest: &Manifest,
    component: &Component,
) -> Result<v1::Calls, AdmissionError> {
    let plugin = &manifest.id;
    let mismatch = |error: wasmtime::Error| AdmissionError::Mismatch {
        plugin: plugin.clone(),
        contract: manifest.contract.clone(),
        why: in_one_line(&format!("{error:#}")),
    };
    let linked = v1::linker(workshop.engine).and_then(|linker| linker.instantiate_pre(component)).map_err(mismatch)?;
    let started = rehearsal::start(workshop.engine, name(manifest), &linked, workshop.limits);
    started.map_err(|why| AdmissionError::Start { plugin: plugin.clone(), why })?;
    let calls = v1::Calls::of(contract, linked).map_err(mismatch)?;
    rehearsal::fit(workshop.engine, name(manifest), &calls, workshop.limits).map_err(mismatch)?;
    Ok(calls)
}

/// The shared handle under which an admitted plugin goes.
pub(super) fn name(manifest: &Manifest) -> Arc<str> {
    manifest.id.as_str().into()
}
