//! `GET /experiments`

use std::collections::HashMap;

use askama::Template;
use retort_spec::ExperimentSpec;

use crate::{
    Frame, RunRow, Section,
    format::Moment,
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

/// All comparisons, newest first, in pages.
#[derive(Clone, Debug, Template)]
#[template(path = "comparisons.html")]
pub struct ComparisonsPage {
    /// The header.
    pub frame: Frame,
    /// This page's comparisons, newest first.
    pub comparisons: Vec<ComparisonSummary>,
    /// Address of the page with older ones.
    pub older: Option<String>,
    /// Address of the page with newer ones.
    pub newer: Option<String>,
}

impl ComparisonsPage {
    const SECTION: Section = Section::Comparisons;
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
