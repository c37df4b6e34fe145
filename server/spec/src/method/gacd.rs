//! The parameters of GACD: guided adversarial contrastive distillation (methods.md §2). Where the paper leaves something
//! open, each reading of it is a value here, and the default is the one that methods.md argues for.

use serde::{Deserialize, Serialize};

use crate::{
    InnerAttack, Problem, Schedule,
    method::{TEMPERATURE_RANGE, temperature_holds},
};

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

const fn one() -> f64 {
    1.0
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

impl Gacd {
    /// The linear classifier's schedule, unless the classifier is trained with the contrast.
    pub fn linear_classifier(&self) -> Option<&Schedule> {
        (self.cross_entropy_weight <= 0.0).then_some(&self.classifier)
    }

    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        let mut expect = |holds: bool, field: &str, message: &str| {
            if !holds {
                problems.push(Problem::new(format!("method.{field}"), message));
            }
        };
        let weight = |w: f64| (0.0..=1e6).contains(&w);
        expect((1..=1_000_000).contains(&self.negatives), "negatives", "must be from 1 to 1,000,000");
        expect(temperature_holds(self.temperature), "temperature", TEMPERATURE_RANGE);
        expect((2..=4_096).contains(&self.embedding), "embedding", "must be from 2 to 4,096");
        expect((0.0..=1.0).contains(&self.bank_momentum), "bank_momentum", "must be from 0 to 1");
        expect((1e-4..=100.0).contains(&self.sinkhorn_epsilon), "sinkhorn_epsilon", "must be from 0.0001 to 100");
        expect(weight(self.contrast_weight), "contrast_weight", "must be from 0 to 1,000,000");
        expect(weight(self.cross_entropy_weight), "cross_entropy_weight", "must be from 0 to 1,000,000");
        let weights = self.contrast_weight + self.cross_entropy_weight;
        expect(weights > 0.0, "contrast_weight", "contrast_weight and cross_entropy_weight must not both be 0");
        self.classifier.check("method.classifier", problems);
    }
}
