use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::account::{After, Fetching, Start};
use super::intake::{Content, Intake, Later, Mail};
use super::login::{Login, Proof};
use super::position::{Held, Position};
use super::session::{Broken, Folder, Listed, Session, greet, open};
use super::stream::Scissors;
use super::waiting::{Ending, Pauses};
use crate::channels::{ChannelState, Leg};
use crate::egress::TokenError;
use crate::interaction::Time;
use crate::store::StoreError;

/// Mails of one commit.
const GROUP_MAX: usize = 50;
/// Bytes of one commit's mails; a single mail may have more.
const GROUP_BYTES: u64 = 8 << 20;
/// RFC 2177: servers may close what is silent for 30 minutes.
const IDLE_MAX: Duration = Duration::from_secs(28 * 60);
/// Before a login is tried again that was refused: servers lock out who tries too often.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// A mailbox that is read.
pub struct Mailbox {
    intake: Arc<Intake>,
    fetching: Fetching,
    login: Login,
    /// Mails a second, when there are many.
    rate: usize,
    runtime: Handle,
    scissors: Scissors,
    ending: Ending,
}

/// Why a visit ended before its time.
enum Trouble {
    /// The mailbox does not let us in.
    Refused(String),
    /// It cannot be reached, or talks nonsense.
    Link(String),
    /// It is well, but its mails cannot be taken.
    Ours(String),
}

impl From<Broken> for Trouble {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Refused(why) => Self::Refused(why.into()),
            Broken::Link(why) => Self::Link(why),
        }
    }
}

impl From<Later> for Trouble {
    fn from(Later(why): Later) -> Self {
        Self::Ours(why)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Later::from(error).into()
    }
}

impl From<TokenError> for Trouble {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Refused(why) => Self::Refused(why),
            TokenError::Unavailable(why) => Self::Link(why),
        }
    }
}

impl Mailbox {
    /// `rate`: mails that are taken in a second, when many wait.
    pub fn new(intake: Intake, fetching: Fetching, login: Login, rate: usize) -> Self {
        let (scissors, ending) = (Scissors::default(), Ending::default());
        let why = "the mailbox is not open yet".to_owned();
        intake.channel.set_state_of(Leg::Fetching, ChannelState::Degraded, Some(why));
        Self { intake: Arc::new(intake), fetching, login, rate, runtime: Handle::current(), scissors, ending }
    }

