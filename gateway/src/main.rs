//! The program `omnigate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    omnigate::cli::main()
}
