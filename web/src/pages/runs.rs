//! `GET /runs`

use askama::Template;
use serde::{Deserialize, Serialize};

use crate::{Frame, RunRow, Section};

/// What the list of runs is narrowed to: the query of `/runs`. An empty field does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFilter {
    /// A state's id.
    pub state: String,
    /// A method's id.
    pub method: String,
    /// An architecture's id.
    pub architecture: String,
    /// A dataset's name.
    pub dataset: String,
    /// Text in the experiment's title or the run's reason, or a run's number.
    pub text: String,
}

/// The list of runs, newest first, in pages.
#[derive(Clone, Debug, Template)]
#[template(path = "runs.html")]
pub struct RunsPage {
    /// The header.
    pub frame: Frame,
    /// The filter in force.
    pub filter: RunFilter,
    /// Names of the datasets to choose from.
    pub datasets: Vec<String>,
    /// This page's runs, newest first.
    pub runs: Vec<RunRow>,
    /// How many runs the filter lets through, on all pages.
    pub total: usize,
    /// Address of the page with older runs, filter included.
    pub older: Option<String>,
    /// Address of the page with newer runs, filter included.
    pub newer: Option<String>,
}

impl RunsPage {
    const SECTION: Section = Section::Runs;
}
