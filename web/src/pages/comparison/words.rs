//! What a comparison says in sentences.

use std::{collections::BTreeMap, fmt::Write};

use retort_spec::{Attack, DatasetChoice, ExperimentSpec, LEVEL, OverSeeds, TeacherChoice, Verdict};

use super::ComparisonPage;
use crate::{
    format,
    tables::{Column, ComparisonTable, Highest, Lead, Row, experiments, export::TableFormat},
};

impl ComparisonPage {
    /// What the numbers were made of, in one line; of several experiments one after the other.
    pub(in crate::pages) fn setting(&self) -> String {
        let own = setting(&self.spec, [Some(self.images.0), Some(self.images.1)]);
        if self.with.is_empty() {
            return own;
        }
        let beside = self.with.iter().map(|other| {
            let DatasetChoice { train_images, test_images, .. } = &other.spec.dataset;
            format!("experiment {}: {}", other.id, setting(&other.spec, [*train_images, *test_images]))
        });
        std::iter::once(format!("experiment {}: {own}", self.id)).chain(beside).collect::<Vec<_>>().join("; ")
    }

    /// Which student has the highest accuracies, and whether the test carries that it is the best, once one has a number.
    pub(in crate::pages) fn finding(&self, table: &ComparisonTable) -> Option<String> {
        let mut settings: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
        for row in table.rows() {
            settings.entry(row.setting).or_default().extend(&row.experiments);
        }
        for ids in settings.values_mut() {
            ids.sort_unstable();
            ids.dedup();
        }
        let so_far = if self.standing().is_open() { " so far" } else { "" };
        let part = |highest: &Highest| {
            let against = match (&highest.against, &table.baseline) {
                (Some(against), Some(baseline)) => {
                    format!(" ({} against {baseline}, {})", against.difference(), against.p_value())
                }
                _ => String::new(),
            };
            let (what, who) = (highest.what(), highest.who());
            let verb = if highest.rows.len() > 1 { "are" } else { "is" };
            let percent = format!("{} %{against}", format::percent(highest.percent));
            match highest.remark.as_str() {
                "" if highest.is_best => format!("{what}: {who} is best{so_far}, {percent}"),
                "" => format!("{what}: {who}, {percent}"),
                remark => format!("{what}: {who} {verb} highest{so_far}, {percent}, {remark}"),
            }
        };
        let of_setting = |(setting, ids): (&usize, &Vec<i64>)| {
            let parts: Vec<_> = table.highest(*setting).iter().flatten().map(part).collect();
            let of = if table.has_settings { format!("In {}: ", experiments(ids)) } else { String::new() };
            (!parts.is_empty()).then(|| format!("{}.", format::upper_first(&(of + &parts.join("; ")))))
        };
        let found: Vec<String> = settings.iter().filter_map(of_setting).collect();
        let classes = self.classes.len();
        let guesses = table.highest(0)[0].as_ref().is_some_and(|highest| !highest.is_above_chance(classes));
        let chance = if guesses && classes > 1 && !table.has_settings {
            format!(" On natural images none is above chance, {} %.", format::percent(100.0 / classes as f64))
        } else {
            String::new()
        };
        (!found.is_empty()).then(|| found.join(" ") + &chance)
    }

    /// What the masking checks say of all models together.
    pub(in crate::pages) fn masking_finding(&self) -> String {
        let runs = self.maskings();
        let count = |verdict: Verdict| runs.iter().filter(|run| run.worst_verdict() == Some(verdict)).count();
        let (passed, warned, unsure) = (count(Verdict::Pass), count(Verdict::Warning), count(Verdict::CannotTell));
        match (passed + warned + unsure, passed) {
            (0, _) if runs.iter().all(|run| run.state.is_over()) => "No check came to a verdict.".into(),
            (0, _) => "The checks have not come to their verdicts yet.".into(),
            (judged, passed) if judged == passed && judged == runs.len() => "Every model passes every check.".into(),
            (judged, passed) if judged == passed => format!(
                "The {} that {} been checked so far {} every check.",
                format::plural(judged, "model", "models"),
                if judged == 1 { "has" } else { "have" },
                if judged == 1 { "passes" } else { "pass" }
            ),
            (judged, _) => {
                let parts = [
                    (warned, "with a warning"),
                    (unsure, "with a check that cannot tell and no warning"),
                    (passed, "that pass every check"),
                ];
                let found: Vec<_> =
                    parts.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{n} {words}")).collect();
                format!("Of {}: {}.", format::plural(judged, "checked model", "checked models"), found.join(", "))
            }
        }
    }

