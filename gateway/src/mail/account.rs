use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::{Channel, HostPattern, Problem, parse_duration, show_duration};
use crate::interaction::Time;
use crate::plugin::{Manifest, Transport};

const POLL_DEFAULT: Duration = Duration::from_secs(60);
const POLL_MIN: Duration = Duration::from_secs(1);
const POLL_MAX: Duration = Duration::from_secs(3600);

/// The mailbox of a channel, as its settings say; either half may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub imap: Option<Fetching>,
    pub smtp: Option<Server>,
}

/// Where to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// `None`: without logging in.
    pub user: Option<String>,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// From the first byte.
    #[default]
    Implicit,
    /// Before anybody logs in.
    #[serde(rename = "starttls")]
    Upgraded,
    /// Not at all.
    None,
}

/// What is fetched, and what becomes of it in the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetching {
    pub server: Server,
    pub folder: String,
    /// Looked into at least that often, however silent the server is.
    pub poll: Duration,
    pub after: After,
    pub from: Start,
}

/// What becomes of a mail in the mailbox once it is appended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum After {
    /// Nothing: the mailbox is opened for reading alone.
    #[default]
    Keep,
    Seen,
    Move(String),
}

/// Where the first start begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    Now,
    All,
    /// With what the mailbox got since then.
    Since(Time),
}

#[derive(Deserialize)]
struct Typed {
    address: Option<String>,
    imap: Option<TypedServer>,
    smtp: Option<TypedServer>,
}

#[derive(Deserialize)]
struct TypedServer {
    host: String,
    port: Option<u16>,
    #[serde(default)]
    tls: Tls,
    user: Option<String>,
    folder: Option<String>,
    poll: Option<String>,
    #[serde(default)]
    after: After,
    from: Option<String>,
}

