//! What analyses found and how they are asked for, on pages and as figures: a file for each of them, which the matches below alone
//! know all.

mod correlation;
mod features;
mod gallery;
mod gallery_figure;
mod range;
mod view;

use std::str::FromStr;

use retort_spec::{AnalyseSpec, Analysis, AnalysisKind, AnalysisResult};

pub use self::view::AnalysisView;
use crate::{figures::Figure, format, tables::Values};

/// What an analysis leaves in its folder.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisFiles {
    /// What it found.
    pub result: AnalysisResult,
    /// Of a gallery: the sheet of its pictures, as PNG.
    pub sheet: Option<Vec<u8>>,
}

/// What is shown, and how.
struct About<'a> {
    spec: &'a AnalyseSpec,
    /// How values that have a sign are drawn.
    values: Values,
    /// The run that found it.
    run: i64,
    /// Of which models, on which images.
    words: String,
}

impl<'a> About<'a> {
    /// What is shown beside no page of its run: a finding, a drawing.
    const fn alone(spec: &'a AnalyseSpec, values: Values) -> Self {
        Self { spec, values, run: 0, words: String::new() }
    }
}

/// What an analysis found, of whatever kind.
trait Found {
    /// In a sentence or two; empty if it is of nothing.
    fn finding(&self) -> String;

    /// All of it, as a page shows it.
    fn html(&self) -> askama::Result<String>;

    /// All of it as one drawing under a title and over a caption; none where its files are not there.
    fn figure(&self, title: String, caption: String) -> Option<Figure>;

    /// Whether there is such a drawing.
    fn has_figure(&self) -> bool {
        true
    }
}

/// How an analysis is asked for on a comparison's page.
pub(crate) struct AnalysisForm {
    /// What it does, in a line.
    pub summary: &'static str,
    /// What the button says.
    pub button: &'static str,
    /// The fields beside the choice of models, as HTML, for a dataset of these classes.
    fields: fn(&[String]) -> askama::Result<String>,
    /// The analysis that was asked for, or what is wrong with what was chosen.
    read: fn(&Chosen) -> Result<Analysis, String>,
    /// Whether its values have a sign, which can be drawn or not.
    pub has_signs: bool,
}

impl AnalysisForm {
    /// The fields beside the choice of models, for a dataset of these classes.
    pub fn html(&self, classes: &[String]) -> askama::Result<String> {
        (self.fields)(classes)
    }
}

/// How an analysis is asked for.
pub(crate) const fn form(kind: AnalysisKind) -> &'static AnalysisForm {
    match kind {
        AnalysisKind::Features => &features::FORM,
        AnalysisKind::Correlation => &correlation::FORM,
        AnalysisKind::Gallery => &gallery::FORM,
    }
}

/// None where the files are of another analysis.
fn found<'a>(about: About<'a>, files: &'a AnalysisFiles) -> Option<Box<dyn Found + 'a>> {
    Some(match &about.spec.analysis {
        Analysis::Features(_) => {
            let AnalysisResult::Features(maps) = &files.result else { return None };
            Box::new(features::FoundFeatures { about, maps })
        }
        Analysis::Correlation(chosen) => {
            let AnalysisResult::Correlation(maps) = &files.result else { return None };
            Box::new(correlation::FoundCorrelation { about, chosen, maps })
        }
        Analysis::Gallery(chosen) => {
            let AnalysisResult::Gallery(gallery) = &files.result else { return None };
            Box::new(gallery::FoundGallery { about, chosen, gallery, sheet: files.sheet.as_deref() })
        }
    })
}

/// What was chosen in the form of an analysis, field by field; several may have one name.
pub struct Chosen<'a>(pub &'a [(String, String)]);

impl Chosen<'_> {
    /// All values of a field.
    pub fn all(&self, field: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    /// The value of a field; empty if it was not sent.
    pub fn one(&self, field: &str) -> &str {
        self.all(field).next().unwrap_or_default()
    }

    /// A value by its type's own parser; its default if it was not sent.
    fn parsed<T: FromStr<Err = String> + Default>(&self, field: &str) -> Result<T, String> {
        match self.one(field) {
            "" => Ok(T::default()),
            text => text.parse(),
        }
    }

    /// How many images.
    fn images(&self) -> Result<usize, String> {
        let digits = self.one("images").trim();
        digits.parse().map_err(|_| format!("“{digits}” is not a number of images"))
    }

    /// The analysis that was asked for; the field `analysis` names it.
    ///
    /// # Errors
    /// When there is no such analysis, or what was chosen for it cannot be read.
    pub fn analysis(&self) -> Result<Analysis, String> {
        (form(self.one("analysis").parse()?).read)(self)
    }
}

/// What an analysis finds, in a sentence or two; empty if it is of nothing.
pub fn analysis_finding(spec: &AnalyseSpec, files: &AnalysisFiles) -> String {
    found(About::alone(spec, Values::Sizes), files).map(|found| found.finding()).unwrap_or_default()
}

/// All of an analysis as one drawing; none where its files are not there. Signed values have one colour below zero and another
/// above.
pub fn analysis_figure(spec: &AnalyseSpec, files: &AnalysisFiles, values: Values) -> Option<Figure> {
    let found = found(About::alone(spec, values), files)?;
    let caption = format!("{} {}.", found.finding(), models_and_attack(spec));
    found.figure(format::upper_first(&spec.analysis.title()), caption)
}

/// Whether the values of an analysis have a sign, which can be drawn or not.
pub const fn has_signs(kind: AnalysisKind) -> bool {
    form(kind).has_signs
}

/// Which models, on which images.
fn models_and_attack(spec: &AnalyseSpec) -> String {
    let models: Vec<_> = spec.models.iter().map(|model| model.name.as_str()).collect();
    format!("{} · {}", models.join(", "), spec.attack().describe())
}
