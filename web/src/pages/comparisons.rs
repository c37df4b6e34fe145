//! `GET /experiments`

use std::collections::HashMap;

use askama::Template;
use retort_spec::ExperimentSpec;

use crate::{
    Frame, RunRow, Section,
    format::Moment,
    pages::{Head, ListOrder, SavedViews, SortColumn},
    tables::{Compared, ComparisonTable, ComparisonView, Highest, Standing},
};

/// One comparison with what a list says about it.
#[derive(Clone, Debug)]
pub struct ComparisonSummary {
    /// The experiment.
    pub id: i64,
    /// Its question.
    pub spec: ExperimentSpec,
    /// When it was launched.
    pub launched: Moment,
    /// All its runs.
    pub runs: Vec<RunRow>,
}

/// What the list of comparisons is narrowed to. An empty field does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComparisonsFilter {
    /// Words of the title, the dataset, the methods, the networks or the budget.
    pub text: String,
    /// One of [`ComparisonsPage::STATES`].
    pub state: String,
}

/// All comparisons in pages.
#[derive(Clone, Debug, Template)]
#[template(path = "comparisons.html")]
pub struct ComparisonsPage {
    /// The header.
    pub frame: Frame,
    /// The filter in force.
    pub filter: ComparisonsFilter,
    /// The order in force.
    pub order: ListOrder,
    /// The heads of [`COLUMNS`](Self::COLUMNS).
    pub heads: Vec<Head>,
    /// This page's comparisons in their order.
    pub comparisons: Vec<ComparisonSummary>,
    /// How many the filter lets through, on all pages.
    pub total: usize,
    /// Address of the next page.
    pub older: Option<String>,
    /// Address of the page before.
    pub newer: Option<String>,
    /// Named addresses of this list and of comparisons.
    pub views: SavedViews,
}

impl ComparisonsPage {
    const SECTION: Section = Section::Comparisons;

    /// The columns by which comparisons can be ordered, in the order of the table.
    pub const COLUMNS: [SortColumn; 6] = [
        SortColumn::words("title", "Comparison"),
        SortColumn { is_right: false, ..SortColumn::numbers("launched", "Launched") },
        SortColumn::words("dataset", "Dataset"),
        SortColumn { is_right: false, ..SortColumn::numbers("natural", "Highest natural, %") },
        SortColumn { is_right: false, ..SortColumn::numbers("adversarial", "Highest adversarial, %") },
        SortColumn::words("state", "State"),
    ];

    /// The order where the address says nothing: the newest first.
    pub const NEWEST: ListOrder = ListOrder { column: Self::COLUMNS[1], is_reversed: false };

    /// The states to choose from: in addresses, and in words.
    pub const STATES: [(&str, &str); 4] = [
        ("open", "running or waiting"),
        ("failed", "with failed runs"),
        ("cancelled", "with cancelled runs"),
        ("finished", "finished"),
    ];

    /// How the address says the order; nothing for the usual one.
    fn sort(&self) -> String {
        self.order.unless(Self::NEWEST)
    }
}

impl ComparisonSummary {
    pub(crate) fn standing(&self) -> Standing {
        Standing::of(&self.runs)
    }

    /// The highest accuracy of a student without an attack, and under the strongest one. A list says no more than that: whether
    /// it is the best takes a test, which the comparison's page makes.
    pub(crate) fn highest(&self) -> [Option<Highest>; 2] {
        let own = Compared { id: self.id, spec: &self.spec, runs: &self.runs };
        ComparisonTable::new(&[own], &ComparisonView::default(), &HashMap::new()).highest(0)
    }
}
