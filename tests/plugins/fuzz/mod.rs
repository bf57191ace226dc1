//! A fuzzer for adapters of mail: what it makes runs in the real sandbox with the real limits, and what has an outcome that was not
//! there before is changed further.

mod mutate;
mod random;
mod shape;

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use omnigate::plugin::exchange::{Broken, Called, Failure, Received};

use crate::run::Mailbox;
use mutate::mutated;
use random::Random;

/// Mails that are changed further; the oldest of those that were made go first.
const CORPUS_MAX: usize = 4_000;
/// A larger mail finds nothing that a smaller one does not, and takes longer.
const MAIL_MAX: usize = 512 << 10;
/// Findings after which there is enough to do.
const FINDINGS_MAX: usize = 20;
const NEWS: Duration = Duration::from_secs(10);

/// Where findings and the mails that are worth going on from are kept.
pub struct Place(PathBuf);

impl Place {
    pub fn at(path: OsString) -> Self {
        let place = Self(path.into());
        fs::create_dir_all(place.corpus()).unwrap();
        place
    }

    fn corpus(&self) -> PathBuf {
        self.0.join("corpus")
    }

    fn keep(&self, folder: &Path, mail: &[u8]) -> PathBuf {
        let digest = hex::encode(ring::digest::digest(&ring::digest::SHA256, mail));
        let path = folder.join(format!("{}.eml", &digest[..16]));
        fs::write(&path, mail).unwrap();
        path
    }
}

pub struct Fuzzer<'a> {
    random: Random,
    mailbox: Mailbox<'a>,
    place: Option<Place>,
    corpus: Vec<Vec<u8>>,
    /// Of the corpus: those of the cases, which stay.
    given: usize,
    seen: HashSet<u64>,
    pub count: usize,
    pub findings: Vec<String>,
}

impl<'a> Fuzzer<'a> {
    /// Begins with the mails of the cases, and with those that earlier runs kept.
    pub async fn new(seed: u64, mailbox: Mailbox<'a>, place: Option<Place>) -> Self {
        println!("seed {seed}");
        let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/email/cases");
        let mut corpus = mails(&cases);
        let given = corpus.len();
        corpus.extend(place.iter().flat_map(|place| mails(&place.corpus())));
        let random = Random::new(seed);
        let mut fuzzer = Self {
            random,
            mailbox,
            place,
            corpus: Vec::new(),
            given,
            seen: HashSet::new(),
            count: 0,
            findings: Vec::new(),
        };
        for mail in &corpus {
            fuzzer.look_at(mail).await;
        }
        fuzzer.corpus = corpus;
        fuzzer
    }

    pub async fn run(&mut self, goes_on: impl Fn(usize, Duration) -> bool) {
        let (begin, mut told) = (Instant::now(), Duration::ZERO);
        while goes_on(self.count, begin.elapsed()) && self.findings.len() < FINDINGS_MAX {
            self.step().await;
            if begin.elapsed() >= told + NEWS {
                told = begin.elapsed();
                self.tell(told);
            }
        }
        self.tell(begin.elapsed());
    }

    fn tell(&self, time: Duration) {
        let Self { count, corpus, seen, findings, .. } = self;
        println!(
            "{}s: {count} mails, {} to go on from, {} kinds of outcome, {} findings",
            time.as_secs(),
            corpus.len(),
            seen.len(),
            findings.len()
        );
    }

    async fn step(&mut self) {
        let mut mail = mutated(&mut self.random, &self.corpus);
        mail.truncate(MAIL_MAX);
        self.count += 1;
        if self.look_at(&mail).await {
            self.remember(mail);
        }
    }

    fn remember(&mut self, mail: Vec<u8>) {
        if let Some(place) = &self.place {
            place.keep(&place.corpus(), &mail);
        }
        if self.corpus.len() >= CORPUS_MAX {
            self.corpus.remove(self.given);
        }
        self.corpus.push(mail);
    }

    /// Whether something came of it that never did before.
    async fn look_at(&mut self, mail: &[u8]) -> bool {
        let called = self.mailbox.receive(mail).await;
        if let Some(wrong) = self.wrong(&called, mail).await {
            self.report(&wrong, mail);
        }
        let before = self.seen.len();
        self.seen.extend(shape::of(&called));
        self.seen.len() > before
    }

    /// What must not be.
    async fn wrong(&self, called: &Called<Received>, mail: &[u8]) -> Option<String> {
        match &called.result {
            Ok(received) => shape::wrong(received, self.mailbox.limits()),
            // On a machine that does much else, time passes without work being done: it must happen again.
            Err(Failure::Broken(Broken::CpuLimit | Broken::WallLimit)) => {
                self.mailbox.receive(mail).await.result.err().map(|again| format!("twice: {again:?}"))
            }
            Err(failure) => Some(format!("{failure:?}")),
        }
    }

    fn report(&mut self, wrong: &str, mail: &[u8]) {
        let shown = match &self.place {
            Some(place) => place.keep(&place.0, mail).display().to_string(),
            None => String::from_utf8_lossy(&mail[..mail.len().min(4 << 10)]).into_owned(),
        };
        println!("{wrong}: {shown}");
        self.findings.push(format!("{wrong}: {shown}"));
    }
}

fn mails(folder: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    files.sort();
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}
