//! A real Dovecot with a configuration, ports and a certificate of its own.

#[path = "port.rs"]
mod port;

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use port::Port;

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

pub const USER: &str = "support";
pub const PASSWORD: &str = "s3cret\"pass\\word";

/// An IMAP server with one mailbox; it ends with its test.
pub struct Dovecot {
    home: TempDir,
    plain: Port,
    tls: Port,
    master: Option<Child>,
}

#[derive(Clone, Copy)]
pub struct Ports {
    /// Without protection, or with STARTTLS.
    pub plain: u16,
    pub tls: u16,
}

impl Dovecot {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Takes tokens of XOAUTH2 that `server` says are good.
    pub fn with_tokens(server: SocketAddr) -> Self {
        let mut dovecot = Self::set_up(
            "auth_mechanisms = plain login xoauth2\npassdb {\n  driver = oauth2\n  mechanisms = xoauth2\n  args = {home}/tokens.conf\n}\n",
        );
        let tokens = format!(
            "introspection_url = http://{server}/introspect\nintrospection_mode = auth\nusername_attribute = username\n"
        );
        fs::write(dovecot.path("tokens.conf"), tokens).unwrap();
        dovecot.resume();
        dovecot
    }

    /// One that offers nothing but these abilities, and writes down what it is asked.
    pub fn offering(abilities: &str) -> Self {
        Self::start_with(&format!(
            "imap_capability = {abilities}\nprotocol imap {{\n  rawlog_dir = {{home}}/sessions\n}}\n"
        ))
    }

    fn start_with(more: &str) -> Self {
        let mut dovecot = Self::set_up(more);
        dovecot.resume();
        dovecot
    }

    /// Everything that it needs to start.
    fn set_up(more: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let dovecot = Self { home, plain: Port::claim(), tls: Port::claim(), master: None };
        dovecot.write(more);
        dovecot
    }

    pub fn ports(&self) -> Ports {
        Ports { plain: self.plain.number(), tls: self.tls.number() }
    }

    /// Of its own authority, for `localhost`.
    pub fn certificate(&self) -> &Path {
        Box::leak(self.path("cert.pem").into_boxed_path())
    }

