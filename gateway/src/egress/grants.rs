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
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or_default();
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address must not contain credentials".into());
        }
        if grants.iter().any(|grant| grant.port == Some(port) && grant.covers(host)) {
            return Ok(Self(Reach::Granted));
        }
        if !grants.iter().any(|grant| grant.port.is_none() && grant.covers(host)) {
            return Err(format!("host {host}:{port} is not granted: add it to grants.hosts of the channel"));
        }
        if url.scheme() != "https" || port != 443 {
            return Err(format!("host {host} is granted for https on port 443: grant \"{host}:{port}\" for this port"));
        }
        if literal_address(url).is_some_and(|address| !is_public(address)) {
            return Err("private addresses are granted by host:port only".into());
        }
        Ok(Self(Reach::Public))
    }
}

fn literal_address(url: &Url) -> Option<std::net::IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

impl HostPattern {
    /// Whether `host` (lower case, IPv6 without brackets) is this host or, with a wildcard, below it.
    pub fn covers(&self, host: &str) -> bool {
        if !self.wildcard {
            return self.host == host;
        }
        host.strip_suffix(&self.host).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(host: &str, wildcard: bool, port: Option<u16>) -> HostPattern {
        HostPattern { host: host.into(), wildcard, port }
    }

    fn check(grants: &[HostPattern], url: &str) -> Result<Allowed, String> {
        Allowed::by(grants, &url.parse().unwrap())
    }

    #[test]
    fn a_host_is_granted_for_https_alone() {
        let grants = [grant("api.example.com", false, None)];
        assert_eq!(check(&grants, "https://api.example.com/x"), Ok(Allowed(Reach::Public)));
        assert_eq!(check(&grants, "https://API.EXAMPLE.com/x"), Ok(Allowed(Reach::Public)));
        for url in ["http://api.example.com/", "https://api.example.com:8443/", "https://example.com/", "https://evil-api.example.com/", "https://u:p@api.example.com/"] {
            assert!(check(&grants, url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_wildcard_covers_what_is_below() {
        let grants = [grant("example.com", true, None)];
        assert!(check(&grants, "https://a.example.com/").is_ok());
        assert!(check(&grants, "https://a.b.example.com/").is_ok());
        for url in ["https://example.com/", "https://badexample.com/", "https://.example.com/", "https://a.example.com.evil.org/"] {
            assert!(check(&grants, url).is_err(), "{url}");
        }
    }

    #[test]
    fn private_addresses_need_their_port() {
        let grants = [grant("127.0.0.1", false, Some(9000)), grant("169.254.169.254", false, None), grant("::1", false, Some(9000))];
        assert_eq!(check(&grants, "http://127.0.0.1:9000/"), Ok(Allowed(Reach::Granted)));
        assert_eq!(check(&grants, "http://[::1]:9000/"), Ok(Allowed(Reach::Granted)));
        assert!(check(&grants, "http://127.0.0.1:9001/").is_err());
        assert!(check(&grants, "https://169.254.169.254/").is_err());
        assert_eq!(check(&grants, "http://2130706433:9000/"), Ok(Allowed(Reach::Granted)), "decimal form is the same address");
    }
}
