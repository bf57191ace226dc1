//! Memory of one call.
//!
//! An instance lives for one call, so hardly anything that is freed is needed again: allocations come from an arena inside the
//! memory that the instance begins with, and only what does not fit there from Rust's own allocator. That one begins by asking the host
//! for pages, which costs the host two changes of its address space in every call.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};

/// Enough for all but unusual webhooks: several times what a body of 16 KiB needs.
const ARENA_BYTES: usize = 256 << 10;
/// Of the arena itself.
const ALIGN_MAX: usize = 16;

#[global_allocator]
static MEMORY: Memory = Memory { arena: UnsafeCell::new([0; ARENA_BYTES]), used: Cell::new(0) };

/// The arena comes first, and is aligned as the whole.
#[repr(C, align(16))]
struct Memory {
    arena: UnsafeCell<[u8; ARENA_BYTES]>,
    /// Bytes from the beginning of the arena.
    used: Cell<usize>,
}

// SAFETY: a component has one thread.
unsafe impl Sync for Memory {}

impl Memory {
    fn base(&self) -> *mut u8 {
        self.arena.get().cast()
    }

    /// Where in the arena a block begins; `None` if it is elsewhere.
    fn place(&self, block: *mut u8) -> Option<usize> {
        (block as usize).checked_sub(self.base() as usize).filter(|place| *place < ARENA_BYTES)
    }

    /// Takes the bytes from `start` on; false if there are not so many.
    fn take(&self, start: usize, size: usize) -> bool {
        match start.checked_add(size) {
            Some(end) if end <= ARENA_BYTES => {
                self.used.set(end);
                true
            }
            _ => false,
        }
    }

    fn is_last(&self, start: usize, size: usize) -> bool {
        start + size == self.used.get()
    }
}

// SAFETY: blocks of the arena do not overlap, for each begins where all before it ended, and only the last one grows or is given back; they
// are aligned, for the arena is aligned to at least what they ask for. All other blocks are the system's.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.used.get().next_multiple_of(layout.align());
        if layout.align() <= ALIGN_MAX && self.take(start, layout.size()) {
            // SAFETY: `start` is inside the arena.
            return unsafe { self.base().add(start) };
        }
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.place(block) {
            Some(start) if self.is_last(start, layout.size()) => self.used.set(start),
            Some(_) => {}
            // SAFETY: it is not of the arena, so it came from there.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(start) = self.place(block) else {
            // SAFETY: it is not of the arena, so it came from there.
            return unsafe { System.realloc(block, layout, size) };
        };
        if self.is_last(start, layout.size()) && self.take(start, size) || size <= layout.size() {
            return block;
        }
        // SAFETY: the caller promises that `size` fits the alignment; old and new block do not overlap.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                block.copy_to_nonoverlapping(moved, layout.size());
                self.dealloc(block, layout);
            }
            moved
        }
    }
}
