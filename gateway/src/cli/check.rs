use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::{print, say};
use crate::config::{Config, Loaded, Problem};
use crate::egress::Egress;
use crate::plugin::{self, Plugins, Refused, Tools};

/// Everything that is wrong, at once; nothing is opened, sent or written.
pub(super) async fn check(path: &Path) -> anyhow::Result<ExitCode> {
    let loaded = match Config::load(path) {
        Ok(loaded) => loaded,
        Err(errors) => {
            errors.warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
            errors.problems.iter().for_each(|problem| say(&format!("error: {problem}")));
            return Ok(conclude(errors.problems.len(), errors.warnings.len()));
        }
    };
    let (plugins, refused) = load_plugins(&loaded.config).await?;
    let mut warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    let mut problems: Vec<String> = refused.iter().map(told).collect();
    for (name, channel) in &loaded.config.channels {
        let Some(plugin) = plugins.get(&channel.adapter) else {
            problems.push(loaded.place(missing(name, &channel.adapter, &plugins)).to_string());
            continue;
        };
        let checked = plugin::check(name, channel, plugin.manifest());
        problems.extend(checked.problems.into_iter().map(|problem| loaded.place(problem).to_string()));
        warnings.extend(checked.warnings.into_iter().map(|warning| loaded.place(warning).to_string()));
    }
    warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
    problems.iter().for_each(|problem| say(&format!("error: {problem}")));
    if problems.is_empty() {
        print(&summary(&loaded, &plugins))?;
    }
    Ok(conclude(problems.len(), warnings.len()))
}

async fn load_plugins(config: &Config) -> anyhow::Result<(Plugins, Vec<Refused>)> {
    let (directory, limits) = (config.plugins.directory.clone(), config.plugins.limits.clone());
    let tools = Tools { egress: Arc::new(Egress::new()), services: Arc::new(plugin::NoServices) };
    tokio::task::spawn_blocking(move || {
        let plugins = Plugins::new(&directory, &limits, None, tools)?;
        let refused = plugins.refresh();
        Ok((plugins, refused))
    })
    .await?
}

fn told(refused: &Refused) -> String {
    format!("{}: {}", refused.file.display(), refused.error)
}

fn missing(channel: &str, adapter: &str, plugins: &Plugins) -> Problem {
    let rule = format!("no plugin with this id in plugins.directory; there are: {}", plugins.ids().join(", "));
    Problem::new(format!("channels.{channel}.adapter"), Some(format!("{adapter:?}")), rule)
}

fn summary(loaded: &Loaded, plugins: &Plugins) -> String {
    let config = &loaded.config;
    let (channels, backends) = (config.channels.len(), config.backends.len());
    format!("{channels} channels, {backends} backends, plugins: {}", plugins.ids().join(", "))
}

fn conclude(problems: usize, warnings: usize) -> ExitCode {
    say(&format!("{problems} errors, {warnings} warnings"));
    if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
