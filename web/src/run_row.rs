//! A run as the pages name and list it.

use std::fmt;

use retort_spec::{
    Accuracy, Analysis, Architecture, Attack, AttackProgress, CheckResult, MethodName, RunKind, RunState, Stage,
    Variant, Variety, Verdict,
};

use crate::{
    format::{self, Moment},
    mark::{self, Mark},
};

/// What a run is, in the terms of the comparison table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLabel {
    /// The run.
    pub id: i64,
    /// What it does.
    pub kind: RunKind,
    /// The method that trained, or trains, the model.
    pub method: MethodName,
    /// What sets the model apart from the method as published; mostly nothing.
    pub variant: Variant,
    /// What it finds out, if it is an analysis.
    pub analysis: Option<Analysis>,
    /// The model's architecture.
    pub architecture: Architecture,
    /// Whether the model is its experiment's teacher.
    pub is_teacher: bool,
    /// Whether the model was imported, so that nobody here knows the method that trained it.
    pub is_imported: bool,
    /// The seed.
    pub seed: u64,
}

/// How far a running run is: its last `progress` event.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The part that it is in.
    pub stage: Stage,
    /// Epochs done over all stages; 0 in an evaluation.
    pub epoch: usize,
    /// Epochs of all stages; 0 in an evaluation.
    pub epochs: usize,
    /// Share of the work that is done, from 0 to 1.
    pub done: f64,
    /// Seconds that remain, where the worker can tell.
    pub seconds_left: Option<f64>,
    /// The attack under way, in an evaluation.
    pub attack: Option<AttackProgress>,
}

/// One result of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The attack; none for the natural accuracy.
    pub attack: Option<Attack>,
    /// The accuracy over the test images.
    pub accuracy: Accuracy,
    /// Images that were not answered, as the model's logits were not finite numbers; they count as wrong.
    pub unanswered: usize,
    /// How many images were still answered rightly behind each of the attacks that it consists of; empty where it is one.
    pub standing: Vec<usize>,
    /// How varied answers and features are, of the natural accuracy, where it was measured.
    pub variety: Option<Variety>,
}

/// The accuracies of a model, in percent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// The natural one, where it was measured.
    pub natural: Option<f64>,
    /// The lowest under an attack, and that attack's name: `PGD-20`.
    pub adversarial: Option<(String, f64)>,
}

/// One run with what a list says about it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// What it is.
    pub label: RunLabel,
    /// Its experiment's id and title, where it belongs to one.
    pub experiment: Option<(i64, String)>,
    /// The dataset's name.
    pub dataset: String,
    /// The device that it computes on: as its worker reported it, else as the spec names it.
    pub device: String,
    /// Its state.
    pub state: RunState,
    /// Why it is in that state, in a sentence: `Waits for run 3.`, or a failure's reason.
    pub cause: Option<String>,
    /// Since when it is in that state.
    pub since: Moment,
    /// How far it is; for a queued, failed, cancelled or lost run, how far it was.
    pub progress: Option<Progress>,
    /// Seconds of computing so far, over all attempts.
    pub seconds: Option<f64>,
    /// The results that an evaluation has reported so far: the natural accuracy first, then each attack in the spec's
    /// order. Empty for a training.
    pub scores: Vec<Score>,
    /// What masking checks have found so far.
    pub checks: Vec<CheckResult>,
    /// For a training, the natural accuracy on the test images after its last finished epoch, in percent.
    pub last_natural: Option<f64>,
}

impl RunLabel {
    /// What an analysis is of, or the model: `KD · ResNet-8 · seed 1`, or `KD (temperature T = 4) · ResNet-8 · seed 1` for a variant.
    pub fn model(&self) -> String {
        if let Some(analysis) = &self.analysis {
            return format::upper_first(&analysis.title());
        }
        format!("{} · {} · seed {}", self.row(), self.architecture, self.seed)
    }

