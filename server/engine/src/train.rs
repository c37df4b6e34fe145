//! Training: the stages of a spec, one after another, resumable at any step.

mod classifier;
mod state;

use std::collections::BTreeMap;

use candle_core::Var;
use retort_spec::{Event, Method, RunSpec, Schedule, Stage, StageWork, TrainSpec};

use self::state::Position;
use crate::{
    EngineError, Result,
    data::Dataset,
    evaluate::natural_accuracy,
    loader,
    methods::{Adversarial, Answer, Batch, Objective, Setting, objective},
    nn::{ModelHeader, Named, Network, Sgd, Statistics, Want, load_model, save_model},
    ops::SgdStep,
    rng::{Purpose, Stream},
    run::{Context, Outcome, model_path, share_done},
};

/// A stage with its schedule and the epochs of the whole spec that lie before it.
struct Part<'a> {
    stage: Stage,
    schedule: &'a Schedule,
    epochs_before: usize,
}

/// A training in the making.
struct Training<'a, 'c, 'x, 'j> {
    spec: &'a TrainSpec,
    dataset: &'a Dataset,
    context: &'c mut Context<'x, 'j>,
    network: Network,
    work: Vec<StageWork>,
    /// Epochs of all stages.
    epochs: usize,
}

/// Carries a training on to its end.
pub(crate) fn run(spec: &TrainSpec, dataset: &Dataset, context: &mut Context) -> Result<Outcome> {
    let classes = dataset.classes.len();
    let mut network = match &spec.start_from {
        Some(model) => start_from(spec, model_path(model)?, context)?,
        None => Network::new(spec.architecture, classes, spec.seed, &context.device)?,
    };
    if dataset.train.is_empty() || dataset.test.is_empty() {
        return Err(EngineError::Data(format!("the dataset {} has an empty split", dataset.name)));
    }
    let teacher = spec.teacher.as_ref().map(|t| load_teacher(t, dataset, context)).transpose()?;
    let resumed = state::load(&context.folder.checkpoint(), &mut network)?;
    context.seconds_before = resumed.as_ref().map_or(0.0, |r| r.position.seconds);
    let parts = parts(spec);
    let work = RunSpec::Train(spec.clone()).work(
        dataset.train.len(),
        dataset.test.len(),
        spec.architecture,
        teacher.as_ref().map(|t| t.architecture),
    );
    let epochs = parts.last().map_or(0, |p| p.epochs_before + p.schedule.epochs);
    let mut resumed = resumed;
    let spared = resumed
        .as_ref()
        .map_or(0, |r| parts.get(r.position.stage).map_or(epochs, |p| p.epochs_before + r.position.epoch));
    context.started(spared)?;
    let mut training = Training { spec, dataset, context, network, work, epochs };
    let mut teacher = teacher;
    let first = resumed.as_ref().map_or(0, |r| r.position.stage);
    for (index, part) in parts.iter().enumerate().skip(first) {
        let state = resumed.take();
        let outcome = match part.stage {
            Stage::Classifier => classifier::train(&mut training, index, part, state)?,
            _ => training.train(index, part, teacher.take(), state)?,
        };
        if let Some(outcome) = outcome {
            return Ok(outcome);
        }
        training.save(Position { stage: index + 1, ..Position::default() }, None, Vec::new())?;
    }
    let header = ModelHeader {
        architecture: spec.architecture,
        classes: dataset.classes.clone(),
        dataset: dataset.name.clone(),
        method: spec.method_name().id().to_owned(),
        seed: spec.seed,
    };
    save_model(&training.context.folder.model(), &training.network, &header)?;
    let seconds = training.context.seconds();
    training.context.journal.write(Event::Finished { seconds })?;
    Ok(Outcome::Finished)
}

