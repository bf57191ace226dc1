use std::fmt::Write as _;
use std::process::ExitCode;

use axum::http::Method;
use clap::Subcommand;
use serde_json::Value;
use url::form_urlencoded::Serializer;
use uuid::Uuid;

use super::remote::{Connect, Remote};
use super::{plain, print, say};
use crate::config::Scope;

/// As many as one page may have.
const PAGE: &str = "200";

#[derive(Subcommand)]
pub(super) enum DeadLettersCommand {
    /// Tell what was given up: deliveries after their last retry, requests and messages on which a plugin failed
    List {
        #[command(flatten)]
        connect: Connect,
        /// Of one subscriber: backend:NAME, channel:NAME, requests:CHANNEL, processing:CHANNEL
        #[arg(long, value_name = "NAME")]
        subscriber: Option<String>,
        /// One JSON object on each line
        #[arg(long)]
        json: bool,
    },
    /// Tell everything of one, but not what people wrote
    Show {
        #[command(flatten)]
        connect: Connect,
        id: Uuid,
    },
    /// Try them again
    #[command(visible_alias = "replay")]
    Retry {
        #[command(flatten)]
        connect: Connect,
        #[command(flatten)]
        which: Which,
    },
    /// Give them up for good
    #[command(visible_alias = "discard")]
    Drop {
        #[command(flatten)]
        connect: Connect,
        #[command(flatten)]
        which: Which,
    },
}

/// Some, or all of a subscriber.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// Which ones
    #[arg(value_name = "ID")]
    ids: Vec<Uuid>,
    /// All of one subscriber, such as backend:NAME
    #[arg(long, value_name = "NAME")]
    subscriber: Option<String>,
}

pub(super) async fn run(command: DeadLettersCommand) -> anyhow::Result<ExitCode> {
    match command {
        DeadLettersCommand::List { connect, subscriber, json } => {
            let letters = all(&Remote::of(&connect, Scope::Admin)?, subscriber.as_deref()).await?;
            list(&letters, json)
        }
        DeadLettersCommand::Show { connect, id } => {
            let letter = Remote::of(&connect, Scope::Admin)?.call(Method::GET, &path(id)).await?;
            print(&serde_json::to_string_pretty(&letter)?)?;
            Ok(ExitCode::SUCCESS)
        }
        DeadLettersCommand::Retry { connect, which } => {
            let remote = Remote::of(&connect, Scope::Admin)?;
            each(&remote, &which, "retried", Method::POST, |id| format!("{}/retry", path(id))).await
        }
        DeadLettersCommand::Drop { connect, which } => {
            let remote = Remote::of(&connect, Scope::Admin)?;
            each(&remote, &which, "dropped", Method::DELETE, path).await
        }
    }
}

fn path(id: Uuid) -> String {
    format!("v1/dead-letters/{id}")
}

/// Page by page.
async fn all(remote: &Remote, subscriber: Option<&str>) -> anyhow::Result<Vec<Value>> {
    let (mut letters, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut query = Serializer::new(String::new());
        query.append_pair("limit", PAGE);
        query.extend_pairs(subscriber.map(|name| ("subscriber", name)));
        query.extend_pairs(after.as_deref().map(|id| ("after", id)));
        let mut page = remote.call(Method::GET, &format!("v1/dead-letters?{}", query.finish())).await?;
        if let Some(found) = page["dead_letters"].as_array_mut() {
            letters.append(found);
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(letters),
        }
    }
}

fn list(letters: &[Value], as_json: bool) -> anyhow::Result<ExitCode> {
    if as_json {
        letters.iter().try_for_each(|letter| print(&letter.to_string()))?;
    } else if letters.is_empty() {
        say("there are no dead letters");
    } else {
        print(table(letters)?.trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(letters: &[Value]) -> Result<String, std::fmt::Error> {
    let text = |letter: &Value, key: &str| plain(letter[key].as_str().unwrap_or_default());
    let width = letters.iter().map(|letter| text(letter, "subscriber").chars().count()).max().unwrap_or(0).max(10);
    let mut table = String::new();
    writeln!(
        table,
        "{:<36}  {:<8}  {:<width$}  {:>8}  {:<24}  REASON",
        "ID", "KIND", "SUBSCRIBER", "ATTEMPTS", "FAILED"
    )?;
    for letter in letters {
        let (id, kind, subscriber) = (text(letter, "id"), text(letter, "kind"), text(letter, "subscriber"));
        let (failed, reason) = (text(letter, "failed_at"), text(letter, "reason"));
        writeln!(
            table,
            "{id:<36}  {kind:<8}  {subscriber:<width$}  {:>8}  {failed:<24}  {reason}",
            letter["attempts"]
        )?;
    }
    Ok(table)
}

/// One after the other; those that fail are told, and the others go on.
async fn each(
    remote: &Remote,
    which: &Which,
    done: &str,
    method: Method,
    path: impl Fn(Uuid) -> String,
) -> anyhow::Result<ExitCode> {
    let mut failed = 0;
    let ids = ids(remote, which).await?;
    for id in &ids {
        match remote.call(method.clone(), &path(*id)).await {
            Ok(_) => print(&format!("{id} {done}"))?,
            Err(error) => {
                failed += 1;
                say(&format!("{id} {error:#}"));
            }
        }
    }
    say(&format!("{} {done}, {failed} not", ids.len() - failed));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn ids(remote: &Remote, which: &Which) -> anyhow::Result<Vec<Uuid>> {
    let Some(subscriber) = &which.subscriber else { return Ok(which.ids.clone()) };
    let letters = all(remote, Some(subscriber)).await?;
    Ok(letters.iter().filter_map(|letter| letter["id"].as_str()?.parse().ok()).collect())
}
