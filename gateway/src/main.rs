//! The program `omnigate`.

use std::process::ExitCode;

/// A webhook is hundreds of small allocations, many of them given back by another thread than took them.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    omnigate::cli::main()
}
