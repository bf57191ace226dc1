//! Calls of the Bot API.

use omnigate_plugin::prelude::*;
use omnigate_plugin::serde_json::from_slice;
use serde::de::DeserializeOwned;

/// The Bot API of this channel.
pub(crate) struct Api {
    base: String,
}

/// What Telegram says instead of a result.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal {
    pub(crate) error_code: u16,
    /// For people, and no stable contract.
    pub(crate) description: String,
    pub(crate) parameters: Parameters,
}

/// What to do about a refusal.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Parameters {
    /// Seconds.
    pub(crate) retry_after: Option<u32>,
    pub(crate) migrate_to_chat_id: Option<i64>,
}

#[derive(Deserialize)]
struct Answer<T> {
    result: T,
}

impl Api {
    pub(crate) fn of(ctx: &Context) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct Settings {
            api_base: String,
        }
        let Settings { api_base } = ctx.settings()?;
        Ok(Self { base: api_base.trim_end_matches('/').to_owned() })
    }

    /// Calls a method. The outer failure is that of the connection.
    pub(crate) fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        body: &impl Serialize,
    ) -> Result<Result<T, Refusal>, Fault> {
        let url = format!("{}/bot{{bot_token}}/{method}", self.base);
        let response = http::post(url).secret_path("bot_token").json(body).send()?;
        if response.is_success() {
            return response.json().map(|Answer { result }| Ok(result));
        }
        let refusal: Refusal = from_slice(&response.body).unwrap_or_default();
        let retry_after = refusal.parameters.retry_after.or(response.retry_after_ms().map(|ms| ms / 1000));
        let parameters = Parameters { retry_after, ..refusal.parameters };
        Ok(Err(Refusal { error_code: response.status, parameters, ..refusal }))
    }

    /// The request for a file that `getFile` named.
    pub(crate) fn file(&self, path: &str) -> http::Request {
        http::get(format!("{}/file/bot{{bot_token}}/{path}", self.base)).secret_path("bot_token")
    }
}
