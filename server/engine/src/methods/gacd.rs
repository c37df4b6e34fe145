//! Guided adversarial contrastive distillation (Bai et al. 2020; methods.md §2.2).
//!
//! The student's features of an attacked image are pulled to the teacher's of the same image and pushed from those of
//! other classes; the teacher's confidence in the true class weighs every anchor. The paper's Eq. 9 has the teacher as
//! its only anchor, but through a memory bank that sends the student no gradient, so by default both anchors are used, as in
//! CRD.

use std::{collections::HashMap, sync::Arc};

use candle_core::{Device, Result, Tensor, backprop::GradStore};
use retort_spec::{Anchor, AttackedFeatures, AttackedNetwork, Gacd, NormalisingConstant, StudentInput, TeacherInput};

use super::{
    Batch, Objective, ObjectiveContext, StudentOutput,
    contrast::Contrast,
    heads::{Heads, named},
    memory_bank::{MemoryBank, Sampler},
    sample_weights, weighted_mean,
};
use crate::{
    attacks::{Iterative, OptimalTransport, Scattered, StartRange, uniform_start},
    loss::cross_entropy,
    nn::{Named, Network},
    ops::{Chosen, SgdStep},
    rng::Purpose,
};

/// Training images of the paper's datasets, at which its number of negatives holds.
const PAPER_IMAGES: f64 = 50_000.0;

/// Which side of the contrast: the order of heads, banks and normalising constants.
const TEACHER: usize = 0;
const STUDENT: usize = 1;

pub(super) struct GacdObjective {
    parameters: Gacd,
    teacher: Network,
    contrast: Contrast,
    sampler: Sampler,
    heads: Heads,
    /// The teacher's embeddings, then the student's.
    banks: [MemoryBank; 2],
    /// ln Z of the teacher's and the student's anchors, fixed on the first batch.
    log_normalisers: Option<[f64; 2]>,
    /// Embeddings of the batch in hand, for the banks.
    fresh: Option<[Tensor; 2]>,
}

impl GacdObjective {
    pub(super) fn new(parameters: &Gacd, context: ObjectiveContext) -> Result<Self> {
        let Some(teacher) = context.teacher else { candle_core::bail!("GACD needs a teacher") };
        let Gacd { negatives, temperature, embedding, bank_momentum, positive, .. } = *parameters;
        let rows = context.labels.len();
        // Fewer images keep the paper's ratio k/M.
        let k = ((negatives as f64 * rows as f64 / PAPER_IMAGES).round() as usize).max(1);
        let bank =
            |which| MemoryBank::new(context.seed, which as u64, (rows, embedding), bank_momentum, context.device);
        let lengths = [teacher.features()?, context.student_features];
        let log_normalisers = (parameters.normalising_constant == NormalisingConstant::One).then_some([0.0; 2]);
        Ok(Self {
            parameters: parameters.clone(),
            teacher,
            contrast: Contrast { temperature, noise_ratio: k as f64 / rows as f64 },
            sampler: Sampler::new(context.labels, context.classes, positive, k),
            heads: Heads::new(context.seed, lengths, embedding, context.device)?,
            banks: [bank(TEACHER)?, bank(STUDENT)?],
            log_normalisers,
            fresh: None,
        })
    }

    /// The losses of the anchors, `[N]`, given the embeddings of teacher and student.
    fn anchor_losses(&mut self, embeddings: &[Tensor; 2], chosen: &Arc<Chosen>) -> Result<Tensor> {
        // Each anchor is held against the memory of the other network.
        let banks = [self.banks[STUDENT].rows(), self.banks[TEACHER].rows()];
        let z = if let Some(z) = self.log_normalisers {
            z
        } else {
            let of = |side: usize| self.contrast.log_normaliser(&embeddings[side], banks[side], chosen);
            *self.log_normalisers.insert([of(TEACHER)?, of(STUDENT)?])
        };
        let of = |side: usize| self.contrast.losses(&embeddings[side], banks[side], chosen, z[side]);
        match self.parameters.anchor {
            Anchor::Symmetric => of(TEACHER)? + of(STUDENT)?,
            Anchor::StudentOnly => of(STUDENT),
            Anchor::TeacherLive => {
                let [teacher, student] = embeddings;
                let similarities = (teacher * student)?.sum(1)?;
                let positives = self.contrast.positive_losses(&similarities, z[TEACHER])?;
                let negatives = Arc::new(Chosen { positives: Vec::new(), negatives: chosen.negatives.clone() });
                positives + self.contrast.losses(teacher, banks[TEACHER], &negatives, z[TEACHER])?
            }
        }
    }
}

