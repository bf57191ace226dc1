use std::sync::Arc;

use crate::config::{OAuth2, Secret};
use crate::egress::{TokenError, Tokens};

pub const IMAP_PASSWORD: &str = "imap_password";
pub const SMTP_PASSWORD: &str = "smtp_password";
pub const OAUTH: &str = "oauth";

/// How to prove who comes.
#[derive(Clone)]
pub enum Login {
    Password(Secret),
    /// XOAUTH2.
    Token(Arc<OAuth2>, Arc<Tokens>),
}

/// What is shown to the server.
pub(super) enum Proof {
    Password(Secret),
    Token(Secret),
}

impl Login {
    /// # Errors
    /// If there is no token to be had.
    pub(super) async fn proof(&self) -> Result<Proof, TokenError> {
        match self {
            Self::Password(password) => Ok(Proof::Password(password.clone())),
            Self::Token(source, tokens) => tokens.token(source).await.map(Proof::Token),
        }
    }

    /// The server does not take the token: the next proof has a new one.
    pub(super) fn refused(&self, proof: &Proof) {
        if let (Self::Token(source, tokens), Proof::Token(token)) = (self, proof) {
            tokens.forget(source, token);
        }
    }
}

/// What XOAUTH2 says first.
pub(super) fn xoauth2(user: &str, token: &str) -> String {
    format!("user={user}\x01auth=Bearer {token}\x01\x01")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_token_is_shown_as_providers_want_it() {
        let shown = STANDARD.encode(xoauth2("help@example.com", "tok1"));
        assert_eq!(shown, "dXNlcj1oZWxwQGV4YW1wbGUuY29tAWF1dGg9QmVhcmVyIHRvazEBAQ==");
    }
}
