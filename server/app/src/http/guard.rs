//! What every request must pass, and the headers of every answer.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};

use super::{App, errors::PageError};

/// The host names that the server answers to. A page of another site can make a browser resolve its own name to this
/// machine (DNS rebinding) and read what the server says, but the browser still names that site in `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Any: the server listens to a network, where it has names that it does not know.
    Any,
    /// The names of this machine for itself, and the address that the server listens on.
    Local(Vec<String>),
}

impl Hosts {
    /// The names for a server that listens on this address.
    pub fn of(listen: SocketAddr) -> Self {
        if !listen.ip().is_loopback() {
            return Self::Any;
        }
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "[::1]"].map(String::from).into();
        let own = match listen {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        if !names.contains(&own) {
            names.push(own);
        }
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

const HEADERS: [(HeaderName, HeaderValue); 4] = [
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
];

/// Refuses what comes under a foreign name or from another site, and adds the headers.
pub async fn watch(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match check(&app.hosts, request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.draw(&app).await,
    };
    for (name, value) in HEADERS {
        // A page may be stricter.
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

fn check(hosts: &Hosts, method: &Method, headers: &HeaderMap) -> Result<(), PageError> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).ok_or_else(|| PageError::bad_request("It does not name a host."))?;
    if !hosts.admit(host) {
        return Err(PageError::refused(format!(
            "This server answers to localhost and to the address that it listens on, not to “{host}”. To reach it from \
             another machine, start it with --listen and an address of the network."
        )));
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let same_site = match (text(HeaderName::from_static("sec-fetch-site")), text(header::ORIGIN)) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.split_once("://").is_some_and(|(_, name)| name.eq_ignore_ascii_case(host)),
        // Every browser of these years sends one of them with a form; a program such as curl sends neither.
        (None, None) => true,
    };
    if same_site {
        return Ok(());
    }
    Err(PageError::refused("It came from a page of another site. Nothing was changed. Use the form of this server."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Hosts {
        Hosts::of("127.0.0.1:7878".parse().unwrap())
    }

    fn passes(method: &Method, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        check(&local(), method, &headers.collect()).is_ok()
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
        assert!(Hosts::of("127.0.0.3:1".parse().unwrap()).admit("127.0.0.3:1"));
        assert!(Hosts::of("0.0.0.0:7878".parse().unwrap()).admit("lab-server:7878"));
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
            assert!(passes(&Method::GET, &[host, hostile]), "{hostile:?}");
        }
    }

    #[test]
    fn a_request_without_a_host_is_refused() {
        assert!(!passes(&Method::GET, &[]));
    }
}