impl Objective for GacdObjective {
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>> {
        let Gacd { attack, attacked_network, attacked_features, coupling, plan_gradient, sinkhorn_epsilon, .. } =
            &self.parameters;
        let pgd = Iterative::from(attack);
        let start = uniform_start(&batch.images, pgd.eps, &mut batch.stream(Purpose::InnerAttack), StartRange::Ball)?;
        let (network, which) = match attacked_network {
            AttackedNetwork::Student => (student, STUDENT),
            AttackedNetwork::Teacher => (&mut self.teacher, TEACHER),
        };
        let embed = |features: &Tensor| self.heads.embed(which, features);
        let scattered = match attacked_features {
            AttackedFeatures::Penultimate => Scattered::Features,
            AttackedFeatures::Logits => Scattered::Logits,
            AttackedFeatures::Embedding => Scattered::Embedding(&embed),
        };
        let attack = OptimalTransport {
            pgd,
            scattered,
            coupling: *coupling,
            plan_gradient: *plan_gradient,
            sinkhorn_epsilon: *sinkhorn_epsilon,
        };
        let attacked = attack.attack(network, &batch.images, start)?;
        Ok(match self.parameters.student_input {
            StudentInput::Adversarial => vec![attacked],
            StudentInput::Both => vec![attacked, batch.images.clone()],
        })
    }

    fn loss(&mut self, answers: &[StudentOutput], inputs: &[Tensor], batch: &Batch) -> Result<Tensor> {
        let chosen = self.sampler.draw(batch.indices, batch.labels, &batch.stream(Purpose::Negatives))?;
        self.fresh = None;
        let mut losses = Vec::new();
        for (answer, input) in answers.iter().zip(inputs) {
            let seen = match self.parameters.teacher_input {
                TeacherInput::Same => input,
                TeacherInput::Natural => &batch.images,
            };
            let (logits, features) = self.teacher.infer(seen)?;
            let weights = sample_weights(self.parameters.sample_weighting, &logits, batch.labels)?;
            let embeddings = [self.heads.embed(TEACHER, &features)?, self.heads.embed(STUDENT, answer.features)?];
            let contrast = weighted_mean(&self.anchor_losses(&embeddings, &chosen)?, weights.as_ref())?;
            let mut loss = (contrast * self.parameters.contrast_weight)?;
            if self.parameters.cross_entropy_weight > 0.0 {
                let own = cross_entropy(answer.logits, batch.labels)?;
                loss = (loss + (own * self.parameters.cross_entropy_weight)?)?;
            }
            losses.push(loss);
            // The memory holds the embeddings of the attacked images, which come first.
            self.fresh.get_or_insert_with(|| embeddings.map(|e| e.detach()));
        }
        Tensor::stack(&losses, 0)?.mean_all()
    }

    fn teacher(&mut self) -> Option<&mut Network> {
        Some(&mut self.teacher)
    }

    fn after_step(&mut self, gradients: &GradStore, batch: &Batch, step: SgdStep) -> Result<()> {
        self.heads.step(gradients, step)?;
        if let Some(fresh) = self.fresh.take() {
            for (bank, embeddings) in self.banks.iter_mut().zip(fresh) {
                bank.update(batch.indices, &embeddings)?;
            }
        }
        Ok(())
    }

    fn state(&self) -> Vec<Named> {
        let mut state = self.heads.state();
        for (i, bank) in self.banks.iter().enumerate() {
            state.push(named(&format!("memory_bank.{i}"), bank.rows()));
        }
        if let Some(z) = self.log_normalisers
            && let Ok(tensor) = Tensor::new(&z, &Device::Cpu)
        {
            state.push(named("log_normalisers", &tensor));
        }
        state
    }

