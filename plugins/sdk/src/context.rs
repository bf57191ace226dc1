use serde::Deserialize;

use crate::{Context, Fault};

impl Context {
    /// The channel's settings in the adapter's own type. The gateway has checked them and filled in the defaults.
    ///
    /// # Errors
    /// `internal`: manifest and type do not agree.
    pub fn settings<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Fault> {
        serde_json::from_str(&self.settings)
            .map_err(|error| Fault::internal(format!("settings of another shape: {error}")))
    }
}
