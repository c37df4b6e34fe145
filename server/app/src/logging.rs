//! The log: what is written to the error output, and in which form.

use std::io::stderr;

use tracing::Level;
use tracing_subscriber::{EnvFilter, Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::metrics::{QUERIES, QueryTimes};

/// The variable that names the form: `json` for an object a line, else text.
const FORM: &str = "RETORT_LOG_FORMAT";

/// Begins to log what `RUST_LOG` asks for: warnings and errors, where it is not set.
pub fn begin() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let lines = if std::env::var(FORM).is_ok_and(|form| form.eq_ignore_ascii_case("json")) {
        fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(stderr)
            .with_target(false)
            .with_filter(filter)
            .boxed()
    } else {
        fmt::layer().with_writer(stderr).with_target(false).with_filter(filter).boxed()
    };
    let queries = QueryTimes.with_filter(Targets::new().with_target(QUERIES, Level::DEBUG));
    tracing_subscriber::registry().with(lines).with(queries).init();
}
