use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// An IMAP server with as little as one may have: no MODSEQ, no UIDNEXT, and not a word to whoever idles.
#[derive(Clone, Default)]
pub struct Quiet {
    mails: Arc<Mutex<BTreeMap<u32, String>>>,
    asked: Arc<Mutex<Vec<String>>>,
    late: Arc<Mutex<Option<(u32, String)>>>,
}

impl Quiet {
    /// It, and its port.
    pub fn start() -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (quiet, port) = (Self::default(), listener.local_addr().unwrap().port());
        let server = quiet.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                // It ends with its connection.
                std::thread::spawn(move || server.talk(stream));
            }
        });
        (quiet, port)
    }

    /// Lets a mail show under this number.
    pub fn put(&self, uid: u32, mail: String) {
        self.mails.lock().unwrap().insert(uid, mail);
    }

    /// Lets a mail come while a search is answered, once others were fetched: the answer tells that there is one more without
    /// naming it, and nobody tells it again.
    pub fn put_into_a_search(&self, uid: u32, mail: String) {
        *self.late.lock().unwrap() = Some((uid, mail));
    }

    /// Every command, without its tag.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn talk(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.write_all(b"* OK quiet\r\n")?;
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        while let Some(line) = lines.next().transpose()? {
            let (tag, command) = line.split_once(' ').unwrap_or((&line, ""));
            self.asked.lock().unwrap().push(command.to_owned());
            let answer = self.answer(command);
            stream.write_all(answer.as_bytes())?;
            if command == "IDLE" {
                lines.next().transpose()?;
            }
            stream.write_all(format!("{tag} OK done\r\n").as_bytes())?;
        }
        Ok(())
    }

    fn answer(&self, command: &str) -> String {
        let mut mails = self.mails.lock().unwrap();
        let words: Vec<&str> = command.split(' ').collect();
        match words[..] {
            ["CAPABILITY"] => "* CAPABILITY IMAP4rev1 IDLE\r\n".into(),
            ["IDLE"] => "+ idling\r\n".into(),
            ["EXAMINE", _] => {
                format!("* {} EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n* OK [NOMODSEQ] none\r\n", mails.len())
            }
            ["UID", "SEARCH", "UID", wanted, ..] => {
                let newest = mails.keys().next_back().copied();
                let found = mails.keys().filter(|uid| has(wanted, **uid) || Some(**uid) == newest);
                let answer = format!("* SEARCH{}\r\n", found.map(|uid| format!(" {uid}")).collect::<String>());
                let was_fetched = self.asked().iter().any(|command| command.contains("BODY.PEEK[]"));
                let late = self.late.lock().unwrap().take_if(|_| was_fetched);
                mails.extend(late.clone());
                answer + &late.map(|_| format!("* {} EXISTS\r\n", mails.len())).unwrap_or_default()
            }
            ["UID", "FETCH", wanted, "(UID", ..] => {
                let is_list = command.contains("RFC822.SIZE");
                let found = mails.iter().filter(|(uid, _)| has(wanted, **uid));
                found.map(|(uid, mail)| if is_list { listed(*uid, mail) } else { whole(*uid, mail) }).collect()
            }
            _ => String::new(),
        }
    }
}

fn listed(uid: u32, mail: &str) -> String {
    format!("* 1 FETCH (UID {uid} RFC822.SIZE {} INTERNALDATE \"21-Nov-2026 10:00:00 +0000\")\r\n", mail.len())
}

fn whole(uid: u32, mail: &str) -> String {
    format!("* 1 FETCH (UID {uid} BODY[] {{{}}}\r\n{mail})\r\n", mail.len())
}

/// Whether a set such as `2,4:7,9:*` has the number; `*` alone is the newest, whom the caller knows.
fn has(set: &str, uid: u32) -> bool {
    set.split(',').any(|run| {
        let (from, to) = run.split_once(':').unwrap_or((run, run));
        let from = from.parse().unwrap_or(u32::MAX);
        (from..=to.parse().unwrap_or(u32::MAX)).contains(&uid)
    })
}
