//! `GET /shares/{id}`

use askama::Template;

use crate::{Frame, Section, format::Moment};

/// A new share, with its link, which is shown for a while.
#[derive(Clone, Debug, Template)]
#[template(path = "shared.html")]
pub struct SharedPage {
    /// The header.
    pub frame: Frame,
    /// The address of the page that it is a copy of.
    pub back: String,
    /// The share's title.
    pub title: String,
    /// The link.
    pub link: String,
    /// Whether the server was told the address that others open.
    pub is_public: bool,
    /// When it ends by itself.
    pub until: Option<Moment>,
}

impl SharedPage {
    const SECTION: Section = Section::Comparisons;
}
