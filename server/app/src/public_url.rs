//! The address under which browsers reach the server where a proxy stands in front of it.

use std::{fmt, str::FromStr};

use axum::http::Uri;

/// What people call the server: `https://lab.example/retort`. Its parts are as a browser's `Origin` writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    host: String,
    base: String,
}

impl PublicUrl {
    /// Scheme, host and port, without the scheme's own port: `https://lab.example`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The host alone, in lower case: `lab.example`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path that every address begins with: `/retort`, or empty.
    pub fn base(&self) -> &str {
        &self.base
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.base)
    }
}

const EXPECTED: &str = "write the address that browsers open, such as https://lab.example/retort";

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = |_| EXPECTED.to_owned();
        let uri: Uri = text.parse().map_err(expected)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(EXPECTED.into());
        };
        if !matches!(scheme, "http" | "https") || authority.as_str().contains('@') || text.contains(['?', '#']) {
            return Err(EXPECTED.into());
        }
        let host = authority.host().to_ascii_lowercase();
        let own_port = if scheme == "https" { 443 } else { 80 };
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            Some(port) => port.parse().map(|port: u16| (port != own_port).then_some(port)).map_err(|_| EXPECTED)?,
            None => None,
        };
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self { origin: format!("{scheme}://{host}{port}"), host, base: base(uri.path())? })
    }
}

/// The path without the slash at its end.
fn base(path: &str) -> Result<String, String> {
    let base = path.trim_end_matches('/');
    // Such signs are the same in every address; a browser, a proxy and the server might write others differently.
    let is_plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_~.".contains(&b));
    let is_part = |part: &str| !part.is_empty() && !part.trim_matches('.').is_empty() && is_plain(part);
    if !base.split('/').skip(1).all(is_part) {
        return Err(format!(
            "the path “{base}” may have letters, digits and -_~. between its slashes, and nothing else"
        ));
    }
    Ok(base.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_as_a_browser_names_its_origin() {
        for (text, origin, host, base) in [
            ("https://lab.example/retort", "https://lab.example", "lab.example", "/retort"),
            ("https://Lab.Example:443/", "https://lab.example", "lab.example", ""),
            ("http://lab.example:8080/tools/retort/", "http://lab.example:8080", "lab.example", "/tools/retort"),
            ("http://[::1]:80", "http://[::1]", "[::1]", ""),
        ] {
            let url: PublicUrl = text.parse().unwrap();
            assert_eq!((url.origin(), url.host(), url.base()), (origin, host, base), "{text}");
        }
        let url: PublicUrl = "https://lab.example:8443/retort/".parse().unwrap();
        assert_eq!(url.to_string(), "https://lab.example:8443/retort");
    }

    #[test]
    fn what_is_no_address_of_a_proxy_is_refused_with_an_example() {
        for text in [
            "",
            "lab.example",
            "/retort",
            "ftp://lab.example",
            "https://a:b@lab.example",
            "https://lab.example/?a",
            "https://lab.example/#a",
            "https://lab.example:99999/",
            "https://lab.example:/",
        ] {
            let message = text.parse::<PublicUrl>().unwrap_err();
            assert!(message.contains("https://lab.example/retort"), "{text}: {message}");
        }
        for path in ["/a//b", "/a/../b", "/.", "/a%2fb", "/\"", "/a b"] {
            assert!(format!("https://lab.example{path}").parse::<PublicUrl>().is_err(), "{path}");
        }
    }
}
