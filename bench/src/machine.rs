//! What it was measured on, and what that allows at most.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::place;

/// Where and when a table comes from.
pub(crate) struct Circumstances {
    pub(crate) machine: String,
    pub(crate) kernel: String,
    pub(crate) commit: String,
    pub(crate) date: String,
    /// Of the machine at the end, over one minute: whoever else works on it is in the figures.
    pub(crate) load: String,
}

impl Circumstances {
    pub(crate) fn now() -> Self {
        Self {
            machine: machine(),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            commit: commit(),
            date: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
            load: first_line("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores", model.trim_start_matches([' ', '\t', ':']))
}

fn first_line(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

/// Of the sources; marked where they were changed.
fn commit() -> String {
    let arguments = ["describe", "--always", "--dirty", "--abbrev=12"];
    let told = Command::new("git").args(arguments).current_dir(place::repository()).output();
    told.map_or_else(|_| "unknown".into(), |told| String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

/// How often a small record can be appended and made durable, one after the other.
pub(crate) fn syncs_per_second(directory: &Path, length: Duration) -> Result<f64> {
    const RECORD: [u8; 4096] = [7; 4096];
    let mut file: File = OpenOptions::new().create(true).append(true).open(directory.join("appended"))?;
    let (began, mut count) = (Instant::now(), 0u32);
    while began.elapsed() < length {
        file.write_all(&RECORD)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}
