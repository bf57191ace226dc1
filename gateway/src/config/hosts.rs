use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

use super::HostPattern;

/// Port of an entry that names none: https.
const PORT_DEFAULT: u16 = 443;

const PLAIN: &str = "must be a host such as \"api.example.com\", \"*.example.com\" or \"127.0.0.1:9000\"";

impl HostPattern {
    /// Whether a request to this address is granted. An entry without a port grants https on port 443 alone.
    pub fn covers(&self, url: &Url) -> bool {
        let port_fits = match self.port {
            Some(port) => url.port_or_known_default() == Some(port),
            None => url.scheme() == "https" && url.port_or_known_default() == Some(PORT_DEFAULT),
        };
        port_fits && url.host_str().is_some_and(|host| self.covers_host(host))
    }

    fn covers_host(&self, host: &str) -> bool {
        match self.wildcard {
            true => host.strip_suffix(&self.host).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            false => host == self.host,
        }
    }
}

/// Reads `api.example.com`, `*.example.com`, `host:port`, IPv4 and `[::1]:9000`. The error is the rule that is broken.
impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        refuse_addresses(text)?;
        let (host, port) = split_port(text)?;
        let (host, wildcard) = match host.strip_prefix("*.") {
            Some(parent) => (wildcard_parent(parent)?, true),
            None => (normal_host(host)?, false),
        };
        Ok(Self { host, wildcard, port })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.wildcard { "*." } else { "" };
        write!(f, "{star}{}", self.host)?;
        self.port.iter().try_for_each(|port| write!(f, ":{port}"))
    }
}

fn refuse_addresses(text: &str) -> Result<(), String> {
    let rule = match text {
        "*" => "must name hosts: \"*\" would grant the whole internet",
        _ if text.contains("://") => "must be a host without a scheme: \"api.example.com\", not \"https://...\"",
        _ if text.contains(['/', '?', '#', '@', '\\']) => "must be a host without path, query and credentials",
        _ => return Ok(()),
    };
    Err(rule.into())
}

/// Splits `host:port`; the colons of an IPv6 address are inside brackets.
fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let after_host = text.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = text[after_host..].find(':') else {
        return Ok((text, None));
    };
    let (host, port) = text.split_at(after_host + colon);
    if port.matches(':').count() > 1 {
        return Err("must have an IPv6 address in brackets: \"[::1]:9000\"".into());
    }
    let digits = port[1..].bytes().all(|b| b.is_ascii_digit());
    let port = port[1..].parse().ok().filter(|port| digits && *port > 0);
    port.map(|port| (host, Some(port))).ok_or_else(|| "must have a port from 1 to 65535 after the colon".into())
}

fn wildcard_parent(parent: &str) -> Result<String, String> {
    let host = normal_host(parent)?;
    let is_name = matches!(Host::parse(&host), Ok(Host::Domain(_)));
    if !is_name || !host.contains('.') {
        return Err("must have at least two labels after \"*.\", such as \"*.example.com\"".into());
    }
    Ok(host)
}

/// The host as `Url::host_str` gives it, so that both can be compared: lower case, punycode, IPv6 in brackets.
fn normal_host(host: &str) -> Result<String, String> {
    match Host::parse(host) {
        Ok(Host::Domain(name)) if is_host_name(&name) => Ok(name),
        Ok(address @ (Host::Ipv4(_) | Host::Ipv6(_))) => Ok(address.to_string()),
        _ => Err(PLAIN.into()),
    }
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(pattern: &str, url: &str) -> bool {
        pattern.parse::<HostPattern>().is_ok_and(|host| Url::parse(url).is_ok_and(|url| host.covers(&url)))
    }

    #[test]
    fn reads_names_wildcards_ports_and_addresses() {
        for (typed, meant) in [
            ("API.Example.com", "api.example.com"),
            ("*.example.com", "*.example.com"),
            ("localhost:9000", "localhost:9000"),
            ("10.1.2.3", "10.1.2.3"),
            ("127.1:80", "127.0.0.1:80"),
            ("[::1]:9000", "[::1]:9000"),
            ("[0:0::1]", "[::1]"),
            ("bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(typed.parse::<HostPattern>().map(|host| host.to_string()), Ok(meant.to_owned()));
        }
    }

    #[test]
    fn refuses_everything_else() {
        for typed in [
            "",
            "*",
            "*.",
            "*.com",
            "*.127.0.0.1",
            "a.*.com",
            "*example.com",
            "https://a.b",
            "a.b/c",
            "a.b?c",
            "u@a.b",
            "a.b:",
            "a.b:0",
            "a.b:65536",
            "a.b:+80",
            "::1",
            "::1:9000",
            "[::1",
            "a b",
            "a_b.c",
            "-a.b",
            "a..b",
            "a.b.",
            "1.2.3.400",
            "a\0b",
            "a.b:80:90",
        ] {
            assert!(typed.parse::<HostPattern>().is_err(), "{typed}");
        }
        assert!(format!("{}.com", "a".repeat(1 << 20)).parse::<HostPattern>().is_err());
    }

    #[test]
    fn covers_what_was_granted_and_no_more() {
        assert!(grants("api.example.com", "https://api.example.com/x"));
        assert!(!grants("api.example.com", "http://api.example.com/x"));
        assert!(!grants("api.example.com", "https://api.example.com:8443/"));
        assert!(!grants("api.example.com", "https://api.example.com.evil.org/"));
        assert!(grants("*.example.com", "https://a.b.example.com/"));
        assert!(!grants("*.example.com", "https://example.com/"));
        assert!(!grants("*.example.com", "https://badexample.com/"));
        assert!(grants("127.0.0.1:9000", "http://127.0.0.1:9000/"));
        assert!(grants("[::1]:9000", "http://[::1]:9000/"));
        assert!(!grants("127.0.0.1:9000", "http://127.0.0.1:9001/"));
    }
}