    fn restore(&mut self, state: Vec<Named>) -> Result<()> {
        let mut state: HashMap<_, _> = state.into_iter().map(|n| (n.name, n.tensor)).collect();
        let mut take = |name: String| match state.remove(&name) {
            Some(tensor) => Ok(tensor),
            None => candle_core::bail!("the checkpoint lacks {name}"),
        };
        self.heads.restore(&mut take)?;
        for (i, bank) in self.banks.iter_mut().enumerate() {
            bank.restore(take(format!("memory_bank.{i}"))?);
        }
        self.log_normalisers = match take("log_normalisers".into()) {
            Ok(z) => match z.to_vec1::<f64>()?.as_slice() {
                [teacher, student] => Some([*teacher, *student]),
                _ => candle_core::bail!("the checkpoint's log_normalisers are not two numbers"),
            },
            // A checkpoint from before the first batch has none.
            Err(_) => None,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;
    use retort_spec::{Architecture, Positive, SampleWeighting, Schedule};

    use super::*;
    use crate::{loss::true_class_probabilities, ops::testing};

    fn parameters(steps: usize) -> Gacd {
        let mut parameters = Gacd::default();
        parameters.attack.steps = steps;
        parameters
    }

    fn context<'a>(labels: &'a [u8], device: &'a Device) -> ObjectiveContext<'a> {
        let teacher = Network::new(Architecture::ResNet8, 4, 9, device).unwrap();
        ObjectiveContext {
            teacher: Some(teacher),
            natural_teacher: None,
            student_features: 64,
            labels,
            classes: 4,
            schedule: Schedule::new(1, 32, 0.05, 0.0, &[]),
            seed: 1,
            device,
        }
    }

    #[test]
    fn at_the_start_the_loss_of_one_direction_is_near_its_expectation_times_the_weight() {
        // Random features: about 11.1 a direction at T = 0.1 and k/M = 16384/50000 (methods.md §2.1 oracle a), which
        // does not depend on M for large k; ln(k+1) of it is the positive, so k = 131 shifts it by ln(131/16384).
        let labels: Vec<u8> = (0..400).map(|i| (i % 4) as u8).collect();
        let device = Device::Cpu;
        let mut gacd = GacdObjective::new(&parameters(2), context(&labels, &device)).unwrap();
        let mut student = Network::new(Architecture::ResNet8, 4, 3, &device).unwrap();
        let indices: Vec<u32> = (0..32).collect();
        let images = testing::tensor(1, (32, 3, 32, 32)).abs().unwrap();
        let batch = Batch { images, labels: &labels[..32], indices: &indices, seed: 1, epoch: 0, step: 0 };
        let inputs = gacd.inputs(&mut student, &batch).unwrap();
        let (logits, features) = student.infer(&inputs[0]).unwrap();
        let loss = gacd.loss(&[StudentOutput { logits: &logits, features: &features }], &inputs, &batch).unwrap();
        let (teacher_logits, _) = gacd.teacher.infer(&inputs[0]).unwrap();
        let weight = true_class_probabilities(&teacher_logits, batch.labels).unwrap();
        let weight = weight.mean_all().unwrap().to_scalar::<f32>().unwrap();
        let loss = loss.to_scalar::<f32>().unwrap() / weight / 2.0;
        let expected = 11.1 + (131.0f32 / 16_384.0).ln();
        assert!((loss - expected).abs() < 1.0, "{loss} against {expected}");
    }

    /// The loss of eight fixed answers under some parameters, and its gradients with respect to the features and the heads.
    fn loss_and_gradients(parameters: &Gacd) -> (f32, Option<Tensor>, Vec<Option<Tensor>>) {
        let labels: Vec<u8> = (0..40).map(|i| (i % 4) as u8).collect();
        let device = Device::Cpu;
        let mut gacd = GacdObjective::new(parameters, context(&labels, &device)).unwrap();
        let indices: Vec<u32> = (0..8).collect();
        let images = testing::tensor(1, (8, 3, 32, 32)).abs().unwrap();
        let batch =
            Batch { images: images.clone(), labels: &labels[..8], indices: &indices, seed: 1, epoch: 0, step: 0 };
        let features = Var::from_tensor(&testing::tensor(2, (8, 64))).unwrap();
        let logits = Var::from_tensor(&testing::tensor(3, (8, 4))).unwrap();
        let answers = [(); 2].map(|()| StudentOutput { logits: &logits, features: &features });
        let inputs = [(&images * 0.9).unwrap(), images];
        let count = if parameters.student_input == StudentInput::Both { 2 } else { 1 };
        let loss = gacd.loss(&answers[..count], &inputs[..count], &batch).unwrap();
        let gradients = loss.backward().unwrap();
        let of_heads = gacd.heads.layers().iter().map(|layer| gradients.get(layer).cloned()).collect();
        (loss.to_scalar().unwrap(), gradients.get(&features).cloned(), of_heads)
    }

    #[test]
    fn which_heads_learn_tells_the_anchors_apart() {
        let learns = |anchor| {
            let (_, features, heads) = loss_and_gradients(&Gacd { anchor, ..parameters(1) });
            let learns = |leaf: &Option<Tensor>| leaf.as_ref().is_some_and(|g| testing::dot(g, g) > 0.0);
            assert!(learns(&features), "the student learns nothing from {anchor:?}");
            [learns(&heads[2 * TEACHER]), learns(&heads[2 * STUDENT])]
        };
        assert_eq!(learns(Anchor::Symmetric), [true, true]);
        assert_eq!(learns(Anchor::StudentOnly), [false, true]);
        assert_eq!(learns(Anchor::TeacherLive), [true, true]);
    }

    #[test]
    fn symmetric_anchors_sum_the_two_one_sided_losses_and_normalised_weights_average_to_one() {
        let base = parameters(1);
        let loss = |parameters: Gacd| loss_and_gradients(&parameters).0;
        let unweighted = Gacd { sample_weighting: SampleWeighting::None, ..base.clone() };
        let student = loss(Gacd { anchor: Anchor::StudentOnly, ..unweighted.clone() });
        let both = loss(unweighted);
        assert!(student > 0.0 && both > student);
        let weighted = loss(base.clone());
        let normalised = loss(Gacd { sample_weighting: SampleWeighting::TeacherNormalised, ..base });
        // A teacher that has learnt nothing gives each of four classes about a quarter.
        assert!(weighted < 0.6 * both && (normalised / both - 1.0).abs() < 0.2, "{weighted} {normalised} {both}");
    }

    #[test]
    fn every_other_option_changes_the_loss() {
        let base = parameters(1);
        let default = loss_and_gradients(&base).0;
        let others = [
            Gacd { normalising_constant: NormalisingConstant::One, ..base.clone() },
            Gacd { positive: Positive::Relaxed, ..base.clone() },
            Gacd { teacher_input: TeacherInput::Natural, ..base.clone() },
            Gacd { student_input: StudentInput::Both, ..base.clone() },
            Gacd { contrast_weight: 0.8, ..base.clone() },
            Gacd { cross_entropy_weight: 1.0, ..base.clone() },
        ];
        for other in others {
            let (found, _, _) = loss_and_gradients(&other);
            assert!(found.is_finite() && (found - default).abs() > 1e-4 * default, "{other:?}: {found} {default}");
        }
        let both = Gacd { contrast_weight: 0.0, cross_entropy_weight: 1.0, ..base };
        let labels: Vec<u8> = (0..8).map(|i| i % 4).collect();
        let expected = cross_entropy(&testing::tensor(3, (8, 4)), &labels).unwrap().to_scalar::<f32>().unwrap();
        assert!((loss_and_gradients(&both).0 - expected).abs() < 1e-6);
    }

    #[test]
    fn the_gradient_reaches_the_students_features_and_both_heads() {
        let labels: Vec<u8> = (0..40).map(|i| (i % 4) as u8).collect();
        let device = Device::Cpu;
        let mut gacd = GacdObjective::new(&parameters(1), context(&labels, &device)).unwrap();
        let indices: Vec<u32> = (0..8).collect();
        let images = testing::tensor(1, (8, 3, 32, 32)).abs().unwrap();
        let batch =
            Batch { images: images.clone(), labels: &labels[..8], indices: &indices, seed: 1, epoch: 0, step: 0 };
        let features = Var::from_tensor(&testing::tensor(2, (8, 64))).unwrap();
        let logits = testing::tensor(3, (8, 4));
        let loss = gacd
            .loss(&[StudentOutput { logits: &logits, features: &features }], std::slice::from_ref(&images), &batch)
            .unwrap();
        let gradients = loss.backward().unwrap();
        let norm = |t: &Tensor| testing::dot(t, t);
        assert!(norm(gradients.get(&features).unwrap()) > 0.0);
        assert!(gacd.heads.layers().iter().all(|h| norm(gradients.get(h).unwrap()) > 0.0));
    }

    #[test]
    fn a_restored_objective_goes_on_as_if_it_had_never_stopped() {
        let labels: Vec<u8> = (0..40).map(|i| (i % 4) as u8).collect();
        let device = Device::Cpu;
        let indices: Vec<u32> = (0..8).collect();
        let images = testing::tensor(1, (8, 3, 32, 32)).abs().unwrap();
        let step = SgdStep { learning_rate: 0.05, momentum: 0.9, weight_decay: 5e-4 };
        let run = |gacd: &mut GacdObjective, steps: std::ops::Range<u64>| {
            let mut last = 0.0;
            for step_index in steps {
                let batch = Batch {
                    images: images.clone(),
                    labels: &labels[..8],
                    indices: &indices,
                    seed: 1,
                    epoch: 0,
                    step: step_index,
                };
                let features = Var::from_tensor(&testing::tensor(2, (8, 64))).unwrap();
                let logits = testing::tensor(3, (8, 4));
                let loss = gacd
                    .loss(
                        &[StudentOutput { logits: &logits, features: &features }],
                        std::slice::from_ref(&images),
                        &batch,
                    )
                    .unwrap();
                last = loss.to_scalar::<f32>().unwrap();
                gacd.after_step(&loss.backward().unwrap(), &batch, step).unwrap();
            }
            last
        };
        let method = parameters(1);
        let mut whole = GacdObjective::new(&method, context(&labels, &device)).unwrap();
        let expected = run(&mut whole, 0..4);
        let mut first = GacdObjective::new(&method, context(&labels, &device)).unwrap();
        run(&mut first, 0..2);
        let mut second = GacdObjective::new(&method, context(&labels, &device)).unwrap();
        second.restore(first.state()).unwrap();
        assert_eq!(run(&mut second, 2..4), expected);
    }
}
