//! Guided adversarial contrastive distillation (Bai et al. 2020; methods.md §2.2).
//!
//! The student's features of an attacked image are pulled to the teacher's of the same image and pushed from those of
//! other classes; the teacher's confidence in the true class weighs every anchor. The paper's Eq. 9 has the teacher as
//! its only anchor, but through a memory bank that sends the student no gradient, so both anchors are used, as in CRD.

use candle_core::{Device, Result, Tensor, Var, backprop::GradStore};
use candle_nn::ops::softmax;
use retort_spec::Method;

use super::{
    Answer, Batch, Objective, Setting,
    contrast::Contrast,
    memory_bank::{MemoryBank, Negatives},
};
use crate::{
    attacks::{OptimalTransport, Pgd, uniform_start},
    loss::label_column,
    nn::{Named, Network, Sgd, initial_uniform},
    ops::SgdStep,
    rng::{Purpose, Stream},
};

/// Training images of the paper's datasets, at which its number of negatives holds.
const PAPER_IMAGES: f64 = 50_000.0;

/// Which side of the contrast: the order of heads, banks and normalisers.
const TEACHER: usize = 0;
const STUDENT: usize = 1;

pub(super) struct Gacd {
    teacher: Network,
    attack: OptimalTransport,
    contrast: Contrast,
    negatives: Negatives,
    /// Embedding heads, weight and bias: the teacher's, then the student's.
    heads: Vec<Var>,
    sgd: Sgd,
    /// The teacher's embeddings, then the student's.
    banks: [MemoryBank; 2],
    /// ln Z of the teacher's and the student's anchors, fixed on the first batch.
    log_normalisers: Option<[f64; 2]>,
    /// Embeddings of the batch in hand, for the banks.
    fresh: Option<[Tensor; 2]>,
}

impl Gacd {
    pub(super) fn new(method: &Method, setting: Setting) -> Result<Self> {
        let (
            Method::Gacd { negatives, temperature, embedding, bank_momentum, attack, sinkhorn_epsilon, .. },
            Some(teacher),
        ) = (method, setting.teacher)
        else {
            candle_core::bail!("GACD needs its own parameters and a teacher");
        };
        let rows = setting.labels.len();
        // Fewer images keep the paper's ratio k/M.
        let k = ((*negatives as f64 * rows as f64 / PAPER_IMAGES).round() as usize).max(1);
        let bank =
            |which| MemoryBank::new(setting.seed, which as u64, (rows, *embedding), *bank_momentum, setting.device);
        let mut heads = Vec::new();
        for (which, inputs) in [(TEACHER, teacher.features()?), (STUDENT, setting.student_features)] {
            heads.extend(head(setting.seed, which, inputs, *embedding, setting.device)?);
        }
        let named: Vec<Named> = heads.iter().map(|h| named("head", h)).collect();
        Ok(Self {
            teacher,
            attack: OptimalTransport { pgd: Pgd::from(attack), sinkhorn_epsilon: *sinkhorn_epsilon },
            contrast: Contrast { temperature: *temperature, noise_ratio: k as f64 / rows as f64 },
            negatives: Negatives::new(setting.labels, setting.classes, k),
            sgd: Sgd::new(&named)?,
            heads,
            banks: [bank(TEACHER)?, bank(STUDENT)?],
            log_normalisers: None,
            fresh: None,
        })
    }

    /// The embedding of features by a head: linear, then scaled to length 1.
    fn embed(&self, which: usize, features: &Tensor) -> Result<Tensor> {
        let [weight, bias] = [&self.heads[2 * which], &self.heads[2 * which + 1]];
        let v = features.matmul(&weight.t()?)?.broadcast_add(bias)?;
        v.broadcast_div(&(v.sqr()?.sum_keepdim(1)? + 1e-12)?.sqrt()?)
    }
}

/// A linear layer in PyTorch's default initialisation.
fn head(seed: u64, which: usize, inputs: usize, outputs: usize, device: &Device) -> Result<[Var; 2]> {
    let mut stream = Stream::new(seed, Purpose::Heads, which as u64, 0);
    let weight = Tensor::from_vec(initial_uniform(&mut stream, inputs * outputs, inputs), (outputs, inputs), device)?;
    let bias = Tensor::from_vec(initial_uniform(&mut stream, outputs, inputs), outputs, device)?;
    Ok([Var::from_tensor(&weight)?, Var::from_tensor(&bias)?])
}

