use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use imap::extensions::idle::stop_on_any;
use imap::types::UnsolicitedResponse;

use super::account::{After, Fetching, Tls};
use super::login::{Proof, xoauth2};
use super::stream::{Allowance, SILENCE_MAX, Scissors, Stream, connect};
use crate::interaction::Time;

/// Most of what a server answers is short; a list of all UIDs of a large mailbox is the longest.
const ANSWER_MAX: u64 = 16 << 20;
/// What a server may send besides what was asked for, and by which its sizes may be wrong.
const SPARE: u64 = 1 << 20;
/// Of a mail that is too large: its header, or the beginning of it.
const HEADER_MAX: u32 = 256 << 10;
/// Before a connection is protected.
const LINE_MAX: usize = 8 << 10;
const LINES_MAX: usize = 20;

/// A session with a folder opened.
pub(super) struct Session {
    imap: imap::Session<Stream>,
    allowance: Allowance,
    idles: bool,
    moves: bool,
    expunges: bool,
    pub(super) folder: Folder,
}

/// What the server says of the folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folder {
    pub(super) uid_validity: u32,
    pub(super) uid_next: u32,
    pub(super) mod_seq: Option<u64>,
}

/// A mail that lies there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) uid: u32,
    pub(super) bytes: u64,
    /// When the mailbox got it.
    pub(super) at: Time,
}

/// Why there is no session, or no more.
#[derive(Debug)]
pub(super) enum Broken {
    /// The server does not take the login.
    Refused(&'static str),
    /// Nobody answers, or what comes is no IMAP.
    Link(String),
}

type Answer<T> = Result<T, Broken>;

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref();
        Self::Link(match inner {
            Some(inner) if inner.is::<rustls::Error>() => "there is no trusted connection to the mailbox".into(),
            // Our own words.
            Some(inner) if error.kind() == io::ErrorKind::Other => inner.to_string(),
            _ => format!("the mailbox cannot be reached: {}", error.kind()),
        })
    }
}

/// The server's own words may hold an address: they are left out.
impl From<imap::Error> for Broken {
    fn from(error: imap::Error) -> Self {
        tracing::trace!(%error, "IMAP");
        Self::Link(match error {
            imap::Error::Io(error) => return error.into(),
            imap::Error::No(_) => "the server refuses a command".into(),
            imap::Error::Bad(_) => "the server does not understand a command".into(),
            imap::Error::Bye(_) | imap::Error::ConnectionLost => "the server closed the connection".into(),
            _ => "the server's answer cannot be understood".into(),
        })
    }
}

/// A connection that is greeted and, where it should be, protected; nobody is logged in.
pub(super) fn greet(fetching: &Fetching, scissors: &Scissors) -> Answer<(imap::Client<Stream>, Allowance)> {
    let server = &fetching.server;
    let mut socket = connect(server)?;
    scissors.hold(&socket)?;
    let allowance = Allowance::default();
    allowance.set(ANSWER_MAX);
    if server.tls == Tls::Upgraded {
        start_tls(&mut socket)?;
    }
    let stream = match server.tls {
        Tls::Implicit | Tls::Upgraded => Stream::protected(socket, server, allowance.clone())?,
        Tls::None => Stream::plain(socket, allowance.clone()),
    };
    let mut client = imap::Client::new(stream);
    if server.tls != Tls::Upgraded {
        client.read_greeting()?;
    }
    Ok((client, allowance))
}

/// RFC 9051 section 6.2.1. Whatever was said before, anybody may have said: it is forgotten.
fn start_tls(socket: &mut TcpStream) -> Answer<()> {
    read_line(socket)?;
    socket.write_all(b"s STARTTLS\r\n")?;
    for _ in 0..LINES_MAX {
        let line = read_line(socket)?;
        if line.starts_with(b"s ") {
            let agreed = line.get(2..4).is_some_and(|word| word.eq_ignore_ascii_case(b"OK"));
            let refused = || Broken::Link("the server offers no STARTTLS: try imap.tls = \"implicit\"".into());
            return if agreed { Ok(()) } else { Err(refused()) };
        }
    }
    Err(Broken::Link("the server's answer cannot be understood".into()))
}

/// Byte by byte: what comes after belongs to TLS.
fn read_line(socket: &mut TcpStream) -> io::Result<Vec<u8>> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while line.len() < LINE_MAX && !line.ends_with(b"\n") {
        socket.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    Ok(line)
}

