//! Ways to train a model.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    Architecture, BatchNormMode, Gacd, InnerAttack, PixelDistance, Problem, SampleWeighting, Schedule, StudentInput,
};

/// How a KL divergence is averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// The sum over classes, averaged over the batch: the mathematical KL.
    BatchMean,
    /// Averaged over batch and classes, as PyTorch's `KLDivLoss()` does by default: 1/C of the above.
    ElementMean,
}

/// A method with its parameters: how a batch becomes a loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Method {
    /// Cross-entropy on natural images.
    Natural {},
    /// Adversarial training: cross-entropy on PGD images (methods.md §3.1).
    PgdAt {
        /// The inner maximisation.
        attack: InnerAttack,
    },
    /// Cross-entropy on natural images and β·KL between the answers to natural and attacked ones (methods.md §3.2).
    Trades {
        /// The inner maximisation, on that KL.
        attack: InnerAttack,
        /// Weight of the KL.
        beta: f64,
    },
    /// Hinton's distillation on natural images: γ·CE + α·T²·KL(teacher ‖ student) (methods.md §1.1).
    Kd {
        /// T.
        temperature: f64,
        /// Weight of the teacher's soft labels.
        alpha: f64,
        /// Weight of the true labels.
        gamma: f64,
        /// How the KL is averaged. Specs from before there was a choice meant the mean over the batch.
        #[serde(default = "batch_mean")]
        reduction: Reduction,
    },
    /// Adversarially robust distillation: the teacher sees natural images, the student PGD images (methods.md §1.2).
    Ard {
        /// The inner maximisation, on the student's cross-entropy.
        attack: InnerAttack,
        /// T.
        temperature: f64,
        /// Weight α of the teacher's soft labels; the cross-entropy on natural images weighs 1 − α.
        #[serde(default = "one")]
        alpha: f64,
        /// How the KL is averaged; the authors' code averages over classes too.
        reduction: Reduction,
        /// Whether images count by the teacher's confidence in them: the paper's ablation “ARD + `w_t`”.
        #[serde(default = "SampleWeighting::none")]
        sample_weighting: SampleWeighting,
    },
    /// Guided adversarial contrastive distillation, then a linear classifier on the frozen student (methods.md §2.2).
    Gacd(Gacd),
}

const fn one() -> f64 {
    1.0
}

const fn batch_mean() -> Reduction {
    Reduction::BatchMean
}

impl Method {
    /// Whether it learns from a teacher.
    pub const fn needs_teacher(&self) -> bool {
        matches!(self, Self::Kd { .. } | Self::Ard { .. } | Self::Gacd(_))
    }

    /// The attack inside the training, if there is one.
    pub const fn inner_attack(&self) -> Option<&InnerAttack> {
        match self {
            Self::Natural {} | Self::Kd { .. } => None,
            Self::PgdAt { attack } | Self::Trades { attack, .. } | Self::Ard { attack, .. } => Some(attack),
            Self::Gacd(gacd) => Some(&gacd.attack),
        }
    }

    /// The attack inside the training, to change it.
    pub const fn inner_attack_mut(&mut self) -> Option<&mut InnerAttack> {
        match self {
            Self::Natural {} | Self::Kd { .. } => None,
            Self::PgdAt { attack } | Self::Trades { attack, .. } | Self::Ard { attack, .. } => Some(attack),
            Self::Gacd(gacd) => Some(&mut gacd.attack),
        }
    }

    /// The linear classifier that is trained after the method's own stage, if there is one.
    pub fn classifier(&self) -> Option<&Schedule> {
        match self {
            Self::Gacd(gacd) => gacd.linear_classifier(),
            _ => None,
        }
    }

    /// Forward passes of the student over the batch that its parameters are trained by.
    pub fn student_passes(&self) -> usize {
        let two = match self {
            Self::Natural {} | Self::PgdAt { .. } | Self::Kd { .. } => false,
            Self::Trades { .. } => true,
            Self::Ard { alpha, attack, .. } => *alpha < 1.0 || attack.batch_norm == BatchNormMode::Train,
            Self::Gacd(gacd) => gacd.student_input == StudentInput::Both,
        };
        1 + usize::from(two)
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        if let Some(attack) = self.inner_attack() {
            attack.check("method.attack", problems);
        }
        let mut expect = |holds: bool, field: &str, message: &str| {
            if !holds {
                problems.push(Problem::new(format!("method.{field}"), message));
            }
        };
        let weight = "must be from 0 to 1,000,000";
        match self {
            Self::Natural {} | Self::PgdAt { .. } => {}
            Self::Trades { beta, .. } => expect((0.0..=1e6).contains(beta), "beta", weight),
            Self::Kd { temperature, alpha, gamma, reduction: _ } => {
                expect(temperature_holds(*temperature), "temperature", TEMPERATURE_RANGE);
                expect((0.0..=1e6).contains(alpha), "alpha", weight);
                expect((0.0..=1e6).contains(gamma), "gamma", weight);
                expect(alpha + gamma > 0.0, "alpha", "alpha and gamma must not both be 0");
            }
            Self::Ard { temperature, alpha, .. } => {
                expect(temperature_holds(*temperature), "temperature", TEMPERATURE_RANGE);
                expect((0.0..=1.0).contains(alpha), "alpha", "must be from 0 to 1");
            }
            Self::Gacd(gacd) => gacd.check(problems),
        }
    }
}

pub(crate) const TEMPERATURE_RANGE: &str = "must be from 0.001 to 1,000";

pub(crate) fn temperature_holds(temperature: f64) -> bool {
    (0.001..=1_000.0).contains(&temperature)
}