fn named(name: &str, tensor: &Tensor) -> Named {
    Named { name: name.to_owned(), tensor: tensor.detach() }
}

impl Objective for Gacd {
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Tensor> {
        let mut stream = batch.stream(Purpose::InnerAttack);
        let start = uniform_start(&batch.images, self.attack.pgd.eps, &mut stream, false)?;
        self.attack.attack(student, &batch.images, start)
    }

    fn loss(&mut self, answer: &Answer, inputs: &Tensor, batch: &Batch) -> Result<Tensor> {
        let (teacher_logits, teacher_features) = self.teacher.infer(inputs)?;
        let labels = label_column(batch.labels, &teacher_logits)?;
        let weights = softmax(&teacher_logits, 1)?.gather(&labels, 1)?.squeeze(1)?;

        let chosen = self.negatives.draw(batch.indices, batch.labels, &batch.stream(Purpose::Negatives))?;
        let anchors = [self.embed(TEACHER, &teacher_features)?, self.embed(STUDENT, answer.features)?];
        // Each anchor is held against the memory of the other network.
        let banks = [self.banks[STUDENT].rows(), self.banks[TEACHER].rows()];
        let z = if let Some(z) = self.log_normalisers {
            z
        } else {
            let of = |side: usize| self.contrast.log_normaliser(&anchors[side], banks[side], &chosen);
            *self.log_normalisers.insert([of(TEACHER)?, of(STUDENT)?])
        };
        let of = |side: usize| self.contrast.losses(&anchors[side], banks[side], &chosen, z[side]);
        let losses = (of(TEACHER)? + of(STUDENT)?)?;
        self.fresh = Some(anchors.map(|a| a.detach()));
        (losses * weights)?.mean_all()
    }

    fn after_step(&mut self, gradients: &GradStore, batch: &Batch, step: SgdStep) -> Result<()> {
        let mut parameters: Vec<Named> = self.heads.iter().map(|h| named("head", h)).collect();
        let gradients: Vec<_> = self.heads.iter().map(|h| gradients.get(h).cloned()).collect();
        self.sgd.step(&mut parameters, &gradients, step)?;
        for (head, parameter) in self.heads.iter_mut().zip(parameters) {
            *head = Var::from_tensor(&parameter.tensor)?;
        }
        if let Some(fresh) = self.fresh.take() {
            for (bank, embeddings) in self.banks.iter_mut().zip(fresh) {
                bank.update(batch.indices, &embeddings)?;
            }
        }
        Ok(())
    }

