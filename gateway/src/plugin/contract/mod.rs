//! One module for each major version of the contract: bindings of its own, converted to our types at this edge.

pub(super) mod v1;

/// What components may be built against, for messages.
pub(super) const OFFERED: &str = "channel@1, connector@1 and processor@1";
