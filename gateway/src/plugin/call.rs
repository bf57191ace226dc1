//! One call: a fresh store, bounded in every direction, and dropped whatever happens.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::error::Elapsed;
use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use super::engine::ticks_of;
use super::exchange::{Broken, Called, Failure};
use super::state::{CallState, Shared};
use super::{Binding, host};

const HANDLES_MAX: usize = 1_000;
/// Characters of an error that are told.
const ERROR_MAX: usize = 512;

/// A call that is under way: its store, and its place among the calls that may run at once.
pub(super) struct Call {
    pub(super) store: Store<CallState>,
    wall: Duration,
    _places: Places,
}

/// Its place among the calls of its channel, and among all.
pub(super) type Places = [OwnedSemaphorePermit; 2];

/// How the guest's part of a call ended.
pub(super) type Ended<T> = Result<std::thread::Result<wasmtime::Result<Result<T, Failure>>>, Elapsed>;

impl Call {
    pub(super) fn new(
        engine: &Engine,
        plugin: Arc<str>,
        binding: Arc<Binding>,
        shared: Arc<Shared>,
        places: Places,
    ) -> Self {
        let wall = binding.limits.wall;
        Self { store: fresh_store(engine, plugin, binding, shared), wall, _places: places }
    }

    /// The time that the call may take.
    pub(super) fn wall(&self) -> Duration {
        self.wall
    }

    /// Says what became of it, and drops everything that it held.
    pub(super) fn end<T>(self, ended: Ended<T>) -> Called<T> {
        let state = self.store.data();
        host::log::finish(state);
        let result = match ended {
            Err(_) => Err(Failure::Broken(Broken::WallLimit)),
            Ok(Err(panic)) => Err(Failure::Broken(Broken::Host(panic_text(&*panic)))),
            Ok(Ok(Err(error))) => Err(failure_of(&error, state)),
            Ok(Ok(Ok(result))) => result,
        };
        Called { result, authentic: state.authentic, used: state.used() }
    }
}

/// Runs the guest's part: for so long at most, and a panic of the host ends this call alone.
pub(super) async fn bounded<T>(
    wall: Duration,
    guest: impl Future<Output = wasmtime::Result<Result<T, Failure>>>,
) -> Ended<T> {
    tokio::time::timeout(wall, AssertUnwindSafe(guest).catch_unwind()).await
}

pub(super) fn fresh_store(
    engine: &Engine,
    plugin: Arc<str>,
    binding: Arc<Binding>,
    shared: Arc<Shared>,
) -> Store<CallState> {
    let output = binding.limits.output;
    let ticks = ticks_of(binding.limits.cpu);
    let mut store = Store::new(engine, CallState::new(plugin, binding, shared, ticks));
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(output);
    store.set_max_component_handles(HANDLES_MAX);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut cx| {
        let state = cx.data_mut();
        state.ticks_left = state.ticks_left.saturating_sub(1);
        Ok(if state.ticks_left == 0 { UpdateDeadline::Interrupt } else { UpdateDeadline::Yield(1) })
    });
    store
}

pub(super) fn failure_of(error: &wasmtime::Error, state: &CallState) -> Failure {
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return Failure::Busy;
    }
    let broken = match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Broken::CpuLimit,
        _ if state.memory.refused => Broken::MemoryLimit,
        Some(trap) => Broken::Trap(trap.to_string()),
        None if format!("{error:#}").contains("fuel allocated for hostcalls") => Broken::OutputLimit,
        None => Broken::Trap(in_one_line(&format!("{error:#}"))),
    };
    Failure::Broken(broken)
}

/// Errors may repeat names out of the component: an operator's log is no place for them to write in.
pub(super) fn in_one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(ERROR_MAX).collect()
}

pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without words").to_owned()
}
