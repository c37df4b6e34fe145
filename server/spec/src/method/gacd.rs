//! The parameters of GACD: guided adversarial contrastive distillation (methods.md §2). Where the paper leaves something
//! open, each reading of it is a value here, and the default is the one that methods.md argues for.

use serde::{Deserialize, Serialize};

use super::{
    Described, Names, Parameters, Record, has_inner_attack, one,
    parameter::{
        ATTACK, Parameter, TEMPERATURE, TEMPERATURE_RANGE, WEIGHT, WEIGHT_RANGE, parameter, temperature_holds,
    },
    preset::Preset,
};
use crate::{InnerAttack, Problem, Schedule, problem::expect};

/// GACD's parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gacd {
    /// Negatives k for each anchor at 50,000 training images; fewer images use proportionally fewer.
    pub negatives: usize,
    /// T of the contrast.
    pub temperature: f64,
    /// Dimension of the embedding heads.
    pub embedding: usize,
    /// How much of a memory row stays at an update.
    pub bank_momentum: f64,
    /// Which row of the memory is an anchor's positive.
    #[serde(default)]
    pub positive: Positive,
    /// Which embeddings are anchors, and what they are held against.
    #[serde(default)]
    pub anchor: Anchor,
    /// Z in h = eˢ/ᵀ / (eˢ/ᵀ + Z·k/M).
    #[serde(default)]
    pub normalising_constant: NormalisingConstant,
    /// How much each image counts.
    #[serde(default)]
    pub sample_weighting: SampleWeighting,
    /// What the teacher sees.
    #[serde(default)]
    pub teacher_input: TeacherInput,
    /// What the student sees.
    #[serde(default)]
    pub student_input: StudentInput,
    /// Weight β of the contrast.
    #[serde(default = "one")]
    pub contrast_weight: f64,
    /// Weight γ of a cross-entropy of the student's own classifier on what it sees. Above 0 the classifier is trained so, as
    /// in CRD, and no linear classifier follows.
    #[serde(default)]
    pub cross_entropy_weight: f64,
    /// The attack that makes the adversarial images.
    pub attack: InnerAttack,
    /// Whose features the attack moves.
    #[serde(default)]
    pub attacked_network: AttackedNetwork,
    /// Which features it moves.
    #[serde(default)]
    pub attacked_features: AttackedFeatures,
    /// How the batch's natural and attacked features are matched.
    #[serde(default)]
    pub coupling: Coupling,
    /// Strength of the entropy term in Sinkhorn's iteration.
    pub sinkhorn_epsilon: f64,
    /// Whether the attack's gradient flows through the transport plan.
    #[serde(default)]
    pub plan_gradient: PlanGradient,
    /// The linear classifier, trained on natural images with the backbone frozen.
    pub classifier: Schedule,
}

/// Which row of the memory is an anchor's positive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positive {
    /// That of the same image: the paper's congruent pair.
    #[default]
    Exact,
    /// That of a random image of the same class.
    Relaxed,
}

/// Which embeddings are anchors, and what they are held against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// Both networks', each against the memory of the other: CRD's two terms.
    #[default]
    Symmetric,
    /// The teacher's, with the student's embedding in hand as its positive and the student's memory as negatives: the
    /// paper's Eq. 9. The student learns from positives alone.
    TeacherLive,
    /// The student's, against the teacher's memory.
    StudentOnly,
}

/// Z in h.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormalisingConstant {
    /// Fixed on the first batch so that scores are probabilities on average: CRD's code.
    #[default]
    Calibrated,
    /// 1, as the formula is printed.
    One,
}

/// How much each image counts. The paper weighs it by `w_t`, the teacher's probability of its true class (Eq. 9–10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleWeighting {
    /// All the same.
    None,
    /// By `w_t`.
    #[default]
    Teacher,
    /// By `w_t` over its mean in the batch.
    TeacherNormalised,
}

impl SampleWeighting {
    pub(crate) const fn none() -> Self {
        Self::None
    }
}

/// What the teacher sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TeacherInput {
    /// The same image as the student: Algorithm 1.
    #[default]
    Same,
    /// The natural image, as in ARD.
    Natural,
}

/// What the student sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StudentInput {
    /// The adversarial image.
    #[default]
    Adversarial,
    /// The adversarial and the natural image; the loss is the mean of both.
    Both,
}