    /// What the run is, its kind first: `Evaluation of KD · ResNet-8 · seed 1`, `Training of the teacher PGD-AT · ResNet-18 · seed 1`.
    pub fn heading(&self) -> String {
        let kind = match self.kind {
            RunKind::Train => "Training",
            RunKind::Probe => "Linear probe",
            RunKind::Evaluate => "Evaluation",
            RunKind::Masking => "Masking checks",
            RunKind::Analyse => return self.model(),
        };
        format!("{kind} of {}{}", if self.is_teacher { "the teacher " } else { "" }, self.model())
    }

    /// The method that trained the model, or `imported`.
    pub const fn method_name(&self) -> &'static str {
        if self.is_imported { "imported" } else { self.method.title() }
    }

    /// The method with what sets it apart: `KD`, `KD (temperature T = 4)`.
    pub fn row(&self) -> String {
        self.variant.named(self.method_name())
    }

    /// Whether it trains a model.
    pub fn is_training(&self) -> bool {
        self.kind == RunKind::Train
    }

    /// Whether it evaluates a model.
    pub fn is_evaluation(&self) -> bool {
        self.kind == RunKind::Evaluate
    }

    /// What the run does with it: `train`, `probe`, `evaluate`, each also with `teacher`.
    pub const fn verb(&self) -> &'static str {
        self.kind.verb(self.is_teacher)
    }

    /// How it is drawn: as its method, or as the teacher.
    pub fn mark(&self) -> Mark {
        mark::of(self.method, self.is_teacher)
    }

    /// The class that gives it its colour.
    pub fn class(&self) -> &'static str {
        self.mark().class
    }
}

impl Progress {
    /// Where it is, in words: `epoch 3 of 5`, or `62 %` of an evaluation; another stage than training is named.
    pub fn place(&self) -> String {
        match (self.stage, self.epochs) {
            (_, 0) => format!("{:.0} %", 100.0 * self.done.clamp(0.0, 1.0)),
            (Stage::Train, epochs) => format!("epoch {} of {epochs}", self.epoch),
            (stage, epochs) => format!("{}, epoch {} of {epochs}", stage.title(), self.epoch),
        }
    }

    /// The attack that is made, on how many images, and how long it takes yet: `APGD-T on 131 images, about 4 min`.
    pub fn attack(&self) -> Option<String> {
        let AttackProgress { attack, standing, seconds_left } = self.attack.as_ref()?;
        let left = self.seconds_left.map(|_| format!(", {} left of it", format::estimate(*seconds_left)));
        Some(format!("{attack} on {}{}", format::plural(*standing, "image", "images"), left.unwrap_or_default()))
    }

    /// The share that is done, with three decimals, for the bar.
    pub fn share(&self) -> String {
        format!("{:.3}", self.done.clamp(0.0, 1.0))
    }

    /// `about 4 min left`, or nothing.
    pub fn left(&self) -> Option<String> {
        self.seconds_left.map(|s| format!("{} left", format::estimate(s)))
    }
}

impl Score {
    /// `natural`, `PGD-20`.
    pub fn name(&self) -> String {
        self.attack.as_ref().map_or_else(|| "natural".into(), Attack::to_string)
    }

    /// `natural`, or the attack with its ε and steps.
    pub fn describe(&self) -> String {
        self.attack.as_ref().map_or_else(|| "natural".into(), Attack::describe)
    }

    /// The attacks of which it consists, each with the accuracy that it left, in percent; nothing where it is one.
    pub fn parts(&self) -> Vec<(String, String)> {
        let left = |correct: &usize| Accuracy { correct: *correct, n: self.accuracy.n }.percent();
        let parts = self.attack.iter().flat_map(Attack::parts);
        parts
            .zip(&self.standing)
            .map(|(part, left_right)| (part.to_string(), format::percent(left(left_right))))
            .collect()
    }

    /// That images were not answered, in a sentence; nothing where all were.
    pub fn unanswered_words(&self) -> Option<String> {
        let images = format::plural(self.unanswered, "answer is", "answers are");
        (self.unanswered > 0)
            .then(|| format!("Under {} {images} not finite numbers: they count as wrong.", self.name()))
    }

    /// In percent with two decimals.
    pub fn percent(&self) -> String {
        format::percent(self.accuracy.percent())
    }