/// Logs in and opens the folder.
pub(super) fn open(
    (client, allowance): (imap::Client<Stream>, Allowance),
    fetching: &Fetching,
    proof: &Proof,
) -> Answer<Session> {
    let user = fetching.server.user.as_deref().unwrap_or_default();
    let mut imap = match proof {
        Proof::Password(password) => client.login(user, password.expose()),
        Proof::Token(token) => {
            let once = XOAuth2(std::cell::Cell::new(Some(xoauth2(user, token.expose()))));
            client.authenticate("XOAUTH2", &once)
        }
    }
    .map_err(|(error, _)| refusal(error))?;
    let abilities = imap.capabilities()?;
    let [idles, moves, expunges] = ["IDLE", "MOVE", "UIDPLUS"].map(|name| abilities.has_str(name));
    if abilities.has_str("CONDSTORE") && abilities.has_str("ENABLE") {
        count_changes(&mut imap)?;
    }
    let folder = select(&mut imap, fetching)?;
    Ok(Session { imap, allowance, idles, moves, expunges, folder })
}

/// The first answer is the token; a refusal comes as a challenge, which an empty line answers.
struct XOAuth2(std::cell::Cell<Option<String>>);

impl imap::Authenticator for XOAuth2 {
    type Response = String;

    fn process(&self, _: &[u8]) -> String {
        self.0.take().unwrap_or_default()
    }
}

/// RFC 5530: a server may also refuse because it is not well itself.
fn refusal(error: imap::Error) -> Broken {
    const PASSING: [&str; 5] = ["UNAVAILABLE", "INUSE", "SERVERBUG", "LIMIT", "temporar"];
    match &error {
        imap::Error::No(no) if !PASSING.iter().any(|word| no.information.contains(word)) => {
            Broken::Refused("the mailbox does not take the login")
        }
        imap::Error::Validate(_) => Broken::Refused("user or password cannot be sent: it holds a line break"),
        _ => error.into(),
    }
}

