//! Rules for addresses.

use std::net::SocketAddr;

use url::{Host, Url};

/// `server.listen`
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "must be an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"".into())
}

/// `server.public_url`: an origin, to which paths are added.
pub(super) fn public_url(text: &str) -> Result<Url, String> {
    let url = web(text)?;
    if url.port() == Some(0) {
        return Err("must have the port that others reach: 0 is only for server.listen".into());
    }
    if url.path() != "/" || url.query().is_some() {
        return Err("must end after host and port: the gateway adds its own paths".into());
    }
    Ok(url)
}

/// `backends.NAME.url`
pub(super) fn backend(text: &str) -> Result<Url, String> {
    let url = web(text)?;
    match url.port() {
        Some(0) => Err("must have a port from 1 to 65535".into()),
        _ => Ok(url),
    }
}

fn web(text: &str) -> Result<Url, String> {
    let has_scheme = ["http://", "https://"].iter().any(|scheme| starts_with(text, scheme));
    let fits = has_scheme && text.len() <= 2048 && !text.contains(char::is_whitespace);
    let url =
        Url::parse(text).ok().filter(|_| fits).ok_or("must be an address that begins with http:// or https://")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have credentials in it: everybody would read them in logs".into());
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment (#...)".into());
    }
    Ok(url)
}

fn starts_with(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// Whether nobody but this machine reaches the address.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_url_is_an_origin() {
        for good in
            ["http://127.0.0.1:8080", "https://chat.example.com", "https://chat.example.com/", "HTTPS://[::1]:1"]
        {
            assert!(public_url(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "chat.example.com",
            "ftp://a.b",
            "https:/a.b",
            "http://",
            "https://a.b/c",
            "https://a.b?c=d",
            "https://a.b#c",
            "https://u:p@a.b",
            "http://a.b:0",
            "http://a.b:99999",
            "http://a b",
            "http://a.b\n",
        ] {
            assert!(public_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tells_loopback() {
        let is = |text| Url::parse(text).is_ok_and(|url| is_loopback(&url));
        assert!(is("http://127.9.0.1") && is("http://localhost:1") && is("http://[::1]"));
        assert!(!is("http://0.0.0.0") && !is("http://localhost.example.com"));
    }
}