/// Whose features the attack moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackedNetwork {
    /// The student's.
    #[default]
    Student,
    /// The teacher's.
    Teacher,
}

/// Which features the attack moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackedFeatures {
    /// The pooled vectors in front of the classifier.
    #[default]
    Penultimate,
    /// The logits, as feature scattering's code does.
    Logits,
    /// The embeddings that the contrast compares.
    Embedding,
}

/// How natural and attacked features are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coupling {
    /// By optimal transport over the batch (Sinkhorn).
    #[default]
    Transport,
    /// Each image with itself: the mean cosine distance.
    Identity,
}

/// Whether the attack's gradient flows through the transport plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanGradient {
    /// The plan is a constant: at its optimum that is the exact gradient of the regularised distance.
    #[default]
    Detached,
    /// Through every round of Sinkhorn's iteration, as feature scattering's code does.
    Unrolled,
}

impl Default for Gacd {
    /// The defaults of methods.md §2.2–2.3.
    fn default() -> Self {
        Self {
            negatives: 16_384,
            temperature: 0.1,
            embedding: 128,
            bank_momentum: 0.5,
            positive: Positive::default(),
            anchor: Anchor::default(),
            normalising_constant: NormalisingConstant::default(),
            sample_weighting: SampleWeighting::default(),
            teacher_input: TeacherInput::default(),
            student_input: StudentInput::default(),
            contrast_weight: 1.0,
            cross_entropy_weight: 0.0,
            attack: InnerAttack::default(),
            attacked_network: AttackedNetwork::default(),
            attacked_features: AttackedFeatures::default(),
            coupling: Coupling::default(),
            sinkhorn_epsilon: 0.01,
            plan_gradient: PlanGradient::default(),
            classifier: Schedule::linear_classifier(),
        }
    }
}

const PARAMETERS: [Parameter; 18] = [
    parameter(
        "method.negatives",
        "negatives k",
        "1 to 1,000,000",
        "At 50,000 training images; fewer images use proportionally fewer. More is more robust, and natural accuracy falls.",
    ),
    parameter(
        "method.temperature",
        "temperature T",
        TEMPERATURE,
        "The paper's; lower looks at the hardest negatives only.",
    ),
    parameter(
        "method.sample_weighting",
        "sample weighting",
        "none, teacher or teacher_normalised",
        "The paper's w_t: images that the teacher knows count more.",
    ),
    parameter(
        "method.anchor",
        "anchor",
        "symmetric, teacher_live or student_only",
        "CRD's two terms; the printed loss alone sends the student no gradient through a memory.",
    ),
    parameter(
        "method.normalising_constant",
        "normalising constant Z",
        "calibrated or one",
        "CRD's code calibrates it on the first batch; the printed formula has none.",
    ),
    parameter("method.positive", "positive", "exact or relaxed", "The same image, or a random one of its class."),
    parameter(
        "method.teacher_input",
        "teacher's input",
        "same or natural",
        "Algorithm 1 shows it the adversarial image.",
    ),
    parameter(
        "method.student_input",
        "student's input",
        "adversarial or both",
        "both averages the loss over the natural and the adversarial image.",
    ),
    parameter(
        "method.attacked_features",
        "attacked features",
        "penultimate, logits or embedding",
        "“Distortion on features”; feature scattering's code takes the logits.",
    ),
    parameter("method.attacked_network", "attacked network", "student or teacher", "Whose features the attack moves."),
    parameter(
        "method.coupling",
        "coupling",
        "transport or identity",
        "identity is the mean cosine distance of each image to itself: faster, and almost the same.",
    ),
    parameter(
        "method.sinkhorn_epsilon",
        "Sinkhorn ε",
        "0.0001 to 100",
        "Smaller is nearer to the exact transport, and slower.",
    ),
    parameter(
        "method.plan_gradient",
        "gradient of the plan",
        "detached or unrolled",
        "At the optimum a constant plan gives the exact gradient.",
    ),
    parameter("method.contrast_weight", "contrast β", WEIGHT, "Weight of the contrast; 0.8 in CRD."),
    parameter(
        "method.cross_entropy_weight",
        "cross-entropy γ",
        WEIGHT,
        "Above 0 the classifier is trained with the contrast, as in CRD, and none follows.",
    ),
    parameter("method.embedding", "embedding", "2 to 4,096", "Dimension of the heads, as in CRD."),
    parameter(
        "method.bank_momentum",
        "bank momentum",
        "0 to 1",
        "How much of a remembered embedding stays at an update, as in CRD.",
    ),
    parameter(
        "method.classifier.epochs",
        "classifier epochs",
        "1 to 10,000",
        "A linear layer on the frozen features; cheap, as these are computed once.",
    ),
];

