use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{self, Child};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Below what Linux gives to connections, and to whoever asks for any port.
const FIRST: u16 = 10_000;
const COUNT: u16 = 6_000;

/// A port of `127.0.0.1` for a server that wants to be told one, as long as this lives: nobody else gets it, neither while the
/// server starts nor while it is stopped.
pub struct Port {
    number: u16,
    // The same number at another loopback address: it is what keeps other tests away, and ends with their process.
    _claim: TcpListener,
}

impl Port {
    pub fn claim() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = process::id().wrapping_mul(97) as u16;
        let tried = (0..COUNT).map(|_| start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT + FIRST);
        tried.into_iter().find_map(Self::take).expect("every port is taken")
    }

    fn take(number: u16) -> Option<Self> {
        let claim = TcpListener::bind(("127.0.0.2", number)).ok()?;
        // Whoever is no test does not know of claims.
        TcpListener::bind(("127.0.0.1", number)).ok()?;
        Some(Self { number, _claim: claim })
    }

    pub fn number(&self) -> u16 {
        self.number
    }

    /// Waits until the server listens here; `log` is what it says and where.
    pub fn wait_for_listener(&self, server: &mut Child, log: &[PathBuf]) {
        let read = || log.iter().map(|path| fs::read_to_string(path).unwrap_or_default()).collect::<String>();
        wait("nobody listens", || {
            assert!(server.try_wait().unwrap().is_none(), "the server ended:\n{}", read());
            TcpStream::connect(("127.0.0.1", self.number)).is_ok()
        });
    }

    /// Waits until the last process of a server that was stopped is gone.
    pub fn wait_until_free(&self) {
        wait("somebody still listens", || TcpListener::bind(("127.0.0.1", self.number)).is_ok());
    }
}

fn wait(what: &str, mut is_over: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_over() {
        assert!(began.elapsed() < PATIENCE, "{what} after {PATIENCE:?}");
        // Nobody tells.
        std::thread::sleep(Duration::from_millis(20));
    }
}