    /// On how many test images the masking checks are: `100`, or `100 and 500` of several experiments.
    pub(in crate::pages) fn masking_images(&self) -> String {
        let mut counts: Vec<usize> = self.compared().iter().filter_map(|own| own.spec.masking_images).collect();
        counts.sort_unstable();
        counts.dedup();
        format::list(&counts.into_iter().map(format::count).collect::<Vec<_>>())
    }

    /// What of the address there is nothing of, in a sentence.
    pub(in crate::pages) fn unknown(&self, table: &ComparisonTable) -> Option<String> {
        let view = &self.view;
        let chosen = [&view.student, &view.method, &view.column];
        if chosen.iter().all(|names| names.is_empty()) && view.sort.is_empty() && view.baseline.is_empty() {
            // What there is takes a table of its own to find out.
            return None;
        }
        let [students, methods, columns] =
            self.choices().map(|(_, _, choices)| choices.into_iter().map(|choice| choice.value).collect::<Vec<_>>());
        let mut unknown: Vec<String> = Vec::new();
        for (chosen, known) in [(&view.student, students), (&view.method, methods), (&view.column, columns.clone())] {
            unknown.extend(chosen.iter().filter(|name| !known.contains(name)).map(|name| format!("“{name}”")));
        }
        let sort = view.sort.trim_start_matches('-');
        if !sort.is_empty() && !columns.iter().any(|column| column == sort) {
            unknown.push(format!("“{sort}” to sort by"));
        }
        if !view.baseline.is_empty() && !table.rows().any(|row| row.key == view.baseline) {
            unknown.push(format!("the baseline “{}”", view.baseline));
        }
        (!unknown.is_empty()).then(|| format!("Not among the rows and columns shown: {}.", format::list(&unknown)))
    }
}

/// What an experiment's numbers were made of; its images where they are counted.
fn setting(spec: &ExperimentSpec, images: [Option<usize>; 2]) -> String {
    let teacher = match &spec.teacher {
        _ if !spec.methods.iter().any(|method| method.needs_teacher()) => "no teacher".into(),
        TeacherChoice::Train(architecture) => format!("teacher {architecture}, trained here with PGD-AT"),
        TeacherChoice::Run { id, architecture } => format!("teacher {architecture} of run {id}"),
        TeacherChoice::Imported { id, architecture } => format!("teacher {architecture}, imported as model {id}"),
    };
    let [train, test] = images.map(|images| images.map_or_else(|| "all".into(), format::count));
    let normalised = spec.normaliser.map(|n| format!(", normalised by {n}")).unwrap_or_default();
    let epochs = spec.epochs.map(|n| format!(" with {}", format::plural(n, "epoch", "epochs")));
    format!(
        "{}, {train} train and {test} test images{normalised} · {teacher} · {} · {} budget{} · {}",
        spec.dataset.name,
        format::plural(spec.seeds.len(), "seed", "seeds"),
        spec.budget,
        epochs.unwrap_or_default(),
        spec.device
    )
}

impl ComparisonTable {
    /// Which rows have collapsed, and how; nothing where none has.
    pub(in crate::pages) fn collapses(&self) -> Option<String> {
        let said = |row: &Row| Some(format!("{} ({})", self.name(row), row.remarks.collapse()?));
        let rows: Vec<String> = self.rows().filter_map(said).collect();
        let left_out = if self.rows().all(Row::can_be_best) { "" } else { " A collapsed model is not called best." };
        (!rows.is_empty()).then(|| format!("Collapsed: {}.{left_out}", format::list(&rows)))
    }

