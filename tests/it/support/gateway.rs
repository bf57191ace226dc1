use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::{Client, ConfigBuilder, Log, within};

/// The program, running; it ends with its test.
pub struct Gateway {
    process: Process,
    home: Home,
    pub address: SocketAddr,
    pub log: Log,
}

/// The program after its end, with everything that it left on disk.
pub struct Stopped {
    home: Home,
}

/// Configuration, data and plugins.
struct Home {
    directory: TempDir,
    config: ConfigBuilder,
    /// Value of `OMNIGATE_LOG`, where it is set.
    log_level: Option<&'static str>,
}

impl Gateway {
    /// Starts the program in a directory of its own, and waits until it is ready.
    pub async fn start(config: ConfigBuilder) -> Self {
        Self::start_logging(config, None).await
    }

    /// The same with another level of logging than the default.
    pub async fn start_logging(config: ConfigBuilder, log_level: Option<&'static str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        provide_plugins(directory.path(), &config);
        Home { directory, config, log_level }.start().await
    }

    /// SIGKILL: whatever it was doing, it does no longer.
    pub fn kill(mut self) -> Stopped {
        self.process.0.kill().unwrap();
        self.process.0.wait().unwrap();
        Stopped { home: self.home }
    }

    /// SIGTERM, and the end that it takes.
    pub async fn terminate(self) -> (ExitStatus, Stopped) {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits for its end.
    pub async fn ended(self) -> (ExitStatus, Stopped) {
        let Self { mut process, home, .. } = self;
        let wait = tokio::task::spawn_blocking(move || process.0.wait().unwrap());
        (within("the end of the process", wait).await.unwrap(), Stopped { home })
    }

    /// Sends a signal by its name: `HUP`, `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.process.0.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Replaces the configuration file, at once as a whole.
    pub fn rewrite(&mut self, config: ConfigBuilder) {
        self.home.write(&config);
        self.home.config = config;
    }

    /// Replaces the configuration file by any text.
    pub fn rewrite_text(&self, text: &str) {
        self.home.write_text(text);
    }

    pub fn config(&self) -> ConfigBuilder {
        self.home.config.clone()
    }

    pub fn client(&self) -> Client {
        Client::of(self.address)
    }

    /// Where configuration, data and plugins lie.
    #[allow(dead_code, reason = "the tests of the sandbox exchange plugins there")]
    pub fn directory(&self) -> &Path {
        self.home.directory.path()
    }

    /// Bytes of memory that the process holds, from `/proc`.
    pub fn resident_bytes(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }
}

impl Stopped {
    /// Starts it again on what it left.
    pub async fn start(self) -> Gateway {
        self.home.start().await
    }

    /// Starts it again with another configuration.
    pub async fn start_with(self, config: ConfigBuilder) -> Gateway {
        Home { config, ..self.home }.start().await
    }

    pub fn directory(&self) -> &Path {
        self.home.directory.path()
    }

    /// Starts it, and kills it before or after it is ready, as chance has it.
    pub async fn start_and_kill(self, after: Duration) -> Self {
        let mut process = self.home.spawn().0;
        // No event is waited for: it is killed wherever it is then.
        tokio::time::sleep(after).await;
        process.kill().unwrap();
        process.wait().unwrap();
        self
    }
}

impl Home {
    async fn start(self) -> Gateway {
        let (child, said, log) = self.spawn();
        // From here on a panic ends the process too.
        let process = Process(child, log.clone());
        let ready: Value = serde_json::from_str(&said.line("\"ready\"").await).unwrap();
        let address = ready["listen"].as_str().unwrap().parse().unwrap();
        Gateway { process, home: self, address, log }
    }

    /// The process, its standard output and its log.
    fn spawn(&self) -> (Child, Log, Log) {
        self.write(&self.config);
        let mut command = Command::new(env!("CARGO_BIN_EXE_omnigate"));
        command.envs(self.config.trusted().map(|path| ("SSL_CERT_FILE", path)));
        let mut child = command
            .args(["run", "--config", "config.toml"])
            .current_dir(self.directory.path())
            .envs(self.log_level.map(|level| ("OMNIGATE_LOG", level)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Log::follow(child.stdout.take().unwrap());
        let log = Log::follow(child.stderr.take().unwrap());
        (child, said, log)
    }

    fn write(&self, config: &ConfigBuilder) {
        self.write_text(&config.text());
    }

    fn write_text(&self, text: &str) {
        let (aside, place) = (self.directory.path().join("config.new"), self.directory.path().join("config.toml"));
        fs::write(&aside, text).unwrap();
        fs::rename(aside, place).unwrap();
    }
}

/// Ends with whoever holds it, and tells what it said if that is a test that fails.
struct Process(Child, Log);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.0.kill();
        let _ = self.0.wait();
        if std::thread::panicking() {
            eprintln!("---- the gateway said\n{}\n----", self.1.text());
        }
    }
}

/// Only the plugins that the channels want, and compiled once for all tests.
fn provide_plugins(directory: &Path, config: &ConfigBuilder) {
    let built = std::env::var_os("OMNIGATE_PLUGINS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins"), PathBuf::from);
    let plugins = directory.join("plugins");
    fs::create_dir(&plugins).unwrap();
    for id in config.plugins() {
        let file = format!("{id}.wasm");
        let hostile = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/hostile").join(&file);
        let plugin = if hostile.is_file() { hostile } else { built.join(&file) };
        assert!(plugin.is_file(), "{} is missing: cargo xtask plugins", plugin.display());
        // Two channels may have one adapter.
        let _ = std::os::unix::fs::symlink(plugin, plugins.join(format!("{id}.wasm")));
    }
    let compiled = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    fs::create_dir_all(&compiled).unwrap();
    fs::create_dir(directory.join("data")).unwrap();
    std::os::unix::fs::symlink(compiled, directory.join("data/plugins")).unwrap();
}
