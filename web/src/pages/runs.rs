//! `GET /runs`

use std::collections::HashMap;

use askama::Template;
use serde::{Deserialize, Serialize};

use crate::{
    Frame, RunRow, Section,
    pages::{Head, ListOrder, SavedViews, SortColumn},
};

/// What the list of runs is narrowed to: the query of `/runs`. An empty field does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFilter {
    /// A state's id, or [`OPEN`](Self::OPEN) or [`OVER`](Self::OVER).
    pub state: String,
    /// A kind's id.
    pub kind: String,
    /// A method's id.
    pub method: String,
    /// An architecture's id.
    pub architecture: String,
    /// A dataset's name.
    pub dataset: String,
    /// Words that the row shows.
    pub text: String,
}

impl RunFilter {
    /// The state of a run that is not over.
    pub const OPEN: &str = "open";
    /// The state of a run that is over.
    pub const OVER: &str = "over";
}

/// The list of runs in pages.
#[derive(Clone, Debug, Template)]
#[template(path = "runs.html")]
pub struct RunsPage {
    /// The header.
    pub frame: Frame,
    /// The filter in force.
    pub filter: RunFilter,
    /// The order in force.
    pub order: ListOrder,
    /// The heads of [`COLUMNS`](Self::COLUMNS).
    pub heads: Vec<Head>,
    /// Names of the datasets to choose from.
    pub datasets: Vec<String>,
    /// This page's runs in their order.
    pub runs: Vec<RunRow>,
    /// How many runs the filter lets through, on all pages.
    pub total: usize,
    /// Address of the next page, filter included.
    pub older: Option<String>,
    /// Address of the page before, filter included.
    pub newer: Option<String>,
    /// Named addresses of this list.
    pub views: SavedViews,
}

/// Runs of one experiment that stand one after the other.
struct Group<'a> {
    /// The id of its head, which no other on the page has.
    id: String,
    /// The experiment, its title and its dataset, unless every row says them itself.
    experiment: Option<(i64, &'a str, &'a str)>,
    runs: Vec<&'a RunRow>,
}

impl RunsPage {
    const SECTION: Section = Section::Runs;

    /// The columns by which runs can be ordered, in the order of the table.
    pub const COLUMNS: [SortColumn; 7] = [
        SortColumn::numbers("run", "Run"),
        SortColumn::words("model", "Model"),
        SortColumn::words("kind", "Kind"),
        SortColumn::words("state", "State"),
        SortColumn { is_right: false, ..SortColumn::numbers("result", "Result, %") },
        SortColumn::numbers("took", "Took"),
        SortColumn { is_right: false, ..SortColumn::numbers("since", "Since") },
    ];

    /// The order where the address says nothing: the newest first.
    pub const NEWEST: ListOrder = ListOrder { column: Self::COLUMNS[0], is_reversed: false };

    /// How the address says the order; nothing for the usual one.
    fn sort(&self) -> String {
        self.order.unless(Self::NEWEST)
    }

    /// The runs by experiment where they stand in the order of their numbers; else all of them together.
    fn groups(&self) -> Vec<Group<'_>> {
        let is_by_number = self.order.column == Self::NEWEST.column;
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut seen: HashMap<i64, usize> = HashMap::new();
        for run in &self.runs {
            let experiment = run.experiment.as_ref().filter(|_| is_by_number);
            let experiment = experiment.map(|(id, title)| (*id, title.as_str(), run.dataset.as_str()));
            if groups.last().is_none_or(|last| last.experiment != experiment) {
                let of = experiment.map_or(0, |(id, ..)| id);
                let times = seen.entry(of).or_default();
                *times += 1;
                groups.push(Group { id: format!("of-{of}-{times}"), experiment, runs: Vec::new() });
            }
            if let Some(last) = groups.last_mut() {
                last.runs.push(run);
            }
        }
        groups
    }
}
