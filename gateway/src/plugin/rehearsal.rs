//! Starts a component once before it is taken into use: what cannot start must not replace what can.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use wasmtime::component::InstancePre;
use wasmtime::{Engine, Store};

use super::call::{failure_of, fresh_store};
use super::contract::v1::Calls;
use super::exchange::Failure;
use super::state::{CallState, Shared};
use super::{Binding, NoServices};
use crate::config::Limits;
use crate::egress::Egress;

/// Instantiates with every limit and no rights. Blocks for `limits.cpu` at most: without rights there is nothing to wait for.
pub(super) fn start(
    engine: &Engine,
    name: Arc<str>,
    linked: &InstancePre<CallState>,
    limits: &Limits,
) -> Result<(), String> {
    let mut store = empty_store(engine, name, limits);
    let started = wait_for(linked.instantiate_async(&mut store)).map(drop);
    started.or_else(|error| match failure_of(&error, store.data()) {
        Failure::Broken(broken) => Err(broken.to_string()),
        // No room says nothing about the component.
        Failure::Busy | Failure::Fault(_) => Ok(()),
    })
}

/// Compares the types of everything that it exports with the contract's: by name alone, a component of an older draft fits, and fails in
/// every call.
pub(super) fn fit(engine: &Engine, name: Arc<str>, calls: &Calls, limits: &Limits) -> wasmtime::Result<()> {
    let mut store = empty_store(engine, name, limits);
    wait_for(calls.fit(&mut store)).or_else(|error| match failure_of(&error, store.data()) {
        Failure::Busy => Ok(()),
        _ => Err(error),
    })
}

/// With no rights.
fn empty_store(engine: &Engine, name: Arc<str>, limits: &Limits) -> Store<CallState> {
    let shared = Shared { egress: Arc::new(Egress::new()), services: Arc::new(NoServices) };
    fresh_store(engine, name, Arc::new(Binding::of_nobody(limits)), Arc::new(shared))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Admission runs on threads of its own, with or without a runtime.
fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park(),
        }
    }
}