/// RFC 7162 section 3.1: most servers tell HIGHESTMODSEQ only to those who say that they know what it is.
fn count_changes(imap: &mut imap::Session<Stream>) -> Answer<()> {
    match imap.run_command_and_check_ok("ENABLE CONDSTORE") {
        // Without it the folder is searched.
        Ok(()) | Err(imap::Error::No(_) | imap::Error::Bad(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Opened for reading alone where nothing is to be changed.
fn select(imap: &mut imap::Session<Stream>, fetching: &Fetching) -> Answer<Folder> {
    let folder = match fetching.after {
        After::Keep => imap.examine(&fetching.folder),
        After::Seen | After::Move(_) => imap.select(&fetching.folder),
    };
    let folder = folder.map_err(|error| match error {
        imap::Error::No(_) => Broken::Link("there is no such folder: see imap.folder".into()),
        error => error.into(),
    })?;
    let uid_validity =
        folder.uid_validity.ok_or_else(|| Broken::Link("the server does not number its mails".into()))?;
    let uid_next = match folder.uid_next {
        Some(uid_next) => uid_next,
        None => imap.uid_search("UID *")?.into_iter().max().unwrap_or(0).saturating_add(1),
    };
    Ok(Folder { uid_validity, uid_next, mod_seq: folder.highest_mod_seq })
}

impl Session {
    /// UIDs from `lowest` on, ascending; with `since` only of mails that came on that day or later.
    pub(super) fn uids(&mut self, lowest: u32, since: Option<Time>) -> Answer<Vec<u32>> {
        self.allowance.set(ANSWER_MAX);
        // Whatever was told until now, this search finds.
        drop(self.imap.take_all_unsolicited());
        let since = since.map(|time| format!(" SINCE {}", day_before(time))).unwrap_or_default();
        let found = self.imap.uid_search(format!("UID {}:*{since}", lowest.max(1)))?;
        // `n:*` names the highest even where it is below n.
        let mut uids: Vec<u32> = found.into_iter().filter(|uid| *uid >= lowest).collect();
        uids.sort_unstable();
        Ok(uids)
    }

    /// Size and time of each; what is gone meanwhile is missing.
    pub(super) fn list(&mut self, uids: &[u32]) -> Answer<BTreeMap<u32, Listed>> {
        self.allowance.set(ANSWER_MAX);
        let fetched = self.imap.uid_fetch(set(uids), "(UID RFC822.SIZE INTERNALDATE)")?;
        let listed = fetched.iter().filter_map(|mail| {
            let at = mail.internal_date().map_or_else(Time::now, |at| Time::from_ms(at.timestamp_millis()));
            Some(Listed { uid: mail.uid?, bytes: mail.size?.into(), at })
        });
        Ok(listed.map(|mail| (mail.uid, mail)).collect())
    }

    /// The mails themselves; reading them leaves no mark.
    pub(super) fn bodies(&mut self, mails: &[Listed]) -> Answer<BTreeMap<u32, Vec<u8>>> {
        let bytes: u64 = mails.iter().map(|mail| mail.bytes).sum();
        self.allowance.set(bytes + bytes / 8 + SPARE);
        let uids: Vec<u32> = mails.iter().map(|mail| mail.uid).collect();
        let fetched = self.imap.uid_fetch(set(&uids), "(UID BODY.PEEK[])")?;
        Ok(fetched.iter().filter_map(|mail| Some((mail.uid?, mail.body()?.to_vec()))).collect())
    }

    /// The header of a mail that is too large.
    pub(super) fn header(&mut self, uid: u32) -> Answer<Vec<u8>> {
        self.allowance.set(u64::from(HEADER_MAX) + SPARE);
        let fetched = self.imap.uid_fetch(set(&[uid]), format!("(UID BODY.PEEK[HEADER]<0.{HEADER_MAX}>)"))?;
        let header = fetched.iter().find(|mail| mail.uid == Some(uid)).and_then(|mail| mail.header());
        Ok(header.unwrap_or_default().to_vec())
    }

    /// Leaves the mails as the operator wants to see them.
    pub(super) fn put_away(&mut self, uids: &[u32], after: &After) -> Answer<()> {
        if uids.is_empty() {
            return Ok(());
        }
        self.allowance.set(ANSWER_MAX);
        self.put(uids, after).map_err(|error| match error {
            imap::Error::No(_) => {
                Broken::Link("mails that were taken cannot be marked or moved: see imap.after".into())
            }
            error => error.into(),
        })
    }

    fn put(&mut self, uids: &[u32], after: &After) -> imap::Result<()> {
        match after {
            After::Keep => {}
            After::Seen => drop(self.imap.uid_store(set(uids), "+FLAGS.SILENT (\\Seen)")?),
            After::Move(folder) if self.moves => self.imap.uid_mv(set(uids), folder)?,
            After::Move(folder) => {
                self.imap.uid_copy(set(uids), folder)?;
                drop(self.imap.uid_store(set(uids), "+FLAGS.SILENT (\\Deleted)")?);
                // EXPUNGE alone would take away what others marked: without UIDPLUS that is left to them.
                if self.expunges {
                    drop(self.imap.uid_expunge(set(uids))?);
                }
            }
        }
        Ok(())
    }

    pub(super) fn idles(&self) -> bool {
        self.idles
    }

    /// Waits until the server tells of something, or for so long; not at all if it told of a mail since the last search.
    pub(super) fn idle(&mut self, longest: Duration) -> Answer<()> {
        // With the answer to the search, which does not hold it yet: it is not told again.
        if self.imap.take_all_unsolicited().any(|told| matches!(told, UnsolicitedResponse::Exists(_))) {
            return Ok(());
        }
        self.allowance.set(ANSWER_MAX);
        self.imap.idle().keepalive(false).timeout(longest).wait_while(stop_on_any)?;
        Ok(())
    }

    /// Keeps the connection alive, and lets the server tell what is new.
    pub(super) fn noop(&mut self) -> Answer<()> {
        self.allowance.set(ANSWER_MAX);
        Ok(self.imap.noop()?)
    }

    pub(super) fn leave(mut self) {
        // Whoever does not answer is left without a word.
        let _ = self.imap.logout();
    }
}

/// A set of UIDs, runs joined.
fn set(uids: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for uid in uids {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == *uid => *end = *uid,
            _ => runs.push((*uid, *uid)),
        }
    }
    let shown = runs.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}:{to}") });
    shown.collect::<Vec<_>>().join(",")
}

/// SEARCH compares days of the server's own zone: a day is added on this side.
fn day_before(time: Time) -> String {
    let day = jiff::Timestamp::from_millisecond(time.minus(Duration::from_secs(24 * 3600)).ms()).unwrap_or_default();
    day.strftime("%-d-%b-%Y").to_string()
}

const _: () = assert!(SILENCE_MAX.as_secs() >= 30, "slow servers search for long");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_joined() {
        assert_eq!(set(&[1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(set(&[u32::MAX]), "4294967295");
    }

    #[test]
    fn a_day_is_written_as_rfc_9051_wants_it() {
        assert_eq!(day_before(Time::from_ms(1_793_491_200_000)), "31-Oct-2026");
    }
}
