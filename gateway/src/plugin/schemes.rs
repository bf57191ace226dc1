use super::Manifest;

/// Kinds of addresses that a manifest declares.
#[derive(Clone, Debug, Default)]
pub struct Schemes {
    /// Of senders and recipients.
    pub own: Vec<String>,
    /// Of further addresses of a person, besides.
    pub aliases: Vec<String>,
}

impl Schemes {
    /// As the manifest says.
    pub(super) fn of(manifest: &Manifest) -> Self {
        Self { own: manifest.identity_schemes.clone(), aliases: manifest.alias_schemes.clone() }
    }
}
