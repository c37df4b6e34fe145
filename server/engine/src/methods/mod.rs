//! Training methods. Each is one file that says how a batch becomes a loss; adding one is that file and a line in
//! [`objective`].

mod adversarial;
mod ard;
pub(crate) mod contrast;
mod gacd;
mod kd;
pub(crate) mod memory_bank;
mod natural;

use candle_core::{Device, Result, Tensor, backprop::GradStore};
use retort_spec::{InnerAttack, Method};

use crate::{
    attacks::{Pgd, cross_entropy_pgd, uniform_start},
    nn::{Named, Network, Statistics},
    ops::SgdStep,
    rng::{Purpose, Stream},
};

pub use adversarial::Adversarial;

/// Some training images, with where in the run they stand.
pub struct Batch<'a> {
    /// `[B, 3, 32, 32]`, augmented, in [0, 1].
    pub images: Tensor,
    /// Labels.
    pub labels: &'a [u8],
    /// Places in the training split.
    pub indices: &'a [u32],
    /// Seed of the run.
    pub seed: u64,
    /// Epoch over all stages, counted from 0.
    pub epoch: u64,
    /// Step inside the epoch.
    pub step: u64,
}

impl Batch<'_> {
    /// The random stream of this batch for a purpose.
    pub fn stream(&self, purpose: Purpose) -> Stream {
        Stream::new(self.seed, purpose, self.epoch, self.step)
    }
}

/// What the student answered, as leaves of Candle's graph: the loss is made of these.
pub struct Answer<'a> {
    /// `[B, C]`.
    pub logits: &'a Tensor,
    /// `[B, F]`.
    pub features: &'a Tensor,
}

/// How a batch becomes a loss.
pub trait Objective: Send {
    /// The images that the student learns from: the natural ones, or attacked ones.
    ///
    /// # Errors
    /// When the device has no memory left.
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Tensor>;

    /// The loss, a scalar of Candle's graph, of the student's answer to `inputs`.
    ///
    /// # Errors
    /// When the device has no memory left.
    fn loss(&mut self, answer: &Answer, inputs: &Tensor, batch: &Batch) -> Result<Tensor>;

    /// Called after the student's step with the loss's gradients: trains what the objective owns.
    ///
    /// # Errors
    /// When the device has no memory left.
    fn after_step(&mut self, _gradients: &GradStore, _batch: &Batch, _step: SgdStep) -> Result<()> {
        Ok(())
    }

    /// What a checkpoint must keep of it.
    fn state(&self) -> Vec<Named> {
        Vec::new()
    }

    /// Sets what [`Self::state`] gave; the tensors stand in the same order.
    ///
    /// # Errors
    /// When one is missing.
    fn restore(&mut self, _state: Vec<Named>) -> Result<()> {
        Ok(())
    }
}

/// What an objective is made from.
pub struct Setting<'a> {
    /// The trained teacher, for methods that need one.
    pub teacher: Option<Network>,
    /// Length of the student's feature vector.
    pub student_features: usize,
    /// Labels of all training images.
    pub labels: &'a [u8],
    /// Number of classes.
    pub classes: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Where it computes.
    pub device: &'a Device,
}

/// The objective of a method.
///
/// # Errors
/// When the method needs a teacher and there is none, or the device has no memory left.
pub fn objective(method: &Method, setting: Setting) -> Result<Box<dyn Objective>> {
    let teacher = |teacher: Option<Network>| match teacher {
        Some(teacher) => Ok(teacher),
        None => candle_core::bail!("the method needs a teacher"),
    };
    Ok(match method {
        Method::Natural {} => Box::new(natural::Natural),
        Method::PgdAt { attack } => Box::new(Adversarial::new(attack)),
        Method::Kd { temperature, alpha, gamma } => {
            Box::new(kd::Kd::new(teacher(setting.teacher)?, *temperature, *alpha, *gamma))
        }
        Method::Ard { attack, temperature, reduction } => {
            Box::new(ard::Ard::new(teacher(setting.teacher)?, attack, *temperature, *reduction))
        }
        Method::Gacd { .. } => Box::new(gacd::Gacd::new(method, setting)?),
    })
}

/// PGD on the student's cross-entropy from a random start, as adversarial training uses it; `clip_start` keeps the start
/// in [0, 1].
fn attack_student(student: &mut Network, batch: &Batch, attack: &InnerAttack, clip_start: bool) -> Result<Tensor> {
    let statistics = match attack.batch_norm {
        retort_spec::BatchNormMode::Eval => Statistics::Running,
        retort_spec::BatchNormMode::Train => Statistics::Batch,
    };
    let pgd = Pgd::from(attack);
    let start = uniform_start(&batch.images, pgd.eps, &mut batch.stream(Purpose::InnerAttack), clip_start)?;
    cross_entropy_pgd(student, &batch.images, batch.labels, pgd, start, statistics)
}
