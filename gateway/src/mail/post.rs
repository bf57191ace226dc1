use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::{ClientId, Extension};
use lettre::transport::smtp::response::Response;

use super::account::{Server, Tls};
use super::login::{Login, Proof, xoauth2};
use super::reply::{Stage, fault, late, refused_login, unsupported};
use crate::egress::TokenError;
use crate::interaction::ReasonCode;
use crate::plugin::exchange::{Fault, FaultKind, Letter};

/// RFC 5321 section 4.5.3.2 allows minutes; a message is tried again anyhow.
const COMMAND_MAX: Duration = Duration::from_secs(60);
/// For the letter and its acknowledgement: giving up early means sending twice.
const LETTER_MAX: Duration = Duration::from_secs(600);
/// Servers close what is silent for longer.
const IDLE_MAX: Duration = Duration::from_secs(20);
const IDLE_CONNECTIONS_MAX: usize = 8;
/// A queue's id is at least that long; anything shorter is a word.
const QUEUE_ID_MIN: usize = 8;

/// A server that takes letters, and the connections to it that are open.
pub struct Post {
    server: Server,
    login: Option<Login>,
    hello: ClientId,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// What became of a letter that was taken.
#[derive(Debug, Default)]
pub struct Posted {
    /// Who gets it.
    pub taken: Vec<String>,
    /// Who never will.
    pub refused: Vec<(String, Fault)>,
    /// Who may later.
    pub deferred: Vec<(String, Fault)>,
    /// The server's own name for it.
    pub queue_id: Option<String>,
}

/// Everybody that the server was asked about.
#[derive(Default)]
struct Asked {
    accepted: Vec<String>,
    refused: Vec<(String, Fault)>,
    deferred: Vec<(String, Fault)>,
}

impl Post {
    /// `login` where the server wants to know who comes; `address` is the channel's own.
    pub fn new(server: Server, login: Option<Login>, address: Option<&str>) -> Self {
        let domain = address.and_then(|address| address.rsplit_once('@')).and_then(|(_, domain)| ascii_domain(domain));
        let hello = domain.map_or_else(ClientId::default, ClientId::Domain);
        Self { server, login, hello, idle: Mutex::default() }
    }

    /// Hands a letter over to those of its recipients who do not have it yet.
    ///
    /// # Errors
    /// If nobody gets it; `uncertain` if somebody may have.
    pub async fn send(&self, letter: &Letter, recipients: &[String]) -> Result<Posted, Fault> {
        let wants = Wants::of(letter, recipients)?;
        let (mut connection, was_idle) = self.connection().await?;
        let begun = self.begin(&mut connection, &wants).await;
        if was_idle && begun.as_ref().is_err_and(is_closed) {
            // It was closed while nobody looked: nothing of the letter left.
            connection = self.connect().await?;
            self.begin(&mut connection, &wants).await?;
        } else {
            begun?;
        }
        self.deliver(connection, letter, &wants.recipients).await
    }

    async fn begin(&self, connection: &mut AsyncSmtpConnection, wants: &Wants) -> Result<(), Fault> {
        let command = wants.mail_from(connection)?;
        said(Stage::Sender, connection.command(command)).await.map(drop)
    }

    async fn deliver(
        &self,
        mut connection: AsyncSmtpConnection,
        letter: &Letter,
        recipients: &[String],
    ) -> Result<Posted, Fault> {
        let Asked { accepted, refused, deferred } = ask(&mut connection, recipients).await?;
        if accepted.is_empty() {
            if said(Stage::Data, connection.command("RSET\r\n".to_owned())).await.is_ok() {
                self.put_back(connection);
            }
            return Ok(Posted { refused, deferred, ..Posted::default() });
        }
        said(Stage::Data, connection.command("DATA\r\n".to_owned())).await?;
        // The transport ends the last line itself.
        let raw = letter.raw.strip_suffix(b"\r\n").unwrap_or(&letter.raw);
        let answer = within(LETTER_MAX, Stage::Letter, connection.message(raw)).await;
        let queue_id = queue_id(&answer?);
        self.put_back(connection);
        Ok(Posted { taken: accepted, refused, deferred, queue_id })
    }

