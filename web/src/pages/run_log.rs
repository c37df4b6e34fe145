//! `GET /runs/{id}/log`

use askama::Template;

use super::LogLine;
use crate::{Frame, RunLabel, Section};

/// The log of a run, searched.
#[derive(Clone, Debug, Template)]
#[template(path = "run_log.html")]
pub struct RunLogPage {
    /// The header.
    pub frame: Frame,
    /// The run.
    pub label: RunLabel,
    /// The words that lines must have; empty for all lines.
    pub text: String,
    /// The last of the lines, oldest first.
    pub log: Vec<LogLine>,
    /// How many lines have the words.
    pub total: usize,
}

impl RunLogPage {
    const SECTION: Section = Section::Runs;

    /// Whether there are lines before those that are shown.
    fn is_cut(&self) -> bool {
        self.log.len() < self.total
    }
}
