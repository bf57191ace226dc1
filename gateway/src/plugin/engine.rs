//! The one engine: pooled, fresh instances, interruptible.

use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::config::Limits;

/// Length of one CPU tick: also how long a busy plugin may keep a worker thread from other work.
pub(super) const TICK: Duration = Duration::from_millis(2);

/// How many ticks a time has, the last one begun.
pub(super) fn ticks_of(time: Duration) -> u32 {
    u32::try_from(time.as_millis().div_ceil(TICK.as_millis())).unwrap_or(u32::MAX)
}

/// More slots than calls: a slot is not free again in the very moment its call ends.
const SPARE_SLOTS: usize = 16;
/// Of one component; the largest takes that many (CPython: 38).
pub(super) const CORE_INSTANCES_MAX: usize = 40;
/// Of one component. Toolchains make one; the second is for what an author links in.
pub(super) const MEMORIES_MAX: usize = 2;
/// Of one component.
pub(super) const TABLES_MAX: usize = 16;
/// Of one memory, whatever a call may have: the store's limiter holds each call to what is its own.
const MEMORY_MAX: usize = 256 << 20;
/// Kept mapped of each free slot. With `pagemap_scan` resetting it costs less than mapping it again (27 -> 15 us a call).
const KEEP_RESIDENT: usize = 512 << 10;

/// Engine, and which way of allocation it got.
pub(super) fn start(limits: &Limits) -> wasmtime::Result<Engine> {
    let engine = match Engine::new(&config(InstanceAllocationStrategy::Pooling(pool(limits)))) {
        Ok(engine) => engine,
        Err(error) => {
            tracing::warn!(%error, "no address space for the instance pool; instances are allocated on demand, which is slower");
            Engine::new(&config(InstanceAllocationStrategy::OnDemand))?
        }
    };
    start_ticker(engine.clone())?;
    Ok(engine)
}

fn config(strategy: InstanceAllocationStrategy) -> Config {
    let mut config = Config::new();
    config
        .allocation_strategy(strategy)
        .epoch_interruption(true)
        .concurrency_support(false)
        .wasm_component_model(true)
        .memory_init_cow(true);
    config
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let slots = u32::try_from(limits.concurrency + SPARE_SLOTS).unwrap_or(u32::MAX);
    let of_all = |of_one: usize| slots.saturating_mul(of_one as u32);
    let mut pool = PoolingAllocationConfig::new();
    // Totals fit the greediest component in every slot: none takes from another what is not its own.
    pool.total_component_instances(slots)
        .total_stacks(slots)
        .total_memories(of_all(MEMORIES_MAX))
        .total_tables(of_all(TABLES_MAX))
        .total_core_instances(of_all(CORE_INSTANCES_MAX))
        .max_core_instances_per_component(CORE_INSTANCES_MAX as u32)
        .max_memories_per_component(MEMORIES_MAX as u32)
        .max_tables_per_component(TABLES_MAX as u32)
        .max_memories_per_module(1)
        .max_tables_per_module(4)
        .table_elements(50_000)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(8 << 20)
        .max_memory_size(limits.memory.max(MEMORY_MAX))
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(32);
    pool
}

/// Ends by itself when the engine is gone.
fn start_ticker(engine: Engine) -> wasmtime::Result<()> {
    let weak = engine.weak();
    drop(engine);
    std::thread::Builder::new().name("epoch".into()).spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    })?;
    Ok(())
}
