//! What a plugin needs: an adapter to translate between one provider and Omnigate, a connector between one CRM and Omnigate, a
//! processor to look at what passes.
//!
//! Implement [`Channel`] or [`Processor`] for a unit struct and name it in [`channel!`] or [`processor!`] together with its
//! manifest; a connector's trait and macro are [`connector::Connector`] and [`connector!`]. Every call runs in a
//! fresh instance: nothing survives but what is kept in [`kv`]. Events are returned, not emitted: they are appended together, and
//! the reply is given only then. Secrets are used by the name of their slot and never seen.
#![warn(missing_docs)]

#[allow(missing_docs, unsafe_code, unused_qualifications, clippy::all)]
#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: ["../../wit/types", "../../wit/host", "../../wit/channel"],
        world: "omnigate:channel/full-channel",
        pub_export_macro: true,
        default_bindings_module: "omnigate_plugin::bindings",
        additional_derives: [PartialEq],
        generate_all,
    });
}

#[allow(missing_docs, unsafe_code, unused_qualifications, clippy::all)]
#[doc(hidden)]
pub mod connector_bindings {
    wit_bindgen::generate!({
        path: ["../../wit/types", "../../wit/host", "../../wit/connector"],
        world: "omnigate:connector/connector",
        with: {
            "omnigate:types/types@1.0.0": crate::bindings::omnigate::types::types,
            "omnigate:host/log@1.0.0": crate::bindings::omnigate::host::log,
            "omnigate:host/clock@1.0.0": crate::bindings::omnigate::host::clock,
            "omnigate:host/entropy@1.0.0": crate::bindings::omnigate::host::entropy,
            "omnigate:host/secrets@1.0.0": crate::bindings::omnigate::host::secrets,
            "omnigate:host/http@1.0.0": crate::bindings::omnigate::host::http,
            "omnigate:host/kv@1.0.0": crate::bindings::omnigate::host::kv,
            "omnigate:host/files@1.0.0": crate::bindings::omnigate::host::files,
        },
        pub_export_macro: true,
        default_bindings_module: "omnigate_plugin::connector_bindings",
        additional_derives: [PartialEq],
    });
}

#[allow(missing_docs, unsafe_code, unused_qualifications, clippy::all)]
#[doc(hidden)]
pub mod processor_bindings {
    wit_bindgen::generate!({
        path: ["../../wit/types", "../../wit/host", "../../wit/processor"],
        world: "omnigate:processor/processor",
        with: {
            "omnigate:types/types@1.0.0": crate::bindings::omnigate::types::types,
            "omnigate:host/log@1.0.0": crate::bindings::omnigate::host::log,
            "omnigate:host/clock@1.0.0": crate::bindings::omnigate::host::clock,
            "omnigate:host/entropy@1.0.0": crate::bindings::omnigate::host::entropy,
            "omnigate:host/secrets@1.0.0": crate::bindings::omnigate::host::secrets,
            "omnigate:host/http@1.0.0": crate::bindings::omnigate::host::http,
            "omnigate:host/kv@1.0.0": crate::bindings::omnigate::host::kv,
        },
        pub_export_macro: true,
        default_bindings_module: "omnigate_plugin::processor_bindings",
        additional_derives: [PartialEq],
    });
}

pub mod certificates;
mod channel;
pub mod connector;
mod content;
mod context;
mod fault;
pub mod http;
pub mod interaction;
pub mod kv;
mod log;
mod manifest;
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "an allocator hands out raw memory")]
mod memory;
mod multipart;
mod person;
pub mod pieces;
mod processor;
mod request;
pub mod secrets;

pub use bindings::exports::omnigate::channel::adapter::{Outcome, Receipt, Reply, Request};
pub use bindings::exports::omnigate::channel::mail::{Arrived, Letter};
pub use bindings::exports::omnigate::channel::session::{Opening, State, Step};
pub use bindings::exports::omnigate::channel::signals::Signal;
pub use bindings::omnigate::channel::events::{
    Consent, Deletion, Edit, Event, IdentityChange, Inbound, Reaction, Referral, Status, Typing, Unsupported,
};
pub use bindings::omnigate::host::{clock, entropy, files, socket, uploads};
pub use bindings::omnigate::types::types::{
    Author, Choice, ChoiceOption, Choices, ChoicesStyle, ContactCard, Content, Context, DeliveryState, Extension,
    Fault, FaultKind, Header, Identity, Location, Media, MediaKind, MediaSource, Outbound, Part, Reason, ReasonCode,
    RichText, Template,
};
pub use channel::Channel;
pub use log::{debug, error, info, warn};
pub use multipart::{FormFile, Multipart};
pub use person::is_same_number;
pub use processor::Processor;
/// Who wrote a message that passes a processor; [`Author`] is without the contact.
pub use processor_bindings::exports::omnigate::processor::transform::Author as Writer;
pub use processor_bindings::exports::omnigate::processor::transform::{
    Change, Direction, Message as Passing, Reply as AutoReply, Verdict,
};
pub use request::{Form, decode_base64, decode_hex, header};
pub use serde_json::{self, Value, json};

#[doc(hidden)]
pub use log::install_panic_hook;

/// What an implementation begins with.
pub mod prelude {
    pub use crate::{
        Arrived, Author, Channel, Content, Context, DeliveryState, Event, Fault, FaultKind, Form, Identity, Inbound,
        Letter, Media, MediaKind, MediaSource, Outbound, Outcome, Part, Reason, ReasonCode, Receipt, Reply, Request,
        RichText, Signal, Status, Value, channel, http, json, kv, secrets,
    };
    pub use serde::{Deserialize, Serialize};
}
