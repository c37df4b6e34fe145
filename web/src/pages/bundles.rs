//! `GET /bundles`, `GET /bundles/{id}`, and what `POST /bundles` answers when nothing could be opened.

use askama::Template;
use retort_spec::{Agreement, Confirmation, Problem, RunState};

use crate::{
    Frame, Section,
    format::{self, Moment},
    run_row::RunLabel,
};

/// A figure of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct BundleFigure {
    /// `natural`, or the attack with its ε and steps.
    pub name: String,
    /// What was reported, in percent.
    pub reported: f64,
    /// How it was found again; none before its evaluation here has finished.
    pub confirmation: Option<Confirmation>,
    /// Whether its evaluation here has ended without it.
    pub is_lost: bool,
}

/// An evaluation of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct BundleRow {
    /// The model.
    pub label: RunLabel,
    /// The run that evaluates it here, and its state.
    pub state: RunState,
    /// The hash of its spec where the bundle is from.
    pub spec_sha256: String,
    /// Its figures.
    pub figures: Vec<BundleFigure>,
}

/// How many figures of a bundle were found again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BundleCounts {
    /// All of them.
    pub figures: usize,
    /// Found again to the bit.
    pub to_the_bit: usize,
    /// Found again within the limits of [`Confirmation`].
    pub within: usize,
    /// Not found again.
    pub not: usize,
    /// Whose evaluations here have ended without them.
    pub lost: usize,
}

/// One bundle with what a list says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct BundleSummary {
    /// Its experiment here.
    pub id: i64,
    /// The question.
    pub title: String,
    /// When it was made, and by which version.
    pub made: String,
    /// When it was opened here.
    pub opened: Moment,
    /// What was found again.
    pub counts: BundleCounts,
}

/// All bundles, and the form that opens one.
#[derive(Clone, Debug, Template)]
#[template(path = "bundles.html")]
pub struct BundlesPage {
    /// The header.
    pub frame: Frame,
    /// Why nothing was opened; empty before anything was sent.
    pub problems: Vec<Problem>,
    /// The bundles, newest first.
    pub bundles: Vec<BundleSummary>,
}

impl BundlesPage {
    const SECTION: Section = Section::Comparisons;
}

/// One bundle: which of its figures were found again.
#[derive(Clone, Debug, Template)]
#[template(path = "bundle.html")]
pub struct BundlePage {
    /// The header.
    pub frame: Frame,
    /// What it is.
    pub bundle: BundleSummary,
    /// The machine that it was made on, in words.
    pub machine: String,
    /// Its evaluations.
    pub rows: Vec<BundleRow>,
}

impl BundlePage {
    const SECTION: Section = Section::Comparisons;
}

/// How many verdicts were found again: `999 of 1,000 verdicts the same`.
pub fn same_verdicts(confirmation: &Confirmation) -> String {
    let (same, n) = (confirmation.same_verdicts, confirmation.reported.n);
    format!("{} of {} verdicts the same", format::count(same), format::count(n))
}

impl BundleCounts {
    /// Counts the figures of these evaluations.
    pub fn of(rows: &[BundleRow]) -> Self {
        let figures = || rows.iter().flat_map(|row| &row.figures);
        let count = |agreement: Agreement| {
            figures().filter(|f| f.confirmation.is_some_and(|c| c.agreement() == agreement)).count()
        };
        Self {
            figures: figures().count(),
            to_the_bit: count(Agreement::ToTheBit),
            within: count(Agreement::Within),
            not: count(Agreement::Not),
            lost: figures().filter(|figure| figure.is_lost).count(),
        }
    }

    /// In a sentence: `All 12 figures are confirmed, each to the bit.`
    pub fn finding(&self) -> String {
        let Self { figures, to_the_bit, within, not, lost } = *self;
        let (confirmed, waiting) = (to_the_bit + within, figures - to_the_bit - within - not - lost);
        let of = |n: usize| format!("{n} of {}", format::plural(figures, "figure", "figures"));
        let how = match within {
            _ if confirmed == 0 => String::new(),
            0 if confirmed == 1 => ", to the bit".into(),
            0 => ", each to the bit".into(),
            within => {
                format!(", {to_the_bit} of them to the bit and {within} within the last digits of another machine")
            }
        };
        let head = match (confirmed, figures) {
            (1, 1) => format!("Its figure is confirmed{how}"),
            _ if confirmed == figures => format!("All {figures} figures are confirmed{how}"),
            (0, _) => "No figure is confirmed yet".into(),
            (1, _) => format!("{} is confirmed{how}", of(1)),
            _ => format!("{} are confirmed{how}", of(confirmed)),
        };
        let not = match not {
            0 => String::new(),
            1 => "; 1 came out otherwise".into(),
            not => format!("; {not} came out otherwise"),
        };
        let waiting = match waiting {
            0 => String::new(),
            1 => "; 1 is still to be computed".into(),
            waiting => format!("; {waiting} are still to be computed"),
        };
        let lost = match lost {
            0 => String::new(),
            lost => format!("; {lost} could not be computed: see the runs"),
        };
        format!("{head}{not}{lost}{waiting}.")
    }
}

impl BundleFigure {
    fn reported(&self) -> String {
        format::percent(self.reported)
    }

    fn found(&self) -> String {
        self.confirmation.map_or_else(|| "–".into(), |c| format::percent(c.found.percent()))
    }

    fn class(&self) -> &'static str {
        match self.confirmation.map(|c| c.agreement()) {
            Some(Agreement::ToTheBit | Agreement::Within) => "pass",
            Some(Agreement::Not) => "warning",
            None => "soft",
        }
    }

    fn words(&self) -> String {
        let Some(confirmation) = self.confirmation else {
            return if self.is_lost { "could not be computed" } else { "to be computed" }.into();
        };
        let same = same_verdicts(&confirmation);
        match confirmation.agreement() {
            Agreement::ToTheBit => "to the bit".into(),
            Agreement::Within => format!("within: {same}"),
            Agreement::Not => format!("not confirmed: {same}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finding_says_what_was_found_again_and_what_not() {
        let counts = |to_the_bit, within, not| BundleCounts { figures: 4, to_the_bit, within, not, lost: 0 }.finding();
        assert_eq!(counts(4, 0, 0), "All 4 figures are confirmed, each to the bit.");
        assert_eq!(
            counts(2, 1, 0),
            "3 of 4 figures are confirmed, 2 of them to the bit and 1 within the last digits of another machine; 1 is still to \
             be computed."
        );
        assert_eq!(
            counts(1, 0, 2),
            "1 of 4 figures is confirmed, to the bit; 2 came out otherwise; 1 is still to be computed."
        );
        assert_eq!(counts(0, 0, 0), "No figure is confirmed yet; 4 are still to be computed.");
        let lost = BundleCounts { figures: 4, to_the_bit: 2, lost: 2, ..BundleCounts::default() };
        assert_eq!(
            lost.finding(),
            "2 of 4 figures are confirmed, each to the bit; 2 could not be computed: see the runs."
        );
        let one = BundleCounts { figures: 1, to_the_bit: 1, ..BundleCounts::default() };
        assert_eq!(one.finding(), "Its figure is confirmed, to the bit.");
    }
}
