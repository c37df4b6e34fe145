//! One accuracy of the table, and what stands beside it.

use retort_spec::{Accuracy, LEVEL, OverSeeds};

use super::answered::Answered;
use crate::format;

/// An accuracy in percent with its uncertainty.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The mean over seeds.
    pub mean: f64,
    /// The uncertainty.
    pub spread: Spread,
    /// How many test images each seed's accuracy is over.
    pub images: usize,
    /// Whether it is the highest of its column and group or not told from it, while another one is.
    pub is_among_best: bool,
    /// The paper's number for it, in percent.
    pub paper: Option<f64>,
    /// How it compares to the baseline.
    pub against: Option<Beside>,
    /// The answers that it counts, where they are there.
    pub(crate) answers: Option<Answered>,
}

/// The uncertainty of an accuracy, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// The sample standard deviation over `n` seeds.
    Deviation {
        /// The deviation.
        std: f64,
        /// How many seeds.
        n: usize,
    },
    /// The 95 % interval of a single model over the test images.
    Interval([f64; 2]),
}

/// How an accuracy compares to that of the baseline on the same images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Beside {
    /// The accuracy less the baseline's, in percentage points.
    pub difference: f64,
    /// The p-value of the paired test of that difference, by itself.
    pub p_value: f64,
    /// The same adjusted for the rows of the column that are tested (Holm).
    pub adjusted: f64,
    /// How many rows of the column are tested.
    pub tests: usize,
    /// The standard deviation over images of an image's difference, in percentage points.
    pub deviation: f64,
    /// The difference over the seeds that both have; none where they have none in common.
    pub over_seeds: Option<OverSeeds>,
}

impl Cell {
    /// The mean of these models' accuracies; none without any.
    pub(super) fn over_seeds(accuracies: &[Accuracy]) -> Option<Self> {
        let n = accuracies.len();
        let first = accuracies.first()?;
        let mean = accuracies.iter().map(|a| a.percent()).sum::<f64>() / n as f64;
        let squares: f64 = accuracies.iter().map(|a| (a.percent() - mean).powi(2)).sum();
        let spread = match n {
            1 => Spread::Interval(first.interval()),
            _ => Spread::Deviation { std: (squares / (n - 1) as f64).sqrt(), n },
        };
        Some(Self { mean, spread, images: first.n, is_among_best: false, paper: None, against: None, answers: None })
    }

    /// Over how many seeds it is the mean.
    pub const fn seeds(&self) -> usize {
        match self.spread {
            Spread::Deviation { n, .. } => n,
            Spread::Interval(_) => 1,
        }
    }

    /// From where to where its uncertainty reaches, in percent: a deviation around the mean, or the interval.
    pub fn range(&self) -> [f64; 2] {
        match self.spread {
            Spread::Deviation { std, .. } => [(self.mean - std).max(0.0), (self.mean + std).min(100.0)],
            Spread::Interval(interval) => interval,
        }
    }

    /// The mean: `82.70`.
    pub fn value(&self) -> String {
        format::percent(self.mean)
    }

    /// The uncertainty: `± 0.20 (n=3)`, or `80.2–84.9`; beside means over several seeds `80.2–84.9 (n=1)`.
    pub fn spread(&self, beside_means: bool) -> String {
        match self.spread {
            Spread::Deviation { std, n } => format!("± {std:.2} (n={n})"),
            Spread::Interval([low, high]) if beside_means => format!("{low:.1}–{high:.1} (n=1)"),
            Spread::Interval([low, high]) => format!("{low:.1}–{high:.1}"),
        }
    }

    /// The paper's number, and ours less it: `82.73 (−0.03)`.
    pub fn beside_paper(&self) -> Option<String> {
        self.paper.map(|paper| format!("{} ({})", format::percent(paper), format::signed(self.mean - paper)))
    }

    /// Whether it differs from the baseline by more than the choice of images explains.
    pub fn is_significant(&self) -> bool {
        self.against.is_some_and(|against| against.adjusted < LEVEL)
    }
}

fn words_of_p(p_value: f64) -> String {
    if p_value < 0.001 { "p < 0.001".into() } else { format!("p = {p_value:.3}") }
}

impl Beside {
    /// The difference: `+1.20`.
    pub fn difference(&self) -> String {
        format::signed(self.difference)
    }

    /// The adjusted p-value: `p = 0.003`, `p < 0.001`.
    pub fn p_value(&self) -> String {
        words_of_p(self.adjusted)
    }

    /// The test over seeds, each paired with its twin: `over seeds p = 0.020`, or `too few seeds`; nothing of a single one.
    pub fn over_seeds(&self) -> Option<String> {
        let over = self.over_seeds.filter(|over| over.seeds > 1)?;
        Some(match over.p_value {
            Some(p_value) => format!("over seeds {}", words_of_p(p_value)),
            None if over.seeds < OverSeeds::LEAST => "too few seeds".into(),
            None => "over seeds all alike".into(),
        })
    }
}