/// The stages that are to be run. Their places in the whole do not depend on where the run starts from, so that a
/// fine-tuning draws the same random numbers in a run of its own as behind its training.
fn parts(spec: &TrainSpec) -> Vec<Part<'_>> {
    let mut all = vec![(Stage::Train, &spec.schedule)];
    if let Method::Gacd { classifier, .. } = &spec.method {
        all.push((Stage::Classifier, classifier));
    }
    if let Some(finetune) = &spec.finetune {
        all.push((Stage::Finetune, &finetune.schedule));
    }
    let mut epochs_before = 0;
    let mut parts = Vec::new();
    for (stage, schedule) in all {
        if spec.start_from.is_none() || stage == Stage::Finetune {
            parts.push(Part { stage, schedule, epochs_before });
        }
        epochs_before += schedule.epochs;
    }
    parts
}

fn start_from(spec: &TrainSpec, path: &std::path::Path, context: &Context) -> Result<Network> {
    let (network, header) = load_model(path, &context.device)?;
    if header.architecture != spec.architecture {
        let fault = format!("it is a {}, but the spec fine-tunes a {}", header.architecture, spec.architecture);
        return Err(EngineError::Model { path: path.to_owned(), fault });
    }
    Ok(network)
}

fn load_teacher(teacher: &retort_spec::ModelRef, dataset: &Dataset, context: &Context) -> Result<Network> {
    let path = model_path(teacher)?;
    let (network, header) = load_model(path, &context.device)?;
    if header.classes != dataset.classes {
        let fault = format!(
            "this teacher was trained on the classes of {}, not on those of {}: choose a teacher of the same dataset",
            header.dataset, dataset.name
        );
        return Err(EngineError::Model { path: path.to_owned(), fault });
    }
    Ok(network)
}

impl Training<'_, '_, '_, '_> {
    fn objective(&self, part: &Part, teacher: Option<Network>) -> Result<Box<dyn Objective>> {
        if part.stage == Stage::Finetune
            && let Some(finetune) = &self.spec.finetune
        {
            return Ok(Box::new(Adversarial::new(&finetune.attack)));
        }
        let setting = Setting {
            teacher,
            student_features: self.network.features()?,
            labels: &self.dataset.train.labels,
            classes: self.dataset.classes.len(),
            seed: self.spec.seed,
            device: &self.context.device,
        };
        Ok(objective(&self.spec.method, setting)?)
    }

    /// Trains the network through one stage; an outcome means that the run left off in the middle.
    fn train(
        &mut self,
        index: usize,
        part: &Part,
        teacher: Option<Network>,
        resumed: Option<state::Resumed>,
    ) -> Result<Option<Outcome>> {
        let mut objective = self.objective(part, teacher)?;
        let mut sgd = Sgd::new(&self.network.weights.parameters)?;
        let mut at = Position { stage: index, ..Position::default() };
        if let Some(resumed) = resumed
            && let Some(velocities) = resumed.velocities
        {
            at = resumed.position;
            sgd.restore(velocities);
            objective.restore(resumed.objective)?;
        }
        let steps = self.dataset.train.len().div_ceil(part.schedule.batch_size);
        while at.epoch < part.schedule.epochs {
            let epoch = part.epochs_before + at.epoch;
            let learning_rate = part.schedule.learning_rate_at(at.epoch);
            let order = loader::order(self.dataset.train.len(), self.spec.seed, epoch as u64);
            for (step, indices) in order.chunks(part.schedule.batch_size).enumerate().skip(at.step) {
                if let Some(outcome) = self.context.interrupted() {
                    self.save(at, Some(&sgd), objective.state())?;
                    return Ok(Some(outcome));
                }
                self.step(part, learning_rate, &mut at, indices, &mut sgd, objective.as_mut())?;
                at.step = step + 1;
                let within = (at.epoch as f64 + at.step as f64 / steps as f64) / part.schedule.epochs as f64;
                let done = share_done(&self.work, index, within);
                self.context.progress(part.stage, (epoch, self.epochs), done)?;
                if self.context.checkpoint_is_due() {
                    self.save(at.clone(), Some(&sgd), objective.state())?;
                }
            }
            self.report(part, epoch, learning_rate, &at)?;
            at = Position { stage: index, epoch: at.epoch + 1, ..Position::default() };
            self.save(at.clone(), Some(&sgd), objective.state())?;
        }
        Ok(None)
    }

