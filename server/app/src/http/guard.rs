//! What every request must pass, and the headers of every answer.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};

use super::{App, errors::PageError};
use crate::public_url::PublicUrl;

/// The host names that the server answers to. A page of another site can make a browser resolve its own name to this
/// machine (DNS rebinding) and read what the server says, but the browser still names that site in `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Any: the server listens to a network, where it has names that it does not know.
    Any,
    /// The names of this machine for itself, the address that the server listens on, and the name of its proxy.
    Local(Vec<String>),
}

impl Hosts {
    /// The names for a server that listens on this address, and behind a proxy is known as `public`.
    pub fn of(listen: SocketAddr, public: Option<&PublicUrl>) -> Self {
        if !listen.ip().is_loopback() {
            return Self::Any;
        }
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "[::1]"].map(String::from).into();
        let own = match listen {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        names.push(own);
        names.extend(public.map(|public| public.host().to_owned()));
        Self::Local(names)
    }

    fn admit(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Local(names) => names.iter().any(|name| name.eq_ignore_ascii_case(without_port(host))),
        }
    }
}

/// `localhost` of `localhost:7878`, `[::1]` of `[::1]:7878`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

const FROM_ANOTHER_SITE: &str =
    "It came from a page of another site. Nothing was changed. Use the pages of this server themselves.";