/// What a setting breaks: its place below `settings`, and the rule.
type Broken = (&'static str, String);

impl Account {
    /// From a channel's settings.
    ///
    /// # Errors
    /// The place below `settings` and the rule that is broken there.
    pub fn of(settings: &Map<String, Value>) -> Result<Self, Broken> {
        let typed = Typed::deserialize(Value::Object(settings.clone()));
        let Typed { address, imap, smtp } = typed.map_err(|error| ("", error.to_string()))?;
        for (place, server) in [("imap.host", &imap), ("smtp.host", &smtp)] {
            server.as_ref().map_or(Ok(()), |server| bare(&server.host)).map_err(|rule| (place, rule))?;
        }
        let imap = imap.map(|imap| fetching(imap, address.as_deref())).transpose()?;
        Ok(Self { imap, smtp: smtp.map(|smtp| smtp.server([465, 587, 25], address.as_deref())) })
    }
}

fn fetching(typed: TypedServer, address: Option<&str>) -> Result<Fetching, Broken> {
    Ok(Fetching {
        folder: typed.folder.clone().unwrap_or_else(|| "INBOX".into()),
        poll: typed.poll.as_deref().map_or(Ok(POLL_DEFAULT), poll).map_err(|rule| ("imap.poll", rule))?,
        after: typed.after.clone(),
        from: typed.from.as_deref().map_or(Ok(Start::Now), start).map_err(|rule| ("imap.from", rule))?,
        server: typed.server([993, 143, 143], address),
    })
}

/// Neither a scheme nor a port, which have settings of their own.
fn bare(host: &str) -> Result<(), String> {
    let rule = "must be the name or the address of a host alone, such as \"imap.example.com\": how to connect is said by port and tls";
    url::Host::parse(host).map(drop).map_err(|_| rule.to_owned())
}

fn poll(text: &str) -> Result<Duration, String> {
    let (min, max) = (show_duration(POLL_MIN), show_duration(POLL_MAX));
    let fits = parse_duration(text).filter(|poll| (POLL_MIN..=POLL_MAX).contains(poll));
    fits.ok_or_else(|| format!("must be a duration from \"{min}\" to \"{max}\""))
}

fn start(text: &str) -> Result<Start, String> {
    let rule = || "must be \"now\", \"all\" or a date such as \"2026-11-01\"".to_owned();
    match text {
        "now" => Ok(Start::Now),
        "all" => Ok(Start::All),
        date => serde_json::from_value(format!("{date}T00:00:00Z").into()).map(Start::Since).map_err(|_| rule()),
    }
}

impl TypedServer {
    /// Ports for each kind of protection, RFC 8314.
    fn server(self, [implicit, starttls, none]: [u16; 3], address: Option<&str>) -> Server {
        let usual = match self.tls {
            Tls::Implicit => implicit,
            Tls::Upgraded => starttls,
            Tls::None => none,
        };
        let port = self.port.unwrap_or(usual);
        let user = self.user.or_else(|| address.map(str::to_owned)).filter(|user| !user.is_empty());
        Server { host: self.host, port, tls: self.tls, user }
    }
}

impl Server {
    /// As it must be granted.
    pub fn grant(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn is_granted(&self, grants: &[HostPattern]) -> bool {
        let url = url::Url::parse(&format!("mail://{}", self.grant()));
        url.is_ok_and(|url| grants.iter().any(|grant| grant.port.is_some() && grant.covers(&url)))
    }
}

/// What is wrong with the mailbox of a channel, if its adapter has one.
pub fn check(name: &str, channel: &Channel, manifest: &Manifest) -> Vec<Problem> {
    if manifest.transport != Transport::Mail {
        return Vec::new();
    }
    let account = match Account::of(&manifest.with_defaults(&channel.settings)) {
        Ok(account) => account,
        Err((place, rule)) => {
            let dot = if place.is_empty() { "" } else { "." };
            return vec![Problem::new(format!("channels.{name}.settings{dot}{place}"), None, rule)];
        }
    };
    let servers = account.imap.iter().map(|imap| &imap.server).chain(&account.smtp);
    let ungranted = servers.filter(|server| !server.is_granted(&channel.grants.hosts));
    let problem = |server: &Server| {
        let rule = format!("the mailbox is at {0}, which is not granted: add \"{0}\"", server.grant());
        Problem::new(format!("channels.{name}.grants.hosts"), None, rule)
    };
    ungranted.map(problem).chain(missing_passwords(name, channel, &account)).collect()
}

/// A server that asks who comes needs an answer.
fn missing_passwords(name: &str, channel: &Channel, account: &Account) -> Vec<Problem> {
    let has = |slot: &str| channel.secrets.contains_key(slot) || channel.oauth.contains_key(super::login::OAUTH);
    let imap = account.imap.as_ref().map(|imap| (&imap.server, super::login::IMAP_PASSWORD));
    let smtp = account.smtp.as_ref().map(|smtp| (smtp, super::login::SMTP_PASSWORD));
    let unset = imap.into_iter().chain(smtp).filter(|(server, slot)| server.user.is_some() && !has(slot));
    let problem = |(_, slot): (&Server, &str)| {
        let rule = "is needed to log in: set it to { env = \"NAME\" } or { file = \"path\" }, or set the slot oauth";
        Problem::new(format!("channels.{name}.secrets.{slot}"), None, rule)
    };
    unset.map(problem).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account(settings: Value) -> Result<Account, Broken> {
        Account::of(settings.as_object().unwrap())
    }

    #[test]
    fn ports_follow_the_protection() {
        let of = |tls: &str| {
            let server = json!({"host": "mail.example", "tls": tls});
            let account = account(json!({"address": "a@b", "imap": server, "smtp": server})).unwrap();
            (account.imap.unwrap().server.port, account.smtp.unwrap().port)
        };
        assert_eq!([of("implicit"), of("starttls"), of("none")], [(993, 465), (143, 587), (143, 25)]);
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        for host in ["imap.example.com", "localhost", "192.0.2.1", "[::1]", "bücher.example"] {
            assert!(account(json!({"imap": {"host": host}})).is_ok(), "{host}");
        }
    }

    #[test]
    fn what_is_typed_counts_and_the_address_logs_in() {
        let imap = json!({"host": "h", "after": {"move": "Done"}, "poll": "5m", "from": "2026-11-01"});
        let imap = account(json!({"address": "a@b", "imap": imap})).unwrap().imap.unwrap();
        assert_eq!(imap.after, After::Move("Done".into()));
        assert_eq!((imap.poll, imap.server.user.as_deref()), (Duration::from_secs(300), Some("a@b")));
        assert!(matches!(imap.from, Start::Since(time) if time.seconds() == 1_793_491_200));
    }

    #[test]
    fn a_wrong_value_is_told_with_its_place() {
        for (imap, place) in [
            (json!({"host": "h", "poll": "200ms"}), "imap.poll"),
            (json!({"host": "h", "from": "x"}), "imap.from"),
            (json!({"host": "imaps://h"}), "imap.host"),
            (json!({"host": "h:993"}), "imap.host"),
            (json!({"host": ""}), "imap.host"),
        ] {
            assert_eq!(account(json!({"imap": imap})).unwrap_err().0, place);
        }
    }
}
