//! Ways to train a model.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{InnerAttack, Problem, Schedule};

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
    /// Hinton's distillation on natural images: γ·CE + α·T²·KL(teacher ‖ student) (methods.md §1.1).
    Kd {
        /// T.
        temperature: f64,
        /// Weight of the teacher's soft labels.
        alpha: f64,
        /// Weight of the true labels.
        gamma: f64,
    },
    /// Adversarially robust distillation: the teacher sees natural images, the student PGD images (methods.md §1.2).
    Ard {
        /// The inner maximisation, on the student's cross-entropy.
        attack: InnerAttack,
        /// T.
        temperature: f64,
        /// How the KL is averaged; the authors' code averages over classes too.
        reduction: Reduction,
    },
    /// Guided adversarial contrastive distillation, then a linear classifier on the frozen student (methods.md §2.2).
    Gacd {
        /// Negatives k for each anchor at 50,000 training images; fewer images use proportionally fewer.
        negatives: usize,
        /// T of the contrast.
        temperature: f64,
        /// Dimension of the embedding heads.
        embedding: usize,
        /// How much of a memory row stays at an update.
        bank_momentum: f64,
        /// The optimal-transport attack on the student's features.
        attack: InnerAttack,
        /// Strength of the entropy term in Sinkhorn's iteration.
        sinkhorn_epsilon: f64,
        /// The linear classifier, trained on natural images with the backbone frozen.
        classifier: Schedule,
    },
}

impl Method {
    /// Whether it learns from a teacher.
    pub const fn needs_teacher(&self) -> bool {
        matches!(self, Self::Kd { .. } | Self::Ard { .. } | Self::Gacd { .. })
    }

    /// The attack inside the training, if there is one.
    pub const fn inner_attack(&self) -> Option<&InnerAttack> {
        match self {
            Self::Natural {} | Self::Kd { .. } => None,
            Self::PgdAt { attack } | Self::Ard { attack, .. } | Self::Gacd { attack, .. } => Some(attack),
        }
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
        let temperature_holds = |t: f64| (0.001..=1_000.0).contains(&t);
        let range = "must be from 0.001 to 1,000";
        match self {
            Self::Natural {} | Self::PgdAt { .. } => {}
            Self::Kd { temperature, alpha, gamma } => {
                expect(temperature_holds(*temperature), "temperature", range);
                expect((0.0..=1e6).contains(alpha), "alpha", "must not be negative");
                expect((0.0..=1e6).contains(gamma), "gamma", "must not be negative");
                expect(alpha + gamma > 0.0, "alpha", "alpha and gamma must not both be 0");
            }
            Self::Ard { temperature, .. } => expect(temperature_holds(*temperature), "temperature", range),
            Self::Gacd { negatives, temperature, embedding, bank_momentum, sinkhorn_epsilon, classifier, .. } => {
                expect((1..=1_000_000).contains(negatives), "negatives", "must be from 1 to 1,000,000");
                expect(temperature_holds(*temperature), "temperature", range);
                expect((2..=4_096).contains(embedding), "embedding", "must be from 2 to 4,096");
                expect((0.0..=1.0).contains(bank_momentum), "bank_momentum", "must be from 0 to 1");
                expect((1e-4..=100.0).contains(sinkhorn_epsilon), "sinkhorn_epsilon", "must be from 0.0001 to 100");
                classifier.check("method.classifier", problems);
            }
        }
    }
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
    /// Knowledge distillation.
    #[serde(rename = "kd")]
    Kd,
    /// Adversarially robust distillation.
    #[serde(rename = "ard")]
    Ard,
    /// Guided adversarial contrastive distillation with a linear classifier.
    #[serde(rename = "gacd")]
    Gacd,
    /// GACD, then adversarial fine-tuning of the whole network.
    #[serde(rename = "gacd+aft")]
    GacdAft,
}

impl MethodName {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 6] = [Self::Natural, Self::PgdAt, Self::Kd, Self::Ard, Self::Gacd, Self::GacdAft];

    /// The name in specs and on the command line.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Natural => "natural",
            Self::PgdAt => "pgd-at",
            Self::Kd => "kd",
            Self::Ard => "ard",
            Self::Gacd => "gacd",
            Self::GacdAft => "gacd+aft",
        }
    }

    /// The name that people read.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Natural => "Natural",
            Self::PgdAt => "PGD-AT",
            Self::Kd => "KD",
            Self::Ard => "ARD",
            Self::Gacd => "GACD",
            Self::GacdAft => "GACD+AFT",
        }
    }

    /// One sentence that says what it does.
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Natural => "Cross-entropy on natural images; no teacher.",
            Self::PgdAt => "Adversarial training: cross-entropy on PGD images; no teacher.",
            Self::Kd => "The student matches the teacher's soft labels on natural images.",
            Self::Ard => "On PGD images the student matches the teacher's soft labels of the natural ones.",
            Self::Gacd => "Adversarial features are pulled to the teacher's by a guided contrast; linear classifier.",
            Self::GacdAft => "GACD, then the whole network is fine-tuned adversarially.",
        }
    }

    /// Whether it learns from a teacher.
    pub const fn needs_teacher(self) -> bool {
        matches!(self, Self::Kd | Self::Ard | Self::Gacd | Self::GacdAft)
    }

    /// The method with the defaults of methods.md §1–3, an inner attack of `steps` steps where it has one, and a
    /// classifier trained for `classifier_epochs`.
    pub fn defaults(self, steps: usize, classifier_epochs: usize) -> Method {
        let attack = InnerAttack::with_steps(steps);
        match self {
            Self::Natural => Method::Natural {},
            Self::PgdAt => Method::PgdAt { attack },
            Self::Kd => Method::Kd { temperature: 30.0, alpha: 1.0, gamma: 0.0 },
            Self::Ard => Method::Ard { attack, temperature: 30.0, reduction: Reduction::ElementMean },
            Self::Gacd | Self::GacdAft => Method::Gacd {
                negatives: 16_384,
                temperature: 0.1,
                embedding: 128,
                bank_momentum: 0.5,
                attack,
                sinkhorn_epsilon: 0.01,
                classifier: Schedule::new(120, 64, 0.05, 5e-4, &[0.25, 0.5, 0.75]).stretched_to(classifier_epochs),
            },
        }
    }

    /// Its default schedule at the paper's budget (methods.md §1.2, §2.2, §3.1).
    pub fn schedule(self) -> Schedule {
        match self {
            Self::Gacd | Self::GacdAft => Schedule::new(240, 64, 0.05, 5e-4, &[0.625, 0.75, 0.875]),
            Self::PgdAt | Self::Natural => Schedule::new(200, 128, 0.1, 5e-4, &[0.5, 0.75]),
            Self::Kd | Self::Ard => Schedule::new(200, 128, 0.1, 2e-4, &[0.5, 0.75]),
        }
    }
}

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
