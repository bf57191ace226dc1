//! The command line.

mod check;
mod dead_letters;
mod explain;
mod inspect;
mod logging;
mod remote;
mod run;
mod tap;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing::Level;

/// One gateway between every customer channel and every contact center.
#[derive(Parser)]
#[command(name = "omnigate", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve: SIGTERM drains, SIGHUP or a changed file reloads
    Run {
        /// The configuration
        #[arg(long, default_value = "config.toml", value_name = "FILE")]
        config: PathBuf,
    },
    /// Read the configuration, load every plugin, and tell everything that is wrong; sends nothing
    Check {
        /// The configuration
        #[arg(long, default_value = "config.toml", value_name = "FILE")]
        config: PathBuf,
        /// Tell which route an interaction takes, which connectors get it, and why; - reads it from standard input
        #[arg(long, value_name = "INTERACTION.json")]
        explain: Option<PathBuf>,
    },
    /// Follow interactions as they happen, one line each
    Tap(tap::Tap),
    /// What was given up, and could be tried again
    #[command(subcommand)]
    DeadLetters(dead_letters::DeadLettersCommand),
    /// Look into plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
}

#[derive(Subcommand)]
enum PluginCommand {
    /// Tell id, version, contract, imports, hosts, slots, settings and size of a plugin
    Inspect {
        /// A component, such as target/plugins/webchat.wasm
        #[arg(value_name = "FILE.wasm")]
        file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does what the command line says; 0 for success, 1 for failure, 2 for a wrong command line.
pub fn main() -> ExitCode {
    let command = Arguments::parse().command;
    logging::start(command.log_level());
    let done = runtime().and_then(|runtime| match command {
        Command::Run { config } => runtime.block_on(run::run(&config)),
        Command::Check { config, explain } => runtime.block_on(check::check(&config, explain.as_deref())),
        Command::Tap(tap) => runtime.block_on(tap::run(tap)),
        Command::DeadLetters(command) => runtime.block_on(dead_letters::run(command)),
        Command::Plugin(PluginCommand::Inspect { file, json }) => runtime.block_on(inspect::inspect(&file, json)),
    });
    match done {
        Ok(code) => code,
        Err(error) => {
            say(&format!("omnigate: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

impl Command {
    /// Who only asks wants the answer, and nothing of how it came about.
    fn log_level(&self) -> Level {
        if matches!(self, Self::Run { .. }) { Level::INFO } else { Level::WARN }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// A line for people, on standard error.
fn say(text: &str) {
    use std::io::Write as _;
    // Nobody is left to tell if standard error is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Of what comes from elsewhere, what a terminal shows and does not obey.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A line for programs, on standard output.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{text}")?;
    Ok(output.flush()?)
}
