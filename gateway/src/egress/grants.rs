use url::{Host, Url};

use super::{Reach, is_public};
use crate::config::HostPattern;

/// An address that was checked against grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed(pub Reach);

impl Allowed {
    /// Checks an address against what the operator granted.
    ///
    /// # Errors
    /// The rule that forbids it, without the address's path.
    pub fn by(grants: &[HostPattern], url: &Url) -> Result<Self, String> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address must not contain credentials".into());
        }
        let Some(grant) = grants.iter().filter(|grant| grant.covers(url)).max_by_key(|grant| grant.port) else {
            return Err(format!("{} is not granted: add it to grants.hosts of the channel", destination(url)));
        };
        if grant.port.is_some() {
            return Ok(Self(Reach::Granted));
        }
        if literal_address(url).is_some_and(|address| !is_public(address)) {
            return Err("private addresses are granted by host:port only".into());
        }
        Ok(Self(Reach::Public))
    }
}

fn destination(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) if url.scheme() != "https" || port != 443 => format!("host {host}:{port}"),
        _ => format!("host {host}"),
    }
}

fn literal_address(url: &Url) -> Option<std::net::IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(grants: &[&str], url: &str) -> Result<Allowed, String> {
        let grants: Vec<HostPattern> = grants.iter().map(|grant| grant.parse().unwrap()).collect();
        Allowed::by(&grants, &url.parse().unwrap())
    }

    #[test]
    fn a_host_is_granted_for_https_alone() {
        let grants = ["api.example.com"];
        assert_eq!(check(&grants, "https://api.example.com/x"), Ok(Allowed(Reach::Public)));
        assert_eq!(check(&grants, "https://API.EXAMPLE.com/x"), Ok(Allowed(Reach::Public)));
        for url in [
            "http://api.example.com/",
            "https://api.example.com:8443/",
            "https://example.com/",
            "https://evil-api.example.com/",
            "https://u:p@api.example.com/",
        ] {
            assert!(check(&grants, url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_wildcard_covers_what_is_below() {
        let grants = ["*.example.com"];
        assert!(check(&grants, "https://a.example.com/").is_ok());
        assert!(check(&grants, "https://a.b.example.com/").is_ok());
        for url in ["https://example.com/", "https://badexample.com/", "https://a.example.com.evil.org/"] {
            assert!(check(&grants, url).is_err(), "{url}");
        }
    }

    #[test]
    fn private_addresses_need_their_port() {
        let grants = ["127.0.0.1:9000", "169.254.169.254", "[::1]:9000"];
        assert_eq!(check(&grants, "http://127.0.0.1:9000/"), Ok(Allowed(Reach::Granted)));
        assert_eq!(check(&grants, "http://[::1]:9000/"), Ok(Allowed(Reach::Granted)));
        assert!(check(&grants, "http://127.0.0.1:9001/").is_err());
        assert!(check(&grants, "https://169.254.169.254/").is_err());
        assert_eq!(
            check(&grants, "http://2130706433:9000/"),
            Ok(Allowed(Reach::Granted)),
            "decimal form is the same address"
        );
    }
}
