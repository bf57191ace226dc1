use omnigate_plugin::prelude::*;

/// The channel's settings; the manifest describes each.
#[derive(Debug, Deserialize)]
pub(crate) struct Settings {
    pub(crate) account_sid: String,
    pub(crate) from: Option<String>,
    pub(crate) messaging_service_sid: Option<String>,
    api_base: String,
}

impl Settings {
    pub(crate) fn of(ctx: &Context) -> Result<Self, Fault> {
        ctx.settings()
    }

    /// Each account signs with its own token, so this is a webhook that points at the wrong channel.
    pub(crate) fn check_account(&self, named: Option<&str>) -> Result<(), Fault> {
        match named {
            Some(account) if account != self.account_sid => Err(Fault::not_found("the request is for another account")),
            _ => Ok(()),
        }
    }

    pub(crate) fn messages_url(&self) -> String {
        format!("{}/2010-04-01/Accounts/{}/Messages.json", self.base(), self.account_sid)
    }

    /// Twilio names its files at the default host also where `api_base` is another one.
    pub(crate) fn media_url(&self, named: &str) -> Result<String, Fault> {
        let path = [self.base(), "https://api.twilio.com"].into_iter().find_map(|base| named.strip_prefix(base));
        let path = path.filter(|path| path.starts_with('/'));
        let elsewhere = || Fault::rejected(ReasonCode::Rejected, "the file does not lie at Twilio");
        Ok(format!("{}{}", self.base(), path.ok_or_else(elsewhere)?))
    }

    fn base(&self) -> &str {
        self.api_base.trim_end_matches('/')
    }

    /// `whatsapp` for a sender `whatsapp:+1...`; empty for SMS.
    pub(crate) fn network(&self) -> &str {
        let from = self.from.as_deref().unwrap_or_default();
        from.split_once(':').map_or("", |(network, _)| network)
    }
}

#[cfg(test)]
impl Settings {
    pub(crate) fn example(from: &str) -> Self {
        Self {
            account_sid: "AC11".to_owned(),
            from: Some(from.to_owned()),
            messaging_service_sid: None,
            api_base: "https://api.twilio.com/".to_owned(),
        }
    }
}
