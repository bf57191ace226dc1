use omnigate_plugin::prelude::*;

/// The channel's settings; meaning and defaults stand in the manifest.
#[derive(Deserialize)]
pub(crate) struct Settings {
    pub(crate) title: Option<String>,
    pub(crate) greeting: Option<String>,
    pub(crate) color: Option<String>,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) identity: IdentityMode,
}

/// Whether a visitor must be known to the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum IdentityMode {
    Optional,
    Required,
}

impl Settings {
    /// # Errors
    /// `internal`: the gateway has checked them against the schema.
    pub(crate) fn of(ctx: &Context) -> Result<Self, Fault> {
        serde_json::from_str(&ctx.settings).map_err(|_| Fault::internal("the settings do not fit the manifest"))
    }

    /// Whether a site may show the chat. `url` is the channel's own address: the gateway's own page always may. A
    /// program that is no browser names no origin; it passes only where everybody does.
    pub(crate) fn allows(&self, origin: Option<&str>, url: &str) -> bool {
        let is_own = origin.is_some_and(|origin| url.strip_prefix(origin).is_some_and(|rest| rest.starts_with('/')));
        is_own || self.allowed_origins.iter().any(|allowed| fits(allowed, origin))
    }
}

fn fits(allowed: &str, origin: Option<&str>) -> bool {
    let Some(origin) = origin else { return allowed == "*" };
    match allowed.split_once("*.") {
        _ if allowed == "*" => true,
        None => allowed.eq_ignore_ascii_case(origin),
        Some((scheme, parent)) => {
            let host = origin.to_ascii_lowercase();
            let below = host.strip_prefix(scheme).and_then(|host| host.strip_suffix(&parent.to_ascii_lowercase()));
            below.is_some_and(|below| below.len() > 1 && below.ends_with('.'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &[&str], origin: Option<&str>) -> bool {
        let settings = Settings {
            title: None,
            greeting: None,
            color: None,
            allowed_origins: allowed.iter().map(ToString::to_string).collect(),
            identity: IdentityMode::Optional,
        };
        settings.allows(origin, "https://gw.example/channels/website")
    }

    #[test]
    fn sites_are_compared_whole() {
        let shop = ["https://shop.example"];
        assert!(allows(&shop, Some("https://shop.example")));
        for other in [
            "https://shop.example.evil",
            "http://shop.example",
            "https://a.shop.example",
            "https://shop.example:8443",
            "null",
        ] {
            assert!(!allows(&shop, Some(other)), "{other}");
        }
        assert!(!allows(&shop, None));
        assert!(allows(&["*"], None) && allows(&["*"], Some("null")));
        assert!(!allows(&[], Some("https://shop.example")));
    }

    #[test]
    fn star_stands_for_one_label_or_more() {
        let below = ["https://*.shop.example"];
        assert!(allows(&below, Some("https://a.shop.example")) && allows(&below, Some("https://a.b.shop.example")));
        for other in
            ["https://shop.example", "https://.shop.example", "https://evilshop.example", "http://a.shop.example"]
        {
            assert!(!allows(&below, Some(other)), "{other}");
        }
    }

    #[test]
    fn own_page_is_always_allowed() {
        assert!(allows(&[], Some("https://gw.example")));
        assert!(!allows(&[], Some("https://gw.example.evil")) && !allows(&[], Some("https://gw.exam")));
    }
}
