//! The table, for people.

use std::fmt::Write as _;

use anyhow::Result;

use crate::machine::Circumstances;
use crate::place;

/// One thing that was measured.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// In seconds, bytes, or per second.
    pub(crate) gateway: f64,
    pub(crate) twin: Option<f64>,
    pub(crate) aim: Option<Aim>,
    pub(crate) machine: Option<String>,
    pub(crate) explanation: &'static str,
}

#[derive(Clone, Copy)]
pub(crate) enum Unit {
    PerSecond,
    Micros,
    Millis,
    Mebibytes,
}

/// What the gateway should reach.
#[derive(Clone, Copy)]
pub(crate) enum Aim {
    /// At least this share of what the twin reaches.
    ShareOfTwin(f64),
    RatioAtMost(f64),
    AtMost(f64),
    Below(f64),
}

impl Row {
    pub(crate) fn new(name: &'static str, unit: Unit, gateway: f64, explanation: &'static str) -> Self {
        Self { name, unit, gateway, twin: None, aim: None, machine: None, explanation }
    }

    fn ratio(&self) -> Option<f64> {
        self.twin.filter(|twin| *twin >= 1e-9).map(|twin| self.gateway / twin)
    }

    fn aim(&self) -> String {
        let Some(aim) = self.aim else { return String::new() };
        let (told, met) = match aim {
            Aim::ShareOfTwin(share) => (format!("ratio ≥ {share}"), self.ratio().is_some_and(|ratio| ratio >= share)),
            Aim::RatioAtMost(most) => (format!("ratio ≤ {most}"), self.ratio().is_some_and(|ratio| ratio <= most)),
            Aim::AtMost(most) => (format!("≤ {}", self.unit.show(most)), self.gateway <= most),
            Aim::Below(bound) => (format!("< {}", self.unit.show(bound)), self.gateway < bound),
        };
        format!("{told}: {}", if met { "met" } else { "missed" })
    }

    fn cells(&self) -> [String; 6] {
        [
            self.name.to_owned(),
            self.unit.show(self.gateway),
            self.twin.map_or(String::new(), |twin| self.unit.show(twin)),
            self.ratio().map_or(String::new(), |ratio| format!("{ratio:.2}")),
            self.aim(),
            self.machine.clone().unwrap_or_default(),
        ]
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Micros => format!("{:.1} µs", value * 1e6),
            Self::Millis => format!("{:.2} ms", value * 1e3),
            Self::Mebibytes => format!("{:.1} MiB", value / f64::from(1 << 20)),
        }
    }
}

const HEADS: [&str; 6] = ["", "gateway", "native twin", "ratio", "aim", "beside it"];

/// On standard output, in columns.
#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
pub(crate) fn print(rows: &[Row], circumstances: &Circumstances) {
    let lines: Vec<[String; 6]> =
        std::iter::once(HEADS.map(str::to_owned)).chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    println!("{}\n", told(circumstances));
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// Into `docs/benchmarks.md`, with what each row means.
pub(crate) fn write(rows: &[Row], circumstances: &Circumstances) -> Result<()> {
    let mut text = String::new();
    writeln!(text, "{}\n", told(circumstances))?;
    writeln!(text, "|{} what it is |", HEADS.map(|head| format!(" {head} |")).concat())?;
    writeln!(text, "|{}", "---|".repeat(HEADS.len() + 1))?;
    for row in rows {
        writeln!(text, "|{} {} |", row.cells().map(|cell| format!(" {cell} |")).concat(), row.explanation)?;
    }
    let page = include_str!("benchmarks.md").replace("{table}", text.trim_end());
    std::fs::write(place::repository().join("docs/benchmarks.md"), page)?;
    Ok(())
}

fn told(circumstances: &Circumstances) -> String {
    let Circumstances { machine, kernel, commit, date, load } = circumstances;
    format!("{date}, commit {commit}, Linux {kernel}, {machine}, load average at the end {load}")
}