/// The attack of the feature-scattering code (methods.md §2.3).
const FEATURE_SCATTER: Preset = Preset {
    name: "feature-scatter-1",
    summary: "Feature scattering's own attack: one step of 8/255 on the logits, through the unrolled plan.",
    settings: &[
        ("method.attack.steps", "1"),
        ("method.attack.step_size", "8/255"),
        ("method.attacked_features", "logits"),
        ("method.plan_gradient", "unrolled"),
    ],
};

/// CRD's weights and temperature (methods.md §2.1).
const CRD: Preset = Preset {
    name: "crd",
    summary: "CRD's loss on adversarial images: cross-entropy beside the contrast, T = 0.07, no weights w_t.",
    settings: &[
        ("method.cross_entropy_weight", "1"),
        ("method.contrast_weight", "0.8"),
        ("method.temperature", "0.07"),
        ("method.sample_weighting", "none"),
    ],
};

/// The formulas as the paper prints them (methods.md §2.2).
const AS_PRINTED: Preset = Preset {
    name: "as-printed",
    summary: "Eq. 9 to the letter: the teacher is the only anchor, and h has no normalising constant.",
    settings: &[("method.anchor", "teacher_live"), ("method.normalising_constant", "one")],
};

impl Described for Gacd {
    const RECORD: Record = Record {
        names: Names {
            id: "gacd",
            title: "GACD",
            summary: "Adversarial features are pulled to the teacher's by a guided contrast; linear classifier.",
        },
        source: "Bai et al. 2020, arXiv:2009.09922",
        fine_tuned: Some(Names {
            id: "gacd+aft",
            title: "GACD+AFT",
            summary: "GACD, then the whole network is fine-tuned adversarially.",
        }),
        schedule: |_| Schedule::new(240, 64, 0.05, 5e-4, &[0.625, 0.75, 0.875]),
        // Its attack is always in eval mode.
        parameters: &[&PARAMETERS, ATTACK.split_at(3).0],
        presets: &[FEATURE_SCATTER, CRD, AS_PRINTED],
    };
}

impl Parameters for Gacd {
    fn check(&self, problems: &mut Vec<Problem>) {
        let mut expect = |holds: bool, field: &str, message: &str| expect(holds, field, message, problems);
        let weight = |w: f64| (0.0..=1e6).contains(&w);
        let (contrast, cross_entropy) = (self.contrast_weight, self.cross_entropy_weight);
        expect((1..=1_000_000).contains(&self.negatives), "method.negatives", "must be from 1 to 1,000,000");
        expect(temperature_holds(self.temperature), "method.temperature", TEMPERATURE_RANGE);
        expect((2..=4_096).contains(&self.embedding), "method.embedding", "must be from 2 to 4,096");
        expect((0.0..=1.0).contains(&self.bank_momentum), "method.bank_momentum", "must be from 0 to 1");
        let epsilon = (1e-4..=100.0).contains(&self.sinkhorn_epsilon);
        expect(epsilon, "method.sinkhorn_epsilon", "must be from 0.0001 to 100");
        expect(weight(contrast), "method.contrast_weight", WEIGHT_RANGE);
        expect(weight(cross_entropy), "method.cross_entropy_weight", WEIGHT_RANGE);
        let both = "contrast_weight and cross_entropy_weight must not both be 0";
        expect(contrast + cross_entropy > 0.0, "method.contrast_weight", both);
        self.classifier.check("method.classifier", problems);
    }

    has_inner_attack!();

    /// The classifier is trained with the contrast where that has a cross-entropy.
    fn classifier(&self) -> Option<&Schedule> {
        (self.cross_entropy_weight <= 0.0).then_some(&self.classifier)
    }

    fn shorten_classifier(&mut self, most: usize) {
        let most = self.classifier.epochs.min(most);
        self.classifier = self.classifier.clone().stretched_to(most);
    }

    fn student_passes(&self) -> usize {
        1 + usize::from(self.student_input == StudentInput::Both)
    }
}
