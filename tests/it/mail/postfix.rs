use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::dovecot::{Dovecot, Port, Ports};
use crate::support::PATIENCE;

/// A mail server that takes letters for `example.com` from whoever logs in, with Dovecot's passwords; it ends with its test.
pub struct Postfix {
    home: TempDir,
    plain: Port,
    tls: Port,
    master: Option<Child>,
}

impl Postfix {
    pub fn start(dovecot: &Dovecot) -> Self {
        let mut postfix =
            Self { home: tempfile::tempdir().unwrap(), plain: Port::claim(), tls: Port::claim(), master: None };
        postfix.set_up(dovecot);
        postfix.resume();
        postfix
    }

    pub fn ports(&self) -> Ports {
        Ports { plain: self.plain.number(), tls: self.tls.number() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn set_up(&self, dovecot: &Dovecot) {
        fs::set_permissions(self.home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["conf", "queue", "data", "mail"] {
            fs::create_dir(self.path(name)).unwrap();
        }
        for (name, owner) in [("data", "postfix"), ("mail", "nobody")] {
            assert!(Command::new("chown").arg(owner).arg(self.path(name)).status().unwrap().success());
        }
        fs::write(self.path("conf/main.cf"), self.main(dovecot)).unwrap();
        fs::write(self.path("conf/master.cf"), self.master()).unwrap();
        fs::write(self.path("conf/mailboxes"), "@example.com all/\n@xn--bcher-kva.example all/\n").unwrap();
        fs::write(
            self.path("conf/access"),
            "gone@example.com 550 5.1.1 User unknown\ngrey@example.com 450 4.7.1 Greylisted\nfull@example.com 452 4.2.2 Full\n",
        )
        .unwrap();
    }

    /// Whom it refuses, from its next start on.
    pub fn set_access(&self, lines: &str) {
        fs::write(self.path("conf/access"), lines).unwrap();
    }

    fn main(&self, dovecot: &Dovecot) -> String {
        let (home, certificate) = (self.home.path().display(), dovecot.certificate().display().to_string());
        let key = certificate.replace("cert.pem", "key.pem");
        let number = |flag: &str| {
            let output = Command::new("id").args([flag, "nobody"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        format!(
            "compatibility_level = 3.6
queue_directory = {home}/queue
data_directory = {home}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/data/log
maillog_file_prefixes = {home}
myhostname = mail.test
mydestination =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_mailbox_domains = example.com, xn--bcher-kva.example
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = texthash:{home}/conf/mailboxes
virtual_uid_maps = static:{}
virtual_gid_maps = static:{}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access texthash:{home}/conf/access, permit
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
message_size_limit = 1000000
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_client_connection_rate_limit = 0
",
            number("-u"),
            number("-g"),
            dovecot.auth_socket().display(),
        )
    }

    fn master(&self) -> String {
        let Ports { plain, tls } = self.ports();
        format!(
            "127.0.0.1:{plain} inet n - n - - smtpd
127.0.0.1:{tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
"
        )
    }

    /// Asks it to end; tells whether it does.
    fn ask_to_stop(&self) -> bool {
        let mut stop = Command::new("/usr/sbin/postfix");
        stop.arg("-c")
            .arg(self.path("conf"))
            .arg("stop")
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    pub fn stop(&mut self) {
        if let Some(mut master) = self.master.take() {
            assert!(self.ask_to_stop(), "postfix does not stop: {}", self.log());
            master.wait().unwrap();
            self.plain.wait_until_free();
            self.tls.wait_until_free();
        }
    }

    pub fn resume(&mut self) {
        assert!(Path::new("/usr/sbin/postfix").is_file(), "postfix is missing: cargo xtask test installs it");
        let output = fs::File::create(self.path("output")).unwrap();
        let master = Command::new("/usr/sbin/postfix")
            .arg("-c")
            .arg(self.path("conf"))
            .arg("start-fg")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let (log, master) = (self.logs(), self.master.insert(master));
        self.plain.wait_for_listener(master, &log);
        self.tls.wait_for_listener(master, &log);
    }

    fn logs(&self) -> [PathBuf; 2] {
        ["output", "data/log"].map(|name| self.path(name))
    }

    fn log(&self) -> String {
        self.logs().map(|path| fs::read_to_string(path).unwrap_or_default()).concat()
    }

    /// Letters that were delivered, as they lie there; each begins with its envelope.
    pub fn delivered(&self) -> Vec<String> {
        let files = fs::read_dir(self.path("mail/all/new")).into_iter().flatten().flatten();
        files.map(|file| String::from_utf8_lossy(&fs::read(file.path()).unwrap()).into_owned()).collect()
    }

    /// Waits until so many letters were delivered.
    pub async fn wait_for_letters(&self, count: usize) -> Vec<String> {
        let began = Instant::now();
        loop {
            let letters = self.delivered();
            if letters.len() >= count {
                return letters;
            }
            assert!(began.elapsed() < PATIENCE, "{} of {count} letters:\n{}", letters.len(), self.log());
            // Nor when a letter is in its folder.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- postfix said\n{}\n----", self.log());
            // To panic once more would end every other test.
            self.ask_to_stop();
        } else {
            self.stop();
        }
    }
}