    /// Where Postfix asks for passwords.
    pub fn auth_socket(&self) -> PathBuf {
        self.path("run/smtp-auth")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, more: &str) {
        let open = |path: &Path| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        };
        open(self.home.path());
        for name in ["run", "mail", "logs", "sessions"] {
            fs::create_dir(self.path(name)).unwrap();
            open(&self.path(name));
        }
        self.set_password(PASSWORD);
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(self.path("key.pem"))
            .arg("-out")
            .arg(self.path("cert.pem"))
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success(), "openssl makes no certificate");
        let more = more.replace("{home}", &self.home.path().display().to_string());
        fs::write(self.path("dovecot.conf"), self.configuration() + &more).unwrap();
    }

    /// Logins are checked against this from now on.
    pub fn set_password(&self, password: &str) {
        fs::write(self.path("users.new"), format!("{USER}:{{PLAIN}}{password}::::::\n")).unwrap();
        fs::rename(self.path("users.new"), self.path("users")).unwrap();
        let began = Instant::now();
        while self.master.is_some() && self.log_in(password).is_none() {
            assert!(began.elapsed() < PATIENCE, "dovecot does not take the new password:\n{}", self.log());
            // Its processes read the file each in its own time.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// As whoever runs the tests; Dovecot insists on users of its own where that is root.
    fn configuration(&self) -> String {
        let home = self.home.path().display();
        let Ports { plain, tls } = self.ports();
        let me = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let (inner, login, owner) = match me.trim() {
            "root" => ("dovecot", "dovenull", "nobody"),
            me => (me, me, me),
        };
        format!(
            r#"
base_dir = {home}/run
state_dir = {home}/run
log_path = {home}/logs/log
protocols = imap
listen = 127.0.0.1
default_internal_user = {inner}
default_login_user = {login}
default_internal_group = {inner}
first_valid_uid = 1
mail_uid = {owner}
mail_gid = nogroup
mail_location = maildir:{home}/mail/%u
mail_fsync = never
auth_failure_delay = 0
ssl = yes
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
imap_idle_notify_interval = 2 s
mailbox_idle_check_interval = 1 s
passdb {{
  driver = passwd-file
  args = {home}/users
}}
userdb {{
  driver = static
  args = uid={owner} gid=nogroup home={home}/mail
}}
namespace inbox {{
  inbox = yes
  mailbox Done {{
    auto = create
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {tls}
    ssl = yes
  }}
}}
service auth {{
  unix_listener smtp-auth {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"#
        )
    }

    /// Kills it with all its processes: whoever is connected loses the connection. Asked kindly it takes half a minute.
    pub fn stop(&mut self) {
        self.kill();
        self.plain.wait_until_free();
        self.tls.wait_until_free();
    }

    fn kill(&mut self) {
        if let Some(mut master) = self.master.take() {
            let group = format!("-{}", master.id());
            let ended = Command::new("kill").args(["-KILL", "--", &group]).status();
            assert!(ended.is_ok_and(|status| status.success()) || std::thread::panicking());
            let _ = master.wait();
        }
    }

    /// Starts it on what it left, and waits until it listens.
    pub fn resume(&mut self) {
        assert!(Path::new("/usr/sbin/dovecot").is_file(), "dovecot is missing: cargo xtask test installs it");
        // What it left when it was killed: its number may be somebody else's by now.
        let _ = fs::remove_file(self.path("run/master.pid"));
        let master = Command::new("/usr/sbin/dovecot")
            .args(["-F", "-c"])
            .arg(self.path("dovecot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let log = [self.path("logs/log")];
        self.plain.wait_for_listener(self.master.insert(master), &log);
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("logs/log")).unwrap_or_default()
    }

    /// A session as any mail program has it.
    pub fn session(&self) -> imap::Session<TcpStream> {
        self.log_in(PASSWORD).unwrap()
    }

    fn log_in(&self, password: &str) -> Option<imap::Session<TcpStream>> {
        let stream = TcpStream::connect(("127.0.0.1", self.ports().plain)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = imap::Client::new(stream);
        client.read_greeting().unwrap();
        client.login(USER, password).ok()
    }

    /// Puts mails into the inbox, in this order.
    pub fn deliver(&self, mails: &[String]) {
        let mut session = self.session();
        for mail in mails {
            session.append("INBOX", mail.as_bytes()).finish().unwrap();
        }
        session.logout().unwrap();
    }

    /// What lies in a folder: subject and flags of each mail.
    pub fn lying(&self, folder: &str) -> Vec<(String, String)> {
        let mut session = self.session();
        let count = session.examine(folder).unwrap().exists;
        if count == 0 {
            return Vec::new();
        }
        let fetched = session.fetch("1:*", "(FLAGS BODY.PEEK[HEADER])").unwrap();
        let shown = fetched.iter().map(|mail| {
            let head = String::from_utf8_lossy(mail.header().unwrap()).into_owned();
            let subject = head.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap_or_default().to_owned();
            let flags: Vec<_> =
                mail.flags().iter().map(ToString::to_string).filter(|flag| flag != "\\Recent").collect();
            (subject, flags.join(" "))
        });
        shown.collect()
    }

    /// Commands of every session that it wrote down, without their tags.
    pub fn asked(&self) -> Vec<String> {
        let files = fs::read_dir(self.path("sessions")).unwrap().flatten().map(|entry| entry.path());
        let sessions = files.filter(|path| path.extension().is_some_and(|extension| extension == "in"));
        let text = sessions.map(|path| fs::read_to_string(path).unwrap()).collect::<String>();
        // Each line begins with the time.
        text.lines().filter_map(|line| Some(line.splitn(3, ' ').nth(2)?.to_owned())).collect()
    }

    /// Numbers the inbox anew, as a server does that was restored or moved.
    pub fn renumber(&self) {
        for entry in fs::read_dir(self.path(&format!("mail/{USER}"))).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with("dovecot") {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- dovecot said\n{}\n----", self.log());
        }
        self.kill();
    }
}

/// A mail of one line, which is also its subject.
pub fn mail(text: &str, from: &str, more: &str) -> String {
    format!("From: {from}\r\nSubject: {text}\r\nMessage-ID: <{}@test>\r\n{more}\r\n{text}\r\n", text.replace(' ', "-"))
}
