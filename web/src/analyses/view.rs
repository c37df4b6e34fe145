//! An analysis on a page.

use std::sync::Arc;

use retort_spec::AnalyseSpec;

use super::{About, AnalysisFiles, Found, analysis_figure, found, models_and_attack};
use crate::{
    RunRow,
    figures::{Figure, FigureFormat},
    format,
    tables::Values,
};

/// One analysis with what it found.
#[derive(Clone, Debug)]
pub struct AnalysisView {
    /// Its run.
    pub run: RunRow,
    /// What it computes.
    pub spec: AnalyseSpec,
    /// What it left, once it has finished.
    pub files: Option<Arc<AnalysisFiles>>,
    /// How values that have a sign are drawn.
    pub values: Values,
    /// The title of its experiment, where that is shown beside another one.
    pub beside: Option<String>,
}

impl AnalysisView {
    /// What it is, with a capital; of one that compares with a teacher also from whom.
    pub(crate) fn title(&self) -> String {
        let title = format::upper_first(&self.spec.analysis.title());
        match self.spec.models.as_slice() {
            [teacher, others @ ..] if self.spec.analysis.kind().is_from_teacher() => match others {
                [student] => format!("{title}: {} less {}", teacher.name, student.name),
                _ => format!("{title}: {} less each model", teacher.name),
            },
            _ => title,
        }
    }

    /// Of which experiment if that is not the page's, which models, on which images.
    pub(crate) fn about(&self) -> String {
        let about = models_and_attack(&self.spec);
        self.beside.as_ref().map_or_else(|| about.clone(), |title| format!("{title} · {about}"))
    }

    fn found(&self) -> Option<Box<dyn Found + '_>> {
        let about = About { spec: &self.spec, values: self.values, run: self.run.label.id, words: self.about() };
        found(about, self.files.as_deref()?)
    }

    /// All that it found, as a page shows it; none before it has finished.
    pub(crate) fn html(&self) -> askama::Result<Option<String>> {
        self.found().map(|found| found.html()).transpose()
    }

    /// All of it as one drawing, to take along; none before it has finished.
    pub fn figure(&self) -> Option<Figure> {
        analysis_figure(&self.spec, self.files.as_deref()?, self.values)
    }

    /// Whether it has a figure to take along.
    pub(crate) fn has_figure(&self) -> bool {
        self.found().is_some_and(|found| found.has_figure())
    }

    /// The name of its figure's file in a frozen copy.
    pub fn file_name(&self) -> String {
        format!("analysis-{}", self.run.label.id)
    }

    /// The address of its figure as a file.
    pub(crate) fn figure_href(&self, format: FigureFormat) -> String {
        let signed = if self.values == Values::Signed { "?correlation=signed" } else { "" };
        format!("/runs/{}/figure.{}{signed}", self.run.label.id, format.extension())
    }
}