    /// The 95 % interval: `40.1–46.2`.
    pub fn interval(&self) -> String {
        format::interval(self.accuracy)
    }
}

impl fmt::Display for Scores {
    /// `natural 82.10, PGD-20 51.08`, or `not evaluated`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let natural = self.natural.map(|p| format!("natural {}", format::percent(p)));
        let adversarial = self.adversarial.as_ref().map(|(attack, p)| format!("{attack} {}", format::percent(*p)));
        let numbers: Vec<_> = natural.into_iter().chain(adversarial).collect();
        if numbers.is_empty() {
            return f.write_str("not evaluated");
        }
        f.write_str(&numbers.join(", "))
    }
}

impl RunRow {
    /// Whether a person may end it.
    pub const fn can_cancel(&self) -> bool {
        !self.state.is_over()
    }

    /// Whether a person may queue it again, to go on from its checkpoint.
    pub const fn can_resume(&self) -> bool {
        self.state.may_be_resumed() || matches!(self.state, RunState::Lost)
    }

    /// Whether its progress still moves.
    pub const fn is_active(&self) -> bool {
        self.state.is_active()
    }

    /// How long it has computed: `4 min 10 s`, or nothing.
    pub fn took(&self) -> String {
        self.seconds.map(format::duration).unwrap_or_default()
    }

    /// What its masking checks say, by verdict: `9 checks pass`, `6 of 9 checks pass, 2 warn, 1 cannot tell`.
    pub fn verdict(&self) -> String {
        let kinds = [
            (Verdict::Pass, "pass", "passes"),
            (Verdict::Warning, "warn", "warns"),
            (Verdict::CannotTell, "cannot tell", "cannot tell"),
        ];
        let all = self.checks.len();
        let mut parts: Vec<String> = Vec::new();
        for (verdict, many, one) in kinds {
            let n = self.checks.iter().filter(|result| result.verdict == verdict).count();
            let of = match n {
                0 => continue,
                _ if n == all => format!(" {}", if n == 1 { "check" } else { "checks" }),
                _ if parts.is_empty() => format!(" of {}", format::plural(all, "check", "checks")),
                _ => String::new(),
            };
            parts.push(format!("{n}{of} {}", if n == 1 { one } else { many }));
        }
        parts.join(", ")
    }

    /// The verdict that matters most: a warning before one that could not be told before a pass; none without checks.
    pub fn worst_verdict(&self) -> Option<Verdict> {
        let rank = |verdict: &Verdict| match verdict {
            Verdict::Pass => 0,
            Verdict::CannotTell => 1,
            Verdict::Warning => 2,
        };
        self.checks.iter().map(|result| result.verdict).max_by_key(rank)
    }

    /// How its model has collapsed, to follow its name: `answers “cat” to every test image`; nothing if it has not.
    pub fn collapse(&self) -> Option<String> {
        self.scores.iter().find_map(|score| score.variety.as_ref()).and_then(Variety::collapse)
    }

    /// The masking checks that did not pass.
    pub fn not_passed(&self) -> impl Iterator<Item = &CheckResult> {
        self.checks.iter().filter(|result| result.verdict != Verdict::Pass)
    }

    /// Its numbers in a few words: the natural accuracy and the lowest adversarial one, `natural 82.70 · PGD-20 43.10`,
    /// or the last natural accuracy of a training.
    pub fn result(&self) -> String {
        if self.label.kind == RunKind::Masking {
            return self.verdict();
        }
        let natural = self.scores.iter().find(|s| s.attack.is_none());
        let attacked = self.scores.iter().filter(|s| s.attack.is_some());
        let lowest = attacked.min_by(|a, b| a.accuracy.percent().total_cmp(&b.accuracy.percent()));
        let scores = natural.into_iter().chain(lowest).map(|s| format!("{} {}", s.name(), s.percent()));
        let last = self.last_natural.iter().map(|p| format!("natural {}", format::percent(*p)));
        scores.chain(last).collect::<Vec<_>>().join(" · ")
    }
}
