use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use crate::support::Log;

/// Another program with all that it starts; ends with its test, and tells what it said if that is a test that fails.
pub struct Program {
    name: &'static str,
    child: Child,
    said: Log,
    log: Log,
}

impl Program {
    /// # Panics
    /// With `advice` if it cannot be started.
    pub fn start(name: &'static str, command: &mut Command, advice: &str) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that a browser ends with its driver.
        let started = command.process_group(0).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("{name} cannot be started ({error}): {advice}"));
        let said = Log::follow(child.stdout.take().unwrap());
        let log = Log::follow(child.stderr.take().unwrap());
        Self { name, child, said, log }
    }

    /// The first line on its standard output that contains `words`, once it is there.
    pub async fn line(&self, words: &str) -> String {
        self.said.line(words).await
    }

    /// The same for the first line that contains one of these.
    pub async fn line_of(&self, words: &[&str]) -> String {
        self.said.line_of(words).await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        // It may have ended before.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- {} said\n{}\n{}\n----", self.name, self.said.text(), self.log.text());
        }
    }
}
