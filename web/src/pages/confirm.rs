//! A question before something that takes very long.

use askama::Template;

use crate::{Frame, Section};

/// Asks whether something is really meant, and carries the fields of the form that asked for it.
#[derive(Clone, Debug, Template)]
#[template(path = "confirm.html")]
pub struct ConfirmPage {
    /// The header.
    pub frame: Frame,
    /// The question: `Launch 4 experiments, about 12 d?`.
    pub question: String,
    /// What to know before it is answered.
    pub message: String,
    /// The address that the form is sent to again.
    pub action: &'static str,
    /// The fields of the form, by name; `confirmed` is added.
    pub fields: Vec<(String, String)>,
    /// What the button says.
    pub button: String,
    /// Where no leads.
    pub back: String,
}

impl ConfirmPage {
    const SECTION: Section = Section::Paper;
}
