//! One file for each capability: what the host does, apart from how a contract version words it.

pub(super) mod aws;
pub(super) mod certificates;
mod echo;
pub(super) mod http;
pub(super) mod log;
pub(super) mod secrets;
