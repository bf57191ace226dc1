use std::sync::Once;

use crate::bindings::omnigate::host::log::{Level, emit};

/// For the operator's log at level debug; fields are names and values.
pub fn debug(text: &str, fields: &[(&str, &str)]) {
    write(Level::Debug, text, fields);
}

/// For the operator's log at level info.
pub fn info(text: &str, fields: &[(&str, &str)]) {
    write(Level::Info, text, fields);
}

/// For the operator's log at level warn.
pub fn warn(text: &str, fields: &[(&str, &str)]) {
    write(Level::Warn, text, fields);
}

/// For the operator's log at level error.
pub fn error(text: &str, fields: &[(&str, &str)]) {
    write(Level::Error, text, fields);
}

fn write(level: Level, text: &str, fields: &[(&str, &str)]) {
    let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    emit(level, text, &fields);
}

/// A panic would be a trap without a word; this tells where it happened. Its message may hold user data and is left out.
#[doc(hidden)]
pub fn install_panic_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            error("the plugin panicked", &[("at", &place)]);
        }));
    });
}
