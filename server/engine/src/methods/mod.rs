//! Training methods. Each is one file that says how a batch becomes a loss; adding one is that file and a line in
//! [`objective`].

mod adaad;
pub(crate) mod ard;
pub(crate) mod contrast;
mod gacd;
mod heads;
mod iad;
mod igdm;
pub(crate) mod kd;
pub(crate) mod memory_bank;
mod mtard;
mod natural;
mod pgd_at;
mod rslad;
pub(crate) mod trades;

use candle_core::{Device, Result, Tensor, backprop::GradStore};
use retort_spec::{
    FineTune, FineTuneLoss, InnerAttack, Method, Natural, SampleWeighting, Schedule, TRADES_BETA, Trades,
};

use crate::{
    attacks::{Iterative, StartRange, cross_entropy_pgd, normal_start, uniform_start},
    loss::{kl_gradient, true_class_probabilities},
    nn::{Named, Network},
    ops::SgdStep,
    rng::{Purpose, Stream},
};

use adaad::AdaadObjective;
use ard::ArdObjective;
use gacd::GacdObjective;
use iad::IadObjective;
use igdm::IgdmObjective;
use kd::KdObjective;
use mtard::MtardObjective;
use natural::NaturalObjective;
use pgd_at::PgdAtObjective;
use rslad::RsladObjective;
use trades::TradesObjective;

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
pub struct StudentOutput<'a> {
    /// `[B, C]`.
    pub logits: &'a Tensor,
    /// `[B, F]`.
    pub features: &'a Tensor,
}

/// How a batch becomes a loss.
pub trait Objective: Send {
    /// The images that the student learns from, natural or attacked: a forward pass for each element, in their order.
    ///
    /// # Errors
    /// When the device has no memory left.
    fn inputs(&mut self, student: &mut Network, batch: &Batch) -> Result<Vec<Tensor>>;

    /// The loss, a scalar of Candle's graph, of the student's answers to `inputs`.
    ///
    /// # Errors
    /// When the device has no memory left.
    fn loss(&mut self, answers: &[StudentOutput], inputs: &[Tensor], batch: &Batch) -> Result<Tensor>;

    /// The network whose answers the loss is made of besides the student's, if there is one.
    fn teacher(&mut self) -> Option<&mut Network> {
        None
    }

    /// All such networks, the robust one first.
    fn teachers(&mut self) -> Vec<&mut Network> {
        self.teacher().into_iter().collect()
    }

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
pub struct ObjectiveContext<'a> {
    /// The trained teacher, for methods that need one.
    pub teacher: Option<Network>,
    /// The naturally trained teacher, for methods that have two.
    pub natural_teacher: Option<Network>,
    /// Length of the student's feature vector.
    pub student_features: usize,
    /// Labels of all training images.
    pub labels: &'a [u8],
    /// Number of classes.
    pub classes: usize,
    /// The schedule of the method's own stage.
    pub schedule: Schedule,
    /// Seed of the run.
    pub seed: u64,
    /// Where it computes.
    pub device: &'a Device,
}

/// The objective of a method.
///
/// # Errors
/// When the method needs a teacher and there is none, or the device has no memory left.
pub fn objective(method: &Method, context: ObjectiveContext) -> Result<Box<dyn Objective>> {
    let teacher = |teacher: Option<Network>| match teacher {
        Some(teacher) => Ok(teacher),
        None => candle_core::bail!("the method needs a teacher"),
    };
    Ok(match method {
        Method::Natural(Natural { label_smoothing }) => {
            Box::new(NaturalObjective { label_smoothing: *label_smoothing })
        }
        Method::PgdAt(parameters) => Box::new(PgdAtObjective::new(&parameters.attack, parameters.label_smoothing)),
        Method::Trades(parameters) => Box::new(TradesObjective::new(parameters.clone())),
        Method::Kd(parameters) => Box::new(KdObjective::new(parameters.clone(), teacher(context.teacher)?)),
        Method::Ard(parameters) => Box::new(ArdObjective::new(parameters.clone(), teacher(context.teacher)?)),
        Method::Rslad(parameters) => Box::new(RsladObjective::new(parameters.clone(), teacher(context.teacher)?)),
        Method::Iad(parameters) => {
            Box::new(IadObjective::new(parameters.clone(), teacher(context.teacher)?, context.schedule.epochs))
        }
        Method::Adaad(parameters) => Box::new(AdaadObjective::new(parameters.clone(), teacher(context.teacher)?)),
        Method::Igdm(parameters) => {
            Box::new(IgdmObjective::new(parameters.clone(), teacher(context.teacher)?, context.schedule.epochs))
        }
        Method::Mtard(parameters) => {
            let teachers = [teacher(context.teacher)?, teacher(context.natural_teacher)?];
            Box::new(MtardObjective::new(parameters.clone(), teachers, context.schedule))
        }
        Method::Gacd(parameters) => Box::new(GacdObjective::new(parameters, context)?),
    })
}

/// The objective of adversarial fine-tuning.
pub fn fine_tuning(finetune: &FineTune) -> Box<dyn Objective> {
    match finetune.loss {
        FineTuneLoss::PgdAt => Box::new(PgdAtObjective::new(&finetune.attack, finetune.label_smoothing)),
        FineTuneLoss::Trades => {
            let (attack, label_smoothing) = (finetune.attack.clone(), finetune.label_smoothing);
            Box::new(TradesObjective::new(Trades { attack, beta: TRADES_BETA, label_smoothing }))
        }
    }
}

/// How much each image counts, `[N]`, by the teacher's answer to it; none if all count the same.
fn sample_weights(weighting: SampleWeighting, teacher: &Tensor, labels: &[u8]) -> Result<Option<Tensor>> {
    let weights = || true_class_probabilities(teacher, labels);
    Ok(match weighting {
        SampleWeighting::None => None,
        SampleWeighting::Teacher => Some(weights()?),
        SampleWeighting::TeacherNormalised => {
            let weights = weights()?;
            Some(weights.broadcast_div(&weights.mean_keepdim(0)?)?)
        }
    })
}

/// The mean of losses `[N]`, each counted by its weight.
fn weighted_mean(losses: &Tensor, weights: Option<&Tensor>) -> Result<Tensor> {
    match weights {
        Some(weights) => (losses * weights)?.mean_all(),
        None => losses.mean_all(),
    }
}

/// PGD that climbs the divergence of the student's answers from those of `target`, logits, out of the noise beside the images, as
/// TRADES uses it.
fn attack_divergence(student: &mut Network, batch: &Batch, attack: &InnerAttack, target: &Tensor) -> Result<Tensor> {
    let slope = |logits: &Tensor| kl_gradient(target, logits);
    Iterative::from(attack).climb_logits(student, &batch.images, noise_start(batch)?, slope)
}

/// The images and a little noise, from which attacks on divergences start: at the images themselves some have no slope.
fn noise_start(batch: &Batch) -> Result<Tensor> {
    /// Standard deviation of the noise.
    const START: f32 = 0.001;
    normal_start(&batch.images, START, &mut batch.stream(Purpose::InnerAttack))
}

/// PGD on the student's cross-entropy from a random start, as adversarial training uses it.
fn attack_student(student: &mut Network, batch: &Batch, attack: &InnerAttack, range: StartRange) -> Result<Tensor> {
    let pgd = Iterative::from(attack);
    let start = uniform_start(&batch.images, pgd.eps, &mut batch.stream(Purpose::InnerAttack), range)?;
    cross_entropy_pgd(student, &batch.images, batch.labels, pgd, start)
}