    /// An open one if there is, and whether it was.
    async fn connection(&self) -> Result<(AsyncSmtpConnection, bool), Fault> {
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|(_, since)| since.elapsed() < IDLE_MAX);
            idle.pop()
        };
        match idle {
            Some((connection, _)) => Ok((connection, true)),
            None => self.connect().await.map(|connection| (connection, false)),
        }
    }

    fn put_back(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS_MAX && !connection.has_broken() {
            idle.push((connection, Instant::now()));
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Fault> {
        let mut connection = self.greet().await?;
        match self.log_in(&mut connection).await {
            // A token may have been taken back before its time: a new one is worth a try at once.
            Err(fault) if matches!(self.login, Some(Login::Token(..))) && is_answer(&fault) => {
                connection = self.greet().await?;
                self.log_in(&mut connection).await?;
            }
            logged_in => logged_in?,
        }
        Ok(connection)
    }

    /// A connection that is protected, where it should be; nobody is logged in.
    async fn greet(&self) -> Result<AsyncSmtpConnection, Fault> {
        let address = (self.server.host.trim_matches(['[', ']']), self.server.port);
        let from_the_start = (self.server.tls == Tls::Implicit).then(|| self.protection()).transpose()?;
        let connecting =
            AsyncSmtpConnection::connect_tokio1(address, Some(COMMAND_MAX), &self.hello, from_the_start, None);
        let mut connection = within(COMMAND_MAX, Stage::Hello, connecting).await?;
        if self.server.tls == Tls::Upgraded {
            if !connection.can_starttls() {
                return Err(unsupported("the mail server offers no STARTTLS: try smtp.tls = \"implicit\""));
            }
            within(COMMAND_MAX, Stage::Hello, connection.starttls(self.protection()?, &self.hello)).await?;
        }
        Ok(connection)
    }

    /// The system's trust anchors; where there are none (a bare container), Mozilla's.
    fn protection(&self) -> Result<TlsParameters, Fault> {
        let is_bare = rustls_native_certs::load_native_certs().certs.is_empty();
        let store = if is_bare { CertificateStore::WebpkiRoots } else { CertificateStore::Default };
        let parameters = TlsParameters::builder(self.server.host.clone()).certificate_store(store).build_rustls();
        parameters.map_err(|error| fault(Stage::Hello, &error))
    }

    async fn log_in(&self, connection: &mut AsyncSmtpConnection) -> Result<(), Fault> {
        let (Some(login), Some(user)) = (&self.login, &self.server.user) else { return Ok(()) };
        let proof = login.proof().await.map_err(no_token)?;
        let logged_in = match &proof {
            Proof::Password(password) => {
                let credentials = Credentials::new(user.clone(), password.expose().to_owned());
                said(Stage::LogIn, connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials)).await.map(drop)
            }
            Proof::Token(token) => show_token(connection, &xoauth2(user, token.expose())).await,
        };
        logged_in.inspect_err(|fault| {
            if fault.kind == FaultKind::Unauthorized {
                login.refused(&proof);
            }
        })
    }
}

/// XOAUTH2. A refusal comes as a challenge first, which an empty line answers.
async fn show_token(connection: &mut AsyncSmtpConnection, shown: &str) -> Result<(), Fault> {
    if !connection.server_info().supports_auth_mechanism(Mechanism::Xoauth2) {
        return Err(refused_login("the server takes no tokens (XOAUTH2)", None));
    }
    let answer = said(Stage::LogIn, connection.command(format!("AUTH XOAUTH2 {}\r\n", STANDARD.encode(shown)))).await?;
    if answer.has_code(334) {
        said(Stage::LogIn, connection.command("\r\n")).await?;
    }
    Ok(())
}

/// What a letter asks of the server.
struct Wants {
    sender: String,
    recipients: Vec<String>,
    /// RFC 6531: an address or a header is not ASCII.
    utf8: bool,
    /// RFC 6152.
    eight_bits: bool,
}

impl Wants {
    fn of(letter: &Letter, recipients: &[String]) -> Result<Self, Fault> {
        let head =
            memchr::memmem::find(&letter.raw, b"\r\n\r\n").map_or(letter.raw.as_slice(), |end| &letter.raw[..end]);
        let sender = letter.sender.as_deref().map(ascii_where_possible).unwrap_or_default();
        let recipients: Vec<String> = recipients.iter().map(|address| ascii_where_possible(address)).collect();
        let utf8 = !head.is_ascii() || !sender.is_ascii() || recipients.iter().any(|address| !address.is_ascii());
        Ok(Self { sender, recipients, utf8, eight_bits: !letter.raw.is_ascii() })
    }

    fn mail_from(&self, connection: &AsyncSmtpConnection) -> Result<String, Fault> {
        let offers = |extension| connection.server_info().supports_feature(extension);
        let mut command = format!("MAIL FROM:<{}>", self.sender);
        if self.utf8 {
            if !offers(Extension::SmtpUtfEight) {
                return Err(unsupported("the mail server takes ASCII addresses and headers alone (no SMTPUTF8)"));
            }
            command += " SMTPUTF8";
        }
        if self.eight_bits {
            if !offers(Extension::EightBitMime) {
                return Err(unsupported("the mail server takes letters of ASCII alone (no 8BITMIME)"));
            }
            command += " BODY=8BITMIME";
        }
        Ok(command + "\r\n")
    }
}