    /// Reads until `stop`; what is in hand ends.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StoreError> {
        let (scissors, ending) = (self.scissors.clone(), self.ending.clone());
        let (done, mut ended) = oneshot::channel::<()>();
        let name = format!("mail-{}", self.intake.channel.name.chars().take(10).collect::<String>());
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            self.live();
            drop(done);
        });
        thread.map_err(|error| StoreError::Unavailable(format!("no thread for a mailbox: {error}")))?;
        tokio::select! {
            _ = &mut ended => {}
            () = stop.cancelled() => {
                ending.tell();
                scissors.cut();
                let _ = ended.await;
            }
        }
        Ok(())
    }

    fn live(mut self) {
        let (mut pauses, mut tried_again) = (Pauses::new(), false);
        while !self.ending.is_told() {
            let visited = catch_unwind(AssertUnwindSafe(|| self.visit(&mut pauses)));
            let trouble = match visited {
                Ok(Ok(())) => continue,
                Ok(Err(trouble)) => trouble,
                Err(_) => Trouble::Link("the mailbox's answer made its reader panic".into()),
            };
            if self.ending.is_told() {
                return;
            }
            // A token may have been taken back before its time: a new one is worth a try at once.
            let is_stale = matches!((&trouble, &self.login), (Trouble::Refused(_), Login::Token(..))) && !tried_again;
            tried_again = is_stale;
            if !is_stale {
                let pause = pauses.next(self.tell(trouble));
                self.ending.wait(pause);
            }
        }
    }

    /// Shows what is wrong; tells how long to wait at least.
    fn tell(&self, trouble: Trouble) -> Duration {
        let (state, why, least) = match trouble {
            Trouble::Refused(why) => (ChannelState::BadCredentials, why, REFUSED_PAUSE),
            Trouble::Link(why) | Trouble::Ours(why) => (ChannelState::Degraded, why, Duration::ZERO),
        };
        self.show(state, Some(why));
        least
    }

    fn show(&self, state: ChannelState, why: Option<String>) {
        self.runtime.block_on(self.intake.show(state, why));
    }

    /// From login to the end of the connection.
    fn visit(&mut self, pauses: &mut Pauses) -> Result<(), Trouble> {
        let mut session = self.log_in()?;
        let mut held = self.settle(session.folder)?;
        held = self.put_away(&mut session, held)?;
        if held.position.mod_seq.is_none() || held.position.mod_seq != session.folder.mod_seq {
            held = self.catch_up(&mut session, held)?;
            held = self.note_mod_seq(session.folder, held)?;
        }
        self.show(ChannelState::Connected, None);
        pauses.reset();
        while !self.wait(&mut session)? {
            held = self.catch_up(&mut session, held)?;
        }
        session.leave();
        Ok(())
    }

    fn log_in(&self) -> Result<Session, Trouble> {
        let proof: Proof = self.runtime.block_on(self.login.proof())?;
        let client = greet(&self.fetching, &self.scissors)?;
        open(client, &self.fetching, &proof).map_err(|broken| {
            if matches!(broken, Broken::Refused(_)) {
                self.login.refused(&proof);
            }
            broken.into()
        })
    }

    /// The position that fits the folder as it is now.
    fn settle(&self, folder: Folder) -> Result<Held, Trouble> {
        let Some(held) = self.load()? else {
            let position = self.beginning(folder);
            return self.move_to(&Held::new(position.clone()), &position);
        };
        if held.position.uid_validity == folder.uid_validity {
            return Ok(held);
        }
        let position = self.renumbered(folder, &held.position);
        self.move_to(&held, &position)
    }

    /// UIDs mean nothing any more: what came since the start, and not longer ago than it is remembered, is read again.
    fn renumbered(&self, folder: Folder, known: &Position) -> Position {
        tracing::warn!(
            channel = self.intake.channel.name,
            "the mailbox numbers its mails anew: they are read again, and what was taken is known"
        );
        let remembered = Time::now().minus(self.intake.retention.saturating_sub(Duration::from_secs(24 * 3600)));
        Position::new(folder.uid_validity, 0, folder.uid_next.saturating_sub(1), known.since.max(remembered))
    }

    fn beginning(&self, Folder { uid_validity, uid_next, .. }: Folder) -> Position {
        let newest = uid_next.saturating_sub(1);
        match self.fetching.from {
            Start::Now => Position::new(uid_validity, newest, 0, Time::now()),
            Start::All => Position::new(uid_validity, 0, 0, Time::from_ms(0)),
            Start::Since(since) => Position::new(uid_validity, 0, newest, since),
        }
    }

    fn load(&self) -> Result<Option<Held>, Trouble> {
        Ok(self.runtime.block_on(self.intake.position(&self.fetching.folder))?)
    }

    fn move_to(&self, held: &Held, next: &Position) -> Result<Held, Trouble> {
        self.runtime.block_on(self.intake.move_to(held, &self.fetching.folder, next))?;
        self.written()
    }

    /// What was just written, with its version.
    fn written(&self) -> Result<Held, Trouble> {
        self.load()?.ok_or_else(|| Trouble::Ours("the position is gone from the store".into()))
    }

    /// Everything up to what the server had counted when the folder was opened is dealt with.
    fn note_mod_seq(&self, folder: Folder, held: Held) -> Result<Held, Trouble> {
        if folder.mod_seq.is_none() || folder.mod_seq == held.position.mod_seq {
            return Ok(held);
        }
        let next = Position { mod_seq: folder.mod_seq, ..held.position.clone() };
        self.move_to(&held, &next)
    }

    /// Waits until there may be news; tells whether to end.
    fn wait(&self, session: &mut Session) -> Result<bool, Trouble> {
        if session.idles() {
            session.idle(self.fetching.poll.min(IDLE_MAX))?;
        } else if !self.ending.wait(self.fetching.poll) {
            session.noop()?;
        }
        Ok(self.ending.is_told())
    }

    /// Takes what waits, oldest first, until nothing does.
    fn catch_up(&self, session: &mut Session, mut held: Held) -> Result<Held, Trouble> {
        loop {
            let position = &held.position;
            let since = position.is_reading_again().then_some(position.since);
            let uids: Vec<u32> =
                session.uids(position.lowest(), since)?.into_iter().filter(|uid| position.wants(*uid)).collect();
            self.intake.channel.waiting.store(uids.len() as u64, Ordering::Relaxed);
            if uids.is_empty() {
                held.position.end_reading_again();
                return Ok(held);
            }
            for group in uids.chunks(GROUP_MAX) {
                held = self.take(session, held, group)?;
                if self.ending.is_told() {
                    return Ok(held);
                }
            }
        }
    }

    /// Takes some mails, in commits of bounded size.
    fn take(&self, session: &mut Session, mut held: Held, uids: &[u32]) -> Result<Held, Trouble> {
        let listed = session.list(uids)?;
        let mut rest = uids;
        while !rest.is_empty() {
            let fitting = fitting(rest, |uid| listed.get(&uid).map_or(0, |mail| mail.bytes));
            let (now, later) = rest.split_at(fitting);
            let began = Instant::now();
            let mails = now.iter().filter_map(|uid| listed.get(uid)).copied();
            let mails: Vec<Listed> = mails.filter(|mail| !held.position.is_old(mail.uid, mail.at)).collect();
            held = self.commit(session, held, now, mails)?;
            rest = later;
            self.intake.channel.waiting.fetch_sub(now.len() as u64, Ordering::Relaxed);
            self.slow_down(began, now.len());
        }
        Ok(held)
    }

    /// `passed` are dealt with afterwards; what of them is gone or too old has no mail.
    fn commit(&self, session: &mut Session, held: Held, passed: &[u32], mails: Vec<Listed>) -> Result<Held, Trouble> {
        let taken: Vec<u32> = mails.iter().map(|mail| mail.uid).collect();
        let mut next = held.position.clone();
        passed.iter().for_each(|uid| next.pass(*uid));
        next.to_put_away = if self.fetching.after == After::Keep { Vec::new() } else { taken.clone() };
        let fetched = self.fetch(session, mails)?;
        self.runtime.block_on(self.intake.take((&held, &self.fetching.folder), &next, fetched))?;
        let held = self.written()?;
        self.put_away(session, held)
    }

    /// Leaves in the mailbox what was appended as it should be, and notes that; after a crash it is done again.
    fn put_away(&self, session: &mut Session, held: Held) -> Result<Held, Trouble> {
        if held.position.to_put_away.is_empty() {
            return Ok(held);
        }
        session.put_away(&held.position.to_put_away, &self.fetching.after)?;
        let next = Position { to_put_away: Vec::new(), ..held.position.clone() };
        self.move_to(&held, &next)
    }

    fn fetch(&self, session: &mut Session, mails: Vec<Listed>) -> Result<Vec<Mail>, Trouble> {
        let (whole, large): (Vec<_>, Vec<_>) = mails.into_iter().partition(|mail| mail.bytes <= self.intake.bytes_max);
        let mut bodies = if whole.is_empty() { Default::default() } else { session.bodies(&whole)? };
        let content =
            |mail: Listed| bodies.remove(&mail.uid).map(|raw| Mail { listed: mail, content: Content::Whole(raw) });
        let mut fetched: Vec<Mail> = whole.into_iter().filter_map(content).collect();
        for mail in large {
            fetched.push(Mail { listed: mail, content: Content::Header(session.header(mail.uid)?) });
        }
        fetched.sort_by_key(|mail| mail.listed.uid);
        Ok(fetched)
    }

    /// Whoever was away for days does not drown the others.
    fn slow_down(&self, began: Instant, mails: usize) {
        let due = Duration::from_secs_f64(mails as f64 / self.rate as f64);
        self.ending.wait(due.saturating_sub(began.elapsed()));
    }
}

/// How many go into one commit: at least one.
fn fitting(uids: &[u32], bytes_of: impl Fn(u32) -> u64) -> usize {
    let mut bytes = 0;
    let fits = |uid: &&u32| {
        bytes += bytes_of(**uid);
        bytes <= GROUP_BYTES
    };
    uids.iter().take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_has_bounded_bytes_and_at_least_one_mail() {
        let of = |bytes: u64| fitting(&[1, 2, 3], |_| bytes);
        assert_eq!([of(1), of(GROUP_BYTES / 2), of(GROUP_BYTES + 1)], [3, 2, 1]);
    }
}
