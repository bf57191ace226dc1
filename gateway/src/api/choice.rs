//! Which way a message takes, and which ones after it.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;
use super::json::unprocessable;
use super::outgoing::{Checked, Step};
use super::recipient::{Candidate, Found, Person, no_address};
use super::refusals;
use crate::accept::{Chosen, Fallback};
use crate::edge::Problem;
use crate::interaction::{Identity, PassedOver, Time, Trigger, Why};
use crate::outbound::{Refusal, Rendered, Request, first_lack, render};
use crate::store::StoreError;

/// Receipts that tell of a delivery.
const DELIVERED: [&str; 2] = ["delivered", "read"];

/// A message's ways, and what it becomes on the first.
pub(super) struct Route {
    pub(super) way: Chosen,
    pub(super) fallback: Vec<Fallback>,
    rendered: Rendered,
}

/// Chooses: the first channel that nothing speaks against. Nothing is written.
///
/// # Errors
/// 422 with what speaks against the first channel, if something does against all.
pub(super) async fn route(api: &Api, new: &Checked) -> Result<Route, Problem> {
    let person = Person::of(api, &new.whom).await?;
    let choosing = Choosing { api, new, person };
    let candidates = choosing.person.candidates(api, new).await?;
    let fallback = choosing.fallback().await?;
    choosing.choose(candidates, fallback).await
}

struct Choosing<'a> {
    api: &'a Api,
    new: &'a Checked,
    person: Person,
}

/// A step after the first, with what it becomes there.
struct Next {
    found: Found,
    step: Fallback,
}

impl Choosing<'_> {
    async fn choose(&self, candidates: Vec<Candidate>, next: Vec<Next>) -> Result<Route, Problem> {
        let mut against = Against::default();
        for candidate in candidates {
            let found = match self.person.by(self.api, &candidate, "channel").await {
                Ok(found) => found,
                Err(problem) if candidate.why == Why::Asked => return Err(problem),
                Err(problem) => {
                    against.add(&candidate.channel, problem);
                    continue;
                }
            };
            match self.judge(&found).await? {
                Ok(rendered) => return Ok(Route::new(found, candidate.why, rendered, against, steps(next))),
                Err(problem) => against.add(&candidate.channel, problem),
            }
        }
        self.outside(against, next).await
    }

    /// Where a window is closed, at once by the next way that waits for that.
    async fn outside(&self, mut against: Against, next: Vec<Next>) -> Result<Route, Problem> {
        let mut next = next.into_iter();
        while against.was_outside()
            && let Some(Next { found, step }) = next.next()
        {
            if !step.on.contains(&Trigger::OutsideWindow) {
                continue;
            }
            match self.judge(&found).await? {
                Ok(rendered) => return Ok(Route::new(found, Why::OutsideWindow, rendered, against, steps(next))),
                Err(problem) => against.add(&found.bound.reference.name, problem),
            }
        }
        Err(against.told())
    }

    /// What the message becomes on a channel, or what speaks against it; the outer error is the store's.
    async fn judge(&self, found: &Found) -> Result<Result<Rendered, Problem>, StoreError> {
        let rendered = match self.render(found) {
            Ok(rendered) => rendered,
            Err(problem) => return Ok(Err(problem)),
        };
        let (channel, window) = (&found.bound.reference.name, found.bound.abilities.window.as_ref());
        let ids = self.person.ids();
        let refusal = self.api.permits.refusal(self.request(found, &ids, &rendered), Time::now()).await?;
        Ok(Err(match (refusal, window) {
            (Some(Refusal::OptedOut(why)), _) => {
                refusals::opted_out(channel, ids.first().copied(), self.new.category, &why)
            }
            (Some(Refusal::OutsideWindow { closed_at, .. }), Some(window)) => {
                let others = self.others(channel).await?;
                refusals::outside_window(channel, window, closed_at, &others)
            }
            _ => return Ok(Ok(rendered)),
        }))
    }

    fn request<'r>(&'r self, found: &'r Found, ids: &'r [Uuid], rendered: &'r Rendered) -> Request<'r> {
        Request {
            channel: &found.bound.reference.name,
            window: found.bound.abilities.window.as_ref(),
            contacts: ids,
            to: &found.to,
            category: self.new.category,
            parts: &rendered.parts,
            tag: self.new.tag.as_deref(),
        }
    }

    fn render(&self, found: &Found) -> Result<Rendered, Problem> {
        let (channel, abilities) = (&found.bound.reference.name, &found.bound.abilities);
        if let Some((part, lack)) = first_lack(abilities, &self.new.parts).filter(|_| self.new.lossless) {
            return Err(refusals::unsendable(channel, part, &lack));
        }
        let tags = abilities.window.as_ref().map(|window| &window.tags);
        if let (Some(tag), Some(tags)) = (&self.new.tag, tags)
            && !tags.contains_key(tag)
        {
            let known: Vec<&str> = tags.keys().map(String::as_str).collect();
            let detail = format!("tag: channel {channel} knows no such tag; it knows: {}", known.join(", "));
            return Err(unprocessable(detail, "tag"));
        }
        let links = self.api.edge.media.links();
        render(abilities, &self.new.parts, |url| links.lasting(url, Time::now()))
            .map_err(|unsendable| refusals::unsendable(channel, unsendable.part, &unsendable.lack))
    }

    /// Other channels that would take the message now.
    async fn others(&self, but: &str) -> Result<Vec<String>, StoreError> {
        let (mut others, ids) = (Vec::new(), self.person.ids());
        for channel in self.api.edge.channels.iter().filter(|channel| channel.name != but) {
            let Ok(found) = self.person.next_by(self.api, &channel.name, None, "channel").await else { continue };
            let Ok(rendered) = self.render(&found) else { continue };
            if self.api.permits.refusal(self.request(&found, &ids, &rendered), Time::now()).await?.is_none() {
                others.push(channel.name.clone());
            }
        }
        Ok(others)
    }

    async fn fallback(&self) -> Result<Vec<Next>, Problem> {
        let mut next = Vec::with_capacity(self.new.fallback.len());
        for (index, step) in self.new.fallback.iter().enumerate() {
            next.push(self.next(step, &format!("fallback[{index}]")).await?);
        }
        Ok(next)
    }

    async fn next(&self, step: &Step, path: &str) -> Result<Next, Problem> {
        let found = self.person.next_by(self.api, &step.channel, step.to.as_ref(), path).await?;
        let rendered = self.render(&found).map_err(|problem| problem.with("path", path))?;
        let step = Fallback {
            channel: found.bound.reference.clone(),
            to: found.to.clone(),
            after: step.after,
            on: step.on.clone(),
            loss: rendered.loss,
            tells_delivery: tells_delivery(&found),
        };
        Ok(Next { found, step })
    }
}