/// Refuses what comes under a foreign name or from another site, and adds the headers.
pub async fn watch(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match check(&app.hosts, app.public.as_ref(), request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.draw(&app).await,
    };
    for (name, value) in HEADERS {
        // A page may be stricter.
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

fn check(hosts: &Hosts, public: Option<&PublicUrl>, method: &Method, headers: &HeaderMap) -> Result<(), PageError> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if headers.get_all(header::HOST).iter().count() > 1 {
        return Err(PageError::bad_request("It names more than one host."));
    }
    let host = text(header::HOST).ok_or_else(|| PageError::bad_request("It does not name a host."))?;
    if !hosts.admit(host) {
        return Err(unknown_host(host, public));
    }
    let fetch = |name: &'static str| text(HeaderName::from_static(name));
    if matches!(*method, Method::GET | Method::HEAD) {
        // A page of another site may lead here, but not make a browser ask in the background: answers cost time.
        let is_hidden = fetch("sec-fetch-site") == Some("cross-site") && fetch("sec-fetch-mode") != Some("navigate");
        return if is_hidden { Err(PageError::refused(FROM_ANOTHER_SITE)) } else { Ok(()) };
    }
    let own = |origin: &str| {
        let is_of_host = origin.split_once("://").is_some_and(|(_, name)| name.eq_ignore_ascii_case(host));
        is_of_host || public.is_some_and(|public| public.origin() == origin)
    };
    let foreign = || PageError::refused(FROM_ANOTHER_SITE);
    // A proxy changes nothing of what the browser says of its own pages.
    if let Some(site) = fetch("sec-fetch-site") {
        return if matches!(site, "same-origin" | "none") { Ok(()) } else { Err(foreign()) };
    }
    match text(header::ORIGIN) {
        Some("null") => Err(foreign()),
        Some(origin) if !own(origin) => Err(unknown_origin(origin, host, public)),
        // Every browser of these years sends one of them with a form; a program such as curl sends neither.
        _ => Ok(()),
    }
}

/// A name that the server does not have: perhaps its proxy's.
fn unknown_host(host: &str, public: Option<&PublicUrl>) -> PageError {
    PageError::refused(match public {
        Some(public) => format!(
            "This server answers to {public} and to this machine's own names, not to “{host}”. If browsers open it under that \
             name, say so with --public-url."
        ),
        None => format!(
            "This server answers to localhost and to the address that it listens on, not to “{host}”. If a proxy stands in \
             front of it, start it with --public-url and the address that browsers open, such as --public-url https://{host}. \
             To reach it from another machine without a proxy, start it with --listen and an address of the network."
        ),
    })
}

/// A form of another site, or our own by a proxy that we were not told of.
fn unknown_origin(origin: &str, host: &str, public: Option<&PublicUrl>) -> PageError {
    let known = public.map_or_else(|| format!("http://{host}"), |public| public.origin().to_owned());
    PageError::refused(format!(
        "It came from a page at {origin}, and this server knows itself as {known}. Nothing was changed. If that page is of this \
         server, seen through a proxy, start the server with --public-url and the address that browsers open, such as \
         --public-url {origin}. If it is not, use the form of this server."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Hosts {
        Hosts::of("127.0.0.1:7878".parse().unwrap(), None)
    }

    fn checked(public: Option<&PublicUrl>, method: &Method, headers: &[(&'static str, &str)]) -> Result<(), PageError> {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        check(&Hosts::of("127.0.0.1:7878".parse().unwrap(), public), public, method, &headers.collect())
    }

    fn passes(method: &Method, headers: &[(&'static str, &str)]) -> bool {
        checked(None, method, headers).is_ok()
    }

    #[test]
    fn only_names_of_this_machine_are_answered_on_a_loopback_address() {
        for host in ["localhost:7878", "LOCALHOST", "127.0.0.1:1", "[::1]:7878", "[::1]"] {
            assert!(local().admit(host), "{host}");
        }
        for host in ["evil.example:7878", "localhost.evil.example", "127.0.0.1.evil.example:7878", "", ":7878", "[::2]"]
        {
            assert!(!local().admit(host), "{host}");
        }
        assert!(Hosts::of("127.0.0.3:1".parse().unwrap(), None).admit("127.0.0.3:1"));
        assert!(Hosts::of("0.0.0.0:7878".parse().unwrap(), None).admit("lab-server:7878"));
    }

    #[test]
    fn a_post_from_another_site_is_refused() {
        let host = ("host", "localhost:7878");
        assert!(passes(&Method::POST, &[host]));
        assert!(passes(&Method::POST, &[host, ("sec-fetch-site", "same-origin")]));
        assert!(passes(&Method::POST, &[host, ("origin", "http://localhost:7878")]));
        for hostile in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "http://evil.example"),
            ("origin", "http://localhost:9999"),
            ("origin", "null"),
        ] {
            assert!(!passes(&Method::POST, &[host, hostile]), "{hostile:?}");
            assert!(passes(&Method::GET, &[host, hostile, ("sec-fetch-mode", "navigate")]), "{hostile:?}");
        }
    }

    #[test]
    fn another_site_may_lead_here_but_not_ask_in_the_background() {
        let get = |site, mode| {
            passes(&Method::GET, &[("host", "localhost"), ("sec-fetch-site", site), ("sec-fetch-mode", mode)])
        };
        assert!(get("cross-site", "navigate"));
        assert!(!get("cross-site", "no-cors") && !get("cross-site", "cors"));
        assert!(get("same-origin", "no-cors") && get("none", "navigate"));
    }

    #[test]
    fn behind_its_proxy_a_server_takes_the_forms_of_its_public_address_alone() {
        let public: PublicUrl = "https://lab.example/retort".parse().unwrap();
        let sent = |host, field| checked(Some(&public), &Method::POST, &[("host", host), field]).is_ok();
        // The proxy may keep the name or put its own in.
        for host in ["lab.example", "127.0.0.1:7878"] {
            assert!(sent(host, ("origin", "https://lab.example")), "{host}");
            assert!(sent(host, ("sec-fetch-site", "same-origin")), "{host}");
            for hostile in
                ["https://evil.example", "https://lab.example.evil.example", "https://lab.example:444", "null"]
            {
                assert!(!sent(host, ("origin", hostile)), "{host} {hostile}");
            }
            assert!(!sent(host, ("sec-fetch-site", "cross-site")), "{host}");
        }
        assert!(!sent("evil.example", ("origin", "https://evil.example")));
    }

    #[test]
    fn a_proxy_that_the_server_was_not_told_of_is_told_what_to_set() {
        let message = |public: Option<&PublicUrl>, method, fields: &[(&'static str, &str)]| {
            format!("{:?}", checked(public, method, fields).unwrap_err())
        };
        let host = message(None, &Method::GET, &[("host", "lab.example")]);
        assert!(host.contains("--public-url https://lab.example"), "{host}");
        let form = [("host", "127.0.0.1:7878"), ("origin", "https://lab.example")];
        let origin = message(None, &Method::POST, &form);
        assert!(origin.contains("--public-url https://lab.example"), "{origin}");
        let other: PublicUrl = "https://lab.example:8443".parse().unwrap();
        let origin = message(Some(&other), &Method::POST, &form);
        assert!(origin.contains("knows itself as https://lab.example:8443"), "{origin}");
    }

    #[test]
    fn a_request_without_a_host_or_with_two_is_refused() {
        assert!(!passes(&Method::GET, &[]));
        let mut headers = HeaderMap::new();
        for host in ["localhost", "evil.example"] {
            headers.append(header::HOST, host.parse().unwrap());
        }
        assert!(check(&local(), None, &Method::GET, &headers).is_err());
    }
}
