//! What stands for a secret in the grant `jwt-bearer`: a statement that the gateway signs (RFC 7523 section 3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::config::Assertion;
use crate::interaction::Time;

pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Servers take only what ends soon; three minutes also bear clocks that differ a little.
const LIFETIME_S: i64 = 180;

/// A JSON Web Token, RS256; `None` if it cannot be signed.
pub(super) fn signed(claims: &Assertion, now: Time) -> Option<String> {
    let now = now.seconds();
    let header = json!({ "alg": "RS256", "typ": "JWT" });
    let claims_set = json!({
        "iss": claims.issuer, "sub": claims.subject, "aud": claims.audience, "iat": now, "exp": now + LIFETIME_S,
    });
    let text = [header, claims_set].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = claims.key.sign(text.as_bytes())?;
    Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}
