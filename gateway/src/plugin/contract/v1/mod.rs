//! Contract 1.

mod calls;
mod connector;
mod content;
mod hosts;
mod inward;
mod letter;
mod outward;
mod processor;

pub(in crate::plugin) use calls::Calls;
pub(in crate::plugin) use hosts::linker;

use crate::plugin::state::CallState;

/// The world that every adapter exports.
mod channel {
    wasmtime::component::bindgen!({
        path: ["../wit/types", "../wit/host", "../wit/channel"],
        world: "omnigate:channel/channel",
        imports: {
            "omnigate:host/http": async,
            "omnigate:host/kv": async,
            "omnigate:host/socket.history": async,
            "omnigate:host/uploads": async,
            "omnigate:host/files": async,
        },
        exports: { default: async },
    });
}

/// Interfaces that a component may export besides, each with the types of `channel`.
mod media {
    wasmtime::component::bindgen!({
        path: ["../wit/types", "../wit/host", "../wit/channel"],
        world: "omnigate:channel/with-media",
        with: { "omnigate:types": super::channel::omnigate::types, "omnigate:host": super::channel::omnigate::host },
        exports: { default: async },
    });
}

mod signals {
    wasmtime::component::bindgen!({
        path: ["../wit/types", "../wit/host", "../wit/channel"],
        world: "omnigate:channel/with-signals",
        with: { "omnigate:types": super::channel::omnigate::types, "omnigate:host": super::channel::omnigate::host },
        exports: { default: async },
    });
}

mod session {
    wasmtime::component::bindgen!({
        path: ["../wit/types", "../wit/host", "../wit/channel"],
        world: "omnigate:channel/with-session",
        with: {
            "omnigate:types": super::channel::omnigate::types,
            "omnigate:host": super::channel::omnigate::host,
            "omnigate:channel/events": super::channel::omnigate::channel::events,
        },
        exports: { default: async },
    });
}

mod mail {
    wasmtime::component::bindgen!({
        path: ["../wit/types", "../wit/host", "../wit/channel"],
        world: "omnigate:channel/with-mail",
        with: {
            "omnigate:types": super::channel::omnigate::types,
            "omnigate:host": super::channel::omnigate::host,
            "omnigate:channel/events": super::channel::omnigate::channel::events,
        },
        exports: { default: async },
    });
}

/// The world that every connector exports.
mod crm {
    wasmtime::component::bindgen!({
        path: ["../wit/types", "../wit/host", "../wit/connector"],
        world: "omnigate:connector/connector",
        with: { "omnigate:types": super::channel::omnigate::types, "omnigate:host": super::channel::omnigate::host },
        exports: { default: async },
    });
}

/// The world that every processor exports.
mod transform {
    wasmtime::component::bindgen!({
        path: ["../wit/types", "../wit/host", "../wit/processor"],
        world: "omnigate:processor/processor",
        with: { "omnigate:types": super::channel::omnigate::types, "omnigate:host": super::channel::omnigate::host },
        exports: { default: async },
    });
}

use channel::exports::omnigate::channel::adapter;
use channel::omnigate::channel::events;
use channel::omnigate::host;
use channel::omnigate::types::types;

type Linker = wasmtime::component::Linker<CallState>;