/// Each by itself: one who is unknown does not keep the letter from the others.
async fn ask(connection: &mut AsyncSmtpConnection, recipients: &[String]) -> Result<Asked, Fault> {
    let mut asked = Asked::default();
    for recipient in recipients {
        match said(Stage::Recipient, connection.command(format!("RCPT TO:<{recipient}>\r\n"))).await {
            Ok(_) => asked.accepted.push(recipient.clone()),
            // Not the server's answer: there is no use in asking on.
            Err(fault) if fault.code.is_none() || fault.kind == FaultKind::Unauthorized => return Err(fault),
            Err(fault) if is_passing(&fault) => asked.deferred.push((recipient.clone(), fault)),
            Err(fault) => asked.refused.push((recipient.clone(), fault)),
        }
    }
    Ok(asked)
}

/// Whether the server itself said no.
fn is_answer(fault: &Fault) -> bool {
    fault.kind == FaultKind::Unauthorized && fault.code.is_some()
}

/// What a server says or does to a connection that was silent for too long (RFC 5321 section 3.8).
fn is_closed(fault: &Fault) -> bool {
    fault.code.as_deref().is_none_or(|code| code.starts_with("421"))
}

fn is_passing(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Unavailable | FaultKind::RateLimited)
}

async fn said(
    stage: Stage,
    saying: impl Future<Output = Result<Response, lettre::transport::smtp::Error>>,
) -> Result<Response, Fault> {
    within(COMMAND_MAX, stage, saying).await
}

async fn within<T>(
    longest: Duration,
    stage: Stage,
    doing: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(longest, doing).await {
        Ok(done) => done.map_err(|error| fault(stage, &error)),
        Err(_) => Err(late(stage)),
    }
}

fn no_token(error: TokenError) -> Fault {
    match error {
        TokenError::Refused(why) => refused_login(&why, None),
        TokenError::Unavailable(why) => {
            super::reply::plain(FaultKind::Unavailable, ReasonCode::ProviderError, why, None)
        }
    }
}

/// Some providers give a letter another Message-ID, which holds this word of their answer.
fn queue_id(answer: &Response) -> Option<String> {
    let last = answer.message().last()?.split_whitespace().last()?.trim_matches(['<', '>', '.']).to_owned();
    let fits = (QUEUE_ID_MIN..=256).contains(&last.len()) && last.bytes().any(|b| b.is_ascii_digit());
    fits.then_some(last)
}

/// The domain in the form that every server takes; a local part that is not ASCII needs SMTPUTF8.
pub fn ascii_where_possible(address: &str) -> String {
    let Some((local, domain)) = address.rsplit_once('@') else { return address.to_owned() };
    match ascii_domain(domain) {
        Some(ascii) if local.is_ascii() => format!("{local}@{ascii}"),
        _ => address.to_owned(),
    }
}

fn ascii_domain(domain: &str) -> Option<String> {
    match url::Host::parse(domain) {
        Ok(url::Host::Domain(ascii)) => Some(ascii),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_of_another_script_needs_no_extension() {
        assert_eq!(ascii_where_possible("ann@bücher.example"), "ann@xn--bcher-kva.example");
        assert_eq!(ascii_where_possible("jürgen@bücher.example"), "jürgen@bücher.example");
        assert_eq!(ascii_where_possible("Ann.B@[127.0.0.1]"), "Ann.B@[127.0.0.1]");
    }

    #[test]
    fn a_letter_tells_what_it_wants() {
        let wants = |raw: &str, to: &str| {
            let letter = Letter {
                sender: None,
                recipients: vec![to.to_owned()],
                raw: raw.as_bytes().to_vec(),
                external_ids: Vec::new(),
            };
            let wants = Wants::of(&letter, &letter.recipients).unwrap();
            (wants.utf8, wants.eight_bits)
        };
        assert_eq!(wants("a: b\r\n\r\nc\r\n", "a@b"), (false, false));
        assert_eq!(wants("a: b\r\n\r\nü\r\n", "a@b"), (false, true));
        assert_eq!(wants("a: ü\r\n\r\nc\r\n", "a@b"), (true, true));
        assert_eq!(wants("a: b\r\n\r\nc\r\n", "ü@b"), (true, false));
    }
}
