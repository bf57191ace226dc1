use std::borrow::Cow;

use omnigate_plugin::prelude::*;

/// The channel's settings; meaning and defaults stand in the manifest.
#[derive(Deserialize)]
pub(crate) struct Settings<'a> {
    #[serde(borrow)]
    pub phone_number_id: Cow<'a, str>,
    #[serde(borrow)]
    pub api_version: Cow<'a, str>,
    #[serde(borrow)]
    pub api_base: Cow<'a, str>,
    #[serde(borrow)]
    pub list_button: Cow<'a, str>,
}

impl<'a> Settings<'a> {
    /// # Errors
    /// `internal`: the gateway has checked them against the schema.
    pub(crate) fn of(ctx: &'a Context) -> Result<Self, Fault> {
        serde_json::from_str(&ctx.settings).map_err(|_| Fault::internal("the settings do not fit the manifest"))
    }

    /// Where messages and read marks are posted.
    pub(crate) fn messages_url(&self) -> String {
        format!("{}/{}/{}/messages", self.api_base, self.api_version, self.phone_number_id)
    }

    /// Where a file's address is asked for.
    pub(crate) fn media_url(&self, id: &str) -> String {
        format!("{}/{}/{id}", self.api_base, self.api_version)
    }
}
