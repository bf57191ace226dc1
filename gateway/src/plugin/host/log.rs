use tracing::Level;

use crate::plugin::state::CallState;

const BYTES_MAX: usize = 64 << 10;
const LINE_MAX: usize = 4 << 10;

/// What a call may still log.
pub(in crate::plugin) struct LogBudget {
    lines_left: u32,
    bytes_left: usize,
    suppressed: u32,
}

impl LogBudget {
    pub(in crate::plugin) fn new(lines: u32) -> Self {
        Self { lines_left: lines, bytes_left: BYTES_MAX, suppressed: 0 }
    }

    fn take(&mut self, bytes: usize) -> bool {
        let allowed = self.lines_left > 0 && self.bytes_left >= bytes;
        if allowed {
            self.lines_left -= 1;
            self.bytes_left -= bytes;
        } else {
            self.suppressed = self.suppressed.saturating_add(1);
        }
        allowed
    }
}

/// Writes one line of a plugin; control characters are escaped by the formatter, long lines cut.
pub(in crate::plugin) fn emit(state: &mut CallState, level: Level, text: &str, fields: &[(String, String)]) {
    let text = cut(text, LINE_MAX);
    let fields = fields.iter().take(16).map(|(name, value)| format!("{}={}", cut(name, 64), cut(value, 256)));
    let fields = fields.collect::<Vec<_>>().join(" ");
    if !state.log.take(text.len() + fields.len()) {
        return;
    }
    let (plugin, channel) = (&*state.plugin, &state.binding.channel);
    match level {
        Level::ERROR => tracing::error!(target: "plugin", plugin, channel, fields, "{text:?}"),
        Level::WARN => tracing::warn!(target: "plugin", plugin, channel, fields, "{text:?}"),
        Level::INFO => tracing::info!(target: "plugin", plugin, channel, fields, "{text:?}"),
        _ => tracing::debug!(target: "plugin", plugin, channel, fields, "{text:?}"),
    }
}

/// Tells how many lines were left out, once the call is over.
pub(in crate::plugin) fn finish(state: &CallState) {
    if state.log.suppressed > 0 {
        let (plugin, channel) = (&*state.plugin, &state.binding.channel);
        tracing::warn!(target: "plugin", plugin, channel, suppressed = state.log.suppressed, "the plugin logs too much; lines were left out");
    }
}

fn cut(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    &text[..end]
}
