//! Omnigate: one gateway between every customer channel and every contact center.
//!
//! Everything that happens becomes an interaction, is accepted (understood, attributed, written down) and then
//! delivered (to whoever must hear of it). `ARCHITECTURE.md` tells how the rooms fit together.

pub mod accept;
pub mod api;
pub mod assembly;
pub mod channels;
pub mod cli;
pub mod config;
pub mod connectors;
pub mod customer;
pub mod deliver;
pub mod edge;
pub mod egress;
pub mod interaction;
pub mod mail;
pub mod media;
pub mod outbound;
pub mod plugin;
pub mod privacy;
pub mod processors;
pub mod routes;
pub mod store;
