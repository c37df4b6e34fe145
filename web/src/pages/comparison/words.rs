//! What a comparison says in sentences.

use std::fmt::Write;

use retort_spec::TeacherChoice;

use super::ComparisonPage;
use crate::{format, tables::ComparisonTable};

impl ComparisonPage {
    /// What the numbers were made of, in one line.
    pub(in crate::pages) fn setting(&self) -> String {
        let (train, test) = self.images;
        let teacher = match &self.spec.teacher {
            TeacherChoice::Train(architecture) => format!("teacher {architecture}, trained here with PGD-AT"),
            TeacherChoice::Run { id, architecture } => format!("teacher {architecture} of run {id}"),
            TeacherChoice::Imported { id, architecture } => format!("teacher {architecture}, imported as model {id}"),
        };
        let normalised = self.spec.normaliser.map(|n| format!(", normalised by {n}")).unwrap_or_default();
        let epochs = self.spec.epochs.map(|n| format!(" with {}", format::plural(n, "epoch", "epochs")));
        format!(
            "{}, {} train and {} test images{normalised} · {teacher} · {} · {} budget{} · {}",
            self.spec.dataset.name,
            format::count(train),
            format::count(test),
            format::plural(self.spec.seeds.len(), "seed", "seeds"),
            self.spec.budget,
            epochs.unwrap_or_default(),
            self.spec.device
        )
    }

    /// Who is best, once a student has a number.
    pub(in crate::pages) fn finding(&self, table: &ComparisonTable) -> Option<String> {
        let found: Vec<_> = table.best().into_iter().flatten().collect();
        let parts =
            found.iter().map(|best| format!("{} {} % by {}", best.what(), format::percent(best.percent), best.who()));
        let parts: Vec<_> = parts.collect();
        let so_far = if self.standing().is_open() { " so far" } else { "" };
        (!parts.is_empty()).then(|| format!("Best student{so_far}: {}.", parts.join(", ")))
    }

    /// What the masking checks say of all models together.
    pub(in crate::pages) fn masking_finding(&self) -> String {
        let (runs, judged) = (self.maskings(), self.maskings().into_iter().filter(|run| !run.checks.is_empty()));
        let (judged, warned) = judged.fold((0, 0), |(n, w), run| (n + 1, w + usize::from(run.warnings().count() > 0)));
        match (judged, warned) {
            (0, _) => "The checks have not come to their verdicts.".into(),
            (n, 0) if n == runs.len() => "Every model passes every check.".into(),
            (n, 0) => format!(
                "The {} that {} been checked so far pass.",
                format::plural(n, "model", "models"),
                if n == 1 { "has" } else { "have" }
            ),
            (n, warned) => {
                format!("{warned} of {} with a warning.", format::plural(n, "checked model", "checked models"))
            }
        }
    }

    /// How the small figures are to be read.
    pub(in crate::pages) fn legend(&self, table: &ComparisonTable) -> String {
        let images = format::count(self.images.1);
        let interval = format!("the 95 % interval over {images} test images (Wilson)");
        let small = if table.has_seeds {
            format!("± is the sample standard deviation over n seeds; a range is {interval} of a single model.")
        } else {
            format!("Small: {interval}, one model each.")
        };
        let mut legend = format!("{small} Bold: best of its column and student.");
        if let Some(baseline) = &table.baseline {
            let _ = write!(
                legend,
                " Small below: the difference from {baseline} on the same images, and the p-value of McNemar's exact test over \
                 these images (of several seeds each image counts once), not corrected for the number of tests; it says nothing of \
                 other trainings. \
                 An asterisk stands for p < 0.05."
            );
        }
        if table.has_paper {
            legend += " Paper: Bai et al., arXiv:2009.09922, at its full schedule; in brackets ours less it, which is made at \
                       the budget above.";
        }
        legend
    }
}