    fn state(&self) -> Vec<Named> {
        let mut state = Vec::new();
        for (i, (head, velocity)) in self.heads.iter().zip(self.sgd.velocities()).enumerate() {
            state.push(named(&format!("head.{i}"), head));
            state.push(named(&format!("head_velocity.{i}"), velocity));
        }
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
        let mut state: std::collections::HashMap<_, _> = state.into_iter().map(|n| (n.name, n.tensor)).collect();
        let mut take = |name: String| match state.remove(&name) {
            Some(tensor) => Ok(tensor),
            None => candle_core::bail!("the checkpoint lacks {name}"),
        };
        let mut velocities = Vec::new();
        for (i, head) in self.heads.iter_mut().enumerate() {
            *head = Var::from_tensor(&take(format!("head.{i}"))?)?;
            velocities.push(take(format!("head_velocity.{i}"))?);
        }
        self.sgd.restore(velocities);
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
    use retort_spec::{Architecture, MethodName};

    use super::*;
    use crate::ops::testing;

    fn setting<'a>(labels: &'a [u8], device: &'a Device) -> Setting<'a> {
        let teacher = Network::new(Architecture::ResNet8, 4, 9, device).unwrap();
        Setting { teacher: Some(teacher), student_features: 64, labels, classes: 4, seed: 1, device }
    }

    #[test]
    fn at_the_start_the_loss_of_one_direction_is_near_its_expectation_times_the_weight() {
        // Random features: about 11.1 a direction at T = 0.1 and k/M = 16384/50000 (methods.md §2.1 oracle a), which
        // does not depend on M for large k; ln(k+1) of it is the positive, so k = 131 shifts it by ln(131/16384).
        let labels: Vec<u8> = (0..400).map(|i| (i % 4) as u8).collect();
        let device = Device::Cpu;
        let mut gacd = Gacd::new(&MethodName::Gacd.defaults(2, 5), setting(&labels, &device)).unwrap();
        let mut student = Network::new(Architecture::ResNet8, 4, 3, &device).unwrap();
        let indices: Vec<u32> = (0..32).collect();
        let images = testing::tensor(1, (32, 3, 32, 32)).abs().unwrap();
        let batch = Batch { images, labels: &labels[..32], indices: &indices, seed: 1, epoch: 0, step: 0 };
        let inputs = gacd.inputs(&mut student, &batch).unwrap();
        let (logits, features) = student.infer(&inputs).unwrap();
        let loss = gacd.loss(&Answer { logits: &logits, features: &features }, &inputs, &batch).unwrap();
        let (teacher_logits, _) = gacd.teacher.infer(&inputs).unwrap();
        let weight = softmax(&teacher_logits, 1).unwrap().gather(&label_column(batch.labels, &logits).unwrap(), 1);
        let weight = weight.unwrap().mean_all().unwrap().to_scalar::<f32>().unwrap();
        let loss = loss.to_scalar::<f32>().unwrap() / weight / 2.0;
        let expected = 11.1 + (131.0f32 / 16_384.0).ln();
        assert!((loss - expected).abs() < 1.0, "{loss} against {expected}");
    }

    #[test]
    fn the_gradient_reaches_the_students_features_and_both_heads() {
        let labels: Vec<u8> = (0..40).map(|i| (i % 4) as u8).collect();
        let device = Device::Cpu;
        let mut gacd = Gacd::new(&MethodName::Gacd.defaults(1, 5), setting(&labels, &device)).unwrap();
        let indices: Vec<u32> = (0..8).collect();
        let images = testing::tensor(1, (8, 3, 32, 32)).abs().unwrap();
        let batch =
            Batch { images: images.clone(), labels: &labels[..8], indices: &indices, seed: 1, epoch: 0, step: 0 };
        let features = Var::from_tensor(&testing::tensor(2, (8, 64))).unwrap();
        let logits = testing::tensor(3, (8, 4));
        let loss = gacd.loss(&Answer { logits: &logits, features: &features }, &images, &batch).unwrap();
        let gradients = loss.backward().unwrap();
        let norm = |t: &Tensor| testing::dot(t, t);
        assert!(norm(gradients.get(&features).unwrap()) > 0.0);
        assert!(gacd.heads.iter().all(|h| norm(gradients.get(h).unwrap()) > 0.0));
    }

    #[test]
    fn a_restored_objective_goes_on_as_if_it_had_never_stopped() {
        let labels: Vec<u8> = (0..40).map(|i| (i % 4) as u8).collect();
        let device = Device::Cpu;
        let indices: Vec<u32> = (0..8).collect();
        let images = testing::tensor(1, (8, 3, 32, 32)).abs().unwrap();
        let step = SgdStep { learning_rate: 0.05, momentum: 0.9, weight_decay: 5e-4 };
        let run = |gacd: &mut Gacd, steps: std::ops::Range<u64>| {
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
                let loss = gacd.loss(&Answer { logits: &logits, features: &features }, &images, &batch).unwrap();
                last = loss.to_scalar::<f32>().unwrap();
                gacd.after_step(&loss.backward().unwrap(), &batch, step).unwrap();
            }
            last
        };
        let method = MethodName::Gacd.defaults(1, 5);
        let mut whole = Gacd::new(&method, setting(&labels, &device)).unwrap();
        let expected = run(&mut whole, 0..4);
        let mut first = Gacd::new(&method, setting(&labels, &device)).unwrap();
        run(&mut first, 0..2);
        let mut second = Gacd::new(&method, setting(&labels, &device)).unwrap();
        second.restore(first.state()).unwrap();
        assert_eq!(run(&mut second, 2..4), expected);
    }
}
