//! What the host keeps during one call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

use super::{Binding, Services};
use crate::egress::Egress;

/// What all calls share.
pub(super) struct Shared {
    pub(super) egress: Arc<Egress>,
    pub(super) services: Arc<dyn Services>,
}

/// One call's state: dropped with its store, whatever happens.
pub(super) struct CallState {
    pub(super) plugin: Arc<str>,
    pub(super) binding: Arc<Binding>,
    pub(super) shared: Arc<Shared>,
    pub(super) memory: MemoryLimit,
    pub(super) ticks_left: u32,
    pub(super) deadline: Instant,
    pub(super) authentic: bool,
    pub(super) log: super::host::log::LogBudget,
    pub(super) http_left: u32,
    /// A fixed clock, for the cases of a plugin author.
    pub(super) clock: Option<crate::interaction::Time>,
}

impl CallState {
    pub(super) fn new(plugin: Arc<str>, binding: Arc<Binding>, shared: Arc<Shared>, ticks: u32) -> Self {
        let limits = &binding.limits;
        Self {
            memory: MemoryLimit { max: limits.memory, used: 0, refused: false },
            ticks_left: ticks,
            deadline: Instant::now() + limits.wall,
            authentic: false,
            log: super::host::log::LogBudget::new(limits.log_lines),
            http_left: limits.http_requests,
            clock: binding.clock,
            plugin,
            binding,
            shared,
        }
    }

    /// What is left of the call's wall time.
    pub(super) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Sums over all memories of a call.
pub(super) struct MemoryLimit {
    max: usize,
    used: usize,
    /// The guest asked for more than it may have: what follows is its own doing.
    pub(super) refused: bool,
}

/// Elements of all tables are few and small; the pool bounds each.
const TABLE_ELEMENTS_MAX: usize = 50_000;

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let grown = self.used.saturating_add(desired.saturating_sub(current));
        if grown > self.max {
            self.refused = true;
            return Ok(false);
        }
        self.used = grown;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}
