//! What is shown instead of a page.

use askama::Template;

use crate::{Frame, Section};

/// A link with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The address.
    pub href: String,
    /// What it shows.
    pub text: String,
}

/// An error: what is wrong, and where to go from here.
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// The header; its default where the database cannot be asked.
    pub frame: Frame,
    /// The HTTP status, such as 404.
    pub status: u16,
    /// What is wrong in a few words: `There is no run 17`.
    pub title: String,
    /// What to do, in a sentence or two.
    pub message: String,
    /// Where to go from here; a link to the overview is always added.
    pub links: Vec<Link>,
}

impl ErrorPage {
    const SECTION: Section = Section::Elsewhere;
}