/// A method as it is chosen and compared: the name of a row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MethodName {
    /// Training on natural images.
    #[serde(rename = "natural")]
    Natural,
    /// Adversarial training.
    #[serde(rename = "pgd-at")]
    PgdAt,
    /// TRADES.
    #[serde(rename = "trades")]
    Trades,
    /// Knowledge distillation.
    #[serde(rename = "kd")]
    Kd,
    /// Knowledge distillation, then adversarial fine-tuning.
    #[serde(rename = "kd+aft")]
    KdAft,
    /// Adversarially robust distillation.
    #[serde(rename = "ard")]
    Ard,
    /// Adversarially robust distillation, then adversarial fine-tuning.
    #[serde(rename = "ard+aft")]
    ArdAft,
    /// Guided adversarial contrastive distillation with a linear classifier.
    #[serde(rename = "gacd")]
    Gacd,
    /// GACD, then adversarial fine-tuning of the whole network.
    #[serde(rename = "gacd+aft")]
    GacdAft,
}

impl MethodName {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 9] = [
        Self::Natural,
        Self::PgdAt,
        Self::Trades,
        Self::Kd,
        Self::KdAft,
        Self::Ard,
        Self::ArdAft,
        Self::Gacd,
        Self::GacdAft,
    ];

    /// The name in specs and on the command line.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Natural => "natural",
            Self::PgdAt => "pgd-at",
            Self::Trades => "trades",
            Self::Kd => "kd",
            Self::KdAft => "kd+aft",
            Self::Ard => "ard",
            Self::ArdAft => "ard+aft",
            Self::Gacd => "gacd",
            Self::GacdAft => "gacd+aft",
        }
    }

    /// The name that people read.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Natural => "Natural",
            Self::PgdAt => "PGD-AT",
            Self::Trades => "TRADES",
            Self::Kd => "KD",
            Self::KdAft => "KD+AFT",
            Self::Ard => "ARD",
            Self::ArdAft => "ARD+AFT",
            Self::Gacd => "GACD",
            Self::GacdAft => "GACD+AFT",
        }
    }

    /// One sentence that says what it does.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Natural => "Cross-entropy on natural images; no teacher.",
            Self::PgdAt => "Adversarial training: cross-entropy on PGD images; no teacher.",
            Self::Trades => "Cross-entropy on natural images, and stable answers around them; no teacher.",
            Self::Kd => "The student matches the teacher's soft labels on natural images.",
            Self::KdAft => "KD, then the whole network is fine-tuned adversarially.",
            Self::Ard => "On PGD images the student matches the teacher's soft labels of the natural ones.",
            Self::ArdAft => "ARD, then the whole network is fine-tuned adversarially: GACD+AFT's control.",
            Self::Gacd => "Adversarial features are pulled to the teacher's by a guided contrast; linear classifier.",
            Self::GacdAft => "GACD, then the whole network is fine-tuned adversarially.",
        }
    }

    /// Whether it learns from a teacher.
    pub const fn needs_teacher(self) -> bool {
        !matches!(self, Self::Natural | Self::PgdAt | Self::Trades)
    }

    /// The method that is fine-tuned, for those that end with AFT.
    pub const fn fine_tunes(self) -> Option<Self> {
        match self {
            Self::KdAft => Some(Self::Kd),
            Self::ArdAft => Some(Self::Ard),
            Self::GacdAft => Some(Self::Gacd),
            _ => None,
        }
    }

    /// The method with the defaults of methods.md §1–3.
    pub fn defaults(self) -> Method {
        let attack = InnerAttack::default();
        match self {
            Self::Natural => Method::Natural {},
            Self::PgdAt => Method::PgdAt { attack },
            Self::Trades => {
                let (eps, step_size) = (PixelDistance::new(0.031), PixelDistance::new(0.007));
                Method::Trades { attack: InnerAttack { eps, step_size, ..attack }, beta: TRADES_BETA }
            }
            Self::Kd | Self::KdAft => {
                Method::Kd { temperature: 30.0, alpha: 1.0, gamma: 0.0, reduction: Reduction::ElementMean }
            }
            Self::Ard | Self::ArdAft => Method::Ard {
                attack,
                temperature: 30.0,
                alpha: 1.0,
                reduction: Reduction::ElementMean,
                sample_weighting: SampleWeighting::None,
            },
            Self::Gacd | Self::GacdAft => Method::Gacd(Gacd::default()),
        }
    }

    /// Its published schedule for an architecture (methods.md §1.2, §2.2, §3.1, §3.2).
    pub fn schedule(self, architecture: Architecture) -> Schedule {
        match self {
            Self::Gacd | Self::GacdAft => Schedule::new(240, 64, 0.05, 5e-4, &[0.625, 0.75, 0.875]),
            Self::PgdAt | Self::Natural => {
                let weight_decay = if architecture.is_wide() { 2e-4 } else { 5e-4 };
                Schedule::new(200, 128, 0.1, weight_decay, &[0.5, 0.75])
            }
            Self::Trades => Schedule { milestones: vec![75], ..Schedule::new(76, 128, 0.1, 2e-4, &[]) },
            Self::Kd | Self::KdAft | Self::Ard | Self::ArdAft => Schedule::new(200, 128, 0.1, 2e-4, &[0.5, 0.75]),
        }
    }
}

/// The published weight of TRADES' KL.
pub const TRADES_BETA: f64 = 6.0;

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

impl FromStr for MethodName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|m| m.id() == text.to_lowercase()).ok_or_else(|| {
            let known = Self::ALL.map(Self::id).join(", ");
            format!("there is no method “{text}”: choose one of {known}")
        })
    }
}
