//! What the host keeps during one call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;
use wasmtime::ResourceLimiter;

use super::engine::{TICK, ticks_of};
use super::exchange::Used;
use super::{Binding, KeptFile, Services};
use crate::config::Secret;
use crate::egress::Egress;

/// Bytes that the host signs, compares or copies in about one tick of processor time.
const BYTES_PER_TICK: usize = 512 << 10;
/// Reads and writes of the channel's memory, pushes and histories of one call.
const FAVOURS_MAX: u32 = 1_000;
/// Files that one call may announce.
const UPLOADS_MAX: u32 = 20;
/// Files that one call may keep or read.
const FILES_MAX: u32 = 200;
/// The part of a call's memory that one file may have: a guest holds it, copies it and may grow a buffer meanwhile.
const FILE_SHARE: u64 = 4;

/// What all calls share.
pub(super) struct Shared {
    pub(super) egress: Arc<Egress>,
    pub(super) services: Arc<dyn Services>,
}

/// One call's state: dropped with its store, whatever happens.
pub(super) struct CallState {
    /// What it may still ask of the store and of open sockets.
    pub(super) favours_left: u32,
    pub(super) uploads_left: u32,
    pub(super) files_left: u32,
    /// What it kept: on disk, and in no event yet.
    pub(super) kept: Vec<KeptFile>,
    /// Tokens of slots of OAuth 2 that were fetched for it.
    pub(super) tokens: BTreeMap<String, Secret>,
    /// What it may read: files of the messages that it is about, by their address there.
    pub(super) readable: BTreeMap<String, Uuid>,
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
            memory: MemoryLimit::new(limits.memory),
            ticks_left: ticks,
            favours_left: FAVOURS_MAX,
            uploads_left: UPLOADS_MAX,
            files_left: FILES_MAX,
            kept: Vec::new(),
            tokens: BTreeMap::new(),
            readable: BTreeMap::new(),
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

    /// Work of the host on the guest's behalf counts as the guest's own: ticks are seen only while the guest runs.
    pub(super) fn charge(&mut self, bytes: usize) {
        let ticks = u32::try_from(bytes / BYTES_PER_TICK).unwrap_or(u32::MAX);
        self.ticks_left = self.ticks_left.saturating_sub(ticks);
    }

    /// What it took so far.
    pub(super) fn used(&self) -> Used {
        let ticks = ticks_of(self.binding.limits.cpu).saturating_sub(self.ticks_left);
        Used { memory: self.memory.used, cpu: TICK * ticks }
    }

    /// Whether the store or a socket may be troubled once more.
    pub(super) fn may_ask(&mut self) -> bool {
        take_one(&mut self.favours_left)
    }

    /// Whether one more file may be announced.
    pub(super) fn may_upload(&mut self) -> bool {
        take_one(&mut self.uploads_left)
    }

    /// Whether one more file may be kept or read.
    pub(super) fn may_touch_file(&mut self) -> bool {
        take_one(&mut self.files_left)
    }

    /// Of one file that it reads: beside it there must be room for what the guest makes of it.
    pub(super) fn file_bytes_max(&self) -> u64 {
        self.binding.limits.memory as u64 / FILE_SHARE
    }

    /// What is left of the call's wall time.
    pub(super) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

fn take_one(left: &mut u32) -> bool {
    let allowed = *left > 0;
    *left = left.saturating_sub(1);
    allowed
}

/// Sums over all memories and tables of a call.
pub(super) struct MemoryLimit {
    max: usize,
    used: usize,
    table_elements: usize,
    /// The guest asked for more than it may have: what follows is its own doing.
    pub(super) refused: bool,
}

impl MemoryLimit {
    pub(super) fn new(max: usize) -> Self {
        Self { max, used: 0, table_elements: 0, refused: false }
    }
}

/// Of all tables; bounds what the pool does not, where there is no pool.
const TABLE_ELEMENTS_MAX: usize = 100_000;

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let grown = self.used.saturating_add(desired.saturating_sub(current));
        self.refused |= grown > self.max;
        if grown <= self.max {
            self.used = grown;
        }
        Ok(grown <= self.max)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let grown = self.table_elements.saturating_add(desired.saturating_sub(current));
        self.refused |= grown > TABLE_ELEMENTS_MAX;
        if grown <= TABLE_ELEMENTS_MAX {
            self.table_elements = grown;
        }
        Ok(grown <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        super::engine::CORE_INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        super::engine::TABLES_MAX
    }

    fn memories(&self) -> usize {
        super::engine::MEMORIES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_are_summed() {
        let mut limit = MemoryLimit::new(100);
        assert!(limit.memory_growing(0, 60, None).unwrap());
        assert!(limit.memory_growing(0, 40, None).unwrap(), "a second memory");
        assert!(!limit.refused);
        assert!(!limit.memory_growing(40, 41, None).unwrap());
        assert!(limit.refused);
        assert!(limit.table_growing(0, TABLE_ELEMENTS_MAX, None).unwrap());
        assert!(!limit.table_growing(0, 1, None).unwrap(), "a second table");
        assert!(!limit.memory_growing(0, usize::MAX, None).unwrap());
    }
}
