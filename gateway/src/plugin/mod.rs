//! The sandbox. The only room that knows wasmtime: admission, engine, limits, exchange, and what a guest may ask of its host.

mod admission;
mod artefacts;
mod binding;
mod call;
pub mod connecting;
mod contract;
mod engine;
pub mod exchange;
mod host;
mod manifest;
mod pace;
mod passing;
mod registry;
mod rehearsal;
mod schemes;
mod services;
mod settings;
mod state;

pub use admission::AdmissionError;
pub use artefacts::Artefacts;
pub use binding::{
    Binding, Checked, check, check_connector, check_processor, missing, missing_connector, missing_processor,
};
pub use manifest::{
    Capabilities, ChoicesCapability, Contract, Manifest, ManifestError, MediaCapability, Slot, Span, Transport, Window,
};
pub use registry::{Plugin, Plugins, Refused, Tools};
pub use schemes::Schemes;
pub use services::{KeptFile, KvEntry, KvError, NoServices, Services, Ticket};
