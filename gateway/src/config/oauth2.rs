//! `{ oauth2 = { ... } }`: what a token is fetched with.

use super::read::Section;
use super::{Assertion, OAuth2, OAuthGrant, Secret, SigningKey, addresses};

const GRANTS: [&str; 3] = ["refresh_token", "client_credentials", "jwt-bearer"];
const GRANT: &str = "must be \"refresh_token\", \"client_credentials\" or \"jwt-bearer\"";
/// Keys of the grant jwt-bearer alone.
const ASSERTED: [&str; 4] = ["private_key", "issuer", "subject", "audience"];

impl Section<'_> {
    pub(super) fn oauth2(&self) -> Option<OAuth2> {
        self.require(&[
            ("token_url", "where tokens are fetched, such as \"https://login.example.com/oauth2/token\""),
            ("grant", GRANT),
        ]);
        let token_url = self.text("token_url", addresses::backend);
        let client_id = self.text("client_id", one_line);
        let client_secret = self.secret("client_secret", |_| Ok(()));
        let refresh_token = self.secret("refresh_token", |_| Ok(()));
        let scope = self.text("scope", one_line);
        let assertion = self.assertion(token_url.as_ref().map(|url| url.origin().ascii_serialization()));
        let grant = self.text("grant", grant_name);
        if grant != Some("jwt-bearer") {
            self.require(&[("client_id", "the name under which the gateway is registered there")]);
        }
        let grant = match grant? {
            "refresh_token" => self.refresh_token(refresh_token),
            "client_credentials" => self.client_credentials(client_secret.as_ref()),
            _ => self.jwt_bearer(assertion),
        };
        Some(OAuth2 { token_url: token_url?, client_id, client_secret, grant: grant?, scope })
    }

    fn refresh_token(&self, token: Option<Secret>) -> Option<OAuthGrant> {
        self.require(&[("refresh_token", "what the provider gave for this grant")]);
        self.refuse_asserted();
        token.map(OAuthGrant::RefreshToken)
    }

    fn client_credentials(&self, secret: Option<&Secret>) -> Option<OAuthGrant> {
        self.require(&[("client_secret", "the grant client_credentials needs it")]);
        self.refuse_asserted();
        secret.map(|_| OAuthGrant::ClientCredentials)
    }

    fn jwt_bearer(&self, assertion: Option<Assertion>) -> Option<OAuthGrant> {
        self.require(&[
            ("private_key", "the RSA key, in PEM, whose certificate the provider knows"),
            ("issuer", "the name under which the gateway is registered there"),
            ("subject", "the user for whom it acts there"),
        ]);
        assertion.map(OAuthGrant::JwtBearer)
    }

    fn assertion(&self, origin: Option<String>) -> Option<Assertion> {
        let key = self.secret("private_key", |pem| SigningKey::read(pem).map(drop));
        let issuer = self.text("issuer", one_line);
        let subject = self.text("subject", one_line);
        let audience = self.text("audience", one_line).or(origin);
        let key = SigningKey::read(key?.expose()).ok()?;
        Some(Assertion { key, issuer: issuer?, subject: subject?, audience: audience? })
    }

    fn refuse_asserted(&self) {
        for key in ASSERTED.into_iter().filter(|key| self.has(key)) {
            self.problem(key, "is for the grant jwt-bearer");
        }
    }
}

fn grant_name(text: &str) -> Result<&'static str, String> {
    GRANTS.into_iter().find(|name| *name == text).ok_or_else(|| GRANT.to_owned())
}

fn one_line(text: &str) -> Result<String, String> {
    let fits = (1..=4096).contains(&text.len()) && !text.contains(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err("must be one line of 1 to 4096 bytes".into()) }
}
