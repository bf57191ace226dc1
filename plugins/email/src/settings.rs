use omnigate_plugin::prelude::*;

use crate::mime::normalized;

#[derive(Clone, Deserialize)]
pub(crate) struct Settings {
    #[serde(default)]
    pub(crate) provider: Provider,
    /// Who writes, and to whom customers write.
    pub(crate) address: String,
    pub(crate) name: Option<String>,
    /// Other addresses of the same mailbox.
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    /// Answers go to `local+t.token@domain`.
    #[serde(default)]
    pub(crate) plus_addressing: bool,
    /// For messages that begin a conversation and have no subject.
    pub(crate) subject: Option<String>,
    /// Whose `Authentication-Results` are believed.
    pub(crate) authserv_id: Option<String>,
    pub(crate) api_base: Option<String>,
    /// Mailgun: the sending domain.
    pub(crate) domain: Option<String>,
    /// Postmark.
    pub(crate) message_stream: Option<String>,
    /// Amazon SES.
    pub(crate) region: Option<String>,
    pub(crate) access_key_id: Option<String>,
    pub(crate) topic_arn: Option<String>,
    pub(crate) configuration_set: Option<String>,
    /// Where SNS is; by default in the region of the topic.
    pub(crate) sns_base: Option<String>,
    /// Where S3 is; by default in `region`.
    pub(crate) s3_base: Option<String>,
}

/// How mail comes and goes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Provider {
    /// IMAP and SMTP.
    #[default]
    Mailbox,
    Sendgrid,
    Mailgun,
    Postmark,
    Ses,
}

impl Settings {
    pub(crate) fn of(ctx: &Context) -> Result<Self, Fault> {
        let settings: Self = ctx.settings()?;
        let address = normalized(&settings.address).ok_or_else(|| {
            Fault::invalid("settings.address must be an e-mail address such as \"support@example.com\"")
        })?;
        Ok(Self { address, ..settings })
    }

    /// Whether mail from there is our own.
    pub(crate) fn is_own(&self, address: &str) -> bool {
        let bare = without_plus(address);
        self.own().iter().any(|own| own.eq_ignore_ascii_case(&bare) || own.eq_ignore_ascii_case(address))
    }

    pub(crate) fn own(&self) -> Vec<String> {
        let aliases = self.aliases.iter().filter_map(|alias| normalized(alias));
        [self.address.clone()].into_iter().chain(aliases).collect()
    }

    pub(crate) fn own_domain(&self) -> &str {
        self.address.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl Settings {
    /// Where the provider's API is, without a slash at the end.
    pub(crate) fn base(&self) -> Result<&str, Fault> {
        let unset = || Fault::internal("settings.api_base is not set");
        Ok(self.api_base.as_deref().ok_or_else(unset)?.trim_end_matches('/'))
    }
}

fn without_plus(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    format!("{}@{domain}", local.split('+').next().unwrap_or_default())
}

#[cfg(test)]
impl Settings {
    pub(crate) fn example() -> Self {
        Self {
            provider: Provider::Mailbox,
            address: "support@example.com".to_owned(),
            name: Some("Acme Support".to_owned()),
            aliases: vec!["help@example.com".to_owned()],
            plus_addressing: false,
            subject: None,
            authserv_id: None,
            api_base: None,
            domain: None,
            message_stream: None,
            region: None,
            access_key_id: None,
            topic_arn: None,
            configuration_set: None,
            sns_base: None,
            s3_base: None,
        }
    }
}
