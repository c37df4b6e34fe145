//! What goes wrong while a page is made, shown as a page.

use std::{fmt::Display, sync::Arc};

use axum::{
    body::to_bytes,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use retort_engine::EngineError;
use retort_store::StoreError;
use retort_web::{
    Frame, format,
    pages::{ErrorPage, Link},
};

use super::{App, request_id::RequestId};

const FULL: &str = "The disk is full. Nothing was changed: make room, and try again.";

/// The outcome of a page.
pub type Result<T> = std::result::Result<T, PageError>;

/// A page that could not be made: what is wrong, and where to go from here.
#[derive(Clone, Debug)]
pub struct PageError {
    status: StatusCode,
    title: String,
    message: String,
    links: Vec<Link>,
    /// Whether the database does not hold together.
    is_damage: bool,
}

impl PageError {
    fn new(status: StatusCode, title: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, title: title.into(), message: message.into(), links: Vec::new(), is_damage: false }
    }

    /// The same with a further place to go to.
    pub fn with_link(mut self, href: impl Into<String>, text: impl Into<String>) -> Self {
        self.links.push(Link { href: href.into(), text: text.into() });
        self
    }

    /// The same with another sentence.
    pub fn with_advice(mut self, advice: impl AsRef<str>) -> Self {
        self.message = format!("{} {}", self.message, advice.as_ref());
        self
    }

    /// There is nothing at this address.
    pub fn no_page() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "There is no such page",
            "The address may be mistyped, or from another version.",
        )
    }

    /// The address does not take this method.
    pub fn method_not_allowed() -> Self {
        let message = "This address cannot be opened or sent to in this way. Go back, and use the page's own buttons.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Not in this way", message)
    }

    /// There is no such row.
    pub fn missing(what: &'static str, id: impl Display) -> Self {
        let (list, text) = match what {
            "experiment" => ("/experiments", "All comparisons"),
            "model" => ("/models", "All models"),
            "dataset" => ("/datasets", "All datasets"),
            _ => ("/runs", "All runs"),
        };
        let message = "It may belong to another data folder, or the address may be mistyped.";
        Self::new(StatusCode::NOT_FOUND, format!("There is no {what} {id}"), message).with_link(list, text)
    }

    /// The request cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "This request cannot be understood", message)
    }

    /// The request is understood, and asks for what cannot be: `what` says so in a few words, `message` why.
    pub fn impossible(what: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what, message)
    }

    /// What was there is there no more.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, "It is gone", message)
    }

    /// The request carries more than is taken.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "This is too large", message)
    }

    /// There is no room for what the request brings.
    pub fn no_room(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "There is no room for it", message)
    }

    /// Too many others ask for what takes long.
    pub fn busy() -> Self {
        let message = "Many figures are being drawn for others. Ask again in a moment.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "The server is busy", message)
    }

    /// The request is not let through.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "This request was refused", message)
    }

    /// Something failed that the reader did not cause.
    pub fn internal(fault: &dyn Display) -> Self {
        tracing::error!("a page failed: {fault}");
        let message =
            format!("The server's log has it too: {fault}. What was asked for may work when it is tried again.");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something failed here", message)
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { what, id } => Self::missing(what, id),
            StoreError::Forbidden { run, from, .. } => {
                let message = format!("Meanwhile run {run} is {from}. Nothing was changed.");
                let error = Self::new(StatusCode::CONFLICT, "This is not possible any more", message);
                error.with_link(format!("/runs/{run}"), format!("Run {run}"))
            }
            StoreError::Busy => {
                let message = format!("{}.", format::upper_first(&StoreError::Busy.to_string()));
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "The database is held", message)
            }
            StoreError::ReadOnly => {
                let message = format!("{}.", format::upper_first(&StoreError::ReadOnly.to_string()));
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "The database is read-only", message)
            }
            StoreError::QueueFull { .. } => {
                let message = format!("{}. Nothing was launched.", format::upper_first(&error.to_string()));
                let full = Self::new(StatusCode::CONFLICT, "The queue is full", message);
                full.with_link("/runs?state=queued", "Runs that wait")
            }
            full if full.is_full() => Self::no_room(FULL).with_link("/disk", "What fills it"),
            StoreError::Damaged { .. } => {
                tracing::error!("{error}");
                let message = format!(
                    "{} Stop the server first. What runs compute meanwhile stands in their journals.",
                    format::upper_first(&error.to_string())
                );
                let damaged = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "The database is damaged", message);
                Self { is_damage: true, ..damaged }
            }
            other => Self::internal(&other),
        }
    }
}

impl From<anyhow::Error> for PageError {
    fn from(error: anyhow::Error) -> Self {
        let is_full = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::StorageFull)
                || cause.downcast_ref::<EngineError>().is_some_and(EngineError::is_full)
                || cause.downcast_ref::<StoreError>().is_some_and(StoreError::is_full)
        };
        if error.chain().any(is_full) {
            tracing::error!("the disk is full: {error:#}");
            return StoreError::Full.into();
        }
        match error.downcast::<StoreError>() {
            Ok(error) => error.into(),
            Err(error) => Self::internal(&format!("{error:#}")),
        }
    }
}

impl IntoResponse for PageError {
    /// The bare status with the words beside it; [`draw`] makes the page of them.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Draws the page of every error that the pages below return.
pub async fn draw(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    let error = match response.extensions_mut().remove::<PageError>() {
        Some(error) => error,
        None if is_of_the_framework(&response) => PageError::of_the_framework(response).await,
        None => return response,
    };
    let is_fault = error.status.is_server_error();
    let error = match id.filter(|_| is_fault) {
        Some(RequestId(id)) => error.with_advice(format!("This was request {id}.")),
        None => error,
    };
    error.draw(&app).await
}

/// Whether an answer is a refusal by the framework, in its own words: an address that is no text, a body that is too long.
fn is_of_the_framework(response: &Response) -> bool {
    let is_text = |kind: &HeaderValue| kind.as_bytes().starts_with(b"text/plain");
    response.status().is_client_error() && response.headers().get(header::CONTENT_TYPE).is_some_and(is_text)
}

/// Bytes of the framework's words that are shown.
const WORDS: usize = 2_000;

impl PageError {
    async fn of_the_framework(response: Response) -> Self {
        let status = response.status();
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            return Self::too_large("A form may have 2 MB. Files are uploaded on the pages Models and Datasets.");
        }
        let words = to_bytes(response.into_body(), WORDS).await.unwrap_or_default();
        let message = format!("{}.", String::from_utf8_lossy(&words).trim_end_matches('.'));
        Self { status, ..Self::bad_request(message) }
    }

    /// The page that shows it.
    pub async fn draw(self, app: &App) -> Response {
        // Without the database the header stays empty, and the page still says what is wrong. Whoever is not let through does not
        // learn what is going on here.
        let frame =
            if self.status == StatusCode::FORBIDDEN { Frame::default() } else { app.frame().await.unwrap_or_default() };
        let Self { status, title, message, links, is_damage } = self;
        if is_damage {
            // Whoever watches over the server learns of it by the next question.
            app.damage.get_or_init(|| message.clone());
        }
        let text = format!("{title}. {message}");
        let drawn = super::page(status, &ErrorPage { frame, status: status.as_u16(), title, message, links });
        drawn.unwrap_or_else(|_| (status, text).into_response())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_another_program_holds_is_no_fault_of_the_server() {
        let held = PageError::from(StoreError::Busy);
        assert_eq!((held.status, held.title.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "The database is held"));
        assert!(held.message.starts_with("Another program holds the database") && held.message.contains("Try again"));
    }
}
