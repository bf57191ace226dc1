//! Starts a component once before it is taken into use: what cannot start must not replace what can.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use wasmtime::Engine;
use wasmtime::component::InstancePre;

use super::call::{failure_of, fresh_store};
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
    let shared = Shared { egress: Arc::new(Egress::new()), services: Arc::new(NoServices) };
    let mut store = fresh_store(engine, name, Arc::new(Binding::of_nobody(limits)), Arc::new(shared));
    let started = wait_for(linked.instantiate_async(&mut store)).map(drop);
    started.or_else(|error| match failure_of(&error, store.data()) {
        Failure::Broken(broken) => Err(broken.to_string()),
        // No room says nothing about the component.
        Failure::Busy | Failure::Fault(_) => Ok(()),
    })
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
