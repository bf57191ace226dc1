//! Every adapter in the real sandbox: a case is a `.toml` that says what comes in and a `.json` that says what came out.
//! `UPDATE_EXPECT=1` writes the `.json` anew.

// A test's own modules have no outside, and a panic is how it fails.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::print_stdout)]

mod bind;
mod broken;
mod case;
mod fuzz;
mod given;
#[path = "../support/peer.rs"]
mod peer;
mod run;
mod services;
mod shown;

use std::path::{Path, PathBuf};

/// Built by `cargo xtask test`; `OMNIGATE_PLUGINS` names another directory.
fn plugin_directory() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins");
    std::env::var_os("OMNIGATE_PLUGINS").map_or_else(default, PathBuf::from)
}

fn case_files() -> Vec<(String, PathBuf)> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let mut cases = Vec::new();
    for plugin in std::fs::read_dir(plugins).unwrap().flatten() {
        let id = plugin.file_name().into_string().unwrap();
        for case in std::fs::read_dir(plugin.path().join("cases")).into_iter().flatten().flatten() {
            if case.path().extension().is_some_and(|extension| extension == "toml") {
                cases.push((id.clone(), case.path()));
            }
        }
    }
    cases.sort();
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_of_every_adapter() {
    let only = std::env::var("CASES").unwrap_or_default();
    let cases: Vec<_> = case_files().into_iter().filter(|(_, path)| path.to_string_lossy().contains(&only)).collect();
    assert!(!cases.is_empty(), "no case matches CASES={only:?}");
    let runner = run::Runner::new(&plugin_directory());
    let mut failures = Vec::new();
    for (plugin, path) in &cases {
        let outcome = runner.run(plugin, path).await;
        if let Err(difference) = expect(path, &outcome) {
            failures.push(format!("--- {}\n{difference}", path.display()));
        }
    }
    println!("{} cases", cases.len());
    assert!(failures.is_empty(), "{} of {} cases differ:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

fn expect(case: &Path, outcome: &serde_json::Value) -> Result<(), String> {
    let path = case.with_extension("json");
    let actual = serde_json::to_string_pretty(outcome).unwrap() + "\n";
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, actual).unwrap();
        return Ok(());
    }
    let expected = std::fs::read_to_string(&path)
        .map_err(|_| format!("{} is missing; what came out:\n{actual}", path.display()))?;
    if expected == actual { Ok(()) } else { Err(difference(&expected, &actual)) }
}

/// Line by line, with what stands around.
fn difference(expected: &str, actual: &str) -> String {
    let (expected, actual): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
    let first = expected.iter().zip(&actual).take_while(|(a, b)| a == b).count();
    let show = |lines: &[&str], sign: &str| {
        lines.iter().skip(first.saturating_sub(2)).take(12).map(|line| format!("{sign} {line}\n")).collect::<String>()
    };
    format!("{}{}", show(&expected, "-"), show(&actual, "+"))
}
