//! Twilio's addresses: `+1555...`, `whatsapp:+1555...`, a short code or a name.

use omnigate_plugin::prelude::*;

/// Networks in which a person has an id instead of a number.
const NETWORKS: [&str; 2] = ["whatsapp", "messenger"];

/// The person behind an address. Numbers are `tel` whatever the network, so that SMS and WhatsApp meet in one contact;
/// short codes and names mean something inside the account only.
pub(crate) fn identity(address: &str, account: &str) -> Identity {
    let (network, value) = address.split_once(':').unwrap_or(("", address));
    if is_e164(value) {
        Identity::new("tel", value)
    } else if NETWORKS.contains(&network) {
        Identity::new(network, value).scoped(account)
    } else {
        Identity::new("sender", address).scoped(account)
    }
}

/// The address of a person, for a channel whose own sender is in `network`.
pub(crate) fn of(person: &Identity, network: &str) -> Result<String, Fault> {
    match person.scheme.as_str() {
        "tel" if network.is_empty() => Ok(person.value.clone()),
        "tel" => Ok(format!("{network}:{}", person.value)),
        "sender" => Ok(person.value.clone()),
        scheme if scheme == network && NETWORKS.contains(&scheme) => Ok(format!("{scheme}:{}", person.value)),
        _ => Err(Fault::rejected(ReasonCode::InvalidRecipient, "this sender reaches no addresses of that scheme")),
    }
}

/// ITU-T E.164 as the gateway wants it: `+`, then 3 to 15 digits of which the first is not 0.
pub(crate) fn is_e164(value: &str) -> bool {
    let digits = value.strip_prefix('+').unwrap_or_default();
    (3..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_identities_and_come_back() {
        for (address, network, scheme, value) in [
            ("+15550100123", "", "tel", "+15550100123"),
            ("whatsapp:+15550100123", "whatsapp", "tel", "+15550100123"),
            ("rcs:+15550100123", "rcs", "tel", "+15550100123"),
            ("whatsapp:US.13491208655302741918", "whatsapp", "whatsapp", "US.13491208655302741918"),
            ("messenger:1234567", "messenger", "messenger", "1234567"),
            ("72975", "", "sender", "72975"),
            ("ACME Bank", "", "sender", "ACME Bank"),
        ] {
            let identity = identity(address, "AC11");
            assert_eq!((identity.scheme.as_str(), identity.value.as_str()), (scheme, value));
            assert_eq!(identity.scope.is_some(), scheme != "tel", "{address}");
            assert_eq!(of(&identity, network), Ok(address.to_owned()));
        }
    }

    #[test]
    fn foreign_schemes_have_no_address() {
        assert!(of(&Identity::new("whatsapp", "US.1"), "").is_err());
        assert_eq!(
            of(&Identity::new("email", "a@b.example"), "").unwrap_err().reason,
            Some(ReasonCode::InvalidRecipient)
        );
    }
}