    /// One batch: attack, forward, loss, backward, step.
    fn step(
        &mut self,
        part: &Part,
        learning_rate: f64,
        at: &mut Position,
        indices: &[u32],
        sgd: &mut Sgd,
        objective: &mut dyn Objective,
    ) -> Result<()> {
        let (seed, epoch, step) = (self.spec.seed, (part.epochs_before + at.epoch) as u64, at.step as u64);
        let labels: Vec<u8> = indices.iter().map(|i| self.dataset.train.labels[*i as usize]).collect();
        let mut stream = self.spec.augment.then(|| Stream::new(seed, Purpose::Augment, epoch, step));
        let images = loader::batch(&self.dataset.train, indices, stream.as_mut(), &self.context.device)?;
        let batch = Batch { images, labels: &labels, indices, seed, epoch, step };
        let inputs = objective.inputs(&mut self.network, &batch)?;
        let pass = self.network.forward(&inputs, Statistics::Batch, Want::Parameters)?;
        let (logits, features) = (Var::from_tensor(&pass.logits)?, Var::from_tensor(&pass.features)?);
        let loss = objective.loss(&Answer { logits: &logits, features: &features }, &inputs, &batch)?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        if !value.is_finite() {
            return Err(EngineError::Diverged(format!(
                "the loss became {value} in epoch {}, step {}: lower the learning rate, or raise the temperature",
                epoch + 1,
                step + 1
            )));
        }
        at.loss_sum += value * indices.len() as f64;
        at.seen += indices.len();
        let rows: Vec<Vec<f32>> = pass.logits.to_vec2()?;
        let right = |(row, label): (&Vec<f32>, &u8)| row.iter().all(|v| *v <= row[usize::from(*label)]);
        at.correct += rows.iter().zip(&labels).filter(|pair| right(*pair)).count();
        let gradients = loss.backward()?;
        let of = |var: &Var| gradients.get(var).cloned();
        let parameters = pass.backward(of(&logits), of(&features))?;
        let (momentum, weight_decay) = (part.schedule.momentum, part.schedule.weight_decay);
        let sgd_step = SgdStep { learning_rate, momentum, weight_decay };
        sgd.step(&mut self.network.weights.parameters, &parameters, sgd_step)?;
        objective.after_step(&gradients, &batch, sgd_step)?;
        Ok(())
    }

    /// Reports the figures of a finished epoch.
    fn report(&mut self, part: &Part, epoch: usize, learning_rate: f64, at: &Position) -> Result<()> {
        let seen = at.seen.max(1) as f64;
        let mut values = BTreeMap::from([
            ("train_loss".to_owned(), at.loss_sum / seen),
            ("learning_rate".to_owned(), learning_rate),
        ]);
        // While GACD distils features there is no classifier whose answers could be counted.
        let contrast = matches!(self.spec.method, Method::Gacd { .. }) && part.stage == Stage::Train;
        if !contrast {
            let natural = natural_accuracy(&mut self.network, &self.dataset.test, &self.context.device)?;
            values.insert("train_accuracy".to_owned(), 100.0 * at.correct as f64 / seen);
            values.insert("natural_accuracy".to_owned(), natural.percent());
        }
        self.context.journal.write(Event::Metrics { stage: part.stage, epoch: epoch + 1, values })
    }

    fn save(&self, mut at: Position, sgd: Option<&Sgd>, objective: Vec<Named>) -> Result<()> {
        at.seconds = self.context.seconds();
        state::save(&self.context.folder.checkpoint(), at, &self.network, sgd, objective)
    }
}
