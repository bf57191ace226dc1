use crate::{Content, DeliveryState, Identity, Inbound, Part, Receipt, RichText};

impl Part {
    /// Plain text.
    pub fn plain(text: impl Into<String>) -> Self {
        Self::Text(RichText { text: text.into(), html: None })
    }
}

impl Content {
    /// Parts and nothing else.
    pub fn of(parts: Vec<Part>) -> Self {
        Self { subject: None, parts, quoted_text: None }
    }

    /// All text parts, one under the other.
    pub fn text(&self) -> String {
        let texts = self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.text.as_str()),
            _ => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

impl Identity {
    /// An address that is unique everywhere.
    pub fn new(scheme: &str, value: impl Into<String>) -> Self {
        Self { scheme: scheme.to_owned(), value: value.into(), scope: None, name: None }
    }

    /// Unique inside an account only.
    #[must_use]
    pub fn scoped(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// With the name that the person shows.
    #[must_use]
    pub fn named(mut self, name: Option<impl Into<String>>) -> Self {
        self.name = name.map(Into::into).filter(|name| !name.is_empty());
        self
    }
}

impl Inbound {
    /// What somebody wrote, and nothing else known of it.
    pub fn of(id: impl Into<String>, sender: Identity, content: Content) -> Self {
        Self {
            id: id.into(),
            sender,
            aliases: Vec::new(),
            claims: Vec::new(),
            recipients: Vec::new(),
            at: None,
            in_reply_to: Vec::new(),
            known_as: Vec::new(),
            automatic: None,
            content,
            metadata: None,
        }
    }
}

impl Receipt {
    /// The provider took it under these ids.
    pub fn sent(external_ids: Vec<String>) -> Self {
        Self { external_ids, state: DeliveryState::Sent, extra: None }
    }
}
