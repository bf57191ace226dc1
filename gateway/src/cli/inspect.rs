use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{print, say};
use crate::config::Config;
use crate::egress::Egress;
use crate::plugin::{Contract, NoServices, Plugin, Plugins, Tools};

/// What a plugin says of itself, and what it really imports.
pub(super) async fn inspect(file: &Path, as_json: bool) -> anyhow::Result<ExitCode> {
    let limits = Config::parse("", Path::new("."), &|_| None).map(|loaded| loaded.config.plugins.limits);
    let limits = limits.map_err(|errors| anyhow::anyhow!("{errors}"))?;
    let tools = Tools { egress: Arc::new(Egress::new()), services: Arc::new(NoServices) };
    let folder = file.parent().unwrap_or(Path::new("."));
    let plugins = Plugins::new(folder, &limits, None, tools)?;
    match plugins.admit(file) {
        Ok(plugin) if as_json => print(&serde_json::to_string_pretty(&facts(&plugin))?)?,
        Ok(plugin) => print(described(&plugin)?.trim_end())?,
        Err(error) => {
            say(&format!("{}: {error}", file.display()));
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn facts(plugin: &Plugin) -> Value {
    json!({
        "manifest": plugin.manifest(),
        "sha256": plugin.digest(),
        "bytes": plugin.bytes(),
        "imports": plugin.imports(),
        "exports": plugin.exports(),
    })
}

fn described(plugin: &Plugin) -> Result<String, std::fmt::Error> {
    let manifest = plugin.manifest();
    let mut text = String::new();
    writeln!(text, "{} {}  {}", manifest.id, manifest.version, manifest.name)?;
    writeln!(text, "  {}\n", manifest.description)?;
    writeln!(text, "contract   {}", manifest.contract)?;
    match manifest.kind() {
        Some(Contract::Channel) => {
            writeln!(text, "medium     {}", manifest.medium)?;
            writeln!(text, "identities {}", listed(&manifest.identity_schemes))?;
            writeln!(text, "aliases    {}", listed(&manifest.alias_schemes))?;
        }
        Some(Contract::Connector) => writeln!(text, "wants      {}", listed(&manifest.interactions))?,
        Some(Contract::Processor) | None => {}
    }
    writeln!(text, "size       {} KiB, sha256 {}", plugin.bytes().div_ceil(1024), plugin.digest())?;
    writeln!(text, "hosts      {}", listed(&manifest.hosts))?;
    writeln!(text, "imports    {}", listed(plugin.imports()))?;
    writeln!(text, "exports    {}", listed(plugin.exports()))?;
    describe_slots(&mut text, plugin)?;
    describe_settings(&mut text, plugin)?;
    if manifest.kind() == Some(Contract::Channel) {
        writeln!(text, "\nparts      {}", listed(&manifest.capabilities.parts))?;
        writeln!(text, "receipts   {}", listed(&manifest.capabilities.receipts))?;
    }
    Ok(text)
}

fn describe_slots(text: &mut String, plugin: &Plugin) -> std::fmt::Result {
    writeln!(text, "\nslots")?;
    for (name, slot) in &plugin.manifest().slots {
        let need = if slot.required { "required" } else { "optional" };
        writeln!(text, "  {name:<24} {need}  {}", slot.description)?;
        if !slot.hosts.is_empty() {
            writeln!(text, "  {:<24} sent to {}", "", slot.hosts.join(", "))?;
        }
    }
    Ok(())
}

fn describe_settings(text: &mut String, plugin: &Plugin) -> std::fmt::Result {
    writeln!(text, "\nsettings")?;
    let schema = &plugin.manifest().settings;
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let need = match property.get("default") {
            Some(default) => format!("default {default}"),
            None if required.contains(&name.as_str()) => "required".to_owned(),
            None => "optional".to_owned(),
        };
        let description = property["description"].as_str().unwrap_or_default();
        writeln!(text, "  {name:<24} {need}  {description}")?;
    }
    Ok(())
}

fn listed(items: &[String]) -> String {
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