fn steps(next: impl IntoIterator<Item = Next>) -> Vec<Fallback> {
    next.into_iter().map(|next| next.step).collect()
}

fn tells_delivery(found: &Found) -> bool {
    found.bound.abilities.receipts.iter().any(|receipt| DELIVERED.contains(&receipt.as_str()))
}

/// What speaks against the channels tried so far.
#[derive(Default)]
struct Against {
    problems: Vec<(String, Problem)>,
}

impl Against {
    fn add(&mut self, channel: &str, problem: Problem) {
        self.problems.push((channel.to_owned(), problem));
    }

    fn was_outside(&self) -> bool {
        self.problems.iter().any(|(_, problem)| problem.code() == "outside-window")
    }

    fn passed_over(&self) -> Vec<PassedOver> {
        let told = |(channel, problem): &(String, Problem)| PassedOver {
            channel: channel.clone(),
            code: problem.code().to_owned(),
            detail: problem.detail().to_owned(),
        };
        self.problems.iter().map(told).collect()
    }

    /// The first channel was the best: what speaks against it is told first.
    fn told(mut self) -> Problem {
        let all = self.passed_over();
        if self.problems.is_empty() {
            return no_address("this contact was never heard of on any channel");
        }
        let (_, problem) = self.problems.remove(0);
        if all.len() > 1 { problem.with("passed_over", json!(all)) } else { problem }
    }
}

impl Route {
    fn new(found: Found, why: Why, rendered: Rendered, against: Against, mut fallback: Vec<Fallback>) -> Self {
        let channel = found.bound.reference.clone();
        // Chosen now, it is no way for later.
        fallback.retain(|step| step.channel.name != channel.name);
        let tells_delivery = tells_delivery(&found);
        let (passed_over, loss, to) = (against.passed_over(), rendered.loss.clone(), found.to);
        let way = Chosen { channel, to, why, passed_over, loss, tells_delivery };
        Self { way, fallback, rendered }
    }

    /// For whoever only wants to know.
    pub(super) fn shown(&self) -> Value {
        let Chosen { channel, to, why, passed_over, loss, .. } = &self.way;
        json!({
            "channel": channel.name,
            "via": channel.name,
            "why": why,
            "passed_over": passed_over,
            "to": to,
            "parts": self.rendered.parts,
            "loss": loss,
            "segments": self.rendered.segments,
            "fallback": self.fallback.iter().map(shown_step).collect::<Vec<_>>(),
        })
    }
}

fn shown_step(step: &Fallback) -> Value {
    let to: &Identity = &step.to;
    json!({ "channel": step.channel.name, "to": to, "loss": step.loss })
}