    /// How the small figures of the table are to be read; of a file, as that format shows them.
    pub(in crate::pages) fn legend(&self, file: Option<TableFormat>) -> String {
        let mut counts: Vec<usize> =
            self.rows().flat_map(|row| row.cells.iter().flatten()).map(|cell| cell.images).collect();
        counts.sort_unstable();
        counts.dedup();
        let images = match counts.as_slice() {
            [] => String::new(),
            [one] => format!(" over {} test images", format::count(*one)),
            [least, .., most] => {
                format!(" over the test images, {} to {}", format::count(*least), format::count(*most))
            }
        };
        let interval = format!("the 95 % interval{images} (Wilson)");
        let mut legend = if self.has_seeds {
            format!("± is the sample standard deviation over n seeds; a range is {interval} of a single model.")
        } else if file.is_some() {
            format!("A range is {interval} of one model.")
        } else {
            format!("Small: {interval}, one model each.")
        };
        legend += &self.legend_of_tests(file, &images);
        legend += self.strength();
        if self.has_paper && file != Some(TableFormat::Latex) {
            legend += " Paper: Bai et al., arXiv:2009.09922, at its full schedule; in brackets ours less it, which is made at \
                       the budget above.";
        }
        legend
    }

    /// What an adversarial accuracy is that AutoAttack did not measure; nothing where it did, or where none was measured.
    fn strength(&self) -> &'static str {
        let mut attacks = self.columns.iter().filter_map(Column::attack).peekable();
        if attacks.peek().is_none() || attacks.any(Attack::is_auto_attack) {
            return "";
        }
        " PGD only: AutoAttack was not made, which usually finds more, so an adversarial accuracy is an upper bound."
    }

    /// What the tests say, and of what. `images` are those that they are over, in words.
    fn legend_of_tests(&self, file: Option<TableFormat>, images: &str) -> String {
        let mut legend = String::new();
        // How a format marks what may be called best; a CSV does not.
        let mark = match file {
            Some(TableFormat::Csv | TableFormat::Tsv) => None,
            Some(TableFormat::Json) => Some("among_best"),
            _ => Some("Bold"),
        };
        let is_marked = self.leads.iter().any(|lead| !lead.others.is_empty() && !lead.is_untested());
        if let (Some(mark), true) = (mark, is_marked) {
            let level = (100.0 * LEVEL).round();
            let setting = if self.has_settings { ", each setting by itself" } else { "" };
            let _ = write!(
                legend,
                " {mark}: the highest of its column and student and all that the test does not tell from it at {level} %, \
                 nothing where that is every row{setting}."
            );
        }
        if mark.is_some() && self.leads.iter().any(Lead::is_untested) {
            legend += " No number is marked as the best where answers that the test needs are not there.";
        }
        if self.leads.iter().any(|lead| lead.leaves_out) {
            legend += " Numbers of one seed (n=1) do not compete with means.";
        }
        if let Some(baseline) = &self.baseline {
            let star = format!("An asterisk stands for p < {LEVEL}");
            let _ = match file {
                Some(TableFormat::Latex) => write!(legend, " {star} in the test against {baseline}."),
                Some(_) => write!(legend, " Behind it: the difference from {baseline} and its p-value."),
                None => write!(legend, " Small below: the difference from {baseline} and its p-value. {star}."),
            };
            let lacks = |row: &Row| row.cells.iter().flatten().any(|cell| cell.against.is_none());
            if self.rows().any(|row| self.name(row) != *baseline && lacks(row)) {
                legend += " Where they are missing, the answers of both to the same images are not there.";
            }
        }
        if (mark.is_some() && is_marked) || self.baseline.is_some() {
            let _ = write!(
                legend,
                " The test: exact paired randomisation{images}, the seeds of an image kept together (with one seed each, \
                 McNemar's), p-values adjusted for the rows of a column (Holm). It speaks of these trained models on other \
                 images, not of other seeds."
            );
        }
        let over = self
            .rows()
            .flat_map(|row| row.cells.iter().flatten())
            .any(|c| c.against.is_some_and(|a| a.over_seeds().is_some()));
        if over {
            let _ = write!(
                legend,
                " Over seeds: the paired t-test of the methods, each seed with its twin, from {} seeds on.",
                OverSeeds::LEAST
            );
        }
        legend
    }
}
