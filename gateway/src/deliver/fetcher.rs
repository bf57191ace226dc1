use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use axum::http::{StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use uuid::Uuid;

use super::schedule::retry_after;
use super::target::{Attempt, Outcome, Scope, Target};
use crate::channels::{Bound, Channels};
use crate::egress::{Allowed, Egress, Error};
use crate::interaction::Event;
use crate::media::{Media, MediaError, Source, State, WriteError};
use crate::plugin::exchange::{Failure, FaultKind};
use crate::store::Record;

/// For one file, from the request to the last byte.
const FETCH_TIMEOUT: Duration = Duration::from_secs(300);

/// Fetches the files that messages speak of, with the channel's credentials.
pub struct Fetcher {
    pub channels: Arc<Channels>,
    pub media: Arc<Media>,
    pub egress: Arc<Egress>,
    /// Attempts until a file is given up.
    pub attempts_max: u32,
}

/// Why a file did not come.
enum Missed {
    /// It may come later.
    Later { after: Option<Duration>, why: String },
    /// It never will.
    Never { why: String },
}

#[async_trait]
impl Target for Fetcher {
    async fn deliver(&self, record: &Record, attempt: Attempt) -> Outcome {
        let (mut missed, mut pause) = (Vec::new(), None);
        let event = serde_json::from_slice::<Event>(&record.body).ok();
        for id in event.iter().flat_map(|event| self.media.ids_in(event)) {
            match self.fetch(record, id, attempt).await {
                Ok(()) => {}
                Err(Missed::Never { why }) => self.give_up(id, &why).await,
                Err(Missed::Later { after, why }) => {
                    pause = pause.max(after);
                    missed.push((id, why));
                }
            }
        }
        let Some((_, why)) = missed.last().cloned() else { return Outcome::Done };
        if attempt.number < self.attempts_max {
            return Outcome::Retry { after: pause, why, scope: Scope::Lane };
        }
        for (id, why) in missed {
            self.give_up(id, &why).await;
        }
        Outcome::GiveUp { why }
    }

    fn wants(&self, _: &Record) -> bool {
        true
    }
}

impl Fetcher {
    async fn fetch(&self, record: &Record, id: Uuid, attempt: Attempt) -> Result<(), Missed> {
        let entry = self.media.entry(id).await.map_err(|error| later(error.to_string()))?;
        let Some(entry) = entry else { return Ok(()) };
        // An event may hold the address of any file; only the channel that announced this one may say how to fetch it.
        if entry.announced.channel.as_ref() != Some(&record.channel) {
            return Ok(());
        }
        let Source::Reference(reference) = &entry.announced.source else { return Ok(()) };
        if matches!(entry.state, State::Stored(_)) {
            return Ok(());
        }
        let bound = self.channels.get(&record.channel).and_then(|channel| channel.bound());
        let bound = bound.ok_or_else(|| later("the channel's plugin is not loaded".into()))?;
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, self.transfer(&bound, id, reference, attempt)).await;
        fetched.unwrap_or_else(|_| Err(later("it took too long".into())))
    }

    async fn transfer(&self, bound: &Bound, id: Uuid, reference: &str, attempt: Attempt) -> Result<(), Missed> {
        let located = bound.plugin.locate(&bound.binding, attempt.number, reference).await;
        let download = located.result.map_err(missed_by_plugin)?;
        let hosts = &bound.binding.hosts;
        let response = self.egress.open(download.request, |url| Allowed::by(hosts, url)).await;
        let response = response.map_err(missed_by_egress)?;
        check_status(&response)?;
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.map(str::to_owned);
        let body = Box::pin(response.into_body().into_data_stream());
        self.media.receive(id, content_type.as_deref(), body).await.map(drop).map_err(missed_by_store)
    }

    async fn give_up(&self, id: Uuid, why: &str) {
        tracing::warn!(media = %id, why, "a file is given up");
        if let Err(error) = self.media.give_up(id, why).await {
            tracing::warn!(media = %id, %error, "that a file is given up cannot be stored");
        }
    }
}

fn later(why: String) -> Missed {
    Missed::Later { after: None, why }
}

fn missed_by_plugin(failure: Failure) -> Missed {
    match failure {
        Failure::Fault(fault) => match fault.kind {
            FaultKind::NotFound | FaultKind::Rejected | FaultKind::Unsupported | FaultKind::Invalid => {
                Missed::Never { why: fault.message }
            }
            _ => Missed::Later { after: fault.retry_after, why: fault.message },
        },
        Failure::Broken(broken) => later(broken.to_string()),
        Failure::Busy => Missed::Later { after: Some(Duration::from_secs(1)), why: "no room for the call".into() },
    }
}

fn missed_by_egress(error: Error) -> Missed {
    match error {
        Error::Denied(_) => Missed::Never { why: error.to_string() },
        _ => later(error.to_string()),
    }
}

fn check_status(response: &Response<Incoming>) -> Result<(), Missed> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let why = format!("the provider answered {status}");
    match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(Missed::Never { why }),
        _ => {
            let after = response
                .headers()
                .get(header::RETRY_AFTER)
                .and_then(|value| retry_after(value.to_str().ok()?, SystemTime::now()));
            Err(Missed::Later { after, why })
        }
    }
}

fn missed_by_store(error: MediaError) -> Missed {
    match error {
        MediaError::Write(WriteError::TooLarge(_) | WriteError::ContentType(_)) => {
            Missed::Never { why: error.to_string() }
        }
        error => later(error.to_string()),
    }
}
