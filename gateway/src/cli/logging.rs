use std::io::IsTerminal as _;

use tracing::Level;
use tracing_subscriber::EnvFilter;

/// Logs go to standard error: for people on a terminal, as JSON lines otherwise. `OMNIGATE_LOG` says how much.
pub(super) fn start(default: Level) {
    let filter = EnvFilter::builder().with_env_var("OMNIGATE_LOG").with_default_directive(default.into());
    let logs = tracing_subscriber::fmt().with_env_filter(filter.from_env_lossy()).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logs.with_target(false).init();
    } else {
        logs.json().flatten_event(true).init();
    }
}
