//! Start, and memory at rest.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::Plan;
use super::servers::{self, Peers};
use crate::place::{self, Workplace};
use crate::process::Server;
use crate::statistics::median;
use crate::table::{Aim, Row, Unit};

const STARTS: usize = 7;
/// What a start leaves to be done is done by then.
const REST: Duration = Duration::from_millis(1500);

pub(super) fn measure(plan: &Plan) -> Result<Vec<Row>> {
    let place = Workplace::new("start")?;
    let plugins = std::fs::read_dir(place::plugins()?)?.flatten().filter(|entry| is_plugin(&entry.path())).count();
    let peers = Peers { backend: Some(([127, 0, 0, 1], 9).into()), provider: None };
    let cold = servers::gateway(place.path(), "gateway", peers)?.ready;
    let starts = STARTS.min(plan.rounds * 3);
    let gateway = || servers::gateway(place.path(), "gateway", peers);
    let twin = || servers::twin(place.path(), "twin", None);
    let (cached, native) = (ready(starts, gateway)?, ready(starts, twin)?);
    let (gateway, twin) = (gateway()?, twin()?);
    std::thread::sleep(REST);
    let (own, other) = (gateway.memory()?, twin.memory()?);
    Ok(vec![
        Row {
            machine: Some(format!("{plugins} plugins")),
            ..Row::new(
                "start, first time",
                Unit::Millis,
                cold.as_secs_f64(),
                "From the start of the process to its line that it is ready, with every plugin of this repository to be compiled.",
            )
        },
        Row {
            twin: Some(native),
            aim: Some(Aim::Below(0.3)),
            ..Row::new("start, again", Unit::Millis, cached, "The same with what the first start compiled and kept.")
        },
        Row {
            twin: Some(other.now as f64 * 1024.0),
            aim: Some(Aim::Below(60.0 * 1024.0 * 1024.0)),
            machine: Some(format!("{} MiB highest", own.peak / 1024)),
            ..Row::new("memory at rest", Unit::Mebibytes, own.now as f64 * 1024.0, "Resident, with all plugins loaded.")
        },
    ])
}

fn is_plugin(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}

/// Seconds until ready.
fn ready(starts: usize, start: impl Fn() -> Result<Server>) -> Result<f64> {
    let times: Vec<f64> = (0..starts).map(|_| Ok(start()?.ready.as_secs_f64())).collect::<Result<_>>()?;
    Ok(median(times))
}
