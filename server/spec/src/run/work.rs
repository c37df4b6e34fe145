//! How much a run computes, for estimates and progress.

use crate::{Architecture, Attack, FineTuneLoss, RunSpec, Stage, TrainSpec};

/// The work of one stage of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StageWork {
    /// The stage.
    pub stage: Stage,
    /// Its epochs; 1 for an evaluation.
    pub epochs: usize,
    /// Seconds of one epoch on the machine of [`Architecture::forward_seconds`].
    pub seconds_per_epoch: f64,
}

impl StageWork {
    /// Seconds of the whole stage on that machine.
    pub fn seconds(&self) -> f64 {
        self.epochs as f64 * self.seconds_per_epoch
    }
}

/// Steps of the PGD attack on validation images by which the best epoch is chosen (methods.md §0).
pub const VALIDATION_STEPS: usize = 10;

/// A forward and a backward pass that also yields weight gradients, and the step, in units of a forward pass.
const UPDATE: f64 = 3.5;

/// Seconds that a linear classifier takes for the features of one image in an epoch.
const OF_CLASSIFIER: f64 = 2e-6;

/// The share of test images that a model answers rightly, on which alone it is attacked.
const ANSWERED: f64 = 0.7;

impl RunSpec {
    /// The stages of this run in their order with their work, given how many images it uses of the dataset where its
    /// spec does not say.
    ///
    /// `architecture` is that of the evaluated model, `teacher` that of the teacher.
    pub fn work(
        &self,
        train_images: usize,
        test_images: usize,
        architecture: Architecture,
        teacher: Option<Architecture>,
    ) -> Vec<StageWork> {
        let pass = architecture.forward_seconds();
        let train = self.dataset().train_images.unwrap_or(train_images) as f64;
        let test = self.dataset().test_images.unwrap_or(test_images) as f64;
        match self {
            Self::Evaluate(spec) => {
                let passes = 1.0 + ANSWERED * spec.attacks.iter().map(Attack::expected_passes).sum::<f64>();
                vec![StageWork { stage: Stage::Evaluate, epochs: 1, seconds_per_epoch: test * pass * passes }]
            }
            Self::Masking(spec) => {
                Self::Evaluate(spec.evaluation()).work(train_images, test_images, architecture, teacher)
            }
            Self::Analyse(spec) => {
                // Every model counts as one as large as the one that is given.
                let models = spec.models.len() as f64;
                let (images, attacked) = spec.work(test);
                let passes = 3.0 * models + attacked * spec.attack().passes();
                let seconds_per_epoch = images * pass * passes + spec.other_seconds();
                vec![StageWork { stage: Stage::Evaluate, epochs: 1, seconds_per_epoch }]
            }
            Self::Probe(spec) => {
                let epochs = spec.schedule.epochs;
                vec![StageWork {
                    stage: Stage::Classifier,
                    epochs,
                    seconds_per_epoch: (train + test) * (pass / epochs.max(1) as f64 + OF_CLASSIFIER),
                }]
            }
            Self::Train(spec) => train_stages(spec, train, test, teacher),
        }
    }
}

fn train_stages(spec: &TrainSpec, train: f64, test: f64, teacher: Option<Architecture>) -> Vec<StageWork> {
    let pass = spec.architecture.forward_seconds();
    let attack = |steps: Option<usize>| 2.0 * steps.unwrap_or(0) as f64;
    let of_teacher = teacher.map_or(0.0, Architecture::forward_seconds);
    // After each epoch: the test images as they are, and the validation images under PGD-10.
    let validation = spec.dataset.validation_images.unwrap_or(0) as f64;
    let evaluated = pass * (test + validation * (1.0 + Attack::pgd(VALIDATION_STEPS).passes()));
    let mut stages = Vec::new();
    if spec.start_from.is_none() {
        let updates = UPDATE * spec.method.student_passes() as f64;
        let passes = attack(spec.method.inner_attack().map(|a| a.steps)) + updates;
        stages.push(StageWork {
            stage: Stage::Train,
            epochs: spec.schedule.epochs,
            seconds_per_epoch: train * (passes * pass + spec.method.teacher_passes() as f64 * of_teacher) + evaluated,
        });
        if let Some(classifier) = spec.method.classifier() {
            // The features are computed once, by a single forward pass; what follows is a linear layer.
            stages.push(StageWork {
                stage: Stage::Classifier,
                epochs: classifier.epochs,
                seconds_per_epoch: (train + test) * (pass / classifier.epochs.max(1) as f64 + OF_CLASSIFIER),
            });
        }
    }
    if let Some(finetune) = &spec.finetune {
        let updates = UPDATE * if finetune.loss == FineTuneLoss::Trades { 2.0 } else { 1.0 };
        stages.push(StageWork {
            stage: Stage::Finetune,
            epochs: finetune.schedule.epochs,
            seconds_per_epoch: train * pass * (attack(Some(finetune.attack.steps)) + updates) + evaluated,
        });
    }
    stages
}
