//! What a browser keeps so that it is known again: who, since when, and our signature. Nothing of it is stored here.

use omnigate_plugin::Fault;
use omnigate_plugin::secrets::{self, Algorithm, CHANNEL_KEY};

/// A visitor who does not come back for so long is a new one: 45 days, less than we remember which strangers have
/// signed in.
const LIFE_MS: f64 = 45.0 * 86_400_000.0;

/// `{tag}.{issued}.{visitor}`, the time in milliseconds since 1970.
///
/// # Errors
/// If the gateway has no key for the channel.
pub(crate) fn issue(visitor: &str, now: f64) -> Result<String, Fault> {
    let claim = format!("{}.{visitor}", now as u64);
    let tag = secrets::sign(CHANNEL_KEY, Algorithm::HmacSha256, signed(&claim).as_bytes())?;
    Ok(format!("{}.{claim}", hex::encode(tag)))
}

/// The visitor, unless the token is somebody's invention or too old.
///
/// # Errors
/// If the gateway has no key for the channel.
pub(crate) fn visitor(token: &str, now: f64) -> Result<Option<&str>, Fault> {
    let Some((tag, claim)) = token.split_once('.') else { return Ok(None) };
    let Some((issued, visitor)) = claim.split_once('.') else { return Ok(None) };
    let Ok(tag) = hex::decode(tag) else { return Ok(None) };
    let genuine = secrets::is_signed(CHANNEL_KEY, Algorithm::HmacSha256, signed(claim).as_bytes(), &tag)?;
    let fresh = issued.parse::<f64>().is_ok_and(|issued| now - issued < LIFE_MS);
    Ok((genuine && fresh).then_some(visitor))
}

/// The channel's key may sign other things too; none of them begins like this.
fn signed(claim: &str) -> String {
    format!("webchat visitor token\n{claim}")
}
