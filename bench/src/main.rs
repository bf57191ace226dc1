//! Measures the gateway: beside a native twin that does the same without a sandbox, and beside what the machine allows.
//!
//! Every server is a process of its own; the load comes from this one. One run gives one table.

mod backend;
mod crm;
mod load;
mod machine;
mod measure;
mod place;
mod process;
mod statistics;
mod table;
mod twin;
mod webhook;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::measure::Plan;

/// As in the gateway: the twin must not lose by it.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the gateway and prints a table.
#[derive(Parser)]
struct Arguments {
    /// A quarter of the time, for a first impression.
    #[arg(long)]
    quick: bool,
    /// This part alone.
    #[arg(long, value_name = "NAME")]
    only: Option<measure::Part>,
    /// Connections of the load, each with one request at a time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    connections: u16,
    /// Write the table to docs/benchmarks.md, too.
    #[arg(long)]
    write: bool,
    #[command(subcommand)]
    serve: Option<Serve>,
}

/// What this program is when it is not measuring.
#[derive(Subcommand)]
enum Serve {
    /// The native twin.
    #[command(hide = true)]
    Twin { data: PathBuf, backend: Option<SocketAddr> },
    /// A server that reads requests and answers 200.
    #[command(hide = true)]
    Bare,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match arguments.serve {
            Some(Serve::Twin { data, backend }) => twin::serve(&data, backend).await,
            Some(Serve::Bare) => twin::serve_bare().await,
            None => measure_all(&arguments).await,
        }
    })
}

async fn measure_all(arguments: &Arguments) -> Result<()> {
    let plan = Plan {
        connections: arguments.connections.into(),
        rounds: if arguments.quick { 1 } else { 3 },
        closed: Duration::from_secs(if arguments.quick { 2 } else { 4 }),
        open: Duration::from_secs(if arguments.quick { 2 } else { 5 }),
        only: arguments.only,
    };
    let rows = measure::run(&plan).await?;
    let circumstances = machine::Circumstances::now();
    table::print(&rows, &circumstances);
    if arguments.write {
        table::write(&rows, &circumstances)?;
    }
    Ok(())
}
