use std::fmt;

use super::{Facts, Routes, matching, salt};
use crate::config::Route;

/// Every route, and what became of it.
pub struct Explained<'a>(pub Vec<(String, &'a Route, Verdict)>);

/// What became of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It matches, and is taken.
    Taken,
    /// The first condition that does not hold.
    Unmet(String),
    /// An earlier one is taken; whether it would match too.
    Behind(bool),
}

impl Routes {
    /// Why an interaction takes the route that it takes.
    pub fn explain(&self, facts: &Facts) -> Explained<'_> {
        let mut taken = false;
        let told = self.routes.iter().enumerate().map(|(at, route)| {
            let verdict = match matching::unmet(route, &salt(at, route), facts) {
                unmet if taken => Verdict::Behind(unmet.is_none()),
                Some(why) => Verdict::Unmet(why),
                None => Verdict::Taken,
            };
            taken |= verdict == Verdict::Taken;
            (salt(at, route), route, verdict)
        });
        Explained(told.collect())
    }
}

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, route, verdict) in &self.0 {
            match verdict {
                Verdict::Taken => writeln!(f, "route {name}: matches: to {}", destination(route))?,
                Verdict::Unmet(why) => writeln!(f, "route {name}: {why}")?,
                Verdict::Behind(true) => writeln!(f, "route {name}: would match, but an earlier one does")?,
                Verdict::Behind(false) => writeln!(f, "route {name}: not asked, and would not match")?,
            }
        }
        match self.0.iter().any(|(_, _, verdict)| *verdict == Verdict::Taken) {
            true => Ok(()),
            false => writeln!(f, "no route matches: to every backend"),
        }
    }
}

fn destination(route: &Route) -> String {
    let mut told = match route.backends.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first}, which is to answer, and {}", others.join(", ")),
    };
    if let Some(fallback) = &route.fallback {
        let after = humantime::format_duration(fallback.after);
        told += &format!("; {} stands in after {after}", fallback.backend);
    }
    if !route.tags.is_empty() {
        told += &format!("; tags {}", serde_json::Value::Object(route.tags.clone()));
    }
    told
}
