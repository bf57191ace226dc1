use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::explain::explained;
use super::{print, say};
use crate::config::{Config, ConfigErrors, Loaded, Problem};
use crate::egress::Egress;
use crate::mail;
use crate::plugin::{self, Checked, Plugins, Refused, Tools};
use crate::processors::trial;

/// Everything that is wrong, at once; nothing is opened, sent or written.
pub(super) async fn check(path: &Path, explain: Option<&Path>) -> anyhow::Result<ExitCode> {
    let (loaded, mut problems) = match Config::load(path) {
        Ok(loaded) => (loaded, Vec::new()),
        Err(ConfigErrors { problems, rest: Some(rest), .. }) => (*rest, problems),
        Err(errors) => {
            errors.problems.iter().for_each(|problem| say(&format!("error: {problem}")));
            return Ok(conclude(errors.problems.len(), 0));
        }
    };
    let (plugins, refused) = load_plugins(&loaded.config).await?;
    let Checked { problems: mut more, mut warnings } = check_accounts(&loaded, &plugins);
    let of_processors = check_processors(&loaded, &plugins).await;
    more.extend(of_processors.problems);
    warnings.extend(of_processors.warnings);
    let is_news = |problem: &Problem| !problems.iter().any(|known: &Problem| known.path() == problem.path());
    let more: Vec<Problem> = more.into_iter().filter(is_news).collect();
    problems.extend(more);
    problems.sort_by_key(Problem::line);
    let warnings: Vec<&Problem> = loaded.warnings.iter().chain(&warnings).collect();
    warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
    refused.iter().for_each(|refused| say(&format!("error: {}", told(refused))));
    problems.iter().for_each(|problem| say(&format!("error: {problem}")));
    if problems.is_empty() && refused.is_empty() {
        match explain {
            Some(file) => print(explained(&loaded.config, &plugins, file)?.trim_end())?,
            None => print(&summary(&loaded, &plugins))?,
        }
    }
    Ok(conclude(problems.len() + refused.len(), warnings.len()))
}

/// Each channel and each connector against its plugin, with the lines of the file.
fn check_accounts(loaded: &Loaded, plugins: &Plugins) -> Checked {
    let mut all = Checked::default();
    let mut add = |checked: Checked| {
        all.problems.extend(checked.problems.into_iter().map(|problem| loaded.place(problem)));
        all.warnings.extend(checked.warnings.into_iter().map(|warning| loaded.place(warning)));
    };
    let missing = |problem| Checked { problems: vec![problem], warnings: Vec::new() };
    for (name, channel) in &loaded.config.channels {
        add(match plugins.get(&channel.adapter) {
            Some(plugin) => {
                let mut checked = plugin::check(name, channel, plugin.manifest());
                checked.problems.extend(mail::check(name, channel, plugin.manifest()));
                checked
            }
            None => missing(plugin::missing(name, &channel.adapter, plugins)),
        });
    }
    for (name, connector) in &loaded.config.connectors {
        add(match plugins.get(&connector.plugin) {
            Some(plugin) => plugin::check_connector(name, connector, plugin.manifest()),
            None => missing(plugin::missing_connector(name, &connector.plugin, plugins)),
        });
    }
    all
}

/// Each processor against its plugin; one that is pure looks at a message of nobody.
async fn check_processors(loaded: &Loaded, plugins: &Plugins) -> Checked {
    let mut all = Checked::default();
    for processor in &loaded.config.processors {
        let (name, limits) = (&processor.name, &loaded.config.plugins.limits);
        let Some(plugin) = plugins.get(&processor.plugin) else {
            let missing = plugin::missing_processor(name, &processor.plugin, plugins);
            all.problems.push(loaded.place(missing));
            continue;
        };
        let mut checked = plugin::check_processor(name, processor, plugin.manifest());
        if checked.problems.is_empty() {
            checked.problems.extend(trial(processor, &plugin, limits).await);
        }
        all.problems.extend(checked.problems.into_iter().map(|problem| loaded.place(problem)));
        all.warnings.extend(checked.warnings.into_iter().map(|warning| loaded.place(warning)));
    }
    all
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

fn summary(loaded: &Loaded, plugins: &Plugins) -> String {
    let config = &loaded.config;
    let (channels, backends) = (counted(config.channels.len(), "channel"), counted(config.backends.len(), "backend"));
    let connectors = match config.connectors.len() {
        0 => String::new(),
        count => format!("{}, ", counted(count, "connector")),
    };
    format!("{channels}, {backends}, {connectors}plugins: {}", plugins.ids().join(", "))
}

fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

fn conclude(problems: usize, warnings: usize) -> ExitCode {
    say(&format!("{}, {}", counted(problems, "error"), counted(warnings, "warning")));
    if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
